package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

const (
	// maxLine is where a line is cut; what follows until the newline is counted and left out.
	maxLine = 256 << 10
	// readChunk is the size of one read; one buffer serves all files.
	readChunk = 64 << 10
	// turnBytes is what one file may deliver before the others get their turn.
	turnBytes = 1 << 20
	// partialAge is how long a last line without a newline is waited for.
	partialAge = 10 * time.Second
)

// file is one followed file.
type file struct {
	t      *Tailer
	f      *os.File
	mark   *fileMark
	name   string // as the host sees it
	format format
	source *Source

	offset   int64  // where the next read starts
	lineAt   int64  // where the line that is being read started
	line     []byte // its bytes so far, at most maxLine
	skipped  int64  // bytes of it beyond maxLine
	skipTo   bool   // the first line is the tail of one: leave it out
	joined   strings.Builder
	joinedAt wrapped
	event    event

	changed  time.Time // when it last grew
	draining bool      // its name belongs to another file, or to none
	gone     bool      // it has no name left
}

// poll reads what is new, up to one turn, and reports whether there is more.
func (f *file) poll(now time.Time, buf []byte) (more bool, err error) {
	fi, err := f.f.Stat()
	if err != nil {
		return false, err
	}
	_, linked := identify(f.name, fi)
	f.gone = !linked
	size := fi.Size()
	if size < f.offset || size > f.offset && !f.sameBeginning() {
		f.restart(now)
	}
	if size > f.offset && f.mark.length < fingerprintBytes {
		if err := f.takeFingerprint(); err != nil {
			return false, err
		}
	}
	read := 0
	for read < turnBytes {
		n, err := f.f.ReadAt(buf, f.offset)
		if n > 0 {
			f.changed = now
			f.feed(buf[:n], now)
			read += n
		}
		if errors.Is(err, io.EOF) || n == 0 {
			f.idle(now)
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// sameBeginning says whether the file still begins with what it was known by: a copied and truncated file may have grown past the
// old offset between two looks.
func (f *file) sameBeginning() bool {
	if f.mark.length == 0 {
		return true
	}
	n, hash, err := fingerprint(f.f, f.mark.length)
	return err != nil || n == f.mark.length && hash == f.mark.hash
}

func (f *file) takeFingerprint() error {
	n, hash, err := fingerprint(f.f, fingerprintBytes)
	if err != nil {
		return err
	}
	if n > f.mark.length {
		m := *f.mark
		m.length, m.hash = n, hash
		f.mark = &m
	}
	return nil
}

// restart begins a truncated file anew. What was read before it is complete, as its end will not come any more.
func (f *file) restart(now time.Time) {
	f.finish(now)
	f.offset, f.lineAt, f.line, f.skipped, f.skipTo = 0, 0, f.line[:0], 0, false
	m := *f.mark
	m.length, m.hash = 0, 0
	f.mark = &m
	f.t.count(func(s *Stats) { s.Truncations++ })
}

// feed takes the bytes that were read at offset.
func (f *file) feed(b []byte, now time.Time) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			f.keep(b)
			f.offset += int64(len(b))
			return
		}
		f.keep(b[:i])
		f.offset += int64(i) + 1
		b = b[i+1:]
		f.endLine(now)
	}
}

func (f *file) keep(b []byte) {
	room := maxLine - len(f.line)
	if room < len(b) {
		f.skipped += int64(len(b) - room)
		b = b[:room]
	}
	f.line = append(f.line, b...)
}

// endLine handles the line that ends at offset.
func (f *file) endLine(now time.Time) {
	line := bytes.TrimSuffix(f.line, []byte{'\r'})
	line = bytes.TrimLeft(line, "\x00") // a writer that kept its offset over a truncation leaves a hole
	text := string(line)
	if f.skipped > 0 {
		f.t.count(func(s *Stats) { s.CutLines++; s.CutBytes += uint64(f.skipped) })
	}
	if cap(f.line) > 2*readChunk {
		f.line = nil // one long line must not keep its memory for the life of the file
	}
	f.line, f.skipped, f.lineAt = f.line[:0], 0, f.offset
	if f.skipTo {
		f.skipTo = false
		return
	}
	switch f.format {
	case plainFormat:
		f.text(text, wrapped{}, now)
	case dockerFormat:
		f.unwrap(parseDocker, text, now)
	case criFormat:
		f.unwrap(parseCRI, text, now)
	}
}

// unwrap takes the runtime's wrapping off and joins partial lines.
func (f *file) unwrap(parse func(string) (wrapped, bool), line string, now time.Time) {
	if line == "" {
		return
	}
	w, ok := parse(line)
	if !ok {
		f.t.count(func(s *Stats) { s.Malformed++ })
		f.text(line, wrapped{}, now)
		return
	}
	if f.joined.Len() > 0 && f.joinedAt.stream != w.stream {
		f.endJoined(now)
	}
	if f.joined.Len() == 0 {
		if !w.partial {
			f.text(w.text, w, now)
			return
		}
		f.joinedAt = w
	}
	if room := maxLine - f.joined.Len(); len(w.text) > room {
		f.joined.WriteString(w.text[:room])
		f.t.count(func(s *Stats) { s.CutLines++; s.CutBytes += uint64(len(w.text) - room) })
	} else {
		f.joined.WriteString(w.text)
	}
	if !w.partial {
		f.endJoined(now)
	}
}

func (f *file) endJoined(now time.Time) {
	if f.joined.Len() == 0 {
		return
	}
	text := f.joined.String()
	f.joined.Reset()
	f.text(text, f.joinedAt, now)
}

// text takes one whole line of the writer.
func (f *file) text(line string, w wrapped, now time.Time) {
	e := &f.event
	if !e.empty() && e.stream == w.stream && e.continues(line) {
		e.add(line, f.offset)
		return
	}
	f.emit()
	if strings.TrimSpace(line) == "" {
		return
	}
	e.observed, e.stream, e.severity = now, w.stream, ParseSeverity(line)
	if e.time = w.time; e.time.IsZero() {
		e.time = ParseTime(line, now, f.t.opts.Location)
	}
	if e.time.IsZero() {
		e.time = now
	}
	e.add(line, f.offset)
}

// emit hands the event on.
func (f *file) emit() {
	e := &f.event
	if e.empty() {
		return
	}
	var attrs telemetry.Attrs
	if e.stream != "" {
		attrs = telemetry.Strs("log.iostream", e.stream)
	}
	f.t.sink.Put(&Entry{Source: f.source, TimeNS: e.time.UnixNano(), ObservedNS: e.observed.UnixNano(), Severity: e.severity,
		Body: e.body.String(), Attrs: attrs, Marker: f.mark, Offset: e.end})
	f.t.count(func(s *Stats) { s.Records++ })
	e.reset()
}

// idle emits what has waited long enough for a continuation.
func (f *file) idle(now time.Time) {
	if !f.event.empty() && now.Sub(f.changed) >= maxEventAge {
		f.emit()
	}
	if (len(f.line) > 0 || f.joined.Len() > 0) && now.Sub(f.changed) >= partialAge {
		f.finish(now)
	}
}

// finish emits everything, also a last line without a newline.
func (f *file) finish(now time.Time) {
	if len(f.line) > 0 {
		f.endLine(now)
	}
	f.endJoined(now)
	f.emit()
}

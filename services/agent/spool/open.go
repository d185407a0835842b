package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Open opens the spool in dir, or makes one. What is damaged is cut off, counted and logged; it is an error only when the folder
// cannot be used at all.
func Open(dir string, opts Options) (*Spool, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool folder: %w", err)
	}
	s := &Spool{dir: dir, opts: opts, wake: make(chan struct{}, 1), marks: map[string]string{}}
	ack, err := os.OpenFile(filepath.Join(dir, ackFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s.ack = ack
	fresh := s.restoreState()
	if err := s.scanAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool: %w", err), ack.Close())
	}
	s.firstNumber(fresh)
	s.st.Clean = false
	s.saveState()
	s.collect()
	if len(s.segs) > 0 {
		s.notify()
	}
	return s, nil
}

// restoreState loads the state and the acknowledgement; fresh says that there was no usable state.
func (s *Spool) restoreState() (fresh bool) {
	st, err := loadState(s.dir)
	switch {
	case err == nil:
		s.st = *st
		for name, value := range st.Marks {
			s.marks[name] = value
		}
	case errors.Is(err, fs.ErrNotExist):
		fresh = true
	default:
		fresh = true
		s.st.Damages++
		s.opts.Log.Error("state of the spool cannot be read; it is built again from the segments", slog.String("dir", s.dir), slog.String("error", err.Error()))
	}
	s.acked, s.ackedCum = readAck(s.ack)
	if s.st.Floor > s.acked {
		s.acked = s.st.Floor
	}
	s.st.Cumulative = max(s.st.Cumulative, s.ackedCum)
	return fresh
}

// firstNumber sets the next number so that none comes back: exactly the next one after a clean end, else beyond everything that was
// reserved or found. The clock in milliseconds is a lower bound, so that an agent whose folder was lost, or could not be written,
// still starts above all it ever used: a batch takes longer than a millisecond.
func (s *Spool) firstNumber(fresh bool) {
	var found uint64
	if n := len(s.segs); n > 0 {
		found = s.segs[n-1].last
	}
	if fresh || !s.st.Clean {
		clock := uint64(max(s.opts.Now().UnixMilli(), 1))
		s.st.Next = max(s.st.Next, s.st.Reserved, clock)
	}
	s.st.Next = max(s.st.Next, found+1, s.acked+1)
	s.st.Reserved = max(s.st.Reserved, s.st.Next+reserveBatch)
}

// scanAll reads all segments, cuts damage off and applies the marks.
func (s *Spool) scanAll() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*.seg"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	var damaged *segment // the last damaged segment, until the next good one says what was lost
	for i, path := range paths {
		seg, broken, err := s.scan(path, i == len(paths)-1)
		if err != nil {
			return err
		}
		if damaged != nil && seg.last >= seg.first && seg.firstCum > max(damaged.lastCum, s.ackedCum) {
			s.st.DamagedItems += seg.firstCum - max(damaged.lastCum, s.ackedCum)
			damaged = nil
		}
		if broken {
			damaged = seg
		}
		if seg.last < seg.first {
			_ = os.Remove(path) // nothing in it
			if damaged == seg && len(s.segs) > 0 {
				damaged = s.segs[len(s.segs)-1]
			} else if damaged == seg {
				damaged = &segment{lastCum: s.ackedCum}
			}
			continue
		}
		s.segs = append(s.segs, seg)
		s.st.Cumulative = max(s.st.Cumulative, seg.lastCum)
	}
	return nil
}

// scan reads one segment to its end or to the first damage, where it cuts the file. A record that was being written when the process
// was killed is cut off too, but counts as no damage: nobody was told that it was safe.
func (s *Spool) scan(path string, newest bool) (seg *segment, broken bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, false, err
	}
	seg = &segment{path: path, first: 1, last: 0, size: int64(len(segmentMagic))}
	torn := false
	rest := data
	if !strings.HasPrefix(string(data[:min(len(data), len(segmentMagic))]), segmentMagic) {
		torn = newest && len(data) < len(segmentMagic)
		broken, rest = !torn, nil
	} else {
		rest = data[len(segmentMagic):]
	}
	for len(rest) > 0 {
		n, ok := frameLength(rest)
		if ok && n > len(rest) || len(rest) < frameHeader {
			torn = newest
			broken = !newest
			break
		}
		if !ok {
			broken = true
			break
		}
		r, perr := parseRecord(rest[:n])
		if perr != nil || seg.last >= seg.first && r.Seq <= seg.last {
			broken = true
			break
		}
		s.admit(seg, r)
		seg.size += int64(n)
		rest = rest[n:]
	}
	if broken {
		s.st.Damages++
		s.opts.Log.Error("spool segment is damaged; it is cut at the damage", slog.String("segment", path), slog.Int64("good_bytes", seg.size), slog.Int("bytes", len(data)))
	}
	if (broken || torn) && seg.last >= seg.first {
		if err := os.Truncate(path, seg.size); err != nil && !errors.Is(err, io.EOF) {
			return nil, broken, err
		}
	}
	return seg, broken, nil
}

// admit takes a record that was found on disk into account.
func (s *Spool) admit(seg *segment, r *Record) {
	if seg.last < seg.first {
		seg.first, seg.firstCum = r.Seq, r.Cumulative-uint64(r.Items)
	}
	seg.last, seg.lastCum = r.Seq, r.Cumulative
	if r.Seq > s.st.MarksSeq {
		s.applyMarks(r)
	}
	if r.Seq <= s.acked {
		s.ackedCum = max(s.ackedCum, r.Cumulative)
	}
}

package logs

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Sink takes records; Batcher is the one of the agent.
type Sink interface {
	Put(e *Entry)
	Forget(name string)
}

var _ Sink = (*Batcher)(nil)

// TailOptions say what to follow and where to start.
type TailOptions struct {
	// Root is the mount point of the host's file system; Patterns and Excludes are absolute paths as the host sees them.
	Root     string
	Patterns []string
	Excludes []string
	// Containers switches the logs of Docker and of Kubernetes' pods on.
	Containers bool
	// LookBack is how much of a file's end a first start sends; MaxFiles bounds the files followed at once.
	LookBack int64
	MaxFiles int
	// Poll is the pause between two looks at a file, Rescan that between two looks for new files.
	Poll   time.Duration
	Rescan time.Duration
	// Location is the zone of times that name none.
	Location *time.Location
	// Marks are the stored positions of the last run; empty on a first start.
	Marks map[string]string
	Now   func() time.Time
}

// Stats are the counters of a Tailer since the start of the process.
type Stats struct {
	Files        int
	Records      uint64
	CutLines     uint64
	CutBytes     uint64
	Malformed    uint64 // container lines that are not wrapped as they should be; they are sent as they are
	Truncations  uint64
	BinaryFiles  uint64
	SkippedFiles uint64 // beyond MaxFiles
}

const (
	// drainIdle is how long a renamed file is still read: its writer keeps it open until it is told to change.
	drainIdle = 30 * time.Second
	// maxNewFile is how much of a file that appeared while the agent was away is read; more is a copied archive, not a log.
	maxNewFile = 64 << 20
)

// Tailer follows files.
type Tailer struct {
	opts  TailOptions
	sink  Sink
	log   *slog.Logger
	files map[fileID]*file
	// ignored are files that are binary or unreadable, by identity, with the size at which that was found.
	ignored map[fileID]int64
	old     map[fileID]*position
	first   bool
	alive   time.Time
	scanned bool
	buf     []byte

	// mu guards stats.
	mu    sync.Mutex
	stats Stats
}

// NewTailer returns a Tailer that hands records to sink.
func NewTailer(opts TailOptions, sink Sink, log *slog.Logger) *Tailer {
	t := &Tailer{opts: opts, sink: sink, log: log, files: map[fileID]*file{}, ignored: map[fileID]int64{},
		old: parsePositions(opts.Marks), first: opts.Marks[markAlive] == "", buf: make([]byte, readChunk)}
	if at, err := time.Parse(time.RFC3339, opts.Marks[markAlive]); err == nil {
		t.alive = at
	}
	return t
}

// Stats returns the counters.
func (t *Tailer) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

func (t *Tailer) count(fn func(*Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(&t.stats)
}

// Run follows the files until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.closeAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var nextScan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := t.opts.Now()
		// The monotonic clock decides, so a step of the wall clock delays no search.
		if nextScan.IsZero() || !now.Before(nextScan) {
			t.Scan(now)
			nextScan = now.Add(t.opts.Rescan)
		}
		if t.PollAll(ctx, now) {
			timer.Reset(0)
		} else {
			timer.Reset(t.opts.Poll)
		}
	}
}

// PollAll reads what is new in all files and reports whether any has more than its turn.
func (t *Tailer) PollAll(ctx context.Context, now time.Time) bool {
	more := false
	for id, f := range t.files {
		if ctx.Err() != nil {
			return false
		}
		m, err := f.poll(now, t.buf)
		if err != nil {
			t.log.Warn("log file cannot be read; it is left alone until it is found again", slog.String("path", f.name), slog.String("error", err.Error()))
			t.drop(id, f, false)
			continue
		}
		more = more || m
		if !m && (f.draining || f.gone) && now.Sub(f.changed) >= drainIdle {
			f.finish(now)
			t.drop(id, f, true)
		}
	}
	return more
}

func (t *Tailer) drop(id fileID, f *file, forget bool) {
	_ = f.f.Close()
	delete(t.files, id)
	if forget {
		t.sink.Forget(id.markName())
	}
	t.count(func(s *Stats) { s.Files = len(t.files) })
}

// closeAll ends without emitting what is half read: the stored position lies before it, so the next start reads it again.
func (t *Tailer) closeAll() {
	for _, f := range t.files {
		_ = f.f.Close()
	}
	t.files = map[fileID]*file{}
}

// Scan looks for files that are new, renamed or gone.
func (t *Tailer) Scan(now time.Time) {
	seen := map[fileID]bool{}
	for _, p := range t.find() {
		fi, ok := isRegular(p)
		if !ok {
			continue
		}
		id, _ := identify(p, fi)
		if seen[id] {
			continue
		}
		seen[id] = true
		if f := t.files[id]; f != nil {
			f.draining = false
			continue
		}
		t.open(p, id, fi, now)
	}
	for id, f := range t.files {
		if !seen[id] {
			f.draining = true
		}
	}
	if !t.scanned {
		t.scanned = true
		t.resumeRenamed(now)
	}
	t.count(func(s *Stats) { s.Files = len(t.files) })
}

// find returns the paths to follow, containers first and each once.
func (t *Tailer) find() []string {
	patterns := t.opts.Patterns
	if t.opts.Containers {
		patterns = append([]string{dockerPattern, criPattern}, patterns...)
	}
	var out []string
	dup := map[string]bool{}
	for _, pattern := range patterns {
		for _, p := range expand(t.opts.Root, pattern) {
			name := hostPath(t.opts.Root, p)
			if dup[p] || excluded(t.opts.Excludes, name) && formatOf(name, t.opts.Containers) == plainFormat {
				continue
			}
			dup[p] = true
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// open starts to follow a file at the place where the last run left it, or where a new file starts.
func (t *Tailer) open(p string, id fileID, fi fs.FileInfo, now time.Time) {
	if size, ok := t.ignored[id]; ok && size == fi.Size() {
		return
	}
	if len(t.files) >= t.opts.MaxFiles {
		t.count(func(s *Stats) { s.SkippedFiles++ })
		return
	}
	fd, err := os.Open(p)
	if err != nil {
		t.ignore(id, fi.Size())
		t.log.Debug("log file cannot be opened", slog.String("path", p), slog.String("error", err.Error()))
		return
	}
	if looksBinary(fd) {
		_ = fd.Close()
		t.ignore(id, fi.Size())
		t.count(func(s *Stats) { s.BinaryFiles++ })
		t.log.Info("file is binary and is not followed", slog.String("path", p))
		return
	}
	delete(t.ignored, id)
	name := hostPath(t.opts.Root, p)
	kind := formatOf(name, t.opts.Containers)
	f := &file{t: t, f: fd, name: name, format: kind, source: newSource(p, name, kind), changed: now, mark: &fileMark{id: id, name: id.markName(), path: name}}
	t.place(f, fi)
	t.files[id] = f
}

// maxIgnored bounds the files remembered as of no use.
const maxIgnored = 4096

func (t *Tailer) ignore(id fileID, size int64) {
	if len(t.ignored) >= maxIgnored {
		clear(t.ignored)
	}
	t.ignored[id] = size
}

// place sets where reading starts.
func (t *Tailer) place(f *file, fi fs.FileInfo) {
	if pos := t.lookUp(f); pos != nil {
		delete(t.old, pos.id)
		if pos.id != f.mark.id {
			t.sink.Forget(pos.id.markName())
		}
		f.mark.length, f.mark.hash = pos.Length, pos.Hash
		if pos.Offset <= fi.Size() {
			f.offset, f.lineAt = pos.Offset, pos.Offset
		} else {
			f.mark.length, f.mark.hash = 0, 0 // truncated while the agent was away
		}
		return
	}
	limit := int64(maxNewFile)
	if t.first && !t.scanned || fi.ModTime().Before(t.alive) {
		limit = t.opts.LookBack
	} else if fi.Size() > limit {
		t.log.Warn("new log file is very large; only its end is read", slog.String("path", f.name), slog.Int64("bytes_left_out", fi.Size()-limit))
	}
	if fi.Size() > limit {
		f.offset = fi.Size() - limit
		f.lineAt = f.offset
		f.skipTo = !atLineStart(f.f, f.offset)
	}
}

func atLineStart(f *os.File, offset int64) bool {
	var b [1]byte
	_, err := f.ReadAt(b[:], offset-1)
	return err == nil && b[0] == '\n'
}

// lookUp finds the stored position of a file: by identity, by inode alone (device numbers change between boots), or by path (a copied
// or restored file), and always only when the beginning of the file is the same.
func (t *Tailer) lookUp(f *file) *position {
	if p := t.old[f.mark.id]; p != nil && p.matches(f.f) {
		return p
	}
	for _, p := range t.old {
		if (p.id.ino == f.mark.id.ino || p.Path == f.name) && p.Length > 0 && p.matches(f.f) {
			return p
		}
	}
	return nil
}

// resumeRenamed looks for files that were renamed while the agent was away, in the folders where they were, and reads their rest. The
// positions of files that are read on stay stored until they are finished.
func (t *Tailer) resumeRenamed(now time.Time) {
	for id, pos := range t.old {
		if !t.findRenamed(pos, now) {
			t.sink.Forget(id.markName())
		}
	}
	t.old = map[fileID]*position{}
}

func (t *Tailer) findRenamed(pos *position, now time.Time) bool {
	dir := filepath.Dir(filepath.Join(t.opts.Root, filepath.FromSlash(pos.Path)))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		fi, ok := isRegular(p)
		if !ok {
			continue
		}
		id, _ := identify(p, fi)
		if id.ino == pos.id.ino && fi.Size() > pos.Offset && t.files[id] == nil {
			return t.openRenamed(p, id, pos, now)
		}
	}
	return false
}

func (t *Tailer) openRenamed(p string, id fileID, pos *position, now time.Time) bool {
	fd, err := os.Open(p)
	if err != nil {
		return false
	}
	if !pos.matches(fd) || len(t.files) >= t.opts.MaxFiles {
		_ = fd.Close()
		return false
	}
	// The records keep the name under which they were written.
	kind := formatOf(pos.Path, t.opts.Containers)
	t.files[id] = &file{t: t, f: fd, name: pos.Path, format: kind, source: newSource(p, pos.Path, kind), changed: now, draining: true,
		offset: pos.Offset, lineAt: pos.Offset, mark: &fileMark{id: id, name: id.markName(), path: pos.Path, length: pos.Length, hash: pos.Hash}}
	return true
}

// looksBinary looks for zero bytes at the beginning, which no text has. A hole at the very start is what a copied and truncated log has
// and is skipped.
func looksBinary(f *os.File) bool {
	var b [1024]byte
	n, _ := f.ReadAt(b[:], 0)
	head := bytes.TrimLeft(b[:n], "\x00")
	return bytes.IndexByte(head, 0) >= 0
}

package hostmetrics

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxProcFile bounds what is read of one file of /proc; /proc/stat of a 512-core machine with all interrupts has about 100 KiB.
const maxProcFile = 1 << 20

// reader reads small files through one buffer that grows to the largest of them.
type reader struct {
	buf []byte
}

// read returns the content of path, valid until the next call. It uses bare system calls: os.File registers every descriptor with
// the poller and a finaliser, which for a thousand files of /proc costs more than the reading.
func (r *reader) read(path string) ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, 16<<10)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }()
	n := 0
	for {
		if n == len(r.buf) {
			if n >= maxProcFile {
				return r.buf[:n], nil
			}
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		m, err := syscall.Read(fd, r.buf[n:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if m <= 0 {
			return r.buf[:n], nil
		}
		n += m
	}
}

// first reads the first of paths that can be read.
func (r *reader) first(paths ...string) ([]byte, error) {
	var err error
	for _, p := range paths {
		var b []byte
		if b, err = r.read(p); err == nil {
			return b, nil
		}
	}
	return nil, err
}

// text returns the trimmed content of a one-line file, or "".
func (r *reader) text(path string) string {
	b, err := r.read(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// nextLine cuts the first line off b.
func nextLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// nextField cuts the first word off b; blanks and tabs part words.
func nextField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	j := i
	for j < len(b) && b[j] != ' ' && b[j] != '\t' {
		j++
	}
	return b[i:j], b[j:]
}

// parseUint reads the decimal digits at the start of b; anything else ends the number, and no digit is 0.
func parseUint(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// uints fills dst with the numbers in b and returns how many there were room and words for.
func uints(b []byte, dst []uint64) int {
	var f []byte
	for n := range dst {
		f, b = nextField(b)
		if len(f) == 0 {
			return n
		}
		dst[n] = parseUint(f)
	}
	return len(dst)
}

// lines calls fn with each line of path without holding the file in memory; fn returns false to stop.
func (r *reader) lines(path string, fn func(line []byte) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if r.buf == nil {
		r.buf = make([]byte, 16<<10)
	}
	kept := 0
	for {
		n, err := f.Read(r.buf[kept:])
		data := r.buf[:kept+n]
		for {
			i := bytes.IndexByte(data, '\n')
			if i < 0 {
				break
			}
			if !fn(data[:i]) {
				return nil
			}
			data = data[i+1:]
		}
		if kept = copy(r.buf, data); kept == len(r.buf) {
			kept = 0 // a line longer than the buffer is none of /proc's
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *Collector) proc(elem ...string) string {
	return filepath.Join(append([]string{c.cfg.Proc}, elem...)...)
}
func (c *Collector) sys(elem ...string) string {
	return filepath.Join(append([]string{c.cfg.Sys}, elem...)...)
}

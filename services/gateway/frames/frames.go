// Package frames cuts a stream of bytes into frames that end with a delimiter, or that have a length: lines, GELF's messages, syslog's
// counted ones. A frame may be at most so long; a longer one is cut, its rest is skipped, and the stream goes on. It decodes nothing.
// It holds one buffer, which grows from small to the longest frame.
package frames

import (
	"bytes"
	"errors"
	"io"
)

// startBytes is the size of a new buffer: some tens of lines.
const startBytes = 16 << 10

// ErrEmptyReads says that a reader gives neither bytes nor an error.
var ErrEmptyReads = io.ErrNoProgress

// Reader reads frames of a stream. It belongs to one goroutine.
type Reader struct {
	src   io.Reader
	delim byte
	max   int
	// grow is asked before the buffer grows to n bytes.
	grow func(n int64) error

	buf        []byte
	start, end int
	// skipping is set while the rest of a frame that was too long goes by.
	skipping bool
	cut      bool
	err      error
}

// New returns a reader of frames of at most max bytes that end with delim. grow may refuse that the buffer grows; nil never does.
func New(src io.Reader, delim byte, max int, grow func(n int64) error) *Reader {
	return &Reader{src: src, delim: delim, max: max, grow: grow, buf: make([]byte, min(startBytes, max+1))}
}

// Next returns the next frame without its delimiter, valid until the next call. The last frame of a stream needs none.
// Errors: io.EOF at the end; those of the source, after which Next may be called again when the source can go on, as after a deadline.
func (r *Reader) Next() ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], r.delim); i >= 0 {
			frame := r.buf[r.start : r.start+scanned+i]
			r.start += scanned + i + 1
			if r.skipping {
				r.skipping, scanned = false, 0
				continue
			}
			r.cut = len(frame) > r.max
			return frame[:min(len(frame), r.max)], nil
		}
		scanned = r.end - r.start
		if r.skipping {
			r.start, r.end, scanned = 0, 0, 0
		} else if scanned > r.max {
			frame := r.buf[r.start : r.start+r.max]
			r.start, r.skipping, r.cut = r.end, true, true
			return frame, nil
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && r.end > r.start && !r.skipping {
				frame := r.buf[r.start:r.end]
				r.start, r.cut = r.end, len(frame) > r.max
				return frame[:min(len(frame), r.max)], nil
			}
			return nil, err
		}
	}
}

// Peek returns the next n bytes, without taking them.
func (r *Reader) Peek(n int) ([]byte, error) {
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return r.buf[r.start:r.end], err
		}
	}
	return r.buf[r.start : r.start+n], nil
}

// SkipCut skips what is left of a frame that was cut, which Next does by itself.
func (r *Reader) SkipCut() error {
	for r.skipping {
		if i := bytes.IndexByte(r.buf[r.start:r.end], r.delim); i >= 0 {
			r.start += i + 1
			r.skipping = false
			return nil
		}
		r.start, r.end = 0, 0
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// PeekFrame returns the next frame without taking it; at io.EOF it is what is left.
func (r *Reader) PeekFrame() ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], r.delim); i >= 0 {
			return r.buf[r.start : r.start+scanned+i], nil
		}
		if scanned = r.end - r.start; scanned > r.max {
			return r.buf[r.start : r.start+r.max], nil
		}
		if err := r.fill(); err != nil {
			return r.buf[r.start:r.end], err
		}
	}
}

// Rest takes all that is left, at most max bytes of it; Cut tells whether it was more.
func (r *Reader) Rest() ([]byte, error) {
	r.cut = false
	for {
		if r.end-r.start > r.max {
			r.cut = true
			rest := r.buf[r.start : r.start+r.max]
			r.start += r.max
			return rest, nil
		}
		if err := r.fill(); errors.Is(err, io.EOF) {
			rest := r.buf[r.start:r.end]
			r.start = r.end
			return rest, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// Take returns the next n bytes, at most max of them, valid until the next call; what is beyond is skipped.
// Errors: as Next; nothing is taken then. n is bounded by the caller.
func (r *Reader) Take(n int) ([]byte, error) {
	r.cut = false
	if n > r.max {
		r.cut = true
	}
	have := min(n, r.max)
	if _, err := r.Peek(have); err != nil {
		return nil, err
	}
	frame := r.buf[r.start : r.start+have]
	r.start += have
	return frame, nil
}

// Discard skips up to n bytes of those that are there, and returns how many; it reads on when there are none.
func (r *Reader) Discard(n int) (int, error) {
	if r.end == r.start {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n = min(n, r.end-r.start)
	r.start += n
	return n, nil
}

// Cut reports whether the last frame was longer than it may be.
func (r *Reader) Cut() bool { return r.cut }

// Buffered returns how many bytes were read and not taken.
func (r *Reader) Buffered() int { return r.end - r.start }

// Ready reports whether a whole frame waits in the buffer, so that Next does not read.
func (r *Reader) Ready() bool { return bytes.IndexByte(r.buf[r.start:r.end], r.delim) >= 0 }

// fill reads more behind what is there.
func (r *Reader) fill() error {
	if r.err != nil {
		err := r.err
		r.err = nil
		return err
	}
	if r.start > 0 && (r.start == r.end || r.end == len(r.buf)) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		n := min(2*len(r.buf), r.max+1)
		if n <= len(r.buf) {
			n = len(r.buf) + 1 // Peek of more than max, which callers bound.
		}
		if r.grow != nil {
			if err := r.grow(int64(n)); err != nil {
				return err
			}
		}
		grown := make([]byte, n)
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			r.err = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ErrEmptyReads
}

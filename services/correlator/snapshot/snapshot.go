// Package snapshot writes and reads the state of the correlator's stages as bytes: numbers, strings and lists behind a version, with a checksum
// at the end. It knows nothing of what the bytes mean; each stage has its own order of fields. It does no I/O and keeps no state.
//
// A build reads its own version only: a state that cannot be read is worked out again from the history, which is slower and never wrong.
package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// ErrUnusable is the kind of every refusal of a snapshot.
var ErrUnusable = errors.New("snapshot cannot be used")

// Writer appends fields. The zero value is not usable; see NewWriter.
type Writer struct{ b []byte }

// NewWriter returns a Writer for a snapshot of the given kind and version.
func NewWriter(kind, version byte) *Writer { return &Writer{b: []byte{kind, version}} }

// Bytes ends the snapshot and returns it. The checksum tells one that was cut short from a small one.
func (w *Writer) Bytes() []byte { return Seal(w.b) }

// Seal adds the checksum to the bytes of a snapshot.
func Seal(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

// Uint writes a number that is small as a rule.
func (w *Writer) Uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

// Int writes a signed number.
func (w *Writer) Int(v int64) { w.b = binary.AppendVarint(w.b, v) }

// Fixed writes a hash or another number that is as large as not.
func (w *Writer) Fixed(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

// Float writes all bits of a float.
func (w *Writer) Float(v float64) { w.Fixed(math.Float64bits(v)) }

// Byte writes one byte.
func (w *Writer) Byte(v byte) { w.b = append(w.b, v) }

// Bool writes a flag.
func (w *Writer) Bool(v bool) {
	if v {
		w.Byte(1)
		return
	}
	w.Byte(0)
}

// String writes a string with its length.
func (w *Writer) String(s string) {
	w.Uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// Reader reads fields in the order in which they were written. After the first error everything it returns is zero, so that a caller may check
// once, at the end.
type Reader struct {
	b   []byte
	err error
}

// Open checks a snapshot and returns a Reader behind its head.
func Open(data []byte, kind, version byte) (*Reader, error) {
	if len(data) < 6 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrUnusable)
	}
	body := data[:len(data)-4]
	switch {
	case crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(data[len(body):]):
		return nil, fmt.Errorf("checksum differs: %w", ErrUnusable)
	case body[0] != kind:
		return nil, fmt.Errorf("of another stage: %w", ErrUnusable)
	case body[1] != version:
		return nil, fmt.Errorf("version %d, this build reads %d: %w", body[1], version, ErrUnusable)
	}
	return &Reader{b: body[2:]}, nil
}

// Fail makes the snapshot unusable; the first reason counts.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrUnusable)
	}
	r.b = nil
}

// Err returns the first error so far.
func (r *Reader) Err() error { return r.err }

// End returns the first error, bytes after the end among them.
func (r *Reader) End() error {
	if r.err == nil && len(r.b) > 0 {
		r.Fail("bytes after the end")
	}
	return r.err
}

func (r *Reader) take(n int) []byte {
	if n > len(r.b) {
		r.Fail("ends early")
		return make([]byte, min(n, 8))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte { return r.take(1)[0] }

// Bool reads a flag; a byte that is neither 0 nor 1 is no flag.
func (r *Reader) Bool() bool {
	v := r.Byte()
	if v > 1 {
		r.Fail("no flag")
	}
	return v == 1
}

// Fixed reads what Writer.Fixed wrote.
func (r *Reader) Fixed() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// Float reads a float; NaN and infinities are no state of a stage.
func (r *Reader) Float() float64 {
	v := math.Float64frombits(r.Fixed())
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.Fail("no number")
		return 0
	}
	return v
}

// Uint reads what Writer.Uint wrote.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail("bad number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uint32 reads a number of at most 32 bits.
func (r *Reader) Uint32() uint32 {
	v := r.Uint()
	if v > math.MaxUint32 {
		r.Fail("number too large")
		return 0
	}
	return uint32(v)
}

// Int reads what Writer.Int wrote.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.Fail("bad number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Count reads a number of things that take at least size bytes each, so that a wrong number cannot ask for memory.
func (r *Reader) Count(size int) int {
	n := r.Uint()
	if n > uint64(len(r.b)/max(size, 1)) {
		r.Fail("count beyond the end")
		return 0
	}
	return int(n)
}

// String reads a string.
func (r *Reader) String() string {
	n := r.Count(1)
	if n == 0 {
		return ""
	}
	return string(r.take(n))
}

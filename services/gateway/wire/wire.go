// Package wire walks protobuf messages in place: no reflection, no generated structs, strings that alias the buffer. It is what
// the receivers' hot paths read with; everything it is given is taken to be hostile.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"
)

// ErrMalformed says that bytes are not a protobuf message of the expected shape.
var ErrMalformed = errors.New("malformed protobuf")

// Wire types.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// Reader walks the fields of one message: after Next, Field and Type say what the field is, and one of the value methods or
// fields has it.
type Reader struct {
	buf []byte
	// Field and Type are those of the current field.
	Field int
	Type  int
	// Num is the value of a varint or fixed field, Data that of a length-delimited one.
	Num  uint64
	Data []byte
	err  error
}

// Read returns a reader over the message b.
func Read(b []byte) Reader { return Reader{buf: b} }

// Err returns why the walk ended early, or nil at the end of the message.
func (r *Reader) Err() error { return r.err }

// Rest returns the bytes after the current field.
func (r *Reader) Rest() []byte { return r.buf }

// Next moves to the next field. It returns false at the end and at malformed bytes; Err tells them apart.
func (r *Reader) Next() bool {
	b := r.buf
	if len(b) == 0 {
		return false
	}
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		tag, n = binary.Uvarint(b)
		if n <= 0 || tag > math.MaxUint32 {
			return r.fail()
		}
	}
	b = b[n:]
	r.Field, r.Type = int(tag>>3), int(tag&7)
	if r.Field == 0 {
		return r.fail()
	}
	switch r.Type {
	case Bytes:
		size, n := uint64(0), 0
		if len(b) > 0 && b[0] < 0x80 {
			size, n = uint64(b[0]), 1
		} else if size, n = binary.Uvarint(b); n <= 0 {
			return r.fail()
		}
		if size > uint64(len(b)-n) {
			return r.fail()
		}
		end := n + int(size)
		r.Data = b[n:end:end]
		r.buf = b[end:]
		return true
	case Varint:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return r.fail()
		}
		r.Num, r.buf = v, b[n:]
		return true
	case Fixed64:
		if len(b) < 8 {
			return r.fail()
		}
		r.Num, r.buf = binary.LittleEndian.Uint64(b), b[8:]
		return true
	case Fixed32:
		if len(b) < 4 {
			return r.fail()
		}
		r.Num, r.buf = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		return true
	}
	return r.fail() // groups are not used by any protocol we speak
}

func (r *Reader) fail() bool {
	r.err = ErrMalformed
	r.buf = nil
	return false
}

// Is reports whether the current field has this number and type.
func (r *Reader) Is(field, wireType int) bool { return r.Field == field && r.Type == wireType }

// Float returns the current fixed64 field as a double.
func (r *Reader) Float() float64 { return math.Float64frombits(r.Num) }

// Int returns the current varint field as an int64.
func (r *Reader) Int() int64 { return int64(r.Num) }

// Sint returns the current varint field as a zigzag-encoded integer.
func (r *Reader) Sint() int64 { return Zigzag(r.Num) }

// String returns the current length-delimited field without copying it: it is valid as long as the buffer is not reused.
func (r *Reader) String() string { return String(r.Data) }

// Zigzag decodes a zigzag-encoded integer.
func Zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// String views b as a string without copying it; b must not change while the string is used.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Uvarints calls f for every number of a repeated varint field, packed or not.
func (r *Reader) Uvarints(f func(uint64)) error {
	if r.Type == Varint {
		f(r.Num)
		return nil
	}
	if r.Type != Bytes {
		return ErrMalformed
	}
	for b := r.Data; len(b) > 0; {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return ErrMalformed
		}
		f(v)
		b = b[n:]
	}
	return nil
}

// Fixed64s calls f for every number of a repeated fixed64 or double field, packed or not.
func (r *Reader) Fixed64s(f func(uint64)) error {
	if r.Type == Fixed64 {
		f(r.Num)
		return nil
	}
	if r.Type != Bytes || len(r.Data)%8 != 0 {
		return ErrMalformed
	}
	for b := r.Data; len(b) > 0; b = b[8:] {
		f(binary.LittleEndian.Uint64(b))
	}
	return nil
}

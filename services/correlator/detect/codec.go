package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// snapshotVersion is the first byte of a snapshot. A build reads its own version only.
const snapshotVersion = 1

// ErrSnapshot is the kind of every refusal of a snapshot.
var ErrSnapshot = errors.New("detector snapshot cannot be used")

// codec writes or reads a snapshot with one function for both, so that the two cannot part. After the first error everything read is zero.
type codec struct {
	b       []byte
	reading bool
	err     error
}

func (c *codec) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", what, ErrSnapshot)
	}
	c.b = nil
}

func (c *codec) take(n int) []byte {
	if n > len(c.b) {
		c.fail("ends early")
		return make([]byte, 8)
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *codec) u8(v *uint8) {
	if c.reading {
		*v = c.take(1)[0]
		return
	}
	c.b = append(c.b, *v)
}

func (c *codec) i8(v *int8) {
	u := uint8(*v)
	c.u8(&u)
	*v = int8(u)
}

func (c *codec) bool(v *bool) {
	u := uint8(0)
	if *v {
		u = 1
	}
	c.u8(&u)
	*v = u == 1
}

func (c *codec) u64(v *uint64) {
	if c.reading {
		*v = binary.LittleEndian.Uint64(c.take(8))
		return
	}
	c.b = binary.LittleEndian.AppendUint64(c.b, *v)
}

func (c *codec) f64(v *float64) {
	u := math.Float64bits(*v)
	c.u64(&u)
	*v = math.Float64frombits(u)
}

func (c *codec) f32(v *float32) {
	if c.reading {
		*v = math.Float32frombits(binary.LittleEndian.Uint32(c.take(4)))
		return
	}
	c.b = binary.LittleEndian.AppendUint32(c.b, math.Float32bits(*v))
}

func (c *codec) uvarint(v *uint64) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, *v)
		return
	}
	u, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail("bad number")
		u, n = 0, 0
	}
	c.b = c.b[n:]
	*v = u
}

func (c *codec) u32(v *uint32) {
	u := uint64(*v)
	c.uvarint(&u)
	*v = uint32(u)
}

func (c *codec) u16(v *uint16) {
	u := uint64(*v)
	c.uvarint(&u)
	*v = uint16(u)
}

func (c *codec) i64(v *int64) {
	if !c.reading {
		c.b = binary.AppendVarint(c.b, *v)
		return
	}
	u, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail("bad number")
		u, n = 0, 0
	}
	c.b = c.b[n:]
	*v = u
}

// count codes a number of things that take at least size bytes each, so that a wrong number cannot ask for memory.
func (c *codec) count(n, size int) int {
	u := uint64(n)
	c.uvarint(&u)
	if c.reading && u > uint64(len(c.b)/size) {
		c.fail("count beyond the end")
		return 0
	}
	return int(u)
}

func (c *codec) str(v *string) {
	n := c.count(len(*v), 1)
	if c.reading {
		*v = string(c.take(n)[:n])
		return
	}
	c.b = append(c.b, *v...)
}

// seal adds a checksum: a snapshot that was cut short must not pass for a small one.
func seal(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func open(data []byte) (*codec, error) {
	if len(data) < 5 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrSnapshot)
	}
	body := data[:len(data)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrSnapshot)
	}
	if body[0] != snapshotVersion {
		return nil, fmt.Errorf("version %d, this build reads %d: %w", body[0], snapshotVersion, ErrSnapshot)
	}
	return &codec{b: body[1:], reading: true}, nil
}

package spool

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Encoding is how a payload is compressed.
type Encoding uint8

// The encodings; their numbers are on disk.
const (
	Plain Encoding = 0
	Gzip  Encoding = 1
	Zstd  Encoding = 2
)

// Record is one batch.
type Record struct {
	// Seq is the number of the batch, unique for this spool for ever and rising.
	Seq uint64
	// Items is what the ledger counts: samples or log records. Cumulative is the sum of Items up to and with this record.
	Items      uint32
	Cumulative uint64
	CreatedNS  int64
	Encoding   Encoding
	// RawBytes is the size of the payload before compression.
	RawBytes uint32
	Payload  []byte
	// Marks are names and values that take effect with this record; an empty value removes the name.
	Marks map[string]string
}

const (
	// segmentMagic opens a segment file; its last byte is the version of the format.
	segmentMagic = "FLSPOOL\x01"
	// frameHeader is the length and the checksum before each record.
	frameHeader = 8
	// fixedFields is the size of a record without its marks and payload.
	fixedFields = 8 + 4 + 8 + 8 + 1 + 4 + 4
	// maxRecordBytes refuses lengths that only damage can produce. The agent's largest batch has about 1 MiB.
	maxRecordBytes = 32 << 20
)

// castagnoli is computed once; it is a constant in all but name.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends r with its frame to dst.
func appendRecord(dst []byte, r *Record) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameHeader)...)
	dst = binary.LittleEndian.AppendUint64(dst, r.Seq)
	dst = binary.LittleEndian.AppendUint32(dst, r.Items)
	dst = binary.LittleEndian.AppendUint64(dst, r.Cumulative)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.CreatedNS))
	dst = append(dst, byte(r.Encoding))
	dst = binary.LittleEndian.AppendUint32(dst, r.RawBytes)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Marks)))
	names := make([]string, 0, len(r.Marks))
	for name := range r.Marks {
		names = append(names, name)
	}
	slices.Sort(names) // the same batch has the same bytes
	for _, name := range names {
		dst = appendText(dst, name)
		dst = appendText(dst, r.Marks[name])
	}
	dst = append(dst, r.Payload...)
	body := dst[at+frameHeader:]
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(body, castagnoli))
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// frameLength returns the whole length of the record that starts with b, or false when b is too short to say or the length is absurd.
func frameLength(b []byte) (int, bool) {
	if len(b) < frameHeader {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n < fixedFields || n > maxRecordBytes {
		return 0, false
	}
	return frameHeader + int(n), true
}

// parseRecord parses one whole frame. The payload aliases b.
func parseRecord(b []byte) (*Record, error) {
	n, ok := frameLength(b)
	if !ok || n != len(b) {
		return nil, errs.New(errs.Invalid, "record of %d bytes does not have the length it names", len(b))
	}
	body := b[frameHeader:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, errs.New(errs.Invalid, "checksum of record differs")
	}
	r := &Record{
		Seq: binary.LittleEndian.Uint64(body), Items: binary.LittleEndian.Uint32(body[8:]), Cumulative: binary.LittleEndian.Uint64(body[12:]),
		CreatedNS: int64(binary.LittleEndian.Uint64(body[20:])), Encoding: Encoding(body[28]), RawBytes: binary.LittleEndian.Uint32(body[29:]),
	}
	marks := binary.LittleEndian.Uint32(body[33:])
	rest := body[fixedFields:]
	if int(marks) > len(rest)/2 {
		return nil, errs.New(errs.Invalid, "record names %d marks in %d bytes", marks, len(rest))
	}
	if marks > 0 {
		r.Marks = make(map[string]string, marks)
	}
	for range marks {
		var name, value string
		if name, rest, ok = cutText(rest); !ok {
			return nil, errs.New(errs.Invalid, "mark of record is cut off")
		}
		if value, rest, ok = cutText(rest); !ok {
			return nil, errs.New(errs.Invalid, "mark of record is cut off")
		}
		r.Marks[name] = value
	}
	r.Payload = rest
	return r, nil
}

func cutText(b []byte) (string, []byte, bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, false
	}
	return string(b[w : w+int(n)]), b[w+int(n):], true
}

package bus

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// The envelope of every encoded batch: one byte format version, one byte compression, then the body (docs/formats/batch.md).
const (
	formatVersion = 1

	compressNone = 0
	compressS2   = 1
	compressZstd = 2

	envelopeBytes = 2

	// maxBodyBytes bounds what a batch may grow to when it is opened; the gateway cuts batches far below it.
	maxBodyBytes = 64 << 20

	// minCompressBytes is where compressing starts to pay: below it the frame and the call cost more than they save.
	minCompressBytes = 512
)

// seal appends body to dst in an envelope, compressed with S2 where that makes it smaller.
func seal(dst, body []byte) []byte {
	start := len(dst)
	if len(body) < minCompressBytes {
		dst = append(dst, formatVersion, compressNone)
		return append(dst, body...)
	}
	dst = append(dst, formatVersion, compressS2)
	n := s2.MaxEncodedLen(len(body))
	if cap(dst)-len(dst) < n {
		grown := make([]byte, len(dst), len(dst)+n)
		copy(grown, dst)
		dst = grown
	}
	packed := s2.Encode(dst[len(dst):cap(dst)], body)
	if len(packed) >= len(body) {
		dst = append(dst[:start], formatVersion, compressNone)
		return append(dst, body...)
	}
	return dst[:start+envelopeBytes+len(packed)]
}

// open returns the body of an envelope. It may alias b; it never allocates more than maxBodyBytes.
func open(b []byte) ([]byte, error) {
	if len(b) < envelopeBytes {
		return nil, errs.New(errs.Invalid, "batch of %d bytes is shorter than its envelope", len(b))
	}
	if b[0] != formatVersion {
		return nil, errs.New(errs.Invalid, "batch format version %d is not known (this build knows %d)", b[0], formatVersion)
	}
	body := b[envelopeBytes:]
	switch b[1] {
	case compressNone:
		return body, nil
	case compressS2:
		n, err := s2.DecodedLen(body)
		if err != nil {
			return nil, errs.New(errs.Invalid, "batch length: %w", err)
		}
		if n > maxBodyBytes {
			return nil, errs.New(errs.Invalid, "batch opens to %d bytes, more than %d", n, maxBodyBytes)
		}
		out, err := s2.Decode(make([]byte, 0, n), body)
		if err != nil {
			return nil, errs.New(errs.Invalid, "decompress batch: %w", err)
		}
		return out, nil
	case compressZstd:
		return openZstd(body)
	}
	return nil, errs.New(errs.Invalid, "batch compression %d is not known", b[1])
}

func openZstd(body []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBodyBytes))
	if err != nil {
		return nil, errs.New(errs.Internal, "start zstd: %w", err)
	}
	defer d.Close()
	out, err := d.DecodeAll(body, nil)
	if err != nil {
		return nil, errs.New(errs.Invalid, "decompress batch: %w", err)
	}
	return out, nil
}

// wire helpers shared by the hand-written encoders.

// appendTag appends a protobuf field tag.
func appendTag(dst []byte, field, wireType int) []byte {
	return binary.AppendUvarint(dst, uint64(field)<<3|uint64(wireType))
}

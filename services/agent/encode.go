package agent

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/agent/spool"
)

// zstdWindow keeps the encoder's memory at about a megabyte; telemetry repeats itself over short distances.
const zstdWindow = 256 << 10

// encoder compresses payloads. It is for one goroutine at a time.
type encoder struct {
	kind spool.Encoding
	zstd *zstd.Encoder
	gzip *kgzip.Writer
}

func newEncoder(name string) (*encoder, error) {
	e := &encoder{}
	var err error
	switch name {
	case "zstd":
		e.kind = spool.Zstd
		e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.SpeedFastest))
	case "gzip":
		e.kind = spool.Gzip
		e.gzip, err = kgzip.NewWriterLevel(nil, gzip.BestSpeed)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s encoder: %w", name, err)
	}
	return e, nil
}

// encode returns a compressed copy of data.
func (e *encoder) encode(data []byte) (spool.Encoding, []byte, error) {
	switch e.kind {
	case spool.Zstd:
		return e.kind, e.zstd.EncodeAll(data, make([]byte, 0, len(data)/6+256)), nil
	case spool.Gzip:
		var buf bytes.Buffer
		e.gzip.Reset(&buf)
		if _, err := e.gzip.Write(data); err != nil {
			return e.kind, nil, fmt.Errorf("compress batch: %w", err)
		}
		if err := e.gzip.Close(); err != nil {
			return e.kind, nil, fmt.Errorf("compress batch: %w", err)
		}
		return e.kind, buf.Bytes(), nil
	}
	return spool.Plain, append([]byte(nil), data...), nil
}

func trimSlash(s string) string { return strings.TrimRight(s, "/") }

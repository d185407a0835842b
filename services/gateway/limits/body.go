package limits

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// ErrTooLarge is wrapped by errors about a body beyond its limit, ErrEncoding by those about a compression nobody speaks.
var (
	ErrTooLarge = errors.New("body too large")
	ErrEncoding = errors.New("unsupported content encoding")
)

// Buffers lends byte slices to requests and takes them back.
type Buffers struct {
	pool sync.Pool
}

// maxPooledBytes keeps the rare giant body from staying in the pool for ever.
const maxPooledBytes = 4 << 20

// Get returns an empty buffer.
func (p *Buffers) Get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 64<<10)
	return &b
}

// Put takes b back; its contents must not be used any more.
func (p *Buffers) Put(b *[]byte) {
	if cap(*b) > maxPooledBytes {
		return
	}
	*b = (*b)[:0]
	p.pool.Put(b)
}

// ReadAll appends what r holds to dst, up to limit bytes, growing lease to base and what dst holds before dst grows.
// Errors: ErrTooLarge beyond limit, errs.Exhausted when the lease cannot grow, else what r says.
func ReadAll(dst []byte, r io.Reader, limit, base int64, lease *Lease) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			grown, err := grow(dst, limit, base, lease)
			if err != nil {
				return dst, err
			}
			dst = grown
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if int64(len(dst)) > limit {
			return dst, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		}
		if err := lease.Grow(base + int64(len(dst))); err != nil {
			return dst, err
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// grow doubles dst, bounded by limit and one byte more, which is what tells a body at its limit from one beyond it.
func grow(dst []byte, limit, base int64, lease *Lease) ([]byte, error) {
	n := min(limit+1, max(2*int64(cap(dst)), 4<<10))
	if n <= int64(len(dst)) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if err := lease.Grow(base + n); err != nil {
		return nil, err
	}
	grown := make([]byte, len(dst), n)
	copy(grown, dst)
	return grown, nil
}

// Decoder decompresses bodies with pooled readers. Use one for the whole process.
type Decoder struct {
	gzips sync.Pool
	zstds sync.Pool
}

// Decode appends the decompressed body to dst, at most limit bytes of it. encoding is the Content-Encoding; "" and "identity" mean
// none. snappy is the block format, as Prometheus and Loki use it.
// Errors: ErrTooLarge, ErrEncoding, errs.Exhausted, errs.Invalid for a broken body.
func (d *Decoder) Decode(dst, body []byte, encoding string, limit int64, lease *Lease) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		if int64(len(body)) > limit {
			return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(body), limit)
		}
		return append(dst, body...), nil
	case "snappy":
		return decodeSnappy(dst, body, limit, lease)
	case "gzip", "x-gzip":
		return d.decodeGzip(dst, body, limit, lease)
	case "zstd":
		return d.decodeZstd(dst, body, limit, lease)
	case "deflate":
		return decodeDeflate(dst, body, limit, lease)
	}
	return nil, fmt.Errorf("%w %q (snappy, gzip, zstd and deflate are spoken)", ErrEncoding, encoding)
}

func decodeSnappy(dst, body []byte, limit int64, lease *Lease) ([]byte, error) {
	n, err := s2.DecodedLen(body)
	if err != nil {
		return nil, errs.New(errs.Invalid, "snappy body: %w", err)
	}
	if int64(n) > limit {
		return nil, fmt.Errorf("%w: opens to %d bytes, limit %d", ErrTooLarge, n, limit)
	}
	// A snappy element of three bytes yields at most 64: a claim beyond that is a lie, and must not cost an allocation.
	if int64(n) > 32*int64(len(body)) {
		return nil, errs.New(errs.Invalid, "snappy body of %d bytes claims to open to %d", len(body), n)
	}
	if err := lease.Grow(lease.Held() + int64(n)); err != nil {
		return nil, err
	}
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	out, err := s2.Decode(dst[:cap(dst)], body)
	if err != nil {
		return nil, errs.New(errs.Invalid, "snappy body: %w", err)
	}
	return out, nil
}

func (d *Decoder) decodeGzip(dst, body []byte, limit int64, lease *Lease) ([]byte, error) {
	zr, ok := d.gzips.Get().(*gzip.Reader)
	var err error
	if ok {
		err = zr.Reset(bytes.NewReader(body))
	} else {
		zr, err = gzip.NewReader(bytes.NewReader(body))
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "gzip body: %w", err)
	}
	defer d.gzips.Put(zr)
	return readDecoded(dst, zr, "gzip", limit, lease)
}

func decodeDeflate(dst, body []byte, limit int64, lease *Lease) ([]byte, error) {
	zr, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, errs.New(errs.Invalid, "deflate body: %w", err)
	}
	return readDecoded(dst, zr, "deflate", limit, lease)
}

// zstdWindowBytes bounds the window a frame may ask for; senders use 8 MiB and less.
const zstdWindowBytes = 8 << 20

func (d *Decoder) decodeZstd(dst, body []byte, limit int64, lease *Lease) ([]byte, error) {
	zr, ok := d.zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		zr, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindowBytes))
		if err != nil {
			return nil, errs.New(errs.Internal, "start zstd: %w", err)
		}
	}
	if err := zr.Reset(bytes.NewReader(body)); err != nil {
		return nil, errs.New(errs.Invalid, "zstd body: %w", err)
	}
	defer d.zstds.Put(zr)
	return readDecoded(dst, zr, "zstd", limit, lease)
}

func readDecoded(dst []byte, r io.Reader, name string, limit int64, lease *Lease) ([]byte, error) {
	out, err := ReadAll(dst, r, limit, lease.Held(), lease)
	if err == nil || errors.Is(err, ErrTooLarge) || errs.KindOf(err) == errs.Exhausted {
		return out, err
	}
	return nil, errs.New(errs.Invalid, "%s body: %w", name, err)
}

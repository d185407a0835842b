package limits

import (
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Open returns what r holds, decompressed as it is read. Close it; that does not close r. The caller bounds what it reads.
// Errors: ErrEncoding; errs.Invalid for a body that does not begin as its encoding does. Later ones come from Read.
func (d *Decoder) Open(r io.Reader, encoding string) (io.ReadCloser, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return io.NopCloser(r), nil
	case "gzip", "x-gzip":
		zr, ok := d.gzips.Get().(*gzip.Reader)
		var err error
		if ok {
			err = zr.Reset(r)
		} else {
			zr, err = gzip.NewReader(r)
		}
		if err != nil {
			return nil, errs.New(errs.Invalid, "gzip body: %w", err)
		}
		return &opened{Reader: zr, name: "gzip", done: func() { d.gzips.Put(zr) }}, nil
	case "deflate":
		zr, err := zlib.NewReader(r)
		if err != nil {
			return nil, errs.New(errs.Invalid, "deflate body: %w", err)
		}
		return &opened{Reader: zr, name: "deflate", done: func() {}}, nil
	case "zstd":
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindowBytes))
		if err != nil {
			return nil, errs.New(errs.Invalid, "zstd body: %w", err)
		}
		return &opened{Reader: zr, name: "zstd", done: zr.Close}, nil
	}
	return nil, fmt.Errorf("%w %q (gzip, zstd and deflate are spoken)", ErrEncoding, encoding)
}

// opened is a decompressor that says what it was reading when it fails.
type opened struct {
	io.Reader
	name string
	done func()
}

// Read reads on.
func (o *opened) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = errs.New(errs.Invalid, "%s body: %w", o.name, err)
	}
	return n, err
}

// Close takes the decompressor back.
func (o *opened) Close() error {
	o.done()
	return nil
}

package gateway

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
)

// zstdWindowBytes bounds the window that a message may ask for.
const zstdWindowBytes = 8 << 20

// zstdCodec lets gRPC senders compress with zstd. What it opens is cut off by the library at the largest message taken.
type zstdCodec struct {
	readers sync.Pool
}

// init registers the codec: the library takes registrations from init functions only.
func init() { encoding.RegisterCompressor(&zstdCodec{}) }

// Name is what grpc-encoding says.
func (*zstdCodec) Name() string { return "zstd" }

// Compress compresses what our client side sends: answers, which are small.
func (*zstdCodec) Compress(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(64<<10))
}

// Decompress reads a compressed message.
func (c *zstdCodec) Decompress(r io.Reader) (io.Reader, error) {
	if d, ok := c.readers.Get().(*zstd.Decoder); ok {
		return &zstdReader{codec: c, d: d}, d.Reset(r)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindowBytes))
	if err != nil {
		return nil, err
	}
	return &zstdReader{codec: c, d: d}, nil
}

// zstdReader gives its decoder back when it is closed, which the library does once a message is read.
type zstdReader struct {
	codec *zstdCodec
	d     *zstd.Decoder
}

// Read implements io.Reader.
func (r *zstdReader) Read(p []byte) (int, error) { return r.d.Read(p) }

// Close implements io.Closer.
func (r *zstdReader) Close() error {
	if r.d != nil {
		if err := r.d.Reset(nil); err == nil {
			r.codec.readers.Put(r.d)
		}
		r.d = nil
	}
	return nil
}

package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/faultline-io/faultline/services/gateway/limits"
)

// Some senders send without end: journald's uploader its whole journal, log shippers a bulk of any size. Their bodies are read as
// they come, published in batches, and never held whole.

// streamLeaseBytes is what such a request holds: a decompressor's window, a buffer of lines, and a batch.
const streamLeaseBytes = 2 << 20

// streamPause is how long a sender may pause within a body. journald's uploader keeps a request open while its journal grows.
const streamPause = 60 * time.Second

// receiveStream gives the endpoint the body to read.
func (g *Gateway) receiveStream(x *call) error {
	lease := limits.Lease{Budget: g.budget}
	defer lease.Release()
	if err := lease.Grow(streamLeaseBytes); err != nil {
		g.drain(x.gin)
		return err
	}
	r := x.gin.Request
	body := &pacedBody{body: r.Body, ctl: http.NewResponseController(x.gin.Writer)}
	opened, err := g.decoder.Open(body, x.ep.encoding(r))
	if err != nil {
		return err
	}
	defer opened.Close()
	x.stream, x.lease = opened, &lease
	err = x.ep.handle(r.Context(), x)
	if err != nil {
		g.drain(x.gin)
		if body.err != nil {
			return readError(body.err)
		}
	}
	return err
}

// pacedBody moves the deadline of the connection on with every read: what counts is that the sender goes on, not when it ends.
type pacedBody struct {
	body io.Reader
	ctl  *http.ResponseController
	err  error // what the connection said, apart from the end
	last time.Time
}

// Read reads from the body.
func (b *pacedBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.last) > time.Second {
		b.last = now
		_ = b.ctl.SetReadDeadline(now.Add(streamPause)) // A connection without deadlines is a test's.
	}
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

package clickhouse

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds a dial. It is not cut short by a query's context: see politeConn.
const dialTimeout = 5 * time.Second

// drainTime is how long a closed connection is read empty before it is cut.
const drainTime = 30 * time.Second

// politeDialer dials connections that are never reset.
type politeDialer struct{}

// DialContext implements the dialer of both drivers.
func (politeDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.WithoutCancel(ctx), network, addr)
	if err != nil {
		return nil, err
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	return &politeConn{TCPConn: t}, nil
}

func dialPolitely(ctx context.Context, addr string) (net.Conn, error) {
	return politeDialer{}.DialContext(ctx, "tcp", addr)
}

// politeConn closes in two steps: it ends its own direction and reads the other one empty. Closing a socket that still has data to
// read sends a reset, and the embedded engine of 26.7 aborts as a whole when a connection is reset at certain moments (an exception
// leaves the thread of its TCP handler). A query that is cancelled has data to read nearly always.
type politeConn struct {
	*net.TCPConn
	once sync.Once
	err  error
}

// Close ends the connection without a reset. It returns at once; the rest happens in the background and is bounded by drainTime.
func (c *politeConn) Close() error {
	c.once.Do(func() {
		if c.err = c.TCPConn.CloseWrite(); c.err != nil {
			_ = c.TCPConn.Close()
			return
		}
		// Owned by nobody but bounded: it ends by the peer's end of file or by the deadline.
		_ = c.TCPConn.SetDeadline(time.Now().Add(drainTime))
		go func() {
			_, _ = io.Copy(io.Discard, readOnly{c.TCPConn})
			_ = c.TCPConn.Close()
		}()
	})
	return c.err
}

// readOnly keeps io.Copy from using the connection's own fast path, which would not honour the deadline in all cases.
type readOnly struct{ io.Reader }

package gateway

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/faultline-io/faultline/services/gateway/fluent"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/model"
)

// fluentParts are the listeners of Fluent forward. Who knows the shared key is taken from everywhere: it is this protocol's ingest key.
func (g *Gateway) fluentParts() []app.Service {
	taken := g.trustedAddr
	if g.fluentKey != "" {
		taken = func(netip.Addr) bool { return true }
	}
	var out []app.Service
	if addr := g.cfg.Receivers.Fluent; addr != "" {
		out = append(out, newListener("gateway-fluent", addr, func(ctx context.Context, l net.Listener) error {
			return g.acceptStreams(ctx, "gateway-fluent", l, taken, g.serveFluent)
		}))
	}
	if addr := g.cfg.Receivers.FluentTLS; addr != "" {
		out = append(out, g.newTLSStreams("gateway-fluent-tls", "receivers.fluent_tls_addr", addr, taken, g.serveFluent))
	}
	return out
}

// serveFluent serves a connection: the handshake where there is a key, then messages.
func (g *Gateway) serveFluent(ctx context.Context, c net.Conn, _ netip.AddrPort) error {
	open := func(dst, body []byte, encoding string) ([]byte, error) {
		lease := limits.Lease{Budget: g.budget}
		defer lease.Release()
		return g.decoder.Decode(dst, body, encoding, 4*fluent.MaxMessageBytes, &lease)
	}
	b := newBatcher(g, protoFluent, 0, func(core *intake.Core, req *intake.Request) *fluent.Decoder {
		return fluent.NewDecoder(core, req, open)
	})
	return stream(ctx, b, c, func(r io.Reader, grow func(int64) error) func() ([]byte, error) {
		return g.fluentMessages(c, fluent.NewReader(r, grow))
	}, func(d *fluent.Decoder, msg []byte) error {
		chunk, err := d.Message(ctx, msg)
		if err != nil || chunk == "" {
			return err
		}
		if err := d.Flush(ctx); err != nil { // What is acknowledged is on the bus.
			return err
		}
		return writeWithin(c, fluent.Acknowledgement(chunk))
	})
}

// fluentMessages returns what reads messages off a connection, after the handshake where there is a key.
func (g *Gateway) fluentMessages(c net.Conn, in *fluent.Reader) func() ([]byte, error) {
	if g.fluentKey == "" {
		return in.Next
	}
	known := false
	return func() ([]byte, error) {
		if !known {
			if err := g.fluentHandshake(c, in); err != nil {
				return nil, err
			}
			known = true
		}
		return in.Next()
	}
}

// fluentHandshake lets the sender prove that it knows the key.
func (g *Gateway) fluentHandshake(c net.Conn, in *fluent.Reader) error {
	late := time.AfterFunc(headerTimeout, func() { _ = c.Close() }) // Who is not known may not hold a connection.
	defer late.Stop()
	host, err := os.Hostname()
	if err != nil {
		host = "faultline"
	}
	h := fluent.NewHandshake(g.fluentKey, host)
	if err := writeWithin(c, h.Hello()); err != nil {
		return err
	}
	in.Limit(fluent.MaxHandshakeBytes)
	defer in.Limit(fluent.MaxMessageBytes)
	ping, err := in.Next()
	if err != nil {
		return err
	}
	pong, err := h.Answer(ping)
	if err != nil {
		origin := model.Origin{Tenant: model.DefaultTenant, Source: protoFluent, Protocol: protoFluent}
		g.core.Rejected.Add(&origin, model.SignalLogs, limits.Unauthenticated, 1)
	}
	if pong == nil {
		return err
	}
	if writeErr := writeWithin(c, pong); err == nil {
		err = writeErr
	}
	return err
}

// writeWithin writes an answer to a sender that may not read.
func writeWithin(c net.Conn, b []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(drainTime)); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/faultline-io/faultline/services/gateway/frames"
	"github.com/faultline-io/faultline/services/gateway/gelf"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/syslog"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// logParts returns the listeners of the protocols for logs that have a port of their own.
func (g *Gateway) logParts() []app.Service {
	r := &g.cfg.Receivers
	var out []app.Service
	if r.Syslog != "" {
		out = append(out, g.newStreams("gateway-syslog-tcp", r.Syslog, nil, g.serveSyslog), g.syslogPackets(r.Syslog))
	}
	if r.SyslogTLS != "" {
		out = append(out, g.newTLSStreams("gateway-syslog-tls", "receivers.syslog_tls_addr", r.SyslogTLS, g.trustedAddr, g.serveSyslog))
	}
	if r.GELF != "" {
		out = append(out, g.newStreams("gateway-gelf-tcp", r.GELF, nil, g.serveGELF), g.gelfPackets(r.GELF))
	}
	return append(out, g.fluentParts()...)
}

// newTLSStreams returns a service for connections over TLS with the certificate of the installation.
func (g *Gateway) newTLSStreams(name, setting, addr string, taken func(netip.Addr) bool, serve serveStream) *Listener {
	return newListener(name, addr, func(ctx context.Context, l net.Listener) error {
		secure, err := g.tlsConfig()
		if err == nil && secure == nil {
			err = errs.WithHint(errs.Invalid, "turn TLS on, or use the setting without _tls", "%s needs a certificate", setting)
		}
		if err != nil {
			return errors.Join(err, l.Close())
		}
		return g.acceptStreams(ctx, name, tls.NewListener(l, secure), taken, serve)
	})
}

// Bounds of what listeners gather before they publish.
const (
	// batchEvents is how many messages share a request: each has its own time of reception within a second or two.
	batchEvents = 5_000
	// streamLinger is how long a message waits for others.
	streamLinger = 250 * time.Millisecond
	// streamBytes is what a connection holds before its messages are long.
	streamBytes = 96 << 10
	// packetPatience is how long a batch of datagrams waits for the bus: meanwhile others fill the queue, and then are dropped and counted.
	packetPatience = 10 * time.Second
)

// logDecoder writes what a listener receives as events of one request.
type logDecoder interface {
	Flush(ctx context.Context) error
	Close()
}

// batcher gathers what a listener receives into requests: one message is not worth a message of the bus. It belongs to one goroutine.
type batcher[D logDecoder] struct {
	g        *Gateway
	protocol string
	patience time.Duration // for the bus; 0 is until ctx ends
	open     func(*intake.Core, *intake.Request) D
	core     *intake.Core
	req      *intake.Request
	dec      D
	n        int
	since    time.Time
}

func newBatcher[D logDecoder](g *Gateway, protocol string, patience time.Duration, open func(*intake.Core, *intake.Request) D) *batcher[D] {
	core := *g.core
	core.Sink = &patientSink{Sink: g.core.Sink, patience: patience, log: g.deps.Log}
	return &batcher[D]{g: g, protocol: protocol, patience: patience, open: open, core: &core}
}

// add passes the decoder of the current request to write; it publishes when enough is gathered.
func (b *batcher[D]) add(ctx context.Context, write func(D) error) error {
	if b.req == nil {
		b.req = b.core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: b.protocol, Protocol: b.protocol}})
		b.dec, b.since, b.n = b.open(b.core, b.req), time.Now(), 0
	}
	b.n++
	err := write(b.dec)
	if err != nil && errs.KindOf(err) != errs.Invalid {
		b.lost(err)
		return err
	}
	if b.n >= batchEvents || b.n%64 == 0 && time.Since(b.since) > time.Second {
		return errors.Join(err, b.flush(ctx))
	}
	return err
}

// flush publishes what was gathered.
func (b *batcher[D]) flush(ctx context.Context) error {
	if b.req == nil {
		return nil
	}
	if err := b.dec.Flush(ctx); err != nil {
		b.lost(err)
		return err
	}
	b.end("ok")
	return nil
}

// lost counts what could not be published: these senders do not send again.
func (b *batcher[D]) lost(err error) {
	_, reason := statusOf(err)
	b.req.Reject(model.SignalLogs, reason, max(b.n-b.req.Accepted(), 1))
	b.end(string(errs.KindOf(err)))
}

func (b *batcher[D]) end(result string) {
	b.dec.Close()
	b.g.core.Finish(b.req)
	b.g.measures.request(b.protocol, result, b.since)
	b.req = nil
}

// patientSink tries again while the bus is full or away: what comes over these listeners is not sent again.
type patientSink struct {
	intake.Sink
	patience time.Duration
	log      *slog.Logger
}

// PublishLogs publishes l, in the end.
func (s *patientSink) PublishLogs(ctx context.Context, req *intake.Request, l *model.Logs) error {
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.patience)
		defer cancel()
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := s.Sink.PublishLogs(ctx, req, l)
		switch errs.KindOf(err) {
		case errs.Exhausted, errs.Unavailable, errs.Timeout, errs.Canceled:
		default:
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
			continue
		case <-ctx.Done():
		}
		// The process stops, or patience ends: once more, since the bus outlives the receivers.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime/2)
		defer cancel()
		return s.Sink.PublishLogs(last, req, l)
	}
}

// lingering is a connection that publishes what was gathered when its sender pauses.
type lingering struct {
	net.Conn
	pending func() bool
	flush   func() error
}

// Read reads on; a pause of the sender costs nothing of what it sent.
func (l *lingering) Read(p []byte) (int, error) {
	for {
		var until time.Time
		if l.pending() {
			until = time.Now().Add(streamLinger)
		}
		if err := l.SetReadDeadline(until); err != nil {
			return 0, err
		}
		n, err := l.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := l.flush(); err != nil {
			return 0, err
		}
	}
}

// stream serves a connection: next reads a message off it, write decodes it. What was gathered is published before it returns.
func stream[D logDecoder](ctx context.Context, b *batcher[D], c net.Conn, next func(io.Reader, func(int64) error) func() ([]byte, error), write func(D, []byte) error) error {
	lease := limits.Lease{Budget: b.g.budget}
	defer lease.Release()
	grow := func(n int64) error { return lease.Grow(streamBytes + 2*n) }
	if err := lease.Grow(streamBytes); err != nil {
		return err
	}
	in := &lingering{Conn: c, pending: func() bool { return b.req != nil }, flush: func() error { return b.flush(ctx) }}
	read := next(in, grow)
	for {
		msg, err := read()
		if err == nil {
			err = b.add(ctx, func(d D) error { return write(d, msg) })
			if errs.KindOf(err) == errs.Invalid { // Counted; the next one may be better.
				err = nil
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, b.flush(ctx))
		}
	}
}

func (g *Gateway) syslogDecoder(core *intake.Core, req *intake.Request) *syslog.Decoder {
	zone, err := g.cfg.Receivers.zone()
	if err != nil {
		zone = time.UTC // Validate has refused it before.
	}
	return syslog.NewDecoder(core, req, zone)
}

func (g *Gateway) serveSyslog(ctx context.Context, c net.Conn, from netip.AddrPort) error {
	b := newBatcher(g, protoSyslog, 0, g.syslogDecoder)
	addr := from.Addr().Unmap()
	return stream(ctx, b, c, func(r io.Reader, grow func(int64) error) func() ([]byte, error) {
		return syslog.NewStream(r, g.cfg.Limits.MaxLineBytes, grow).Next
	}, func(d *syslog.Decoder, msg []byte) error { return d.Message(ctx, msg, addr) })
}

func (g *Gateway) syslogPackets(addr string) *packets {
	b := newBatcher(g, protoSyslog, packetPatience, g.syslogDecoder)
	p := g.newPackets("gateway-syslog-udp", addr, func(ctx context.Context, data []byte, from netip.AddrPort) {
		g.packetLost(ctx, b.add(ctx, func(d *syslog.Decoder) error { return d.Message(ctx, data, from.Addr().Unmap()) }))
	})
	p.flush = func(ctx context.Context) { g.packetLost(ctx, b.flush(ctx)) }
	return p
}

// packetLost logs that datagrams were lost; it happens once a batch at most.
func (g *Gateway) packetLost(ctx context.Context, err error) {
	if err != nil && errs.KindOf(err) != errs.Invalid {
		g.deps.Log.WarnContext(ctx, "datagrams lost", slog.Any("error", err))
	}
}

func (g *Gateway) serveGELF(ctx context.Context, c net.Conn, _ netip.AddrPort) error {
	b := newBatcher(g, protoGELF, 0, gelf.NewDecoder)
	return stream(ctx, b, c, func(r io.Reader, grow func(int64) error) func() ([]byte, error) {
		return frames.New(r, 0, gelf.MaxMessageBytes, grow).Next
	}, func(d *gelf.Decoder, msg []byte) error {
		for len(msg) > 0 && (msg[0] == '\n' || msg[0] == '\r') {
			msg = msg[1:]
		}
		if len(msg) == 0 {
			return nil
		}
		return d.Message(ctx, msg)
	})
}

func (g *Gateway) gelfPackets(addr string) *packets {
	b := newBatcher(g, protoGELF, packetPatience, gelf.NewDecoder)
	chunks := gelf.NewChunks()
	var opened []byte
	p := g.newPackets("gateway-gelf-udp", addr, func(ctx context.Context, data []byte, from netip.AddrPort) {
		msg := chunks.Add(data, from.Addr(), time.Now())
		g.chunksLost(chunks)
		if msg == nil {
			return
		}
		err := b.add(ctx, func(d *gelf.Decoder) error {
			if enc := gelf.Encoding(msg); enc != "" {
				var err error
				if opened, err = g.openMessage(opened, msg, enc); err != nil {
					b.req.Reject(model.SignalLogs, limits.InvalidData, 1)
					return errs.New(errs.Invalid, "gelf: %w", err)
				}
				msg = opened
			}
			return d.Message(ctx, msg)
		})
		g.packetLost(ctx, err)
	})
	p.flush = func(ctx context.Context) {
		chunks.Expire(time.Now())
		g.chunksLost(chunks)
		g.packetLost(ctx, b.flush(ctx))
	}
	return p
}

func (g *Gateway) chunksLost(c *gelf.Chunks) {
	if n := c.Lost(); n > 0 {
		g.core.Rejected.Add(&model.Origin{Tenant: model.DefaultTenant, Source: protoGELF, Protocol: protoGELF}, model.SignalLogs, limits.IncompleteChunks, uint64(n))
	}
}

// openMessage decompresses a message into dst.
func (g *Gateway) openMessage(dst, msg []byte, encoding string) ([]byte, error) {
	lease := limits.Lease{Budget: g.budget}
	defer lease.Release()
	return g.decoder.Decode(dst[:0], msg, encoding, gelf.MaxMessageBytes, &lease)
}

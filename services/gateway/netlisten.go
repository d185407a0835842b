package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of the listeners of protocols with a port of their own.
const (
	// maxStreams is how many connections one address holds; each costs a buffer and a goroutine.
	maxStreams = 1024
	// maxPacket is the largest datagram of IPv4 and IPv6.
	maxPacket = 64 << 10
	// packetQueue is how many datagrams wait for a decoder: at a kilobyte each, a burst of some megabytes. What comes on top is dropped and counted,
	// as UDP does.
	packetQueue = 4096
	// packetSocketBytes is asked of the kernel for its own queue, which holds what comes while we are not scheduled.
	packetSocketBytes = 8 << 20
)

// serveStream deals with one connection of a sender; it returns when ctx ends or the connection does. The caller closes c.
type serveStream func(ctx context.Context, c net.Conn, from netip.AddrPort) error

// newStreams returns a service that serves TCP connections of one address: from trusted senders only, at most maxStreams of them. With
// secure set it speaks TLS with the certificate of the installation.
func (g *Gateway) newStreams(name, addr string, secure *tls.Config, serve serveStream) *Listener {
	return newListener(name, addr, func(ctx context.Context, l net.Listener) error {
		if secure != nil {
			l = tls.NewListener(l, secure)
		}
		return g.acceptStreams(ctx, name, l, g.trustedAddr, serve)
	})
}

// acceptStreams serves connections of senders that taken says yes to.
func (g *Gateway) acceptStreams(ctx context.Context, name string, l net.Listener, taken func(netip.Addr) bool, serve serveStream) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, maxStreams)
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("%s: %w", name, err)
		case err != nil: // Out of file descriptors, or a connection that is gone already: the next may do better.
			g.deps.Log.WarnContext(ctx, "connection not accepted", slog.String("listener", name), slog.Any("error", err))
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		from := remoteOf(c)
		if !taken(from.Addr()) {
			g.measures.untrusted(name)
			_ = c.Close()
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			g.measures.overload(name)
			_ = c.Close()
			continue
		}
		open.Go(func() {
			defer func() { <-slots }()
			g.oneStream(ctx, name, c, from, serve)
		})
	}
}

// acceptPause keeps a listener that cannot accept from spinning.
const acceptPause = 100 * time.Millisecond

// oneStream serves a connection and closes it, also when the process stops in its middle.
func (g *Gateway) oneStream(ctx context.Context, name string, c net.Conn, from netip.AddrPort, serve serveStream) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	defer func() {
		if p := recover(); p != nil {
			g.deps.Log.ErrorContext(ctx, "receiver panicked", slog.String("listener", name), slog.String("panic", fmt.Sprint(p)))
		}
	}()
	if err := serve(ctx, c, from); err != nil && ctx.Err() == nil {
		g.deps.Log.DebugContext(ctx, "connection ended", slog.String("listener", name), slog.String("from", from.String()), slog.Any("error", err))
	}
}

func remoteOf(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// servePacket deals with one datagram; data is valid until it returns. It is called by one goroutine for each address.
type servePacket func(ctx context.Context, data []byte, from netip.AddrPort)

// packets is a service that reads datagrams of one address: from trusted senders only, through a bounded queue.
type packets struct {
	g     *Gateway
	name  string
	addr  string
	serve servePacket
	// flush, when set, publishes what serve gathered; it is called a moment after a datagram and at the end, by serve's goroutine.
	flush func(ctx context.Context)
	ready chan struct{}
	bound atomic.Pointer[string]
}

var (
	_ app.Service = (*packets)(nil)
	_ app.Readier = (*packets)(nil)
)

func (g *Gateway) newPackets(name, addr string, serve servePacket) *packets {
	return &packets{g: g, name: name, addr: addr, serve: serve, ready: make(chan struct{})}
}

// Name returns the name of the service.
func (p *packets) Name() string { return p.name }

// Ready is closed when the address is bound.
func (p *packets) Ready() <-chan struct{} { return p.ready }

// Addr returns the bound address once Ready is closed.
func (p *packets) Addr() string {
	if b := p.bound.Load(); b != nil {
		return *b
	}
	return p.addr
}

// datagram is one packet on its way to the decoder.
type datagram struct {
	data *[]byte
	from netip.AddrPort
}

// Run binds the address and serves until ctx ends. One goroutine reads the socket and another decodes, so that a slow bus fills our
// queue before it fills the kernel's, where drops are not counted.
func (p *packets) Run(ctx context.Context) error {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", p.addr)
	if err != nil {
		return errs.WithHint(errs.Conflict, "another program may use the port: stop it, or choose another address", "%s: listen on %s: %v", p.name, p.addr, err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return errs.New(errs.Internal, "%s: a datagram socket of type %T", p.name, conn)
	}
	_ = udp.SetReadBuffer(packetSocketBytes) // The kernel gives what its own limit allows.
	addr := udp.LocalAddr().String()
	p.bound.Store(&addr)
	close(p.ready)
	stop := context.AfterFunc(ctx, func() { _ = udp.Close() })
	defer stop()
	queue := make(chan datagram, packetQueue)
	pool := sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}
	var decoder sync.WaitGroup
	decoder.Go(func() { p.decode(ctx, queue, &pool) })
	err = p.read(ctx, udp, queue, &pool)
	close(queue)
	decoder.Wait()
	return err
}

// packetLinger is how long a datagram waits for others to share its batch with.
const packetLinger = 500 * time.Millisecond

// decode serves datagrams until the queue is closed, and flushes what they gathered.
func (p *packets) decode(ctx context.Context, queue <-chan datagram, pool *sync.Pool) {
	var due <-chan time.Time
	for {
		select {
		case d, ok := <-queue:
			if !ok {
				p.flushNow(ctx)
				return
			}
			p.one(ctx, d)
			pool.Put(d.data)
			if p.flush != nil && due == nil {
				due = time.After(packetLinger)
			}
		case <-due:
			p.flushNow(ctx)
			due = nil
		}
	}
}

func (p *packets) flushNow(ctx context.Context) {
	if p.flush == nil {
		return
	}
	defer p.recover(ctx)
	p.flush(context.WithoutCancel(ctx))
}

func (p *packets) recover(ctx context.Context) {
	if r := recover(); r != nil {
		p.g.deps.Log.ErrorContext(ctx, "receiver panicked", slog.String("listener", p.name), slog.String("panic", fmt.Sprint(r)))
	}
}

// one decodes a datagram; a panic costs that datagram alone.
func (p *packets) one(ctx context.Context, d datagram) {
	defer p.recover(ctx)
	// What was taken from the socket before the stop is still published.
	p.serve(context.WithoutCancel(ctx), *d.data, d.from)
}

func (p *packets) read(ctx context.Context, udp *net.UDPConn, queue chan<- datagram, pool *sync.Pool) error {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			continue // An ICMP answer to something we never sent; the socket goes on.
		}
		if !p.g.trustedAddr(from.Addr()) {
			p.g.measures.untrusted(p.name)
			continue
		}
		data, ok := pool.Get().(*[]byte)
		if !ok {
			continue
		}
		*data = append((*data)[:0], buf[:n]...)
		select {
		case queue <- datagram{data, from}:
		default:
			p.g.measures.overload(p.name)
			pool.Put(data)
		}
	}
}

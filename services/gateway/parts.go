package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/faultline-io/faultline/services/gateway/scrape"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Parts returns the services of the gateway that run by themselves: the OTLP listeners, the scraper, and the one that hands
// counts of refused items on. What Handler serves runs on the process's shared listener.
func (g *Gateway) Parts() []app.Service {
	out := []app.Service{g.pipeline}
	if g.cfg.OTLPGRPCAddr != "" {
		out = append(out, newListener("gateway-otlp-grpc", g.cfg.OTLPGRPCAddr, func(ctx context.Context, l net.Listener) error { return g.runGRPC(ctx, l, g.otlpServices()...) }))
	}
	if g.cfg.OTLPHTTPAddr != "" {
		out = append(out, newListener("gateway-otlp-http", g.cfg.OTLPHTTPAddr, func(ctx context.Context, l net.Listener) error {
			return g.runHTTP(ctx, l, "OTLP", g.engine(g.otlpEndpoints(), nil))
		}))
	}
	out = append(out, g.receiverParts()...)
	if g.cfg.ScrapeConfigFile != "" {
		out = append(out, scrape.New(scrape.Config{File: g.cfg.ScrapeConfigFile}, g.core, g.budget, g.deps.Log))
	}
	out = append(out, g.logParts()...)
	if g.deps.Rejections != nil {
		out = append(out, &rejectionFlusher{g: g})
	}
	return out
}

// receiverParts are the protocols of metrics and traces, and those over HTTP, with a port of their own.
func (g *Gateway) receiverParts() []app.Service {
	var out []app.Service
	r := &g.cfg.Receivers
	if r.Graphite != "" {
		out = append(out, g.newLines("graphite", r.Graphite, nil, g.graphite.Write)...)
	}
	if r.Statsd != "" {
		out = append(out, g.newPackets("gateway-statsd-udp", r.Statsd, g.statsdPacket), g.newStreams("gateway-statsd-tcp", r.Statsd, nil, g.statsdStream), g.statsd)
	}
	for _, l := range []struct {
		name, addr string
		endpoints  []*endpoint
		stubs      []stub
	}{
		{"gateway-zipkin", r.Zipkin, g.zipkinEndpoints(""), nil}, {"gateway-jaeger-http", r.JaegerHTTP, g.jaegerEndpoints(""), nil},
		{"gateway-elastic", r.Elastic, nil, g.elasticStubs("")},
	} {
		if l.addr != "" {
			handler := g.engine(l.endpoints, l.stubs)
			out = append(out, newListener(l.name, l.addr, func(ctx context.Context, nl net.Listener) error { return g.runHTTP(ctx, nl, l.name, handler) }))
		}
	}
	if r.JaegerGRPC != "" {
		out = append(out, newListener("gateway-jaeger-grpc", r.JaegerGRPC, func(ctx context.Context, nl net.Listener) error { return g.runGRPC(ctx, nl, g.jaegerService()) }))
	}
	return out
}

// Parts builds a gateway and returns its services.
func Parts(cfg Config, deps Deps) (*Gateway, []app.Service, error) {
	g, err := New(cfg, deps)
	if err != nil {
		return nil, nil, err
	}
	return g, g.Parts(), nil
}

// Listener is a service that serves connections of one address.
type Listener struct {
	name  string
	addr  string
	serve func(ctx context.Context, l net.Listener) error
	ready chan struct{}
	bound atomic.Pointer[string]
}

var (
	_ app.Service = (*Listener)(nil)
	_ app.Readier = (*Listener)(nil)
)

func newListener(name, addr string, serve func(context.Context, net.Listener) error) *Listener {
	return &Listener{name: name, addr: addr, serve: serve, ready: make(chan struct{})}
}

// Name returns the name of the service.
func (l *Listener) Name() string { return l.name }

// Ready is closed when the address is bound.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// Addr returns the bound address once Ready is closed; with port 0 configured it has the port that was given.
func (l *Listener) Addr() string {
	if p := l.bound.Load(); p != nil {
		return *p
	}
	return l.addr
}

// Run binds the address and serves until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	nl, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr)
	if err != nil {
		return errs.WithHint(errs.Conflict, "another program may use the port: stop it, or choose another address", "%s: listen on %s: %v", l.name, l.addr, err)
	}
	addr := nl.Addr().String()
	l.bound.Store(&addr)
	close(l.ready)
	return l.serve(ctx, nl)
}

// drainTime is how long requests in flight may take after the stop.
const drainTime = 5 * time.Second

func (g *Gateway) runGRPC(ctx context.Context, l net.Listener, services ...*grpc.ServiceDesc) error {
	s, err := g.newGRPCServer(services...)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve gRPC: %w", err)
	case <-ctx.Done():
	}
	stopGRPC(s)
	<-done
	return nil
}

// stopGRPC lets calls in flight end, and cuts them off after drainTime.
func stopGRPC(s *grpc.Server) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-time.After(drainTime):
		s.Stop()
		<-stopped
	}
}

// tlsConfig returns the certificate of the installation for a listener, nil when TLS is off.
func (g *Gateway) tlsConfig() (*tls.Config, error) {
	if g.cfg.TLSCertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(g.cfg.TLSCertFile, g.cfg.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// Timeouts of listeners of HTTP with a port of their own: headers come at once, a body of the largest size over a slow line within a minute.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 2 * time.Minute
)

// runHTTP serves a protocol on a port of its own.
func (g *Gateway) runHTTP(ctx context.Context, l net.Listener, name string, handler http.Handler) error {
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
	}
	secure, err := g.tlsConfig()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), l.Close())
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("%s: serve HTTP: %w", name, err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.Shutdown(stop); err != nil {
		err = s.Close()
		<-done
		return err
	}
	<-done
	return nil
}

package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Timeouts of the shared listener. There is none for writing: live tails and exports last for as long as the reader wants.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	// drainTimeout is how long requests under way may take after the stop; a live tail ends then.
	drainTimeout = 5 * time.Second
)

// HTTP is the shared listener of a process: console, query API and ingest over HTTP. It binds its address at once, so that a taken
// port shows before anything else is started, and answers 503 until it gets its handler.
type HTTP struct {
	name     string
	log      *slog.Logger
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	ready    chan struct{}
}

// ListenHTTP binds addr; conf is nil for plain HTTP. Errors: errs.Unavailable with a hint if the address is taken.
func ListenHTTP(ctx context.Context, name, addr string, conf *tls.Config, log *slog.Logger) (*HTTP, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, errs.WithHint(errs.Unavailable, "stop the program that has the port, or choose another address", "listen on %s for %s: %v", addr, name, err)
	}
	if conf != nil {
		conf = conf.Clone()
		conf.NextProtos = []string{"h2", "http/1.1"}
	}
	h := &HTTP{name: name, log: log, listener: l, ready: make(chan struct{})}
	h.server = &http.Server{
		Handler: http.HandlerFunc(h.serve), TLSConfig: conf, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // Broken connections and failed TLS handshakes.
	}
	return h, nil
}

// Name returns the listener's name.
func (h *HTTP) Name() string { return h.name }

// Addr returns host:port as bound; with port 0 configured it has the port that was given.
func (h *HTTP) Addr() string { return h.listener.Addr().String() }

// Ready returns a channel that is closed when the handler is set.
func (h *HTTP) Ready() <-chan struct{} { return h.ready }

// SetHandler begins to serve; it is called once.
func (h *HTTP) SetHandler(handler http.Handler) {
	h.handler.Store(&handler)
	close(h.ready)
}

// serve passes a request to the handler.
func (h *HTTP) serve(w http.ResponseWriter, r *http.Request) {
	if p := h.handler.Load(); p != nil {
		(*p).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	if r.URL.Path == "/-/healthy" {
		fmt.Fprintln(w, "starting")
		return
	}
	http.Error(w, "Faultline is starting; try again in a second.", http.StatusServiceUnavailable)
}

// Run serves until ctx ends and lets requests under way finish.
func (h *HTTP) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		if h.server.TLSConfig != nil {
			done <- h.server.ServeTLS(h.listener, "", "")
			return
		}
		done <- h.server.Serve(h.listener)
	}()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", h.name, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := h.server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.server.Close()
	}
	<-done
	return err
}

package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of protocols of lines over UDP and TCP.
const (
	// gatherBytes of lines are published together, or what came within gatherFor.
	gatherBytes = 256 << 10
	gatherFor   = 500 * time.Millisecond
	// streamChunk is read of a connection at a time, and is the longest line.
	streamChunk = 64 << 10
	// streamIdle closes a connection that says nothing; senders open another when they need one.
	streamIdle = 30 * time.Minute
)

// publishLines publishes lines of a request. Errors are those of the bus; bad lines are counted in req.
type publishLines func(ctx context.Context, req *intake.Request, lines []byte) error

// lines is a protocol of lines that has an address of its own. Over TCP a bus that is full makes its sender wait; over UDP what the bus does
// not take is counted as refused.
type lines struct {
	g       *Gateway
	name    string
	signal  model.Signal
	publish publishLines

	// mu guards gathered, the lines of datagrams that are not published yet.
	mu       sync.Mutex
	gathered []byte
}

// newLines returns the services of a protocol of lines on addr: TCP, UDP, and what publishes gathered datagrams.
func (g *Gateway) newLines(name, addr string, secure *tls.Config, publish publishLines) []app.Service {
	l := &lines{g: g, name: name, signal: model.SignalMetrics, publish: publish}
	return []app.Service{
		g.newStreams("gateway-"+name+"-tcp", addr, secure, l.stream), g.newPackets("gateway-"+name+"-udp", addr, l.packet), l,
	}
}

func (l *lines) request() *intake.Request {
	return l.g.core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: l.name, Protocol: l.name}})
}

// packet gathers the lines of a datagram.
func (l *lines) packet(ctx context.Context, data []byte, _ netip.AddrPort) {
	l.mu.Lock()
	l.gathered = append(l.gathered, data...)
	if n := len(data); n > 0 && data[n-1] != '\n' {
		l.gathered = append(l.gathered, '\n')
	}
	full := len(l.gathered) >= gatherBytes
	l.mu.Unlock()
	if full {
		l.flush(ctx)
	}
}

// Name implements app.Service.
func (l *lines) Name() string { return "gateway-" + l.name + "-flush" }

// Run publishes gathered datagrams after a short while, and once more when ctx ends.
func (l *lines) Run(ctx context.Context) error {
	t := time.NewTicker(gatherFor)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			l.flush(last)
			return nil
		}
	}
}

func (l *lines) flush(ctx context.Context) {
	l.mu.Lock()
	data := l.gathered
	l.gathered = nil
	l.mu.Unlock()
	if len(data) == 0 {
		return
	}
	req := l.request()
	defer l.g.core.Finish(req)
	if err := l.publish(ctx, req, data); err != nil {
		req.Reject(l.signal, refusal(err), max(bytes.Count(data, []byte{'\n'})-req.Accepted()-req.Rejected(), 1))
		l.g.deps.Log.WarnContext(ctx, "datagrams not taken", slog.String("listener", l.name), slog.Any("error", err))
	}
}

// refusal is the ledger's reason for what the bus did not take.
func refusal(err error) string {
	if errs.KindOf(err) == errs.Exhausted {
		return limits.BusFull
	}
	return limits.BusUnavailable
}

// stream publishes the lines of a connection: when there are many, or a little after the first of them came.
func (l *lines) stream(ctx context.Context, c net.Conn, _ netip.AddrPort) error {
	buf := make([]byte, 0, streamChunk)
	since := time.Now()
	for {
		whole := bytes.IndexByte(buf, '\n') >= 0
		deadline := time.Now().Add(streamIdle)
		if whole {
			deadline = since.Add(gatherFor)
		}
		if err := c.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		if !whole {
			since = time.Now()
		}
		buf = buf[:len(buf)+n]
		quiet := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err != nil && !quiet:
			_, pubErr := l.wholeLines(ctx, buf, true)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, pubErr)
		case quiet && !whole:
			return nil // Silent for long.
		case len(buf) < cap(buf) && time.Since(since) < gatherFor:
			continue
		}
		rest, err := l.wholeLines(ctx, buf, false)
		if err != nil {
			return err
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		since = time.Now()
		if len(buf) == cap(buf) {
			l.refuse(limits.BodyTooLarge)
			return errs.New(errs.Invalid, "a line is longer than %d bytes", streamChunk)
		}
	}
}

// wholeLines publishes the whole lines in buf, all of it at the end of the connection, and returns the rest.
func (l *lines) wholeLines(ctx context.Context, buf []byte, last bool) ([]byte, error) {
	end := bytes.LastIndexByte(buf, '\n') + 1
	if last {
		end = len(buf)
	}
	if end == 0 {
		return buf, nil
	}
	req := l.request()
	defer l.g.core.Finish(req)
	return buf[end:], l.publishPatiently(ctx, req, buf[:end])
}

// publishPatiently repeats what the bus does not take until it does or ctx ends: meanwhile nothing is read, so that the sender waits.
// What was published in part is published again; samples of one time are one when they are read.
func (l *lines) publishPatiently(ctx context.Context, req *intake.Request, data []byte) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := l.publish(ctx, req, data)
		kind := errs.KindOf(err)
		if err == nil || kind != errs.Exhausted && kind != errs.Unavailable && kind != errs.Timeout {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
		*req = *l.request() // What was counted is counted again.
	}
}

func (l *lines) refuse(reason string) {
	req := l.request()
	req.Reject(l.signal, reason, 1)
	l.g.core.Finish(req)
}

// Package sse streams events to browsers (text/event-stream). A slow reader never holds up the source: events wait in a bounded
// buffer, those that find no room are counted, and the reader is told how many were left out. A comment every 15 seconds keeps
// proxies from closing a quiet stream.
package sse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Defaults of a stream.
const (
	// pingEvery is below the 30 to 60 seconds after which common proxies close a quiet connection.
	pingEvery = 15 * time.Second
	// bufferEvents bounds the memory of one reader: about a second of a busy tail.
	bufferEvents = 1024
	// writeTimeout ends a stream whose reader takes nothing at all.
	writeTimeout = 30 * time.Second
)

// Options set what a stream may use; zero values take the defaults.
type Options struct {
	PingEvery time.Duration
	Buffer    int
}

// Event is one event.
type Event struct {
	// Name is the event's type; "" is the standard's "message".
	Name string
	// ID is what a reader sends back as Last-Event-ID; may be empty.
	ID string
	// Data is sent as one JSON value.
	Data any
}

// Dropped is the data of the event "dropped": how many events the reader missed since the last one it got.
type Dropped struct {
	Count uint64 `json:"count" doc:"Events left out because the reader was slow"`
}

// Source produces events until ctx ends or it has no more. Its error ends the stream with an event "error".
type Source func(ctx context.Context, s *Sender) error

// Sender takes events from a source. It is safe for concurrent use.
type Sender struct {
	events chan Event
	// mu guards dropped.
	mu      sync.Mutex
	dropped uint64
}

// Send queues an event and returns at once; false means that there was no room and the event was counted as dropped.
func (s *Sender) Send(e Event) bool {
	select {
	case s.events <- e:
		return true
	default:
		s.Drop(1)
		return false
	}
}

// Drop counts events that the source itself left out, for example to keep a rate.
func (s *Sender) Drop(n uint64) {
	s.mu.Lock()
	s.dropped += n
	s.mu.Unlock()
}

func (s *Sender) takeDropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.dropped
	s.dropped = 0
	return n
}

// Serve streams what source sends until the reader goes away or the source ends, and returns after the source did. Errors: those of
// the source and of writing; nil when the reader went away.
func Serve(w http.ResponseWriter, r *http.Request, opts Options, source Source) error {
	if opts.PingEvery <= 0 {
		opts.PingEvery = pingEvery
	}
	if opts.Buffer <= 0 {
		opts.Buffer = bufferEvents
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	out := &writer{w: w, rc: http.NewResponseController(w)}
	if err := out.comment("open"); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	sender := &Sender{events: make(chan Event, opts.Buffer)}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- source(ctx, sender)
	}()
	err := out.pump(ctx, sender, opts.PingEvery, ended)
	cancel()
	if errors.Is(err, errSourceEnded) {
		return nil
	}
	var failed *sourceError
	if errors.As(err, &failed) {
		return failed.err
	}
	<-ended // the source is ours to wait for; closed when it was waited for already
	if r.Context().Err() != nil {
		return nil
	}
	return err
}

// errSourceEnded says that the source ended by itself.
var errSourceEnded = errors.New("source ended")

// sourceError is an error that the source ended with.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

// writer writes the wire form of events.
type writer struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf bytes.Buffer
}

func (o *writer) pump(ctx context.Context, s *Sender, every time.Duration, ended <-chan error) error {
	ping := time.NewTicker(every)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-s.events:
			if err := o.burst(s, e); err != nil {
				return err
			}
		case <-ping.C:
			if err := o.dropNotice(s); err != nil {
				return err
			}
			if err := o.comment("ping"); err != nil {
				return err
			}
		case srcErr := <-ended:
			if err := o.finish(s, srcErr); err != nil {
				return err
			}
			if srcErr != nil {
				return &sourceError{srcErr}
			}
			return errSourceEnded
		}
	}
}

// burst writes e and whatever else waits, then flushes once.
func (o *writer) burst(s *Sender, e Event) error {
	o.append(e)
	for o.buf.Len() < 64<<10 {
		select {
		case e := <-s.events:
			o.append(e)
			continue
		default:
		}
		break
	}
	if n := s.takeDropped(); n > 0 {
		o.append(Event{Name: "dropped", Data: Dropped{Count: n}})
	}
	return o.flush()
}

// finish writes what waits when the source has ended, and why it ended.
func (o *writer) finish(s *Sender, srcErr error) error {
	for len(s.events) > 0 {
		o.append(<-s.events)
	}
	if srcErr != nil && !errors.Is(srcErr, context.Canceled) {
		o.append(Event{Name: "error", Data: map[string]string{"code": string(errs.KindOf(srcErr)), "hint": errs.HintOf(srcErr)}})
	}
	if err := o.dropNotice(s); err != nil {
		return err
	}
	return o.flush()
}

func (o *writer) dropNotice(s *Sender) error {
	n := s.takeDropped()
	if n == 0 {
		return nil
	}
	o.append(Event{Name: "dropped", Data: Dropped{Count: n}})
	return o.flush()
}

func (o *writer) comment(text string) error {
	fmt.Fprintf(&o.buf, ": %s\n\n", text)
	return o.flush()
}

func (o *writer) append(e Event) {
	data, err := json.Marshal(e.Data)
	if err != nil {
		data, _ = json.Marshal(map[string]string{"error": err.Error()})
	}
	if e.Name != "" {
		fmt.Fprintf(&o.buf, "event: %s\n", oneLine(e.Name))
	}
	if e.ID != "" {
		fmt.Fprintf(&o.buf, "id: %s\n", oneLine(e.ID))
	}
	fmt.Fprintf(&o.buf, "data: %s\n\n", data)
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }

func (o *writer) flush() error {
	if o.buf.Len() == 0 {
		return nil
	}
	// Servers without deadlines (httptest.ResponseRecorder) are fine without.
	_ = o.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := o.w.Write(o.buf.Bytes())
	o.buf.Reset()
	if err != nil {
		return errs.New(errs.Canceled, "write event stream: %w", err)
	}
	if err := o.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errs.New(errs.Canceled, "flush event stream: %w", err)
	}
	return nil
}

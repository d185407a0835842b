package sse

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve starts a real server with one stream and returns its lines.
func serve(t *testing.T, opts Options, source Source) (*bufio.Scanner, context.CancelFunc) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = Serve(w, r, opts, source) }))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %q", ct)
	}
	return bufio.NewScanner(resp.Body), cancel
}

func until(t *testing.T, lines *bufio.Scanner, want string) []string {
	t.Helper()
	var seen []string
	for lines.Scan() {
		seen = append(seen, lines.Text())
		if lines.Text() == want {
			return seen
		}
	}
	t.Fatalf("stream ended (%v) without %q; saw:\n%s", lines.Err(), want, strings.Join(seen, "\n"))
	return nil
}

func TestEventsArriveAtOnce(t *testing.T) {
	more := make(chan struct{})
	lines, _ := serve(t, Options{}, func(ctx context.Context, s *Sender) error {
		s.Send(Event{Name: "log", ID: "7", Data: map[string]int{"a": 1}})
		<-more
		s.Send(Event{Name: "log", Data: "line\nbreak"})
		return nil
	})
	seen := until(t, lines, `data: {"a":1}`)
	if !strings.Contains(strings.Join(seen, "\n"), "event: log\nid: 7\n") {
		t.Errorf("event head: %q", seen)
	}
	close(more) // the first event came while the source was still open
	until(t, lines, `data: "line\nbreak"`)
}

func TestSlowReaderIsToldWhatItMissed(t *testing.T) {
	lines, _ := serve(t, Options{Buffer: 2}, func(_ context.Context, s *Sender) error {
		s.Drop(5)
		s.Send(Event{Name: "log", Data: 1})
		return nil
	})
	until(t, lines, "event: dropped")
	until(t, lines, `data: {"count":5}`)
}

func TestSendNeverBlocks(t *testing.T) {
	s := &Sender{events: make(chan Event, 2)}
	for range 10 {
		s.Send(Event{})
	}
	if n := s.takeDropped(); n != 8 {
		t.Errorf("dropped %d, want 8", n)
	}
}

func TestPing(t *testing.T) {
	lines, _ := serve(t, Options{PingEvery: 5 * time.Millisecond}, func(ctx context.Context, _ *Sender) error {
		<-ctx.Done()
		return ctx.Err()
	})
	until(t, lines, ": ping")
	until(t, lines, ": ping")
}

func TestSourceEndsWithItsReader(t *testing.T) {
	ended := make(chan struct{})
	lines, cancel := serve(t, Options{}, func(ctx context.Context, _ *Sender) error {
		defer close(ended)
		<-ctx.Done()
		return ctx.Err()
	})
	until(t, lines, ": open")
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the source went on after its reader left")
	}
}

func TestSourceErrorIsShown(t *testing.T) {
	lines, _ := serve(t, Options{}, func(context.Context, *Sender) error { return errors.New("secret detail") })
	seen := until(t, lines, "event: error")
	seen = append(seen, until(t, lines, `data: {"code":"internal","hint":""}`)...)
	if strings.Contains(strings.Join(seen, ""), "secret") {
		t.Error("internal text reached the reader")
	}
}

package natsbus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// heard collects events.
type heard struct {
	// mu guards events.
	mu     sync.Mutex
	events []bus.Event
	more   chan struct{}
}

func (h *heard) take(e bus.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

func (h *heard) wait(t *testing.T, n int) []bus.Event {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		got := slices.Clone(h.events)
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-h.more:
		case <-deadline:
			t.Fatalf("%d events, want %d", len(got), n)
		}
	}
}

// subscribe follows events until the test ends.
func subscribe(t *testing.T, b *natsbus.Bus, after uint64, topics ...string) *heard {
	t.Helper()
	h := &heard{more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.SubscribeEvents(ctx, topics, after, h.take) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestEventsAreHeardInOrderAndAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	b, stop := open(t, dir, natsbus.Config{})
	var all []bus.Event
	for i := range 300 {
		all = append(all, bus.Event{Topic: bus.TopicIncidents, Tenant: 7, Key: fmt.Sprintf("i%d", i%3), Data: fmt.Appendf(nil, "%d", i)})
	}
	if err := b.PublishEvents(t.Context(), all[:100]...); err != nil {
		t.Fatal(err)
	}
	if err := b.PublishEvents(t.Context(), bus.Event{Topic: bus.TopicOutcomes, Tenant: 7, Key: "c1", Data: []byte("done")}); err != nil {
		t.Fatal(err)
	}
	stop() // Events survive the process.
	b, _ = open(t, dir, natsbus.Config{})
	h := subscribe(t, b, 1, bus.TopicIncidents)
	if err := b.PublishEvents(t.Context(), all[100:]...); err != nil {
		t.Fatal(err)
	}
	got := h.wait(t, 299) // The first was known.
	for i, e := range got {
		want := all[i+1]
		if e.Topic != want.Topic || e.Tenant != 7 || e.Key != want.Key || string(e.Data) != string(want.Data) || e.At.IsZero() || i > 0 && e.Seq <= got[i-1].Seq {
			t.Fatalf("event %d: %+v, want %s", i, e, want.Data)
		}
	}
	last, err := b.LastEvent(t.Context(), bus.TopicOutcomes, 7, "c1")
	if err != nil || string(last.Data) != "done" || last.Seq != 101 {
		t.Errorf("last outcome: %+v %v", last, err)
	}
	if _, err := b.LastEvent(t.Context(), bus.TopicOutcomes, 8, "c1"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another tenant's outcome: %v", err)
	}
}

func TestEventsForListenersOfNow(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	f := func(topic, key string) error {
		return b.PublishEvents(t.Context(), bus.Event{Topic: topic, Tenant: 7, Key: key, ID: "same", Data: []byte("x")})
	}
	for _, c := range [][2]string{{"telemetry", "x"}, {bus.TopicFindings, ""}, {bus.TopicFindings, "a.b"}, {bus.TopicFindings, "*"}, {bus.TopicFindings, strings.Repeat("a", 129)}} {
		if err := f(c[0], c[1]); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v, want invalid", c, err)
		}
	}
	if err := f(bus.TopicFindings, "0"); err != nil {
		t.Fatal(err)
	}
	if err := b.SubscribeEvents(t.Context(), []string{"nope"}, 0, func(bus.Event) {}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("unknown topic: %v", err)
	}
	// The same id again is one event.
	for range 3 {
		if err := f(bus.TopicFindings, "0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := f(bus.TopicFindings, "1"); err != nil {
		t.Fatal(err)
	}
	if e, err := b.LastEvent(t.Context(), bus.TopicFindings, 7, "1"); err != nil || e.Seq != 2 {
		t.Errorf("after repetitions: %+v %v, want sequence 2", e, err)
	}
}

func TestCommandsWaitForTheirReader(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	b, stop := open(t, dir, natsbus.Config{})
	give := func(id string) bool {
		t.Helper()
		dup, err := b.PublishCommand(t.Context(), bus.Command{Tenant: 1, ID: id, Data: []byte(id)})
		if err != nil {
			t.Fatal(err)
		}
		return dup
	}
	if give("a") || !give("a") || give("b") {
		t.Error("a and b are new once each")
	}
	for _, id := range []string{"", "a b", "a.b", ">"} {
		if _, err := b.PublishCommand(t.Context(), bus.Command{Tenant: 1, ID: id}); errs.KindOf(err) != errs.Invalid {
			t.Errorf("id %q: %v, want invalid", id, err)
		}
	}
	stop()
	b, _ = open(t, dir, natsbus.Config{})
	if !give("b") || give("c") {
		t.Error("after a restart b is known and c is new")
	}
	r, err := b.Commands(t.Context(), "brain")
	if err != nil {
		t.Fatal(err)
	}
	read := func(r bus.CommandReader, want ...string) []bus.Command {
		t.Helper()
		var got []bus.Command
		for len(got) < len(want) {
			cs, err := r.Fetch(t.Context(), 10, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if len(cs) == 0 {
				t.Fatalf("%d commands, want %d", len(got), len(want))
			}
			got = append(got, cs...)
		}
		for i, c := range got {
			if c.ID != want[i] || string(c.Data) != want[i] || c.Tenant != 1 || c.At.IsZero() {
				t.Errorf("command %d: %+v, want %s", i, c, want[i])
			}
		}
		return got
	}
	cs := read(r, "a", "b", "c")
	if err := r.AckThrough(t.Context(), cs[0].Seq); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Fetch(t.Context(), 10, 10*time.Millisecond); err != nil || len(got) != 0 {
		t.Errorf("nothing more: %v %v", got, err)
	}
	// A reader that went away without acknowledging gets the rest again.
	r, err = b.Commands(t.Context(), "brain")
	if err != nil {
		t.Fatal(err)
	}
	cs = read(r, "b", "c")
	if err := r.AckThrough(t.Context(), cs[1].Seq); err != nil {
		t.Fatal(err)
	}
	give("d")
	read(r, "d")
}

func TestObjectsAreComparedAndSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	b, stop := open(t, dir, natsbus.Config{})
	o, err := b.Objects(t.Context(), "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.GetObject(t.Context(), "shard-0"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("before the first: %v", err)
	}
	big := make([]byte, 3<<20)
	if _, err := rand.Read(big); err != nil {
		t.Fatal(err)
	}
	rev, err := o.PutObject(t.Context(), "shard-0", big, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.PutObject(t.Context(), "shard-0", []byte("x"), 0); errs.KindOf(err) != errs.Conflict {
		t.Errorf("first again: %v, want conflict", err)
	}
	if _, err := o.PutObject(t.Context(), "shard-1", nil, 0); err != nil {
		t.Errorf("empty: %v", err)
	}
	stop()
	b, _ = open(t, dir, natsbus.Config{})
	if o, err = b.Objects(t.Context(), "snapshots"); err != nil {
		t.Fatal(err)
	}
	got, err := o.GetObject(t.Context(), "shard-0")
	if err != nil || got.Revision != rev || !bytes.Equal(got.Data, big) || got.At.IsZero() {
		t.Fatalf("after a restart: revision %d of %d, %d bytes, %v", got.Revision, rev, len(got.Data), err)
	}
	stale := rev
	for i := range 20 {
		if rev, err = o.PutObject(t.Context(), "shard-0", fmt.Appendf(nil, "version %d", i), rev); err != nil {
			t.Fatal(err)
		}
	}
	// Who was deposed writes nothing.
	if _, err := o.PutObject(t.Context(), "shard-0", []byte("deposed"), stale); errs.KindOf(err) != errs.Conflict {
		t.Errorf("stale revision: %v, want conflict", err)
	}
	if got, err = o.GetObject(t.Context(), "shard-0"); err != nil || string(got.Data) != "version 19" || got.Revision != rev {
		t.Errorf("latest: %q at %d, %v", got.Data, got.Revision, err)
	}
	if got, err = o.GetObject(t.Context(), "shard-1"); err != nil || len(got.Data) != 0 {
		t.Errorf("the other one: %q %v", got.Data, err)
	}
	if err := o.DeleteObject(t.Context(), "shard-0"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.GetObject(t.Context(), "shard-0"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("deleted: %v", err)
	}
	if err := o.DeleteObject(t.Context(), "never"); err != nil {
		t.Error(err)
	}
}

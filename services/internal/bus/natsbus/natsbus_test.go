package natsbus_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// open starts a server on dir and returns a bus; stop ends both, as a process that ends would.
func open(t *testing.T, dir string, cfg natsbus.Config) (b *natsbus.Bus, stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: dir}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err = natsbus.Open(t.Context(), nc, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			b.Close()
			srv.Shutdown()
		}
	}
	t.Cleanup(stop)
	return b, stop
}

func message(n int, data string) *bus.Message {
	return &bus.Message{
		Signal: model.SignalMetrics, Items: n, Data: []byte(data),
		Header: model.Header{Origin: model.Origin{Tenant: 7, Source: "s", Protocol: "loki"}, ReceivedAtMS: 1795132800123},
	}
}

func publish(t *testing.T, b *natsbus.Bus, n int) {
	t.Helper()
	for i := range n {
		if _, err := b.Publish(t.Context(), message(i, "x")); err != nil {
			t.Fatal(err)
		}
	}
}

func fetch(t *testing.T, c bus.Consumer, n int) []bus.Delivery {
	t.Helper()
	var out []bus.Delivery
	for len(out) < n {
		ds, err := c.Fetch(t.Context(), n-len(out), 1<<20, 5*time.Second, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			t.Fatalf("got %d messages, want %d", len(out), n)
		}
		out = append(out, ds...)
	}
	return out
}

func consume(t *testing.T, b *natsbus.Bus) bus.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), natsbus.WriterName, model.SignalMetrics, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestMessagesKeepTheirHeadersAndOrder(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	publish(t, b, 5)
	ds := fetch(t, consume(t, b), 5)
	for i, d := range ds {
		if d.Seq != uint64(i+1) || d.Items != i || d.Tenant != 7 || d.Source != "s" || d.Protocol != "loki" || d.ReceivedAtMS != 1795132800123 || string(d.Data) != "x" || d.Epoch == 0 {
			t.Errorf("message %d: got %+v", i, d)
		}
	}
}

func TestRewindStartsAtTheAcknowledgementFloor(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	publish(t, b, 50)
	for round := range 10 {
		// A reader that went away without closing must not hold its messages back from the next.
		c := consume(t, b)
		ds := fetch(t, c, 4)
		if want := uint64(round*2 + 1); ds[0].Seq != want {
			t.Fatalf("round %d: first message %d, want %d", round, ds[0].Seq, want)
		}
		if err := c.AckThrough(t.Context(), ds[1].Seq); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPositionSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	b, stop := open(t, dir, natsbus.Config{})
	publish(t, b, 6)
	c := consume(t, b)
	ds := fetch(t, c, 6)
	if err := c.AckThrough(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	epoch := ds[0].Epoch
	stop()
	b, _ = open(t, dir, natsbus.Config{})
	ds = fetch(t, consume(t, b), 2)
	if ds[0].Seq != 5 || ds[1].Seq != 6 || ds[0].Epoch != epoch {
		t.Errorf("got %d and %d in epoch %d, want 5 and 6 in %d", ds[0].Seq, ds[1].Seq, ds[0].Epoch, epoch)
	}
}

func TestAgentBatchIsPublishedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	b, stop := open(t, dir, natsbus.Config{DuplicateWindow: time.Second})
	pub := func(seq uint64) bool {
		t.Helper()
		m := message(1, "a")
		m.AgentID, m.BatchSeq, m.BatchParts = "host", seq, 1
		dup, err := b.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return dup
	}
	if pub(1) || pub(2) || !pub(2) || !pub(1) {
		t.Error("batches 1 and 2 are new once each")
	}
	stop()
	b, _ = open(t, dir, natsbus.Config{DuplicateWindow: time.Second})
	if !pub(2) || pub(3) {
		t.Error("after a restart batch 2 is known and 3 is new")
	}
	st, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st[0].LastSeq != 3 {
		t.Errorf("stream has %d messages, want 3", st[0].LastSeq)
	}
}

func TestFullStreamRefusesAndRecovers(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{MaxBytes: 1 << 20})
	big := strings.Repeat("x", 100<<10)
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		_, err = b.Publish(t.Context(), message(1, big))
	}
	if errs.KindOf(err) != errs.Exhausted || errs.HintOf(err) == "" {
		t.Fatalf("after %d messages: got %v, want exhausted with a hint", n, err)
	}
	c := consume(t, b)
	ds := fetch(t, c, n-1)
	if err := c.AckThrough(t.Context(), ds[len(ds)-1].Seq); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, err = b.Publish(ctx, message(1, big)); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("drained stream still refuses: %v", err)
		}
	}
}

func TestStateCountsWhatIsPending(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	for range 3 {
		if _, err := b.Publish(t.Context(), message(10, "x")); err != nil {
			t.Fatal(err)
		}
	}
	c := consume(t, b)
	fetch(t, c, 3)
	if err := c.AckThrough(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	st, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := st[0]
	if s.LastSeq != 3 || s.AckFloor != 1 || s.Pending != 2 || s.PendingItems[bus.SourceKey{Tenant: 7, Source: "s", Protocol: "loki"}] != 20 || s.Oldest.UnixMilli() != 1795132800123 {
		t.Errorf("got %+v", s)
	}
}

func TestKVCompareAndSetAndWatch(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	kv, err := b.KV(t.Context(), "cas")
	if err != nil {
		t.Fatal(err)
	}
	rev, err := kv.Create(t.Context(), "a.1", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Create(t.Context(), "a.1", nil); errs.KindOf(err) != errs.Conflict {
		t.Errorf("create twice: %v", err)
	}
	if _, err := kv.Update(t.Context(), "a.1", []byte("x"), rev+1); errs.KindOf(err) != errs.Conflict {
		t.Errorf("update of another revision: %v", err)
	}
	type seen struct {
		key, value string
		deleted    bool
	}
	got, current := make(chan seen, 10), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- kv.Watch(ctx, func(e bus.KVEntry) { got <- seen{e.Key, string(e.Value), e.Deleted} }, func() { close(current) })
	}()
	next := func() seen {
		select {
		case s := <-got:
			return s
		case <-time.After(30 * time.Second):
			t.Fatal("the watch is silent")
			return seen{}
		}
	}
	if s := next(); s != (seen{"a.1", "one", false}) {
		t.Errorf("first %+v", s)
	}
	<-current
	if rev, err = kv.Update(t.Context(), "a.1", []byte("two"), rev); err != nil {
		t.Fatal(err)
	}
	if s := next(); s != (seen{"a.1", "two", false}) {
		t.Errorf("update %+v", s)
	}
	if e, err := kv.Load(t.Context(), "a.1"); err != nil || e.Revision != rev || string(e.Value) != "two" {
		t.Errorf("load: %+v, %v", e, err)
	}
	before, limit, err := kv.Size(t.Context())
	if err != nil || before == 0 || limit < before {
		t.Errorf("size %d of %d, %v", before, limit, err)
	}
	if err := kv.Delete(t.Context(), "a.1"); err != nil {
		t.Fatal(err)
	}
	if s := next(); !s.deleted {
		t.Errorf("delete %+v", s)
	}
	if err := kv.Compact(t.Context(), -time.Second); err != nil {
		t.Fatal(err)
	}
	if used, _, err := kv.Size(t.Context()); err != nil || used != 0 {
		t.Errorf("%d bytes after everything was deleted and compacted, %v", used, err)
	}
	cancel()
	if err := <-done; errs.KindOf(err) != errs.Canceled {
		t.Errorf("the watch ended with %v", err)
	}
}

// TestSkipFreesTheStream has a second reader fall behind: what only it keeps goes, and it goes on with what comes.
func TestSkipFreesTheStream(t *testing.T) {
	b, _ := open(t, filepath.Join(t.TempDir(), "nats"), natsbus.Config{})
	slow, err := b.Consume(t.Context(), "slow", model.SignalMetrics, 0)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, 20)
	writer := consume(t, b)
	ds := fetch(t, writer, 20)
	if err := writer.AckThrough(t.Context(), ds[19].Seq); err != nil {
		t.Fatal(err)
	}
	fetch(t, slow, 3)
	if n, err := slow.Behind(t.Context()); err != nil || n != 17 {
		t.Fatalf("behind by %d (%v), want 17", n, err)
	}
	if got := messages(t, b); got != 20 {
		t.Fatalf("%d messages are kept for the slow reader, want 20", got)
	}
	if err := slow.Skip(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, b); got != 0 {
		t.Errorf("%d messages are kept after the skip", got)
	}
	publish(t, b, 2)
	if ds := fetch(t, slow, 2); ds[0].Seq != 21 || ds[1].Seq != 22 {
		t.Errorf("after the skip: %d and %d", ds[0].Seq, ds[1].Seq)
	}
}

// messages returns how many messages of metrics the stream holds.
func messages(t *testing.T, b *natsbus.Bus) uint64 {
	t.Helper()
	states, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Signal == model.SignalMetrics {
			if s.Epoch == 0 {
				t.Error("no epoch")
			}
			return s.LastSeq + 1 - s.FirstSeq
		}
	}
	return 0
}

package alerts_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func openBus(t *testing.T) *natsbus.Bus {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{MaxBytes: 64 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); srv.Shutdown() })
	return b
}

func report(t *testing.T, now, start, end time.Time, kv ...string) *alerts.Record {
	t.Helper()
	r := &alerts.Record{Source: alerts.SourceAPI}
	r.Labels, r.StartsAt, r.EndsAt = promodel.LabelSet{}, start, end
	for i := 0; i < len(kv); i += 2 {
		r.Labels[promodel.LabelName(kv[i])] = promodel.LabelValue(kv[i+1])
	}
	if err := r.Normalize(now, time.Minute); err != nil {
		t.Fatal(err)
	}
	return r
}

func load(t *testing.T, b bus.Bus, r *alerts.Record) *alerts.Record {
	t.Helper()
	kv, err := b.KV(t.Context(), alerts.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	v, err := kv.Get(t.Context(), alerts.Key(1, r.Fingerprint()))
	if err != nil {
		t.Fatal(err)
	}
	out, err := alerts.Decode(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReportsOfOneAlertBecomeOne(t *testing.T) {
	b := openBus(t)
	in := alerts.NewInbox(b)
	now := time.Now().UTC()
	put := func(r *alerts.Record) {
		t.Helper()
		if err := in.Put(t.Context(), 1, r); err != nil {
			t.Fatal(err)
		}
	}
	first := report(t, now, now.Add(-time.Hour), now.Add(4*time.Minute), "alertname", "A")
	put(first)
	put(report(t, now.Add(time.Minute), now.Add(-time.Minute), now.Add(5*time.Minute), "alertname", "A"))
	if got := load(t, b, first); !got.StartsAt.Equal(now.Add(-time.Hour)) || !got.EndsAt.Equal(now.Add(5*time.Minute)) {
		t.Errorf("two reports of one firing: %s to %s", got.StartsAt, got.EndsAt)
	}
	put(report(t, now.Add(2*time.Minute), now.Add(-time.Minute), now, "alertname", "A"))
	if got := load(t, b, first); !got.EndsAt.Equal(now) || !got.StartsAt.Equal(now.Add(-time.Hour)) {
		t.Errorf("the end: %s to %s", got.StartsAt, got.EndsAt)
	}
	// It fires again later: that is another firing.
	put(report(t, now.Add(10*time.Minute), now.Add(9*time.Minute), now.Add(20*time.Minute), "alertname", "A"))
	if got := load(t, b, first); !got.StartsAt.Equal(now.Add(9 * time.Minute)) {
		t.Errorf("the second firing starts at %s", got.StartsAt)
	}
	// The end of what nobody was told of is not kept.
	never := report(t, now, now.Add(-time.Hour), now.Add(-time.Minute), "alertname", "Never")
	put(never)
	kv, err := b.KV(t.Context(), alerts.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), alerts.Key(1, never.Fingerprint())); errs.KindOf(err) != errs.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestManyReportOneAlertAtOnce(t *testing.T) {
	b := openBus(t)
	now := time.Now().UTC()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			r := report(t, now.Add(time.Duration(i)*time.Second), now, now.Add(time.Duration(i+1)*time.Minute), "alertname", "A")
			if err := alerts.NewInbox(b).Put(t.Context(), 1, r); err != nil && errs.KindOf(err) != errs.Unavailable {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := load(t, b, report(t, now, now, now, "alertname", "A")); !got.StartsAt.Equal(now) || got.EndsAt.Before(now.Add(time.Minute)) {
		t.Errorf("%s to %s", got.StartsAt, got.EndsAt)
	}
}

func TestTooManyAlertsAreRefusedAndEndsAreTaken(t *testing.T) {
	b := openBus(t)
	in := alerts.NewInbox(b)
	now := time.Now().UTC()
	big := strings.Repeat("x", 15<<10)
	var last *alerts.Record
	var err error
	for i := range 4000 {
		r := report(t, now, now, now.Add(time.Hour), "alertname", "A", "i", time.Duration(i).String(), "a", big, "b", big)
		if err = in.Put(t.Context(), 1, r); err != nil {
			break
		}
		last = r
	}
	if errs.KindOf(err) != errs.Exhausted || errs.HintOf(err) == "" {
		t.Fatalf("a flood ends in %v", err)
	}
	end := report(t, now.Add(time.Minute), now, now.Add(time.Second), "alertname", "A")
	end.Labels = last.Labels
	if err := in.Put(t.Context(), 1, end); err != nil {
		t.Errorf("the end of an alert is not taken when there are too many: %v", err)
	}
}

func TestLimitsOfOneAlert(t *testing.T) {
	long := promodel.LabelValue(strings.Repeat("x", 17<<10))
	many := promodel.LabelSet{}
	for i := range 200 {
		many[promodel.LabelName("l"+time.Duration(i).String())] = "x"
	}
	for what, l := range map[string]promodel.LabelSet{"long": {"alertname": "A", "l": long}, "many": many, "none": {}, "empty": {"alertname": ""}} {
		r := &alerts.Record{}
		r.Labels = l
		if err := r.Normalize(time.Now(), time.Minute); errs.KindOf(err) != errs.Invalid || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

package live

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/model"
)

// maxHeard bounds the alerts between two marks: Alertmanager's bucket holds fewer.
const maxHeard = 20_000

// Alerts follows the alerts in control state, those of our rules and those that others send, and makes findings of them.
type Alerts struct {
	tenant model.TenantID
	bus    bus.Bus
	log    *slog.Logger
	now    func() time.Time

	// mu guards what follows, by the identity of the finding: those since the last call of Findings, and those that last with the time at
	// which they are over when nothing more is heard.
	mu    sync.Mutex
	heard map[uint64]model.Finding
	lasts map[uint64]lasting
}

type lasting struct {
	finding model.Finding
	endsMS  int64 // 0 for when somebody says so.
}

var _ app.Service = (*Alerts)(nil)

// NewAlerts returns a follower that has not begun.
func NewAlerts(tenant model.TenantID, b bus.Bus, log *slog.Logger, now func() time.Time) *Alerts {
	return &Alerts{tenant: tenant, bus: b, log: log, now: now, heard: map[uint64]model.Finding{}, lasts: map[uint64]lasting{}}
}

// Name returns the name of the service.
func (*Alerts) Name() string { return "brain-alerts" }

// Run follows until ctx ends; what breaks is begun again, from what is there then.
func (a *Alerts) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := a.follow(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "alerts not followed; trying again", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return nil
}

func (a *Alerts) follow(ctx context.Context) error {
	kv, err := a.bus.KV(ctx, alerts.Bucket)
	if err != nil {
		return err
	}
	prefix := alerts.Prefix(a.tenant)
	return kv.Watch(ctx, func(e bus.KVEntry) {
		if e.Deleted || !strings.HasPrefix(e.Key, prefix) {
			return
		}
		rec, err := alerts.Decode(e.Value)
		if err != nil {
			a.log.DebugContext(ctx, "an alert cannot be read", slog.String("key", e.Key), slog.Any("error", err))
			return
		}
		a.hear(rec)
	}, func() {})
}

// hear makes a finding of a report. A report says until when it holds if nothing is heard; only an end in the past is an end.
func (a *Alerts) hear(rec *alerts.Record) {
	in := group.Alert{Name: string(rec.Labels["alertname"]), StartMS: rec.StartsAt.UnixMilli(), AtMS: rec.UpdatedAt.UnixMilli()}
	if !rec.EndsAt.IsZero() && !rec.EndsAt.After(a.now()) {
		in.EndMS = rec.EndsAt.UnixMilli()
	}
	for name, value := range rec.Labels {
		in.Labels = append(in.Labels, model.Label{Name: string(name), Value: string(value)})
	}
	slices.SortFunc(in.Labels, func(x, y model.Label) int { return strings.Compare(x.Name, y.Name) })
	for _, n := range []string{"summary", "description", "message"} {
		if v := rec.Annotations[promodel.LabelName(n)]; in.Text == "" {
			in.Text = string(v)
		}
	}
	f := group.FromAlert(in)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heard) >= maxHeard || len(a.lasts) >= maxHeard {
		return
	}
	a.heard[f.ID] = f
	delete(a.lasts, f.ID)
	if f.EndMS == 0 {
		l := lasting{finding: f}
		if !rec.EndsAt.IsZero() {
			l.endsMS = rec.EndsAt.UnixMilli()
		}
		a.lasts[f.ID] = l
	}
}

// Findings returns what was heard since the last call, by onset and id.
func (a *Alerts) Findings() []model.Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now().UnixMilli()
	for id, l := range a.lasts {
		if l.endsMS != 0 && l.endsMS <= now {
			l.finding.EndMS, l.finding.SeenMS = l.endsMS, now
			a.heard[id] = l.finding
			delete(a.lasts, id)
		}
	}
	out := make([]model.Finding, 0, len(a.heard))
	for _, f := range a.heard {
		out = append(out, f)
	}
	clear(a.heard)
	slices.SortFunc(out, func(x, y model.Finding) int {
		return cmp.Or(cmp.Compare(x.OnsetMS, y.OnsetMS), cmp.Compare(x.ID, y.ID))
	})
	return out
}

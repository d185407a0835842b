package responder

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds and times of the history.
const (
	// maxPending is how many rows wait while the store is away: an hour of an alert storm. Later ones are dropped and counted.
	maxPending = 50_000
	// maxRows is how many rows go into one insert.
	maxRows = 5_000
	// flushEvery gathers rows, since each insert makes a part on the disk; flushAgain is the wait after an insert that failed.
	flushEvery = 2 * time.Second
	flushAgain = 5 * time.Second
	// insertTimeout bounds one insert; lastFlush is what a stop waits for.
	insertTimeout = 30 * time.Second
	lastFlush     = 5 * time.Second
)

// history writes down when alerts began and ended. It sees every record of the control state in order. A leader that takes over sees all
// of them again and writes the same rows again: the table keeps one of each.
type history struct {
	tenant   model.TenantID
	store    History
	log      *slog.Logger
	measures *measures
	wake     chan struct{}

	// mu guards what is below.
	mu      sync.Mutex
	last    map[promodel.Fingerprint]*noted
	pending []store.AlertRow
	dropped uint64
	batch   uint64
}

// noted is what was written of an alert.
type noted struct {
	rec      *alerts.Record
	startsAt time.Time
	resolved bool
}

func newHistory(tenant model.TenantID, s History, log *slog.Logger, m *measures) *history {
	return &history{tenant: tenant, store: s, log: log, measures: m, wake: make(chan struct{}, 1), last: map[promodel.Fingerprint]*noted{}}
}

// changed takes a record. It does not wait.
func (h *history) changed(rec *alerts.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(rec, time.Now())
}

// note adds the rows that a record makes. It needs mu.
func (h *history) note(rec *alerts.Record, now time.Time) {
	fp := rec.Fingerprint()
	was := h.last[fp]
	resolved := rec.ResolvedAt(now)
	if was == nil || !was.startsAt.Equal(rec.StartsAt) || (was.resolved && !resolved) {
		h.add(rec, fp, store.AlertFiring, now)
		was = &noted{}
	}
	if resolved && !was.resolved {
		h.add(rec, fp, store.AlertResolved, now)
	}
	h.last[fp] = &noted{rec: rec, startsAt: rec.StartsAt, resolved: resolved}
}

// add adds a row. It needs mu.
func (h *history) add(rec *alerts.Record, fp promodel.Fingerprint, status string, now time.Time) {
	if h.store == nil {
		return
	}
	if len(h.pending) >= maxPending {
		h.dropped++
		h.measures.historyDropped()
		return
	}
	row := store.AlertRow{
		Tenant: h.tenant, TimeMS: rec.StartsAt.UnixMilli(), Fingerprint: uint64(fp), Name: string(rec.Labels[promodel.AlertNameLabel]), Status: status,
		StartsAtMS: rec.StartsAt.UnixMilli(), Labels: plain(rec.Labels), Annotations: plain(rec.Annotations), Source: rec.Source,
		GeneratorURL: rec.GeneratorURL, RecordedAtMS: now.UnixMilli(),
	}
	if status == store.AlertResolved {
		row.TimeMS, row.EndsAtMS = rec.EndsAt.UnixMilli(), rec.EndsAt.UnixMilli()
	}
	h.pending = append(h.pending, row)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func plain(l promodel.LabelSet) map[string]string {
	out := make(map[string]string, len(l))
	for k, v := range l {
		out[string(k)] = string(v)
	}
	return out
}

// sweep finds alerts whose time is over without a report, and forgets those that are over for long.
func (h *history) sweep(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for fp, n := range h.last {
		switch {
		case !n.resolved && n.rec.ResolvedAt(now):
			h.note(n.rec, now)
		case n.resolved && n.rec.EndsAt.Before(now.Add(-keepResolved)):
			delete(h.last, fp)
		}
	}
}

// state returns how many rows wait and how many were dropped.
func (h *history) state() (pending int, dropped uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.pending), h.dropped
}

// run writes rows until ctx ends, and what is left once more then.
func (h *history) run(ctx context.Context) {
	failing := false
	for {
		wait := flushEvery
		err := h.flush(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			h.log.WarnContext(ctx, "state of writing the history of alerts changed", slog.Bool("failing", failing), slog.Any("error", err))
		}
		if err != nil {
			wait = flushAgain
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			if err := h.flush(last); err != nil {
				// The next leader writes them: the control state still has the alerts.
				h.log.DebugContext(ctx, "last rows of the history not written", slog.Any("error", err))
			}
			return
		case <-time.After(wait):
		}
		select {
		case <-ctx.Done():
		case <-h.wake:
		}
	}
}

// flush writes what is pending.
func (h *history) flush(ctx context.Context) error {
	for {
		h.mu.Lock()
		rows := h.pending[:min(len(h.pending), maxRows)]
		h.batch++
		token := fmt.Sprintf("alerts:%d:%d", time.Now().UnixNano(), h.batch)
		h.mu.Unlock()
		if len(rows) == 0 {
			return nil
		}
		callCtx, cancel := context.WithTimeout(ctx, insertTimeout)
		err := h.store.InsertAlerts(callCtx, token, rows)
		cancel()
		if err != nil {
			h.rewake()
			return err
		}
		h.measures.historyWritten(len(rows))
		h.mu.Lock()
		h.pending = append([]store.AlertRow(nil), h.pending[len(rows):]...)
		h.mu.Unlock()
	}
}

// rewake makes run try again.
func (h *history) rewake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

package live

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store"
)

// rateOver is the time that the rates of the state are taken over.
const rateOver = time.Minute

// past is a reading of the counts, for rates.
type past struct {
	at time.Time
	st Status
}

// teller says every few seconds how the brain fares.
type teller struct {
	s        *Service
	started  time.Time
	told     time.Time
	readings []past
	kv       bus.KV
}

// tellEvery is how often it says so.
const tellEvery = 5 * time.Second

// tell puts the state into control state. What fails is told the next time: the page then shows how old it is.
func (t *teller) tell(ctx context.Context) error {
	now := t.s.deps.Now()
	if now.Sub(t.told) < tellEvery {
		return nil
	}
	t.told = now
	st := t.s.Status()
	for len(t.readings) > 1 && now.Sub(t.readings[0].at) > rateOver {
		t.readings = t.readings[1:]
	}
	t.readings = append(t.readings, past{now, st})
	if t.kv == nil {
		kv, err := t.s.deps.Bus.KV(ctx, store.StatusBucket)
		if err != nil {
			return err
		}
		t.kv = kv
	}
	b, err := json.Marshal(t.state(now, st))
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	return t.kv.Put(ctx, incidents.StateKey("leader"), b)
}

func (t *teller) state(now time.Time, st Status) incidents.BrainState {
	first := t.readings[0]
	secs := now.Sub(first.at).Seconds()
	rate := func(a, b uint64) float64 {
		if secs <= 0 {
			return 0
		}
		return float64(b-a) / secs
	}
	out := incidents.BrainState{
		Process: st.Leader, Published: now.UTC(), Started: t.started.UTC(), Mark: st.Mark.Seq, MarkAt: incidents.Time(st.Mark.AtMS), Watermark: incidents.Time(st.Mark.WatermarkMS),
		LagMS: st.LagMS, Series: int64(st.Stats.Series), SeriesLimit: int64(t.s.cfg.Brain.Order.MaxSeries), Unwatched: int64(st.Stats.Aside[3]),
		Entities: int64(st.Stats.Entities), Templates: int64(st.Stats.Templates), MemoryBytes: st.Stats.SnapshotBytes,
		SamplesPerSecond: rate(first.st.Stats.Samples, st.Stats.Samples), LogsPerSecond: rate(first.st.Stats.Lines, st.Stats.Lines),
		SpansPerSecond: rate(first.st.Stats.Spans, st.Stats.Spans), DecisionsPerSecond: rate(first.st.Stats.Decisions, st.Stats.Decisions),
		OpenFindings: int64(st.Stats.OpenFindings), OpenIncidents: int64(st.Stats.OpenIncidents), Skipped: t.s.m.skipped.Get(),
	}
	for _, n := range st.Stats.Aside {
		out.Aside += n
	}
	return out
}

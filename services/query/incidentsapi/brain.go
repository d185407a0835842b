package incidentsapi

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

const (
	// staleAfter is how old a process' word may be when it still counts.
	staleAfter = time.Minute
	// forgetAfter is when a process that says nothing is not shown any more.
	forgetAfter = 24 * time.Hour
	// judgedSpan is over how long precision as judged by people is taken.
	judgedSpan = 90 * 24 * time.Hour
	// brainTimeout bounds the answer: the page is for when something is wrong, so it must not hang with it.
	brainTimeout = 3 * time.Second
)

// Brain is how the brain fares, over all its processes.
type Brain struct {
	Healthy            bool                   `json:"healthy" doc:"Every process spoke within a minute and nothing is wrong"`
	Message            string                 `json:"message" doc:"What is wrong, in one sentence; empty when nothing is"`
	CheckedAt          *time.Time             `json:"checked_at,omitempty" doc:"Up to when everything was judged, in event time; absent while nothing was"`
	LagMS              int64                  `json:"lag_ms" doc:"Of the slowest"`
	Series             int64                  `json:"series"`
	Unwatched          int64                  `json:"unwatched"`
	Entities           int64                  `json:"entities"`
	Templates          int64                  `json:"templates"`
	MemoryBytes        int64                  `json:"memory_bytes"`
	SamplesPerSecond   float64                `json:"samples_per_second"`
	DecisionsPerSecond float64                `json:"decisions_per_second"`
	OpenIncidents      int                    `json:"open_incidents" doc:"Open or quiet"`
	Judged             Judged                 `json:"judged"`
	Processes          []incidents.BrainState `json:"processes"`
}

// Judged is what people said of incidents.
type Judged struct {
	Days      int      `json:"days"`
	Right     uint64   `json:"right" doc:"Incidents that people confirmed"`
	Wrong     uint64   `json:"wrong" doc:"Incidents that people rejected"`
	Total     uint64   `json:"total" doc:"Incidents in that time"`
	Precision *float64 `json:"precision" doc:"right / (right + wrong); null while nobody has judged"`
}

type brainOutput struct{ Body Brain }

func (a *API) brain(ctx context.Context, _ *struct{}) (*brainOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, brainTimeout)
	defer cancel()
	b := Brain{Processes: []incidents.BrainState{}, Judged: Judged{Days: int(judgedSpan.Hours() / 24)}}
	heads, read := a.view.Heads(reqctx.Tenant(ctx))
	b.OpenIncidents = len(heads)
	states, err := a.states(ctx)
	if err != nil {
		return nil, err
	}
	b.add(states, a.now())
	if !read && b.Message == "" {
		b.Message = "The open incidents are being read."
	}
	right, wrong, total, err := a.db.Judged(ctx, reqctx.Tenant(ctx), a.now().Add(-judgedSpan).UnixMilli())
	if err != nil {
		b.Message = "The store does not answer, so that what people judged is not known."
	} else {
		b.Judged.Right, b.Judged.Wrong, b.Judged.Total = right, wrong, total
		if right+wrong > 0 {
			p := float64(right) / float64(right+wrong)
			b.Judged.Precision = &p
		}
	}
	b.Healthy = b.Message == ""
	return &brainOutput{Body: b}, nil
}

// states reads what the processes published of themselves.
func (a *API) states(ctx context.Context) ([]incidents.BrainState, error) {
	kv, err := a.bus.KV(ctx, store.StatusBucket)
	if err != nil {
		return nil, err
	}
	keys, err := kv.Keys(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	var out []incidents.BrainState
	for _, k := range keys {
		if !incidents.IsStateKey(k) {
			continue
		}
		v, err := kv.Get(ctx, k)
		if errs.KindOf(err) == errs.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		var s incidents.BrainState
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, errs.New(errs.Internal, "read the state of %s: %w", k, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// add sums up what processes said.
func (b *Brain) add(states []incidents.BrainState, now time.Time) {
	for _, s := range states {
		age := now.Sub(s.Published)
		if age > forgetAfter {
			continue
		}
		b.Processes = append(b.Processes, s)
		b.LagMS = max(b.LagMS, s.LagMS)
		if age > staleAfter {
			b.LagMS = max(b.LagMS, now.Sub(s.Watermark).Milliseconds())
			b.Message = "The process " + s.Process + " has not spoken for " + age.Truncate(time.Second).String() + "."
		} else if s.Message != "" && b.Message == "" {
			b.Message = s.Message
		}
		b.Series, b.Unwatched, b.Entities, b.Templates, b.MemoryBytes = b.Series+s.Series, b.Unwatched+s.Unwatched, b.Entities+s.Entities, b.Templates+s.Templates, b.MemoryBytes+s.MemoryBytes
		b.SamplesPerSecond, b.DecisionsPerSecond = b.SamplesPerSecond+s.SamplesPerSecond, b.DecisionsPerSecond+s.DecisionsPerSecond
		if w := s.Watermark; !w.IsZero() && (b.CheckedAt == nil || w.Before(*b.CheckedAt)) {
			b.CheckedAt = &w
		}
	}
	if len(b.Processes) == 0 {
		b.Message = "Nothing watches telemetry for incidents: no process of the correlator has spoken yet."
	}
}

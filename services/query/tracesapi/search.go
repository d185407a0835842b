package tracesapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

const (
	// defaultSpan is how far back a question without a start looks.
	defaultSpan = time.Hour
	// searchBudget is how long one page may go on looking through time that has nothing.
	searchBudget = 15 * time.Second
)

type searchInput struct {
	Service     string `query:"service" doc:"A span of this service"`
	Operation   string `query:"operation" doc:"A span of this name"`
	Status      string `query:"status" doc:"A span with this status: ok, error or unset"`
	MinDuration string `query:"min_duration" doc:"At least this long, such as 250ms; of the matching span, or of the root when neither service nor operation is given" example:"250ms"`
	MaxDuration string `query:"max_duration" doc:"At most this long" example:"2s"`
	Start       string `query:"start" doc:"RFC 3339, Unix seconds or now-1h; an hour before the end by default"`
	End         string `query:"end" doc:"As start; now by default"`
	Limit       int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor      string `query:"cursor" doc:"next_cursor of the page before"`
}

// Summary sums up one trace.
type Summary struct {
	TraceID       string   `json:"trace_id"`
	RootService   string   `json:"root_service" doc:"Of the root, or of the earliest span when the root has not arrived"`
	RootOperation string   `json:"root_operation"`
	Start         string   `json:"start" format:"date-time"`
	StartNS       int64    `json:"start_ns"`
	DurationMS    float64  `json:"duration_ms"`
	Spans         uint64   `json:"spans"`
	Services      []string `json:"services"`
	Errors        uint64   `json:"errors" doc:"Spans with status error"`
}

// TracePage is one page of traces.
type TracePage struct {
	Items      []Summary `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Warnings   []string  `json:"warnings"`
}

type searchOutput struct {
	Body TracePage
}

// place is the key of a cursor: where the page ended, and the bounds that relative times meant on the first page.
type place struct {
	After clickhouse.TraceCursor `json:"a"`
	Start int64                  `json:"f"`
	End   int64                  `json:"e"`
}

func (h *handlers) search(ctx context.Context, in *searchInput) (*searchOutput, error) {
	q := clickhouse.TraceSearch{Limit: paging.Limit(in.Limit), Budget: searchBudget}
	if err := in.resolve(&q.TraceFilter, h.now()); err != nil {
		return nil, err
	}
	q.Tenant = reqctx.Tenant(ctx)
	hash := paging.FilterHash("traces", in.Service, in.Operation, in.Status, in.MinDuration, in.MaxDuration, in.Start, in.End)
	p, more, err := paging.Decode[place](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	if more {
		q.StartNS, q.EndNS, q.After = p.Start, p.End, &p.After
	}
	page, err := h.reader.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &searchOutput{Body: TracePage{Items: make([]Summary, len(page.Rows)), Warnings: []string{}}}
	for i := range page.Rows {
		out.Body.Items[i] = summary(&page.Rows[i])
	}
	if page.Next != nil {
		if out.Body.NextCursor, err = paging.Encode(hash, place{After: *page.Next, Start: q.StartNS, End: q.EndNS}); err != nil {
			return nil, err
		}
	}
	if page.SearchedNS != 0 {
		out.Body.Warnings = append(out.Body.Warnings, fmt.Sprintf("the search stopped after %s at %s; next_cursor goes on from there", searchBudget, formatNS(page.SearchedNS)))
	}
	return out, nil
}

func (in *searchInput) resolve(f *clickhouse.TraceFilter, now time.Time) error {
	span, err := timeparam.ParseRange(in.Start, in.End, now, defaultSpan)
	if err != nil {
		return err
	}
	f.StartNS, f.EndNS, f.Service, f.Operation = span.Start.UnixNano(), span.End.UnixNano(), in.Service, in.Operation
	if in.Status != "" {
		i := slices.Index(statusNames[:], in.Status)
		if i < 0 {
			return problem.InvalidField("query.status", "is not one of ok, error, unset", in.Status)
		}
		f.Status = uint8(i + 1)
	}
	if f.MinDurationNS, err = duration("min_duration", in.MinDuration); err != nil {
		return err
	}
	f.MaxDurationNS, err = duration("max_duration", in.MaxDuration)
	return err
}

func duration(name, s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	d, err := timeparam.Duration(s)
	if err != nil {
		// Finer than a millisecond, which timeparam has no need of.
		if d, err = time.ParseDuration(s); err != nil || d < 0 {
			return 0, problem.InvalidField("query."+name, "is not a duration: use 250ms, 1.5s or 2m", s)
		}
	}
	return uint64(d), nil
}

func summary(r *clickhouse.TraceRow) Summary {
	return Summary{
		TraceID: hex.EncodeToString([]byte(r.TraceID)), RootService: r.RootService, RootOperation: r.RootOperation, Start: formatNS(r.StartNS), StartNS: r.StartNS,
		DurationMS: float64(r.EndNS-r.StartNS) / 1e6, Spans: r.Spans, Services: r.Services, Errors: r.Errors,
	}
}

func formatNS(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

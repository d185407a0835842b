// Package patternsapi answers what kinds of log lines there are: templates with their counts, their change against the time before, and
// since when they have been there. The templates are the correlator's; a kind that it has not looked at yet is shown by an example.
package patternsapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Deps is what the handlers need.
type Deps struct {
	DB *clickhouse.DB
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct {
	reader *clickhouse.LogReader
	now    func() time.Time
}

// Register adds GET /api/v1/log-patterns to api.
func Register(api huma.API, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{reader: clickhouse.NewLogReader(deps.DB), now: deps.Now}
	huma.Register(api, huma.Operation{
		OperationID: "list-log-patterns", Method: http.MethodGet, Path: "/api/v1/log-patterns", Tags: []string{"logs"},
		Summary:     "Kinds of log lines with their counts",
		Description: "Every line that is stored counts, whether it is still kept or not. Counts are by whole minutes.",
	}, h.list)
}

// maxPatterns bounds one answer.
const maxPatterns = 1000

type input struct {
	Service string `query:"service" doc:"Of this service alone"`
	Q       string `query:"q" doc:"Only templates that contain this text, whatever its case"`
	Kind    string `query:"kind" enum:"all,new,gone,more,less" default:"all" doc:"new: not before the range in all history; gone: before the range but not in it; more, less: at least twice or at most half of what it was in the same time before"`
	Start   string `query:"start" doc:"RFC 3339, Unix seconds or now-1h; an hour before the end by default"`
	End     string `query:"end" doc:"As start; now by default"`
	Buckets int    `query:"buckets" minimum:"1" maximum:"200" default:"60" doc:"About how many counts for each pattern"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

// Pattern is one kind of line.
type Pattern struct {
	ID       string    `json:"id" doc:"Of the template: stays when it is seen again, and when others become part of it"`
	Service  string    `json:"service"`
	Template string    `json:"template" doc:"What the lines have in common, slots as <num>, <ip>, <*>"`
	Severity uint8     `json:"severity" doc:"The highest seen, as OpenTelemetry's severity number"`
	Lines    uint64    `json:"lines"`
	Before   uint64    `json:"lines_before" doc:"In the same time before the range"`
	Change   *float64  `json:"change,omitempty" doc:"lines / lines_before - 1; absent when there were none before"`
	First    time.Time `json:"first_seen"`
	Last     time.Time `json:"last_seen"`
	New      bool      `json:"new" doc:"First seen within the range"`
	V        []uint64  `json:"v" doc:"Lines by step"`
}

type output struct {
	Body struct {
		T        []int64   `json:"t" doc:"Beginning of each step, Unix milliseconds"`
		StepMS   int64     `json:"step_ms"`
		Items    []Pattern `json:"items"`
		Warnings []string  `json:"warnings"`
	}
}

// stepFor returns the whole minutes of a step.
func stepFor(span time.Duration, buckets int) time.Duration {
	step := span / time.Duration(buckets)
	return max((step + time.Minute - 1).Truncate(time.Minute), time.Minute)
}

func (h *handlers) list(ctx context.Context, in *input) (*output, error) {
	r, err := timeparam.ParseRange(in.Start, in.End, h.now(), time.Hour)
	if err != nil {
		return nil, err
	}
	start := r.Start.Truncate(time.Minute)
	q := clickhouse.PatternQuery{Tenant: reqctx.Tenant(ctx), Service: in.Service, Start: start, End: r.End.Truncate(time.Minute).Add(time.Minute), Limit: maxPatterns}
	q.Step = stepFor(q.End.Sub(q.Start), in.Buckets)
	found, err := h.reader.LogPatterns(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &output{}
	out.Body.StepMS, out.Body.Items, out.Body.Warnings, out.Body.T = q.Step.Milliseconds(), []Pattern{}, []string{}, []int64{}
	for t := q.Start; t.Before(q.End); t = t.Add(q.Step) {
		out.Body.T = append(out.Body.T, t.UnixMilli())
	}
	text := strings.ToLower(in.Q)
	for i := range found {
		p := pattern(&found[i], q.Start)
		if !p.is(in.Kind) || !strings.Contains(strings.ToLower(p.Template), text) {
			continue
		}
		if out.Body.Items = append(out.Body.Items, p); len(out.Body.Items) == in.Limit {
			break
		}
	}
	if len(found) == maxPatterns {
		out.Body.Warnings = append(out.Body.Warnings, "there are more than "+strconv.Itoa(maxPatterns)+" kinds of lines; only the most frequent were looked at: name a service or a shorter time")
	}
	return out, nil
}

func pattern(p *clickhouse.LogPattern, start time.Time) Pattern {
	out := Pattern{
		ID: strconv.FormatUint(p.Template, 16), Service: p.Service, Template: p.Text, Severity: p.Severity, Lines: p.Lines, Before: p.Before,
		First: p.FirstSeen.UTC(), Last: p.LastSeen.UTC(), New: !p.FirstSeen.Before(start), V: p.Counts,
	}
	if p.Before > 0 {
		change := float64(p.Lines)/float64(p.Before) - 1
		out.Change = &change
	}
	return out
}

// is reports whether a pattern is of a kind that was asked for.
func (p *Pattern) is(kind string) bool {
	switch kind {
	case "new":
		return p.New
	case "gone":
		return p.Lines == 0
	case "more":
		return p.Before > 0 && p.Lines >= 2*p.Before
	case "less":
		return p.Lines > 0 && 2*p.Lines <= p.Before
	}
	return p.Lines > 0
}

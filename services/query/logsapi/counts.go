package logsapi

import (
	"cmp"
	"context"
	"slices"
	"time"
)

type histogramInput struct {
	Filter
	Buckets int `query:"buckets" minimum:"1" maximum:"500" default:"60" doc:"About how many columns"`
}

// Volume is the number of records of one severity by column.
type Volume struct {
	SeverityText string   `json:"severity_text" enum:"unset,trace,debug,info,warn,error,fatal"`
	V            []uint64 `json:"v"`
}

// Histogram is the volume of records over time.
type Histogram struct {
	T      []int64  `json:"t" doc:"Beginning of each column, Unix milliseconds"`
	StepMS int64    `json:"step_ms"`
	Series []Volume `json:"series"`
	Total  uint64   `json:"total"`
}

type histogramOutput struct {
	Body Histogram
}

// steps are the widths that columns may have; above the last, whole days.
var steps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour,
	12 * time.Hour, 24 * time.Hour,
}

// stepFor returns the smallest step that needs no more than buckets columns for span.
func stepFor(span time.Duration, buckets int) time.Duration {
	want := span / time.Duration(buckets)
	for _, s := range steps {
		if s >= want {
			return s
		}
	}
	day := 24 * time.Hour
	return (want + day - 1) / day * day
}

func (h *handlers) histogram(ctx context.Context, in *histogramInput) (*histogramOutput, error) {
	f, err := in.resolve(ctx, h.now())
	if err != nil {
		return nil, err
	}
	step := stepFor(time.Duration(f.EndNS-f.StartNS), in.Buckets)
	origin := time.Unix(0, f.StartNS).UTC().Truncate(step).UnixNano()
	n := int((f.EndNS-origin)/int64(step)) + 1
	counts, err := h.reader.Count(ctx, f, origin, int64(step), n)
	if err != nil {
		return nil, err
	}
	out := Histogram{T: make([]int64, n), StepMS: step.Milliseconds(), Series: []Volume{}}
	for i := range out.T {
		out.T[i] = (origin + int64(i)*int64(step)) / 1e6
	}
	for level, v := range counts {
		var sum uint64
		for _, c := range v {
			sum += c
		}
		if sum > 0 {
			out.Series = append(out.Series, Volume{SeverityText: severityNames[level], V: v})
			out.Total += sum
		}
	}
	return &histogramOutput{Body: out}, nil
}

// FacetValue is a value and the number of records that have it.
type FacetValue struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// Facets are the values of the fields that a search can be narrowed by, the most frequent first.
type Facets struct {
	Service      []FacetValue `json:"service"`
	Host         []FacetValue `json:"host"`
	SeverityText []FacetValue `json:"severity_text"`
	Warnings     []string     `json:"warnings"`
}

type facetsOutput struct {
	Body Facets
}

// maxFacetValues bounds a facet; a list longer than this is not read by anybody.
const maxFacetValues = 100

func (h *handlers) facets(ctx context.Context, in *Filter) (*facetsOutput, error) {
	f, err := in.resolve(ctx, h.now())
	if err != nil {
		return nil, err
	}
	c, err := h.reader.Facets(ctx, f)
	if err != nil {
		return nil, err
	}
	levels := map[string]uint64{}
	for i, n := range c.Level {
		if n > 0 {
			levels[severityNames[i]] = n
		}
	}
	out := Facets{Service: facetValues(c.Service), Host: facetValues(c.Host), SeverityText: facetValues(levels), Warnings: []string{}}
	if c.Cut {
		out.Warnings = append(out.Warnings, "there are too many combinations of values to count; rare ones may be missing")
	}
	return &facetsOutput{Body: out}, nil
}

func facetValues(counts map[string]uint64) []FacetValue {
	out := make([]FacetValue, 0, len(counts))
	for v, n := range counts {
		out = append(out, FacetValue{Value: v, Count: n})
	}
	slices.SortFunc(out, func(a, b FacetValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), maxFacetValues)]
}

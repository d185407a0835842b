// Package logql is the query language of Loki: it parses LogQL, runs its pipelines over records, and evaluates its metric queries over
// a Source of records. It does no I/O and knows no store; what a store can decide by itself is told to it as hints (Hints), and the
// pipeline decides again, so that a hint that is too wide costs time and never a wrong answer. The code is our own, after Loki's documentation.
//
// Everything is bounded by Limits: nesting, text, series, cells of the result, values that a quantile keeps, output of a template.
package logql

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Expr is a parsed query: *LogExpr, or a metric query.
type Expr interface {
	// String returns the query in canonical form; it parses to the same query.
	String() string
}

// LogExpr is a log query: which streams, and what to do with their lines.
type LogExpr struct {
	Matchers []*labels.Matcher
	Stages   []Stage
}

// Grouping is by (…) or without (…). nil is no clause at all.
type Grouping struct {
	Without bool
	Labels  []string
}

// Unwrap takes a label's value as the sample.
type Unwrap struct {
	// Conv is "", duration, duration_seconds or bytes.
	Conv  string
	Label string
}

// RangeExpr is a range aggregation, such as rate({a="b"} [5m]).
type RangeExpr struct {
	Op string
	// Param is the quantile of quantile_over_time.
	Param float64
	Log   *LogExpr
	// Unwrap is nil where lines are counted; After are the label filters behind it.
	Unwrap *Unwrap
	After  []Stage
	Range  time.Duration
	Offset time.Duration
	Group  *Grouping
}

// AggExpr is a vector aggregation, such as sum by (a) (…).
type AggExpr struct {
	Op    string
	Param int
	Group *Grouping
	Inner Expr
}

// Matching is on (…) or ignoring (…) with group_left or group_right.
type Matching struct {
	On     bool
	Labels []string
	// Card is "" for one to one, "left" or "right" for the side with many.
	Card    string
	Include []string
}

// BinExpr is a binary operation.
type BinExpr struct {
	Op    string
	Bool  bool
	Match *Matching
	L, R  Expr
}

// NumberExpr is a number.
type NumberExpr struct{ V float64 }

// VectorExpr is vector(number).
type VectorExpr struct{ V float64 }

// LabelReplaceExpr is label_replace(…).
type LabelReplaceExpr struct {
	Inner                       Expr
	Dst, Replacement, Src, Text string
	re                          regexpMatcher
}

// LabelJoinExpr is label_join(…).
type LabelJoinExpr struct {
	Inner    Expr
	Dst, Sep string
	Src      []string
}

// Limits bound a query. The names are what errors call them.
type Limits struct {
	// MaxSeries bounds the series that one aggregation makes (max_query_series).
	MaxSeries int
	// MaxCells bounds series times intervals of one aggregation (max_query_cells); a cell is 8 to 40 bytes.
	MaxCells int
	// MaxValues bounds the values that quantiles and counters keep (max_query_values); 16 bytes each.
	MaxValues int
	// MaxPoints bounds the steps of a range query (max_query_points).
	MaxPoints int
}

// DefaultLimits keep one query below about 300 MB.
func DefaultLimits() Limits {
	return Limits{MaxSeries: 20_000, MaxCells: 6_000_000, MaxValues: 10_000_000, MaxPoints: 11_000}
}

// Bounds of the text of a query.
const (
	// maxQueryBytes is Loki's own bound.
	maxQueryBytes = 131_072
	// maxDepth bounds nesting, since the parser recurses.
	maxDepth = 100
	// maxStages bounds the work for a line.
	maxStages = 100
	// maxPatternBytes bounds a regular expression; matching is linear in text times pattern.
	maxPatternBytes = 8192
	// MaxLineBytes bounds what line_format may make of a line.
	maxFormatBytes = 256 << 10
)

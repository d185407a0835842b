// Package traceql reads the common part of TraceQL, Grafana Tempo's language for finding traces: sets of spans by conditions on their
// fields, joined by && and ||, then aggregates over the spans found, select(), and the metrics functions. Structural operators,
// arithmetic and grouping of spans are answered with an error that names them. It parses; the store translates. It does no I/O.
package traceql

// Bounds of a query; they keep the statement that is made of it small.
const (
	MaxBytes      = 16 << 10
	MaxConditions = 64
	maxDepth      = 32
	maxRegexp     = 1024
)

// Query is a parsed query.
type Query struct {
	// Spans says which spans a trace must have; never nil.
	Spans Set
	// Aggregates must hold over the spans found.
	Aggregates []Aggregate
	// Select are fields to show with the spans.
	Select []Field
	// Metric is what to compute, nil for a search.
	Metric *Metric
}

// Set is a set of spans, or two joined.
type Set struct {
	// Op is 0 for one set of spans, else And or Or over Left and Right.
	Op          BoolOp
	Left, Right *Set
	// Cond is what a span must have; nil is any span.
	Cond *Cond
}

// BoolOp joins conditions.
type BoolOp uint8

// The operators between conditions.
const (
	Leaf BoolOp = iota
	And
	Or
)

// Cond is a condition on one span: a comparison, or two joined. There is no negation of a whole: the parser moves it inwards.
type Cond struct {
	Op          BoolOp
	Left, Right *Cond
	// Negated, Field, Cmp and Value are of a comparison.
	Negated bool
	Field   Field
	Cmp     Cmp
	Value   Value
	// Always is true for a comparison that is simply true ({ true }) or, with Negated, false.
	Always bool
}

// Scope says where a field is.
type Scope uint8

// The scopes. Any is a field written with a dot alone: of the span or of its resource.
const (
	Any Scope = iota
	Span
	Resource
	Intrinsic
)

// Field is a field of a span.
type Field struct {
	Scope Scope
	// Name is the attribute's, or the intrinsic's: name, status, statusMessage, duration, kind, rootName, rootServiceName, traceDuration,
	// scopeName, scopeVersion, spanID, parentID, traceID.
	Name string
}

// OfTrace reports whether a field is of the whole trace and not of one span.
func (f Field) OfTrace() bool {
	return f.Scope == Intrinsic && (f.Name == "rootName" || f.Name == "rootServiceName" || f.Name == "traceDuration")
}

// String returns the field as it is written in a query.
func (f Field) String() string {
	switch f.Scope {
	case Span:
		return "span." + f.Name
	case Resource:
		return "resource." + f.Name
	case Any:
		return "." + f.Name
	default:
		return f.Name
	}
}

// Cmp compares.
type Cmp string

// The comparisons.
const (
	Eq       Cmp = "="
	NotEq    Cmp = "!="
	Less     Cmp = "<"
	LessEq   Cmp = "<="
	More     Cmp = ">"
	MoreEq   Cmp = ">="
	Match    Cmp = "=~"
	NotMatch Cmp = "!~"
)

// ValueKind is the type of a value.
type ValueKind uint8

// The types. Duration is in nanoseconds; Status is 0 unset, 1 ok, 2 error; Kind is OpenTelemetry's number.
const (
	String ValueKind = iota
	Number
	Duration
	Bool
	Status
	Kind
	Nil
)

// Value is a literal.
type Value struct {
	Kind ValueKind
	Text string
	Num  float64
}

// Aggregate is a condition over the spans found in a trace.
type Aggregate struct {
	// Func is count, avg, min, max or sum.
	Func  string
	Field Field // not of count
	Cmp   Cmp
	Value float64
}

// Metric is what a metrics query computes over time.
type Metric struct {
	// Func is rate, count_over_time, min_over_time, max_over_time, avg_over_time, sum_over_time or quantile_over_time.
	Func      string
	Field     Field
	Quantiles []float64
	By        []Field
}

// Fields returns the fields that conditions and select() name, each once.
func (q *Query) Fields() []Field {
	seen := map[Field]bool{}
	var out []Field
	add := func(f Field) {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	var cond func(*Cond)
	cond = func(c *Cond) {
		switch {
		case c == nil || c.Op == Leaf && c.Always:
		case c.Op == Leaf:
			add(c.Field)
		default:
			cond(c.Left)
			cond(c.Right)
		}
	}
	var set func(*Set)
	set = func(s *Set) {
		if s.Op == Leaf {
			cond(s.Cond)
			return
		}
		set(s.Left)
		set(s.Right)
	}
	set(&q.Spans)
	for _, f := range q.Select {
		add(f)
	}
	return out
}

package clickhouse

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/traceql"
)

func (p *params) float(name string, v float64) { p.add(name, formatFloat(v)) }

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// spanCompiler turns conditions of TraceQL into SQL on the columns of spans. Every value becomes a parameter; what stands in the text
// is chosen here from constants.
type spanCompiler struct {
	p *params
	// prefix keeps the parameters of two compilations in one statement apart.
	prefix string
	// traces says that the columns of traceWindows are there. Without them a condition on the whole trace counts as true: what is found
	// is then more than what is meant, never less, because negations stand at the leaves.
	traces bool
	n      int
}

// traceWindows are what conditions on the whole trace need beside each span.
const traceWindows = `
    argMin(name, tuple(parent_span_id != toFixedString('', 8), ts)) OVER (PARTITION BY trace_id) AS whole_name,
    argMin(service, tuple(parent_span_id != toFixedString('', 8), ts)) OVER (PARTITION BY trace_id) AS whole_service,
    max(toUnixTimestamp64Nano(ts) + toInt64(duration_ns)) OVER (PARTITION BY trace_id) - min(toUnixTimestamp64Nano(ts)) OVER (PARTITION BY trace_id) AS whole_ns`

// comparisons are the operators as ClickHouse writes them; match and its negation are functions.
var comparisons = map[traceql.Cmp]string{
	traceql.Eq: "=", traceql.NotEq: "!=", traceql.Less: "<", traceql.LessEq: "<=", traceql.More: ">", traceql.MoreEq: ">=",
}

func (c *spanCompiler) name() string {
	c.n++
	return c.prefix + strconv.Itoa(c.n)
}

func (c *spanCompiler) str(v string) string {
	name := c.name()
	c.p.str(name, v)
	return "{" + name + ":String}"
}

func (c *spanCompiler) num(v float64) string {
	name := c.name()
	c.p.float(name, v)
	return "{" + name + ":Float64}"
}

// any returns the condition that a span is in one of the sets.
func (c *spanCompiler) any(s *traceql.Set) string {
	if s.Op == traceql.Leaf {
		return c.cond(s.Cond)
	}
	return "(" + c.any(s.Left) + " OR " + c.any(s.Right) + ")"
}

// having returns what the sets ask of a trace: that each has a span, joined as they are.
func (c *spanCompiler) having(s *traceql.Set) string {
	switch s.Op {
	case traceql.And:
		return "(" + c.having(s.Left) + " AND " + c.having(s.Right) + ")"
	case traceql.Or:
		return "(" + c.having(s.Left) + " OR " + c.having(s.Right) + ")"
	default:
		return "countIf(" + c.cond(s.Cond) + ") > 0"
	}
}

// aggregate returns the condition of an aggregate over the spans for which any holds.
func (c *spanCompiler) aggregate(a traceql.Aggregate, any string) string {
	op := comparisons[a.Cmp]
	if a.Func == "count" {
		return "uniqExactIf(span_id, " + any + ") " + op + " " + c.num(a.Value)
	}
	return a.Func + "If(" + c.number(a.Field) + ", " + any + ") " + op + " " + c.num(a.Value)
}

// number returns a field as a number, NULL where it is none.
func (c *spanCompiler) number(f traceql.Field) string {
	if f.Scope == traceql.Intrinsic {
		return "duration_ns"
	}
	return "toFloat64OrNull(attributes[" + c.str(f.Name) + "])"
}

func (c *spanCompiler) cond(x *traceql.Cond) string {
	switch {
	case x == nil:
		return "1"
	case x.Op == traceql.And:
		return "(" + c.cond(x.Left) + " AND " + c.cond(x.Right) + ")"
	case x.Op == traceql.Or:
		return "(" + c.cond(x.Left) + " OR " + c.cond(x.Right) + ")"
	case !x.Always && x.Field.OfTrace() && !c.traces:
		return "1"
	}
	out := "1"
	if !x.Always {
		out = c.comparison(x)
	}
	if x.Negated {
		return "NOT (" + out + ")"
	}
	return out
}

func (c *spanCompiler) comparison(x *traceql.Cond) string {
	switch x.Field.Scope {
	case traceql.Intrinsic:
		return c.intrinsic(x)
	case traceql.Span:
		return c.attribute("attributes", x)
	case traceql.Resource:
		return c.resource(x)
	default:
		return "(" + c.attribute("attributes", x) + " OR " + c.resource(x) + ")"
	}
}

// intrinsicColumns are the texts that every span has. Ids are shown in hexadecimal digits.
var intrinsicColumns = map[string]string{
	"name": "name", "statusMessage": "status_message", "scopeName": "scope_name", "scopeVersion": "scope_version", "rootName": "whole_name",
	"rootServiceName": "whole_service", "spanID": "lower(hex(span_id))", "traceID": "lower(hex(trace_id))",
	"parentID": "if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id)))",
}

func (c *spanCompiler) intrinsic(x *traceql.Cond) string {
	if x.Value.Kind == traceql.Nil {
		return map[bool]string{true: "1", false: "0"}[x.Cmp == traceql.NotEq]
	}
	numbers := map[string]string{"duration": "duration_ns", "status": "status", "kind": "kind", "traceDuration": "whole_ns"}
	if column, ok := numbers[x.Field.Name]; ok {
		return column + " " + comparisons[x.Cmp] + " " + c.num(x.Value.Num)
	}
	if x.Field.Name == "traceID" && x.Cmp == traceql.Eq {
		// The column itself, so that its index can be asked.
		if raw, err := hex.DecodeString(x.Value.Text); err == nil && len(raw) == 16 {
			return "trace_id = toFixedString(unhex(" + c.str(x.Value.Text) + "), 16)"
		}
	}
	return c.text(intrinsicColumns[x.Field.Name], x)
}

// text compares a column of strings.
func (c *spanCompiler) text(column string, x *traceql.Cond) string {
	switch x.Cmp {
	case traceql.Match, traceql.NotMatch:
		expr := "match(" + column + ", " + c.str("^(?:"+x.Value.Text+")$") + ")"
		if x.Cmp == traceql.NotMatch {
			return "NOT " + expr
		}
		return expr
	default:
		return column + " " + comparisons[x.Cmp] + " " + c.str(x.Value.Text)
	}
}

// attribute compares an attribute in a map column. One that is absent fulfils nothing but = nil, as in Tempo.
func (c *spanCompiler) attribute(column string, x *traceql.Cond) string {
	key := c.str(x.Field.Name)
	has, value := "mapContains("+column+", "+key+")", column+"["+key+"]"
	switch x.Value.Kind {
	case traceql.Nil:
		if x.Cmp == traceql.Eq {
			return "NOT " + has
		}
		return has
	case traceql.Number, traceql.Duration:
		return "ifNull(toFloat64OrNull(" + value + ") " + comparisons[x.Cmp] + " " + c.num(x.Value.Num) + ", 0)"
	default:
		return "(" + has + " AND " + c.text(value, x) + ")"
	}
}

// resource compares a resource attribute: the service by its column, others by the ids of the resources that have it.
func (c *spanCompiler) resource(x *traceql.Cond) string {
	if x.Field.Name == "service.name" {
		switch {
		case x.Value.Kind == traceql.String:
			return "(service != '' AND " + c.text("service", x) + ")"
		case x.Value.Kind == traceql.Nil && x.Cmp == traceql.Eq:
			return "service = ''"
		case x.Value.Kind == traceql.Nil:
			return "service != ''"
		}
	}
	return "resource_id GLOBAL IN (SELECT resource_id FROM resources WHERE tenant_id = {tenant:UInt32} AND " + c.attribute("attributes", x) + ")"
}

// label returns a field as text, for grouping.
func (c *spanCompiler) label(f traceql.Field) string {
	switch {
	case f.Scope == traceql.Intrinsic && f.Name == "status":
		return "['unset', 'ok', 'error'][least(status, 2) + 1]"
	case f.Scope == traceql.Intrinsic && f.Name == "kind":
		return "['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'][least(kind, 5) + 1]"
	case f.Scope == traceql.Intrinsic && f.Name == "duration":
		return "toString(duration_ns)"
	case f.Scope == traceql.Intrinsic:
		return "toString(" + intrinsicColumns[f.Name] + ")"
	case f.Scope != traceql.Span && f.Name == "service.name":
		return "toString(service)"
	}
	return "attributes[" + c.str(f.Name) + "]"
}

// tracesFrom returns where a statement over whole traces reads: spans, with what conditions on the trace need where there are any.
// where is the condition on time, tenant and traces.
func tracesFrom(q *traceql.Query, where string) (from string, traces bool) {
	if q != nil {
		for _, f := range q.Fields() {
			if f.OfTrace() {
				return fmt.Sprintf("(SELECT *,%s FROM spans WHERE %s)", traceWindows, where), true
			}
		}
	}
	return "spans\nWHERE " + where, false
}

// sumConditions compiles what a query asks of whole traces: which spans count, and what a trace must have.
func sumConditions(q *traceql.Query, p *params, traces bool) (any, having string) {
	if q == nil {
		return "1", "1"
	}
	c := &spanCompiler{p: p, prefix: "s", traces: traces}
	any = c.any(&q.Spans)
	parts := []string{c.having(&q.Spans)}
	for _, a := range q.Aggregates {
		parts = append(parts, c.aggregate(a, any))
	}
	return any, strings.Join(parts, " AND ")
}

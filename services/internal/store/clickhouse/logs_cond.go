package clickhouse

import (
	"context"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/logquery"
)

// sqlCond writes a condition as SQL. Every value is a parameter; the text is made of constants.
type sqlCond struct {
	b strings.Builder
	p params
	n int
	// resources are the ids that conditions on resource attributes came to.
	resources map[*logquery.Cond][]uint64
}

// param names the next parameter.
func (s *sqlCond) param(prefix string) string {
	s.n++
	return prefix + strconv.Itoa(s.n)
}

func (s *sqlCond) str(v string) string {
	name := s.param("s")
	s.p.str(name, v)
	return "{" + name + ":String}"
}

func (s *sqlCond) float(v float64) string {
	name := s.param("f")
	s.p.add(name, strconv.FormatFloat(v, 'g', -1, 64))
	return "{" + name + ":Float64}"
}

// condition returns the WHERE clause of f and its parameters.
func (r *LogReader) condition(ctx context.Context, f *LogFilter) (string, params, error) {
	s := &sqlCond{resources: map[*logquery.Cond][]uint64{}}
	var failed error
	f.Query.Root.Walk(func(c *logquery.Cond) {
		if c.Kind == logquery.Resource && failed == nil {
			s.resources[c], failed = r.resourcesWith(ctx, f.Tenant, c)
		}
	})
	if failed != nil {
		return "", nil, failed
	}
	s.b.WriteString("tenant_id = {tenant:UInt32} AND " + timeBounds)
	s.p.uint("tenant", uint64(f.Tenant))
	s.p.int("start", f.StartNS)
	s.p.int("end", f.EndNS)
	if len(f.Services) > 0 {
		s.b.WriteString(" AND service IN {services:Array(String)}")
		s.p.strs("services", f.Services)
	}
	if len(f.Hosts) > 0 {
		s.b.WriteString(" AND host IN {hosts:Array(String)}")
		s.p.strs("hosts", f.Hosts)
	}
	if f.ResourceIDs != nil {
		s.b.WriteString(" AND resource_id IN {resources:Array(UInt64)}")
		s.p.uint64s("resources", f.ResourceIDs)
	}
	if f.SeverityMin > 0 {
		s.b.WriteString(" AND severity >= {severity:UInt8}")
		s.p.uint("severity", uint64(f.SeverityMin))
	}
	if f.Levels != 0 {
		s.b.WriteString(" AND bitTest({levels:UInt8}, " + severityGroup + ")")
		s.p.uint("levels", uint64(f.Levels))
	}
	if f.TraceID != "" {
		s.b.WriteString(" AND trace_id = unhex({trace:String})")
		s.p.str("trace", hexOf(f.TraceID))
	}
	if f.Query.Root != nil {
		s.b.WriteString(" AND ")
		s.cond(f.Query.Root)
	}
	return s.b.String(), s.p, nil
}

// severityGroup is OpenTelemetry's group of a record's severity.
const severityGroup = "toUInt8(least(intDiv(toUInt16(severity) + 3, 4), 6))"

func (s *sqlCond) cond(c *logquery.Cond) {
	switch c.Kind {
	case logquery.And, logquery.Or:
		word := " AND "
		if c.Kind == logquery.Or {
			word = " OR "
		}
		s.b.WriteByte('(')
		for i, sub := range c.Subs {
			if i > 0 {
				s.b.WriteString(word)
			}
			s.cond(sub)
		}
		s.b.WriteByte(')')
	case logquery.Not:
		s.b.WriteString("NOT ")
		s.cond(c.Subs[0])
	case logquery.IsTerm:
		s.term(&c.Term)
	case logquery.Contains:
		s.contains(c.Value)
	case logquery.Matches:
		// The engine lets a dot match a line break unless told otherwise.
		s.b.WriteString("match(body, " + s.str("(?-s)"+c.Value) + ")")
	case logquery.Service:
		s.like("service", c.Pieces)
	case logquery.Host:
		s.like("host", c.Pieces)
	case logquery.Trace:
		s.b.WriteString("(trace_id = unhex(" + s.str(hexOf(c.Value)) + "))")
	case logquery.Span:
		s.b.WriteString("(span_id = unhex(" + s.str(hexOf(c.Value)) + "))")
	case logquery.Shape:
		n, _ := strconv.ParseUint(c.Value, 16, 64)
		name := s.param("u")
		s.p.uint(name, n)
		s.b.WriteString("(shape_hash = {" + name + ":UInt64})")
	case logquery.Level:
		s.b.WriteString("(severity " + sqlOp(c.Op) + " " + s.float(c.Number) + ")")
	case logquery.Resource:
		name := s.param("ids")
		s.p.uint64s(name, s.resources[c])
		s.b.WriteString("(resource_id IN {" + name + ":Array(UInt64)})")
	default:
		s.value(c)
	}
}

// sqlOp returns a comparison; it is one of these constants whatever was asked.
func sqlOp(op string) string {
	switch op {
	case ">", ">=", "<", "<=":
		return op
	}
	return "="
}

// term adds one search term. hasToken is what the word index understands; a term that is one word needs nothing else.
func (s *sqlCond) term(t *logquery.Term) {
	s.b.WriteByte('(')
	for j, w := range t.Words {
		if j > 0 {
			s.b.WriteString(" AND ")
		}
		s.b.WriteString("hasToken(lower(body), " + s.str(w) + ")")
	}
	if len(t.Words) != 1 || t.Words[0] != t.Text {
		if len(t.Words) > 0 {
			s.b.WriteString(" AND ")
		}
		s.b.WriteString("position(lower(body), " + s.str(t.Text) + ") > 0")
	}
	s.b.WriteByte(')')
}

// contains looks for a text as it is. Words within it that have other characters on both sides are whole words of the body, so the
// word index is asked for them first.
func (s *sqlCond) contains(text string) {
	s.b.WriteByte('(')
	for _, w := range logquery.InnerWords(text) {
		s.b.WriteString("hasToken(lower(body), " + s.str(w) + ") AND ")
	}
	s.b.WriteString("position(body, " + s.str(text) + ") > 0)")
}

// like compares a column, or an expression of ours, with pieces that have anything between them.
func (s *sqlCond) like(expr string, pieces []string) {
	if len(pieces) == 1 {
		s.b.WriteString("(" + expr + " = " + s.str(pieces[0]) + ")")
		return
	}
	escaped := make([]string, len(pieces))
	for i, p := range pieces {
		escaped[i] = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(p)
	}
	s.b.WriteString("(" + expr + " LIKE " + s.str(strings.Join(escaped, "%")) + ")")
}

// value compares a named value of the attributes, or else of the body.
func (s *sqlCond) value(c *logquery.Cond) {
	name := s.str(c.Name)
	expr := "attributes[" + name + "]"
	if c.Kind == logquery.Field {
		expr = "if(mapContains(attributes, " + name + "), attributes[" + name + "], trim(BOTH '\"' FROM extract(body, " + s.str(logquery.FieldPattern(c.Name)) + ")))"
	}
	if c.Op == "=" {
		if len(c.Pieces) == 2 && c.Pieces[0] == "" && c.Pieces[1] == "" {
			s.b.WriteString("(" + expr + " != '')")
			return
		}
		s.like("lower("+expr+")", c.Pieces)
		return
	}
	groups := "extractGroups(" + expr + ", " + s.str(logquery.NumberPattern) + ")"
	number := "toFloat64OrNull(" + groups + "[1])"
	if c.Units != nil {
		var units []string
		var factors strings.Builder
		for u, f := range c.Units {
			if factors.Len() > 0 {
				factors.WriteByte(',')
			}
			units = append(units, u)
			factors.WriteString(strconv.FormatFloat(f, 'g', -1, 64))
		}
		names, values := s.param("a"), s.param("a")
		s.p.strs(names, units)
		s.p.add(values, "["+factors.String()+"]")
		number += " * transform(lower(" + groups + "[2]), {" + names + ":Array(String)}, {" + values + ":Array(Float64)}, nan)"
	}
	s.b.WriteString("(ifNull(" + number + " " + sqlOp(c.Op) + " " + s.float(c.Number) + ", 0))")
}

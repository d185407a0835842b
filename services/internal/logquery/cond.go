package logquery

import (
	"regexp"
	"strconv"
	"strings"
)

// Kind says what a condition looks at.
type Kind uint8

// The kinds.
const (
	And Kind = iota
	Or
	Not
	// IsTerm is a word or phrase of the body.
	IsTerm
	// Contains and Matches look for a text and for a regular expression in the body as it is.
	Contains
	Matches
	// Service, Host, Trace, Span and Shape compare columns with Value.
	Service
	Host
	Trace
	Span
	Shape
	// Level compares the severity number by Op with Number.
	Level
	// Resource, Attribute and Field compare a named value: of the resource, of the record's attributes, or of the attributes and
	// else of name=value or "name":value in the body.
	Resource
	Attribute
	Field
)

// Cond is a condition on a record.
type Cond struct {
	Kind Kind
	Subs []*Cond
	Term Term
	// Name is the resource attribute, attribute or field.
	Name string
	// Op is = or a comparison of numbers.
	Op string
	// Value is what is compared with: raw bytes of ids, else text that may have stars. Pieces is the text between stars, in lower
	// case for kinds that do not mind case.
	Value  string
	Pieces []string
	Number float64
	// Units says what a value's unit is worth, for comparisons; the key "" is for values without one.
	Units map[string]float64
	re    *regexp.Regexp
}

// Record is what a condition looks at.
type Record struct {
	Body, Service, Host string
	Severity            uint8
	Shape               uint64
	// TraceID and SpanID are raw bytes.
	TraceID, SpanID string
	// Attribute and Resource look a value up.
	Attribute, Resource func(name string) (string, bool)
	// low is the body in lower case, once a term asked for it.
	low   string
	isLow bool
}

func (r *Record) lowered() string {
	if !r.isLow {
		r.low, r.isLow = lower(r.Body), true
	}
	return r.low
}

// Query is a parsed search; the zero value matches everything.
type Query struct{ Root *Cond }

// Match reports whether a record with this body alone matches.
func (q Query) Match(body string) bool { return q.MatchRecord(&Record{Body: body}) }

// MatchRecord reports whether a record matches.
func (q Query) MatchRecord(r *Record) bool { return q.Root == nil || q.Root.match(r) }

// match reports whether r meets c.
func (c *Cond) match(r *Record) bool {
	switch c.Kind {
	case And:
		for _, s := range c.Subs {
			if !s.match(r) {
				return false
			}
		}
		return true
	case Or:
		for _, s := range c.Subs {
			if s.match(r) {
				return true
			}
		}
		return false
	case Not:
		return !c.Subs[0].match(r)
	case IsTerm:
		return c.Term.match(r.lowered())
	case Contains:
		return strings.Contains(r.Body, c.Value)
	case Matches:
		return c.re.MatchString(r.Body)
	case Service:
		return matchPieces(r.Service, c.Pieces)
	case Host:
		return matchPieces(r.Host, c.Pieces)
	case Trace:
		return r.TraceID == c.Value
	case Span:
		return r.SpanID == c.Value
	case Shape:
		return strconv.FormatUint(r.Shape, 16) == strings.TrimLeft(c.Value, "0")
	case Level:
		return compare(c.Op, float64(r.Severity), c.Number)
	}
	return c.compareValue(c.valueOf(r))
}

// valueOf returns the named value, "" for none.
func (c *Cond) valueOf(r *Record) string {
	if c.Kind == Resource {
		if r.Resource == nil {
			return ""
		}
		v, _ := r.Resource(c.Name)
		return v
	}
	if r.Attribute != nil {
		if v, ok := r.Attribute(c.Name); ok {
			return v
		}
	}
	if c.Kind == Attribute {
		return ""
	}
	m := c.re.FindStringSubmatch(r.Body)
	if m == nil {
		return ""
	}
	return strings.Trim(m[1], `"`)
}

func (c *Cond) compareValue(v string) bool {
	if c.Op == "=" {
		if len(c.Pieces) == 2 && c.Pieces[0] == "" && c.Pieces[1] == "" {
			return v != "" // name:* asks whether there is one
		}
		return matchPieces(lower(v), c.Pieces)
	}
	n, ok := c.number(v)
	return ok && compare(c.Op, n, c.Number)
}

// NumberPattern reads a number and its unit; the store uses the same.
const NumberPattern = `^\s*([+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([a-zA-Zµ]{0,8})\s*$`

var numberRE = regexp.MustCompile(NumberPattern)

func (c *Cond) number(v string) (float64, bool) {
	m := numberRE.FindStringSubmatch(v)
	if m == nil {
		return 0, false
	}
	unit, ok := c.Units[lower(m[2])]
	if c.Units == nil {
		unit, ok = 1, true
	}
	n, err := strconv.ParseFloat(m[1], 64)
	return n * unit, ok && err == nil
}

func compare(op string, a, b float64) bool {
	switch op {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	}
	return a == b
}

// matchPieces reports whether s is the pieces in their order with anything between two.
func matchPieces(s string, pieces []string) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return s == first
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, p := range pieces[1 : len(pieces)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}

// FieldPattern finds name=value and "name":value in a body; the first group is the value, perhaps in quotes.
func FieldPattern(name string) string {
	return `(?:^|[^A-Za-z0-9_.@/-])` + regexp.QuoteMeta(name) + `"?\s*[=:]\s*("(?:[^"\\]|\\(?s:.))*"|[^\s,;&}\]"]+)`
}

// NewContains returns a condition on the body as it is.
func NewContains(text string) *Cond { return &Cond{Kind: Contains, Value: text} }

// NewMatches returns a condition of a regular expression on the body.
func NewMatches(re *regexp.Regexp) *Cond { return &Cond{Kind: Matches, Value: re.String(), re: re} }

// All joins conditions that must all hold; nil for none.
func All(cs ...*Cond) *Cond { return joined(And, cs) }

// Any joins conditions of which one must hold.
func Any(cs ...*Cond) *Cond { return joined(Or, cs) }

func joined(k Kind, cs []*Cond) *Cond {
	switch len(cs) {
	case 0:
		return nil
	case 1:
		return cs[0]
	}
	return &Cond{Kind: k, Subs: cs}
}

// Negate returns the opposite.
func Negate(c *Cond) *Cond { return &Cond{Kind: Not, Subs: []*Cond{c}} }

// Walk calls f with c and all below.
func (c *Cond) Walk(f func(*Cond)) {
	if c == nil {
		return
	}
	f(c)
	for _, s := range c.Subs {
		s.Walk(f)
	}
}

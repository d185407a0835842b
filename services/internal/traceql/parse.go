package traceql

import (
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

type parser struct {
	tokens []token
	pos    int
	conds  int
	depth  int
}

// Parse reads a query. Errors: errs.Invalid, naming the place and what is not supported.
func Parse(s string) (*Query, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	q := &Query{}
	set, err := p.sets()
	if err != nil {
		return nil, err
	}
	q.Spans = *set
	for p.accept("|") {
		if err := p.stage(q); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != endToken {
		return nil, p.unexpected(t)
	}
	return q, nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != endToken {
		p.pos++
	}
	return t
}

func (p *parser) accept(punct string) bool {
	if t := p.peek(); t.kind == punctToken && t.text == punct {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(punct string) error {
	if !p.accept(punct) {
		return p.errorf("expected %q", punct)
	}
	return nil
}

func (p *parser) errorf(format string, args ...any) error {
	t := p.peek()
	found := "the end"
	if t.kind != endToken {
		found = t.text
	}
	return errs.New(errs.Invalid, "at byte %d (%s): %w", t.pos+1, found, errs.New(errs.Invalid, format, args...))
}

// structural are operators between spans of one trace.
var structural = []string{">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~"}

// arithmetic are operators between fields and values.
var arithmetic = []string{"+", "-", "*", "/", "%", "^"}

func (p *parser) unexpected(t token) error {
	switch {
	case t.kind == punctToken && slices.Contains(structural, t.text):
		return p.unsupported("the structural operator " + t.text)
	case t.kind == punctToken && slices.Contains(arithmetic, t.text):
		return p.unsupported("arithmetic (" + t.text + ")")
	}
	return p.errorf("unexpected here")
}

func (p *parser) unsupported(what string) error {
	return &errs.Error{Kind: errs.Invalid, Err: p.errorf("%s is not supported", what), Hint: "docs/api/tempo.md lists the part of TraceQL that is"}
}

// deeper bounds recursion.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf("brackets are nested deeper than %d", maxDepth)
	}
	return nil
}

// sets reads sets of spans joined by ||.
func (p *parser) sets() (*Set, error) {
	left, err := p.andSets()
	for err == nil && p.accept("||") {
		var right *Set
		if right, err = p.andSets(); err == nil {
			left = &Set{Op: Or, Left: left, Right: right}
		}
	}
	return left, err
}

func (p *parser) andSets() (*Set, error) {
	left, err := p.oneSet()
	for err == nil && p.accept("&&") {
		var right *Set
		if right, err = p.oneSet(); err == nil {
			left = &Set{Op: And, Left: left, Right: right}
		}
	}
	if t := p.peek(); err == nil && t.kind == punctToken && slices.Contains(structural, t.text) {
		return nil, p.unexpected(t)
	}
	return left, err
}

func (p *parser) oneSet() (*Set, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.conds++; p.conds > MaxConditions {
		return nil, p.errorf("there are more than %d conditions", MaxConditions)
	}
	if p.accept("(") {
		s, err := p.sets()
		if err != nil {
			return nil, err
		}
		if t := p.peek(); t.kind == punctToken && t.text == "|" {
			return nil, p.unsupported("a pipeline within brackets")
		}
		return s, p.expect(")")
	}
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	if p.accept("}") {
		return &Set{}, nil
	}
	c, err := p.orCond(false)
	if err != nil {
		return nil, err
	}
	return &Set{Cond: c}, p.expect("}")
}

// orCond reads conditions joined by ||; negated is whether a negation outside of them was moved in.
func (p *parser) orCond(negated bool) (*Cond, error) {
	op := Or
	if negated {
		op = And
	}
	left, err := p.andCond(negated)
	for err == nil && p.accept("||") {
		var right *Cond
		if right, err = p.andCond(negated); err == nil {
			left = &Cond{Op: op, Left: left, Right: right}
		}
	}
	return left, err
}

func (p *parser) andCond(negated bool) (*Cond, error) {
	op := And
	if negated {
		op = Or
	}
	left, err := p.unary(negated)
	for err == nil && p.accept("&&") {
		var right *Cond
		if right, err = p.unary(negated); err == nil {
			left = &Cond{Op: op, Left: left, Right: right}
		}
	}
	return left, err
}

func (p *parser) unary(negated bool) (*Cond, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.accept("!") {
		return p.unary(!negated)
	}
	if p.accept("(") {
		c, err := p.orCond(negated)
		if err != nil {
			return nil, err
		}
		return c, p.expect(")")
	}
	return p.comparison(negated)
}

// comparison reads field op value, value op field, a field alone (which must be true), or true and false.
func (p *parser) comparison(negated bool) (*Cond, error) {
	if p.conds++; p.conds > MaxConditions {
		return nil, p.errorf("there are more than %d conditions", MaxConditions)
	}
	t := p.peek()
	if v, ok := literal(t); ok {
		p.next()
		cmp, found := p.cmp()
		if !found {
			if v.Kind == Bool {
				return &Cond{Always: true, Negated: negated != (v.Text == "false")}, nil
			}
			return nil, p.unexpected(p.peek())
		}
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		if cmp == Match || cmp == NotMatch {
			return nil, p.errorf("a regular expression stands on the right side")
		}
		return p.checked(&Cond{Negated: negated, Field: f, Cmp: mirrored(cmp), Value: v})
	}
	f, err := p.field()
	if err != nil {
		return nil, err
	}
	cmp, found := p.cmp()
	if !found {
		if t := p.peek(); t.kind == punctToken && slices.Contains(arithmetic, t.text) {
			return nil, p.unexpected(t)
		}
		return p.checked(&Cond{Negated: negated, Field: f, Cmp: Eq, Value: Value{Kind: Bool, Text: "true"}})
	}
	v, ok := literal(p.peek())
	if !ok {
		if p.peek().kind == wordToken {
			return nil, p.unsupported("comparing two fields")
		}
		return nil, p.errorf("expected a value: a string in quotes, a number, a duration, true, false, nil, a status or a kind")
	}
	p.next()
	if t := p.peek(); t.kind == punctToken && slices.Contains(arithmetic, t.text) || t.kind == numberToken && strings.HasPrefix(t.text, "-") {
		return nil, p.unsupported("arithmetic")
	}
	return p.checked(&Cond{Negated: negated, Field: f, Cmp: cmp, Value: v})
}

func (p *parser) cmp() (Cmp, bool) {
	t := p.peek()
	if t.kind != punctToken {
		return "", false
	}
	switch c := Cmp(t.text); c {
	case Eq, NotEq, Less, LessEq, More, MoreEq, Match, NotMatch:
		p.next()
		return c, true
	}
	return "", false
}

func mirrored(c Cmp) Cmp {
	switch c {
	case Less:
		return More
	case LessEq:
		return MoreEq
	case More:
		return Less
	case MoreEq:
		return LessEq
	default:
		return c
	}
}

// checked refuses comparisons that cannot be meant.
func (p *parser) checked(c *Cond) (*Cond, error) {
	if c.Cmp == Match || c.Cmp == NotMatch {
		if c.Value.Kind != String {
			return nil, p.errorf("a regular expression is a string in quotes")
		}
		if len(c.Value.Text) > maxRegexp {
			return nil, p.errorf("a regular expression has more than %d bytes", maxRegexp)
		}
		if _, err := regexp.Compile(c.Value.Text); err != nil {
			return nil, p.errorf("%v", err)
		}
	}
	if c.Value.Kind == Nil && c.Cmp != Eq && c.Cmp != NotEq {
		return nil, p.errorf("nil is compared by = and != only")
	}
	if c.Field.Scope != Intrinsic || c.Value.Kind == Nil {
		return c, nil
	}
	want := String
	switch c.Field.Name {
	case "duration", "traceDuration":
		want = Duration
		if c.Value.Kind == Number { // nanoseconds
			c.Value.Kind = Duration
		}
	case "status":
		want = Status
	case "kind":
		want = Kind
		if c.Value.Kind == Status && c.Value.Text == "unspecified" {
			c.Value = Value{Kind: Kind}
		}
	}
	if c.Value.Kind != want {
		return nil, p.errorf("%s cannot be compared with that", c.Field)
	}
	return c, nil
}

package logql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// regexpMatcher is a compiled regular expression.
type regexpMatcher = *regexp.Regexp

// Parse reads a query. Errors: errs.Invalid with a *ParseError that names line and column.
func Parse(src string) (Expr, error) {
	if len(src) > maxQueryBytes {
		return nil, errs.New(errs.Invalid, "the query has %d bytes, more than %d", len(src), maxQueryBytes)
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, toks: toks}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEOF {
		return nil, p.unexpected(t, "")
	}
	return e, nil
}

// ParseLog reads a log query: a selector and its pipeline.
func ParseLog(src string) (*LogExpr, error) {
	e, err := Parse(src)
	if err != nil {
		return nil, err
	}
	l, ok := e.(*LogExpr)
	if !ok {
		return nil, errs.New(errs.Invalid, "only log queries are supported here, not metric queries")
	}
	return l, nil
}

// ParseSelector reads a stream selector alone, such as {app="x"}; an empty one is fine.
func ParseSelector(src string) ([]*labels.Matcher, error) {
	if strings.TrimSpace(src) == "" || strings.ReplaceAll(src, " ", "") == "{}" {
		return nil, nil
	}
	l, err := ParseLog(src)
	if err != nil {
		return nil, err
	}
	if len(l.Stages) > 0 {
		return nil, errs.New(errs.Invalid, "only label matchers are supported here, not a pipeline")
	}
	return l.Matchers, nil
}

type parser struct {
	src   string
	toks  []token
	i     int
	depth int
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) peekAt(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if p.i < len(p.toks)-1 {
		p.i++
	}
	return t
}

func (p *parser) is(op string) bool {
	t := p.peek()
	return t.kind == tokPunct && t.text == op
}

func (p *parser) isWord(w string) bool {
	t := p.peek()
	return t.kind == tokIdent && t.text == w
}

// accept takes the operator if it is next.
func (p *parser) accept(op string) bool {
	if p.is(op) {
		p.next()
		return true
	}
	return false
}

func (p *parser) acceptWord(w string) bool {
	if p.isWord(w) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(op string) error {
	if !p.accept(op) {
		return p.unexpected(p.peek(), strconv.Quote(op))
	}
	return nil
}

func (p *parser) errorf(t token, format string, args ...any) error {
	return errorAt(p.src, t.pos, format, args...)
}

func (p *parser) unexpected(t token, want string) error {
	if want != "" {
		return p.errorf(t, "syntax error: unexpected %s, expecting %s", t.describe(), want)
	}
	return p.errorf(t, "syntax error: unexpected %s", t.describe())
}

func (p *parser) str(what string) (string, error) {
	t := p.next()
	if t.kind != tokString {
		return "", p.unexpected(t, what)
	}
	return t.text, nil
}

func (p *parser) ident(what string) (string, error) {
	t := p.next()
	if t.kind != tokIdent {
		return "", p.unexpected(t, what)
	}
	return t.text, nil
}

// deeper counts nesting; leave undoes it.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf(p.peek(), "the query nests deeper than %d", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// names reads ( a, b, c ).
func (p *parser) names() ([]string, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	out := []string{}
	for !p.accept(")") {
		if len(out) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		n, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// logExpr reads a selector with its pipeline; inRange stops at unwrap and at a range.
func (p *parser) selector() ([]*labels.Matcher, error) {
	open := p.peek()
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var out []*labels.Matcher
	for !p.accept("}") {
		if len(out) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.accept("}") {
				break
			}
		}
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	if !slices.ContainsFunc(out, func(m *labels.Matcher) bool { return !m.Matches("") }) {
		return nil, p.errorf(open, "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will")
	}
	return out, nil
}

var matchTypes = map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}

func (p *parser) matcher() (*labels.Matcher, error) {
	name, err := p.ident("a label name")
	if err != nil {
		return nil, err
	}
	op := p.next()
	typ, ok := matchTypes[op.text]
	if !ok || op.kind != tokPunct {
		return nil, p.unexpected(op, `"=", "!=", "=~" or "!~"`)
	}
	at := p.peek()
	v, err := p.str("a string")
	if err != nil {
		return nil, err
	}
	return p.newMatcher(at, typ, name, v)
}

func (p *parser) newMatcher(at token, typ labels.MatchType, name, v string) (*labels.Matcher, error) {
	if (typ == labels.MatchRegexp || typ == labels.MatchNotRegexp) && len(v) > maxPatternBytes {
		return nil, p.errorf(at, "the regular expression has %d bytes, more than %d", len(v), maxPatternBytes)
	}
	m, err := labels.NewMatcher(typ, name, v)
	if err != nil {
		return nil, p.errorf(at, "%v", err)
	}
	return m, nil
}

func (p *parser) regexp(at token, text string) (*regexp.Regexp, error) {
	if len(text) > maxPatternBytes {
		return nil, p.errorf(at, "the regular expression has %d bytes, more than %d", len(text), maxPatternBytes)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, p.errorf(at, "%v", err)
	}
	return re, nil
}

// pipeline reads stages up to what is none. In a range aggregation unwrap ends it.
func (p *parser) pipeline(stages []Stage) ([]Stage, error) {
	for {
		t := p.peek()
		if t.kind != tokPunct {
			return stages, nil
		}
		if len(stages) >= maxStages {
			return nil, p.errorf(t, "the pipeline has more than %d stages", maxStages)
		}
		var s Stage
		var err error
		switch t.text {
		case "|=", "!=", "|~", "!~", "|>", "!>":
			s, err = p.lineFilter()
		case "|":
			if n := p.peekAt(1); n.kind == tokIdent && n.text == "unwrap" && p.peekAt(2).kind == tokIdent {
				return stages, nil
			}
			p.next()
			s, err = p.stage()
		default:
			return stages, nil
		}
		if err != nil {
			return nil, err
		}
		stages = append(stages, s)
	}
}

// lineFilter reads |= "a" or "b".
func (p *parser) lineFilter() (Stage, error) {
	op := p.next()
	f := &LineFilter{Op: op.text}
	for {
		at := p.peek()
		if at.kind == tokIdent && at.text == "ip" {
			if op.text != "|=" && op.text != "!=" {
				return nil, p.errorf(at, "ip() needs |= or !=")
			}
			ip, err := p.ipCall()
			if err != nil {
				return nil, err
			}
			f.IPs = append(f.IPs, ip)
		} else {
			text, err := p.str("a string")
			if err != nil {
				return nil, err
			}
			if err := f.add(p, at, text); err != nil {
				return nil, err
			}
		}
		if !p.acceptWord("or") {
			return f, nil
		}
		if len(f.Texts)+len(f.IPs) >= maxStages {
			return nil, p.errorf(at, "a line filter has more than %d alternatives", maxStages)
		}
	}
}

func (p *parser) ipCall() (*IPMatcher, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	at := p.peek()
	text, err := p.str("an address, a range or a network in quotes")
	if err != nil {
		return nil, err
	}
	m, err := newIPMatcher(text)
	if err != nil {
		return nil, p.errorf(at, "%v", err)
	}
	return m, p.expect(")")
}

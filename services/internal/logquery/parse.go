package logquery

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Parse reads a search. Errors: errs.Invalid with the position and a hint.
func Parse(s string) (Query, error) {
	p := &parser{s: s}
	root, err := p.or()
	if err != nil {
		return Query{}, err
	}
	if p.i < len(p.s) {
		return Query{}, p.errorf(p.i, `write ")" in quotes to search for it`, "there is a closing parenthesis without an opening one")
	}
	return Query{Root: root}, nil
}

type parser struct {
	s     string
	i     int
	depth int
	terms int
}

func (p *parser) errorf(pos int, hint, format string, args ...any) error {
	return errs.WithHint(errs.Invalid, hint, "at position %d: %s", pos+1, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// keyword takes an operator in capitals that stands alone.
func (p *parser) keyword(w string) bool {
	rest, ok := strings.CutPrefix(p.s[p.i:], w)
	if !ok || rest != "" && strings.IndexByte(" \t\r\n(", rest[0]) < 0 {
		return false
	}
	p.i += len(w)
	return true
}

func (p *parser) or() (*Cond, error) {
	var alternatives []*Cond
	for {
		at := p.i
		c, err := p.and()
		if err != nil {
			return nil, err
		}
		p.space()
		more := p.keyword("OR")
		if c == nil && (more || len(alternatives) > 0) {
			return nil, p.errorf(at, `write "OR" in quotes to search for the word`, "OR needs something on both sides")
		}
		if c != nil {
			alternatives = append(alternatives, c)
		}
		if !more {
			return Any(alternatives...), nil
		}
	}
}

func (p *parser) and() (*Cond, error) {
	var all []*Cond
	for {
		p.space()
		if p.i == len(p.s) || p.s[p.i] == ')' && p.depth > 0 {
			break
		}
		if p.s[p.i] == ')' && p.depth == 0 && (p.i+1 == len(p.s) || p.s[p.i+1] == ' ') {
			break // Parse complains
		}
		at := p.i
		if p.keyword("OR") {
			p.i = at
			break
		}
		if p.keyword("AND") {
			continue
		}
		c, err := p.unary()
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, c)
		}
	}
	return All(all...), nil
}

func (p *parser) unary() (*Cond, error) {
	negated := false
	if p.keyword("NOT") {
		negated = true
		if p.space(); p.i == len(p.s) {
			return nil, p.errorf(p.i, `write "NOT" in quotes to search for the word`, "NOT needs something behind it")
		}
	}
	if p.s[p.i] == '-' && p.i+1 < len(p.s) && p.s[p.i+1] != ' ' {
		negated = !negated
		p.i++
	}
	c, err := p.primary()
	if err != nil || c == nil || !negated {
		return c, err
	}
	return Negate(c), nil
}

func (p *parser) primary() (*Cond, error) {
	at := p.i
	switch p.s[p.i] {
	case '(':
		return p.group()
	case '"':
		text := p.phrase()
		return p.term(at, text, false)
	}
	if name, op, ok := p.field(); ok {
		return p.comparison(at, name, op)
	}
	text := p.word()
	trimmed := strings.Trim(text, "*")
	return p.term(at, trimmed, trimmed != text)
}

func (p *parser) group() (*Cond, error) {
	at := p.i
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf(at, "write it with fewer parentheses", "parentheses nest deeper than %d", maxDepth)
	}
	p.i++
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.i == len(p.s) {
		return nil, p.errorf(at, `close it, or write it in quotes to search for "("`, "the parenthesis is not closed")
	}
	p.i++
	p.depth--
	return c, nil
}

// phrase reads up to the closing quote, which a backslash escapes; without one, to the end.
func (p *parser) phrase() string {
	var b strings.Builder
	p.i++
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\\' && p.i+1 < len(p.s) && (p.s[p.i+1] == '"' || p.s[p.i+1] == '\\'):
			p.i++
			b.WriteByte(p.s[p.i])
		case c == '"':
			p.i++
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// word reads up to white space; in a group up to a closing parenthesis that the word did not open.
func (p *parser) word() string {
	start, open := p.i, 0
	for ; p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) < 0; p.i++ {
		switch p.s[p.i] {
		case '(':
			open++
		case ')':
			if open--; open < 0 && p.depth > 0 {
				return p.s[start:p.i]
			}
		}
	}
	return p.s[start:p.i]
}

func (p *parser) count(at int) error {
	if p.terms++; p.terms > MaxTerms {
		return p.errorf(at, "search for less at once", "the search has more than %d terms", MaxTerms)
	}
	return nil
}

func (p *parser) term(at int, text string, loose bool) (*Cond, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > MaxTermBytes {
		return nil, p.errorf(at, "search for a part of it", "a search term has %d bytes, more than %d", len(text), MaxTermBytes)
	}
	t := Term{Text: lower(text)}
	if !loose {
		t.Words = identifiers(t.Text)
	}
	return &Cond{Kind: IsTerm, Term: t}, p.count(at)
}

var fieldRE = regexp.MustCompile(`^([A-Za-z_@][A-Za-z0-9_.@/-]{0,127})(:>=|:<=|:>|:<|:|>=|<=|>|<)([^ \t\r\n])`)

// field reads a name and an operator in front of a value.
func (p *parser) field() (name, op string, ok bool) {
	m := fieldRE.FindStringSubmatch(p.s[p.i:])
	if m == nil || m[3] == ")" && p.depth > 0 {
		return "", "", false
	}
	name, op = m[1], m[2]
	rest := p.s[p.i+len(name)+len(op):]
	if op == ":" && (strings.HasPrefix(rest, "//") || rest[0] == ':') {
		return "", "", false // an address, or a name of C++
	}
	if op != ":" {
		op = strings.TrimPrefix(op, ":")
		word, _, _ := strings.Cut(rest, " ")
		if _, isLevel := LevelNumber(strings.TrimRight(word, ")")); !isLevel && !startsNumber(word) {
			return "", "", false // a->b, <html>
		}
	}
	p.i += len(m[1]) + len(m[2])
	return name, op, true
}

func startsNumber(s string) bool {
	s = strings.TrimLeft(s, "+-\"")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// comparison reads the value behind name and op.
func (p *parser) comparison(at int, name, op string) (*Cond, error) {
	valueAt, quoted := p.i, p.s[p.i] == '"'
	var value string
	if quoted {
		value = p.phrase()
	} else {
		value = p.word()
	}
	if value == "" {
		return nil, p.errorf(valueAt, name+":* asks whether there is any", "the value of %s is empty", name)
	}
	if len(value) > MaxTermBytes {
		return nil, p.errorf(valueAt, "search for a part of it", "the value of %s has %d bytes, more than %d", name, len(value), MaxTermBytes)
	}
	if err := p.count(at); err != nil {
		return nil, err
	}
	c := &Cond{Name: name, Op: op, Value: value}
	if op == ":" {
		c.Op = "="
	}
	pieces := func(s string) []string {
		if quoted {
			return []string{s}
		}
		return strings.Split(s, "*")
	}
	switch name {
	case "service", "host":
		if c.Op != "=" {
			return nil, p.errorf(at, name+":value", "%s has no order: use a colon", name)
		}
		c.Kind, c.Pieces = Service, pieces(value)
		if name == "host" {
			c.Kind = Host
		}
		return c, nil
	case "level", "severity":
		return p.level(c, valueAt)
	case "trace", "trace_id":
		return p.id(c, Trace, valueAt, 16)
	case "span", "span_id":
		return p.id(c, Span, valueAt, 8)
	case "shape":
		if _, err := strconv.ParseUint(value, 16, 64); err != nil {
			return nil, p.errorf(valueAt, "a record's field shape has it", "a shape is up to 16 hexadecimal digits")
		}
		c.Kind, c.Value = Shape, lower(value)
		return c, nil
	}
	return p.named(c, at, valueAt, pieces(lower(value)), quoted)
}

// named is a comparison of an attribute, a resource's attribute, or a field.
func (p *parser) named(c *Cond, at, valueAt int, pieces []string, quoted bool) (*Cond, error) {
	c.Kind, c.Pieces = Field, pieces
	if rest, ok := strings.CutPrefix(c.Name, "attr."); ok {
		c.Kind, c.Name = Attribute, rest
	} else if rest, ok := strings.CutPrefix(c.Name, "resource."); ok {
		c.Kind, c.Name = Resource, rest
	}
	if c.Name == "" {
		return nil, p.errorf(at, "attr.http.route:/cart", "the attribute has no name")
	}
	if c.Kind == Field {
		c.re = regexp.MustCompile(FieldPattern(c.Name))
	}
	if c.Op != "=" {
		if c.Kind == Resource {
			return nil, p.errorf(at, "resource.name:value", "resource attributes are compared with a colon only")
		}
		m := numberRE.FindStringSubmatch(c.Value)
		if m == nil {
			return nil, p.errorf(valueAt, "500, 1.5s, 500ms, 10MB", "%q is not a number with a unit", c.Value)
		}
		return c, c.setNumber(p, valueAt, m[1], lower(m[2]))
	}
	if c.Kind == Field && !quoted && strings.Trim(c.Value, "*") != "" {
		// What looks like a field may be just text, such as Exception:foo.
		text := lower(p.s[at:p.i])
		trimmed := strings.Trim(text, "*")
		t := Term{Text: trimmed}
		if trimmed == text {
			t.Words = identifiers(text)
		}
		return Any(c, &Cond{Kind: IsTerm, Term: t}), nil
	}
	return c, nil
}

func (p *parser) id(c *Cond, kind Kind, at, bytes int) (*Cond, error) {
	raw, err := hex.DecodeString(c.Value)
	if err != nil || len(raw) != bytes || c.Op != "=" {
		return nil, p.errorf(at, c.Name+":"+strings.Repeat("0a", bytes), "%s takes %d hexadecimal digits", c.Name, 2*bytes)
	}
	c.Kind, c.Value = kind, string(raw)
	return c, nil
}

// levels are the names of OpenTelemetry's severity groups with what else they are called.
var levels = map[string]int{
	"unset": 0, "unknown": 0, "trace": 1, "debug": 2, "info": 3, "information": 3, "notice": 3, "warn": 4, "warning": 4, "error": 5, "err": 5, "fatal": 6, "critical": 6, "panic": 6,
}

// LevelNumber returns the severity group of a level's name, 0 to 6.
func LevelNumber(name string) (int, bool) {
	n, ok := levels[lower(name)]
	return n, ok
}

// level turns a comparison of names into one of severity numbers; each group has four.
func (p *parser) level(c *Cond, at int) (*Cond, error) {
	g, ok := LevelNumber(c.Value)
	if !ok {
		return nil, p.errorf(at, "level:error, level>=warn", "%q is not one of unset, trace, debug, info, warn, error, fatal", c.Value)
	}
	low, high := float64(4*g-3), float64(4*g)
	if g == 0 {
		low, high = 0, 0
	}
	at1 := func(op string, n float64) *Cond { return &Cond{Kind: Level, Op: op, Number: n} }
	switch c.Op {
	case "=":
		return All(at1(">=", low), at1("<=", high)), nil
	case ">=":
		return at1(">=", low), nil
	case ">":
		return at1(">", high), nil
	case "<":
		return at1("<", low), nil
	default:
		return at1("<=", high), nil
	}
}

var (
	timeUnits = map[string]float64{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
	sizeUnits = map[string]float64{
		"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	}
	// suffixes are ends of names that say the unit of values that do not.
	suffixes = []struct {
		end   string
		units map[string]float64
		unit  string
	}{
		{"_ns", timeUnits, "ns"}, {"_us", timeUnits, "us"}, {"_ms", timeUnits, "ms"}, {"_millis", timeUnits, "ms"}, {"_seconds", timeUnits, "s"}, {"_s", timeUnits, "s"}, {"_bytes", sizeUnits, "b"},
	}
)

// setNumber sets what the values are compared with. Values without a unit have the one that the name ends with, else the question's.
func (c *Cond) setNumber(p *parser, at int, number, unit string) error {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return p.errorf(at, "500, 1.5s, 500ms, 10MB", "%q is not a number", number)
	}
	c.Number = n
	if unit == "" {
		return nil // the numbers alone are compared
	}
	table := timeUnits
	if _, ok := timeUnits[unit]; !ok {
		table = sizeUnits
	}
	factor, ok := table[unit]
	if !ok {
		return p.errorf(at, "ns, us, ms, s, m, h, d, or B, KB, MB, GB, KiB, MiB, GiB", "%q is not a unit", unit)
	}
	c.Number = n * factor
	c.Units = make(map[string]float64, len(table)+1)
	for u, f := range table {
		c.Units[u] = f
	}
	c.Units[""] = factor
	for _, s := range suffixes {
		if f, same := table[s.unit], strings.HasSuffix(c.Name, s.end); same && f == s.units[s.unit] && len(table) == len(s.units) {
			c.Units[""] = f
			break
		}
	}
	return nil
}

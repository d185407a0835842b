package logql

import (
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// stage reads what follows a bar.
func (p *parser) stage() (Stage, error) {
	t := p.peek()
	if t.kind == tokPunct && t.text == "(" {
		return p.labelFilter()
	}
	if t.kind != tokIdent {
		return nil, p.unexpected(t, "a stage such as json, logfmt, line_format, or a label filter")
	}
	// A stage's name may also be a label's: | json = "x".
	if n := p.peekAt(1); n.kind == tokPunct && isComparison(n.text) && !p.lineFilterFollows() {
		return p.labelFilter()
	}
	p.next()
	switch t.text {
	case "json":
		return p.extractions(&JSONStage{}, "json")
	case "logfmt":
		return p.logfmt()
	case "regexp":
		at := p.peek()
		text, err := p.str("a regular expression")
		if err != nil {
			return nil, err
		}
		re, err := p.regexp(at, text)
		if err != nil {
			return nil, err
		}
		s, err := newRegexpStage(text, re)
		if err != nil {
			return nil, p.errorf(at, "%v", err)
		}
		return s, nil
	case "pattern":
		at := p.peek()
		text, err := p.str("a pattern")
		if err != nil {
			return nil, err
		}
		s, err := newPatternStage(text)
		if err != nil {
			return nil, p.errorf(at, "%v", err)
		}
		return s, nil
	case "unpack":
		return &UnpackStage{}, nil
	case "decolorize":
		return &DecolorizeStage{}, nil
	case "line_format":
		at := p.peek()
		text, err := p.str("a template")
		if err != nil {
			return nil, err
		}
		s, err := newLineFormat(text)
		if err != nil {
			return nil, p.errorf(at, "invalid line template: %v", err)
		}
		return s, nil
	case "label_format":
		return p.labelFormat()
	case "drop", "keep":
		return p.dropKeep(t.text == "keep")
	}
	return nil, p.unexpected(p.peek(), "a comparison after the label "+strconv.Quote(t.text))
}

// lineFilterFollows reports whether the comparison after the stage's name is a line filter: | json != "x" is one.
func (p *parser) lineFilterFollows() bool {
	switch p.peek().text {
	case "json", "logfmt", "unpack", "decolorize":
		op := p.peekAt(1).text
		return op == "!=" || op == "!~"
	}
	return false
}

func isComparison(op string) bool {
	switch op {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// extractions reads what may follow json and logfmt: a, b="expr".
func (p *parser) extractions(s extractor, name string) (Stage, error) {
	for n := 0; p.peek().kind == tokIdent; n++ {
		t := p.next()
		e := extraction{Name: t.text, Path: t.text}
		at := t
		if p.accept("=") {
			at = p.peek()
			var err error
			if e.Path, err = p.str("an expression in quotes"); err != nil {
				return nil, err
			}
			e.Given = true
		}
		if err := s.extract(e); err != nil {
			return nil, p.errorf(at, "cannot parse expression [%s]: %v", e.Path, err)
		}
		if n > maxStages {
			return nil, p.errorf(at, "%s extracts more than %d labels", name, maxStages)
		}
		if !p.accept(",") {
			break
		}
	}
	return s, nil
}

func (p *parser) logfmt() (Stage, error) {
	s := &LogfmtStage{}
	for p.peek().kind == tokFlag {
		switch t := p.next(); t.text {
		case "--strict":
			s.Strict = true
		case "--keep-empty":
			s.KeepEmpty = true
		default:
			return nil, p.errorf(t, "logfmt has no flag %s", t.text)
		}
	}
	return p.extractions(s, "logfmt")
}

func (p *parser) labelFormat() (Stage, error) {
	s := &LabelFormatStage{}
	seen := map[string]bool{}
	for {
		at := p.peek()
		name, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, p.errorf(at, "label %q is formatted twice in one stage", name)
		}
		seen[name] = true
		v := p.next()
		switch v.kind {
		case tokIdent:
			s.Formats = append(s.Formats, labelFormat{Name: name, From: v.text})
		case tokString:
			tpl, err := newTemplate(v.text)
			if err != nil {
				return nil, p.errorf(v, "invalid template for label %q: %v", name, err)
			}
			s.Formats = append(s.Formats, labelFormat{Name: name, tpl: tpl})
		default:
			return nil, p.unexpected(v, "a label or a template")
		}
		if !p.accept(",") {
			return s, nil
		}
	}
}

func (p *parser) dropKeep(keep bool) (Stage, error) {
	s := &DropStage{Keep: keep}
	for {
		n := p.peekAt(1)
		if n.kind == tokPunct && matchTypeOf(n.text) >= 0 {
			m, err := p.matcher()
			if err != nil {
				return nil, err
			}
			s.Matchers = append(s.Matchers, m)
		} else {
			name, err := p.ident("a label name")
			if err != nil {
				return nil, err
			}
			s.Names = append(s.Names, name)
		}
		if !p.accept(",") {
			return s, nil
		}
	}
}

func matchTypeOf(op string) int {
	if t, ok := matchTypes[op]; ok {
		return int(t)
	}
	return -1
}

// labelFilter reads a or b and (c, d): or binds least; and, a comma and nothing at all are the same.
func (p *parser) labelFilter() (Stage, error) {
	left, err := p.labelAnd()
	if err != nil {
		return nil, err
	}
	for p.isWord("or") {
		p.next()
		right, err := p.labelAnd()
		if err != nil {
			return nil, err
		}
		left = &LabelFilter{Op: "or", L: left, R: right}
	}
	return left, nil
}

func (p *parser) labelAnd() (*LabelFilter, error) {
	left, err := p.labelUnary()
	if err != nil {
		return nil, err
	}
	for {
		n := p.peekAt(1)
		juxtaposed := p.peek().kind == tokIdent && !p.isWord("or") && n.kind == tokPunct && isComparison(n.text)
		if !juxtaposed && !p.isWord("and") && !p.is(",") {
			return left, nil
		}
		if p.isWord("and") || p.is(",") {
			p.next()
		}
		right, err := p.labelUnary()
		if err != nil {
			return nil, err
		}
		left = &LabelFilter{Op: "and", L: left, R: right}
	}
}

func (p *parser) labelUnary() (*LabelFilter, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.accept("(") {
		s, err := p.labelFilter()
		if err != nil {
			return nil, err
		}
		return s.(*LabelFilter), p.expect(")")
	}
	name, err := p.ident("a label name")
	if err != nil {
		return nil, err
	}
	op := p.next()
	if op.kind != tokPunct || !isComparison(op.text) {
		return nil, p.unexpected(op, "a comparison")
	}
	return p.labelValue(name, op)
}

func (p *parser) labelValue(name string, op token) (*LabelFilter, error) {
	f := &LabelFilter{Op: op.text, Name: name}
	v := p.peek()
	switch {
	case v.kind == tokString:
		p.next()
		typ, ok := matchTypes[op.text]
		if !ok {
			return nil, p.errorf(op, "strings are compared with =, !=, =~ and !~, not with %s", op.text)
		}
		m, err := p.newMatcher(v, typ, name, v.text)
		if err != nil {
			return nil, err
		}
		f.Kind, f.Match = filterString, m
		return f, nil
	case v.kind == tokIdent && v.text == "ip":
		if op.text != "=" && op.text != "!=" && op.text != "==" {
			return nil, p.errorf(op, "ip() is compared with = and !=")
		}
		ip, err := p.ipCall()
		f.Kind, f.IP = filterIP, ip
		return f, err
	}
	if op.text == "=~" || op.text == "!~" {
		return nil, p.unexpected(v, "a regular expression in quotes")
	}
	if op.text == "=" {
		f.Op = "=="
	}
	neg := p.accept("-")
	if v = p.next(); v.kind != tokNumber {
		return nil, p.unexpected(v, "a string, a number, a duration or a size")
	}
	if err := f.setNumber(v.text, neg); err != nil {
		return nil, p.errorf(v, "%q is not a number, a duration or a size", v.text)
	}
	return f, nil
}

func (f *LabelFilter) setNumber(text string, neg bool) error {
	f.Text = text
	if neg {
		f.Text = "-" + text
	}
	n, err := strconv.ParseFloat(f.Text, 64)
	if err == nil {
		f.Kind, f.Num = filterNumber, n
		return nil
	}
	if d, err := parseDuration(f.Text); err == nil {
		f.Kind, f.Num = filterDuration, float64(d)
		return nil
	}
	b, err := parseBytes(text)
	if err != nil {
		return err
	}
	if neg {
		b = -b
	}
	f.Kind, f.Num = filterBytes, b
	return nil
}

// matchersString writes {a="b"}.
func matchersString(ms []*labels.Matcher) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

package logql

import (
	"regexp"
	"strconv"
	"strings"
)

// LineFilter keeps lines that contain, match, or do not. Texts and IPs are alternatives.
type LineFilter struct {
	// Op is |=, !=, |~, !~, |> or !>.
	Op    string
	Texts []string
	IPs   []*IPMatcher
	res   []*regexp.Regexp
	pats  [][]string
}

func (f *LineFilter) add(p *parser, at token, text string) error {
	f.Texts = append(f.Texts, text)
	switch f.Op {
	case "|~", "!~":
		re, err := p.regexp(at, text)
		if err != nil {
			return err
		}
		f.res = append(f.res, re)
	case "|>", "!>":
		if len(text) > maxPatternBytes {
			return p.errorf(at, "the pattern has %d bytes, more than %d", len(text), maxPatternBytes)
		}
		f.pats = append(f.pats, strings.Split(text, "<_>"))
	}
	return nil
}

// Negated reports whether the filter keeps what does not match.
func (f *LineFilter) Negated() bool { return f.Op[0] == '!' }

// Patterns returns, for |> and !>, the literal pieces of each pattern: anything may stand between two.
func (f *LineFilter) Patterns() [][]string { return f.pats }

// Regexps returns the expressions of |~ and !~.
func (f *LineFilter) Regexps() []*regexp.Regexp { return f.res }

func (f *LineFilter) run(r *record) bool { return f.Match(r.line) }

// Match reports whether the filter keeps a line.
func (f *LineFilter) Match(line string) bool { return f.any(line) != f.Negated() }

func (f *LineFilter) any(line string) bool {
	for i := range f.IPs {
		if f.IPs[i].in(line) {
			return true
		}
	}
	switch f.Op[1] {
	case '=':
		for _, t := range f.Texts {
			if strings.Contains(line, t) {
				return true
			}
		}
	case '~':
		for _, re := range f.res {
			if re.MatchString(line) {
				return true
			}
		}
	default:
		for _, p := range f.pats {
			if matchPieces(line, p) {
				return true
			}
		}
	}
	return false
}

// matchPieces reports whether line is the pieces in their order with anything between them: the first at its beginning and the last
// at its end. One empty piece is an empty pattern, which matches the empty line.
func matchPieces(line string, pieces []string) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return line == first
	}
	if !strings.HasPrefix(line, first) {
		return false
	}
	line = line[len(first):]
	for _, p := range pieces[1 : len(pieces)-1] {
		i := strings.Index(line, p)
		if i < 0 {
			return false
		}
		line = line[i+len(p):]
	}
	return strings.HasSuffix(line, last)
}

// String writes the filter.
func (f *LineFilter) String() string {
	var parts []string
	for _, t := range f.Texts {
		parts = append(parts, strconv.Quote(t))
	}
	for _, ip := range f.IPs {
		parts = append(parts, "ip("+strconv.Quote(ip.text)+")")
	}
	return f.Op + " " + strings.Join(parts, " or ")
}

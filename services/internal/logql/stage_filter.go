package logql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

type filterKind uint8

const (
	filterTree filterKind = iota
	filterString
	filterNumber
	filterDuration
	filterBytes
	filterIP
)

// LabelFilter compares a label, or joins two filters with and, or.
type LabelFilter struct {
	// Op is and, or, or a comparison.
	Op   string
	L, R *LabelFilter
	Kind filterKind
	Name string
	// Match is set for strings.
	Match *labels.Matcher
	IP    *IPMatcher
	Num   float64
	// Text is the number as it was written.
	Text string
}

func (f *LabelFilter) run(r *record) bool {
	switch f.Kind {
	case filterTree:
		if f.Op == "and" {
			return f.L.run(r) && f.R.run(r)
		}
		return f.L.run(r) || f.R.run(r)
	case filterString:
		v, _ := r.get(f.Name)
		return f.Match.Matches(v)
	case filterIP:
		v, ok := r.get(f.Name)
		if !ok {
			return false
		}
		return f.IP.is(v) == (f.Op != "!=")
	}
	if r.err != "" {
		return true // what could not be read is kept with its error, for a filter of __error__ to decide
	}
	v, ok := r.get(f.Name)
	if !ok {
		return false
	}
	n, err := f.number(v)
	if err != nil {
		r.fail("LabelFilterErr", "label "+f.Name+": "+err.Error())
		return true
	}
	return compare(f.Op, n, f.Num)
}

func (f *LabelFilter) number(v string) (float64, error) {
	switch f.Kind {
	case filterDuration:
		d, err := parseDuration(v)
		return float64(d), err
	case filterBytes:
		return parseBytes(v)
	default:
		return strconv.ParseFloat(v, 64)
	}
}

func compare(op string, a, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	default:
		return a <= b
	}
}

// String writes the filter.
func (f *LabelFilter) String() string { return "| " + f.text() }

func (f *LabelFilter) text() string {
	switch f.Kind {
	case filterTree:
		return "( " + f.L.text() + " " + f.Op + " " + f.R.text() + " )"
	case filterString:
		return f.Match.String()
	case filterIP:
		return f.Name + f.Op + "ip(" + strconv.Quote(f.IP.text) + ")"
	}
	return f.Name + f.Op + f.Text
}

// Conjuncts returns the filters that must all hold.
func (f *LabelFilter) Conjuncts() []*LabelFilter {
	if f.Kind == filterTree && f.Op == "and" {
		return append(f.L.Conjuncts(), f.R.Conjuncts()...)
	}
	return []*LabelFilter{f}
}

// names adds the labels that the filter looks at.
func (f *LabelFilter) names(to map[string]bool) {
	if f.Kind == filterTree {
		f.L.names(to)
		f.R.names(to)
		return
	}
	to[f.Name] = true
}

// DropStage drops labels, or all others.
type DropStage struct {
	Keep     bool
	Names    []string
	Matchers []*labels.Matcher
}

func (s *DropStage) run(r *record) bool {
	if !s.Keep {
		for _, n := range s.Names {
			r.delete(n)
		}
		for _, m := range s.Matchers {
			if v, ok := r.get(m.Name); ok && m.Matches(v) {
				r.delete(m.Name)
			}
		}
		return true
	}
	var names []string
	r.each(func(name, value string) {
		if !s.keeps(name, value) {
			names = append(names, name)
		}
	})
	for _, n := range names {
		r.delete(n)
	}
	return true
}

func (s *DropStage) keeps(name, value string) bool {
	if name == errorLabel || name == detailsLabel || slices.Contains(s.Names, name) {
		return true
	}
	return slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool { return m.Name == name && m.Matches(value) })
}

// String writes the stage.
func (s *DropStage) String() string {
	parts := slices.Clone(s.Names)
	for _, m := range s.Matchers {
		parts = append(parts, m.String())
	}
	word := "| drop "
	if s.Keep {
		word = "| keep "
	}
	return word + strings.Join(parts, ", ")
}

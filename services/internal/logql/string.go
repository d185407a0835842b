package logql

import (
	"strconv"
	"strings"
)

// String writes the query.
func (e *LogExpr) String() string {
	var b strings.Builder
	b.WriteString(matchersString(e.Matchers))
	for _, s := range e.Stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

// String writes the clause, with a space in front.
func (g *Grouping) String() string {
	if g == nil {
		return ""
	}
	word := " by ("
	if g.Without {
		word = " without ("
	}
	return word + strings.Join(g.Labels, ", ") + ")"
}

// String writes the query.
func (e *RangeExpr) String() string {
	var b strings.Builder
	b.WriteString(e.Op + "(")
	if e.Op == "quantile_over_time" {
		b.WriteString(formatNumber(e.Param) + ", ")
	}
	b.WriteString(e.Log.String())
	if u := e.Unwrap; u != nil {
		if u.Conv == "" {
			b.WriteString(" | unwrap " + u.Label)
		} else {
			b.WriteString(" | unwrap " + u.Conv + "(" + u.Label + ")")
		}
		for _, s := range e.After {
			b.WriteString(" " + s.String())
		}
	}
	b.WriteString(" [" + formatDuration(e.Range) + "]")
	if e.Offset != 0 {
		b.WriteString(" offset " + formatDuration(e.Offset))
	}
	b.WriteString(")" + e.Group.String())
	return b.String()
}

func formatNumber(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// String writes the query.
func (e *AggExpr) String() string {
	param := ""
	if e.Param > 0 {
		param = strconv.Itoa(e.Param) + ", "
	}
	return e.Op + e.Group.String() + " (" + param + e.Inner.String() + ")"
}

// String writes the query, each operation in parentheses.
func (e *BinExpr) String() string {
	op := e.Op
	if e.Bool {
		op += " bool"
	}
	if m := e.Match; m != nil {
		word := " ignoring ("
		if m.On {
			word = " on ("
		}
		op += word + strings.Join(m.Labels, ", ") + ")"
		if m.Card != "" {
			op += " group_" + m.Card + " (" + strings.Join(m.Include, ", ") + ")"
		}
	}
	return "(" + e.L.String() + " " + op + " " + e.R.String() + ")"
}

// String writes the number.
func (e *NumberExpr) String() string { return formatNumber(e.V) }

// String writes the query.
func (e *VectorExpr) String() string { return "vector(" + formatNumber(e.V) + ")" }

// String writes the query.
func (e *LabelReplaceExpr) String() string {
	return "label_replace(" + e.Inner.String() + ", " + strconv.Quote(e.Dst) + ", " + strconv.Quote(e.Replacement) + ", " + strconv.Quote(e.Src) + ", " + strconv.Quote(e.Text) + ")"
}

// String writes the query.
func (e *LabelJoinExpr) String() string {
	s := "label_join(" + e.Inner.String() + ", " + strconv.Quote(e.Dst) + ", " + strconv.Quote(e.Sep)
	for _, l := range e.Src {
		s += ", " + strconv.Quote(l)
	}
	return s + ")"
}

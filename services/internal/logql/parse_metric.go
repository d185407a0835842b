package logql

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// precedence of binary operators; higher binds tighter.
var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

// rangeOps say for each range aggregation whether it needs an unwrap (2), may have one (1) or must not (0).
var rangeOps = map[string]int{
	"count_over_time": 0, "bytes_over_time": 0, "bytes_rate": 0, "rate": 1, "absent_over_time": 1, "rate_counter": 2, "sum_over_time": 2, "avg_over_time": 2,
	"min_over_time": 2, "max_over_time": 2, "stdvar_over_time": 2, "stddev_over_time": 2, "quantile_over_time": 2, "first_over_time": 2, "last_over_time": 2,
}

// groupable are the range aggregations that may have by or without themselves.
var groupable = []string{"avg_over_time", "min_over_time", "max_over_time", "stdvar_over_time", "stddev_over_time", "quantile_over_time", "first_over_time", "last_over_time"}

// vectorOps say which vector aggregations take a number.
var vectorOps = map[string]bool{
	"sum": false, "avg": false, "min": false, "max": false, "count": false, "stddev": false, "stdvar": false, "topk": true, "bottomk": true, "approx_topk": true, "sort": false, "sort_desc": false,
}

// expr reads operators that bind at least as tightly as least.
func (p *parser) expr(least int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec, ok := precedence[t.text]
		if !ok || t.kind == tokString || prec < least || prec == 0 {
			return left, nil
		}
		p.next()
		b := &BinExpr{Op: t.text, L: left}
		if err := p.modifiers(b); err != nil {
			return nil, err
		}
		next := prec + 1
		if t.text == "^" {
			next = prec // to the right
		}
		if b.R, err = p.expr(next); err != nil {
			return nil, err
		}
		if left, err = p.binary(t, b); err != nil {
			return nil, err
		}
	}
}

// binary checks a binary operation and folds numbers.
func (p *parser) binary(at token, b *BinExpr) (Expr, error) {
	for _, side := range []Expr{b.L, b.R} {
		if _, ok := side.(*LogExpr); ok {
			return nil, p.errorf(at, "unexpected type for a leg of binary operation (%s): a log query has no value; use count_over_time or another range aggregation", b.Op)
		}
	}
	l, lok := b.L.(*NumberExpr)
	r, rok := b.R.(*NumberExpr)
	set := precedence[b.Op] <= 2
	if set && (lok || rok) {
		return nil, p.errorf(at, "unexpected literal for a leg of logical/set binary operation (%s)", b.Op)
	}
	if lok && rok {
		v, keep := binaryValue(b.Op, l.V, r.V, true)
		if !keep {
			v = 0
		}
		return &NumberExpr{V: v}, nil
	}
	if (lok || rok) && b.Match != nil {
		return nil, p.errorf(at, "vector matching is only allowed between vectors")
	}
	if b.Bool && precedence[b.Op] != 3 {
		return nil, p.errorf(at, "bool is for comparisons only")
	}
	return b, nil
}

func (p *parser) modifiers(b *BinExpr) error {
	b.Bool = p.acceptWord("bool")
	on := p.isWord("on")
	if !on && !p.isWord("ignoring") {
		return nil
	}
	p.next()
	names, err := p.names()
	if err != nil {
		return err
	}
	b.Match = &Matching{On: on, Labels: names}
	for _, side := range []string{"left", "right"} {
		if !p.isWord("group_" + side) {
			continue
		}
		t := p.next()
		if precedence[b.Op] <= 2 {
			return p.errorf(t, "no grouping is allowed for the operation %q", b.Op)
		}
		b.Match.Card = side
		if p.is("(") {
			b.Match.Include, err = p.names()
		}
		return err
	}
	return nil
}

func (p *parser) unary() (Expr, error) {
	t := p.peek()
	switch {
	case t.kind == tokPunct && (t.text == "-" || t.text == "+"):
		p.next()
		n := p.next()
		v, err := strconv.ParseFloat(n.text, 64)
		if n.kind != tokNumber || err != nil {
			return nil, p.unexpected(n, "a number")
		}
		if t.text == "-" {
			v = -v
		}
		return &NumberExpr{V: v}, nil
	case t.kind == tokNumber:
		p.next()
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, p.errorf(t, "%q is not a number", t.text)
		}
		return &NumberExpr{V: v}, nil
	case p.is("("):
		p.next()
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case p.is("{"):
		m, err := p.selector()
		if err != nil {
			return nil, err
		}
		stages, err := p.pipeline(nil)
		if err == nil && p.is("|") {
			err = p.errorf(p.peek(), "unwrap is for range aggregations only")
		}
		return &LogExpr{Matchers: m, Stages: stages}, err
	case t.kind == tokIdent:
		return p.call()
	}
	return nil, p.unexpected(t, "a selector such as {app=\"x\"} or an aggregation")
}

func (p *parser) call() (Expr, error) {
	t := p.next()
	if _, ok := rangeOps[t.text]; ok {
		return p.rangeExpr(t)
	}
	if _, ok := vectorOps[t.text]; ok {
		return p.aggExpr(t)
	}
	switch t.text {
	case "vector":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		n, ok := e.(*NumberExpr)
		if !ok {
			return nil, p.errorf(t, "vector() takes a number")
		}
		return &VectorExpr{V: n.V}, p.expect(")")
	case "label_replace":
		return p.labelReplace(t)
	case "label_join":
		return p.labelJoin(t)
	case "Inf", "inf", "NaN", "nan":
		v, _ := strconv.ParseFloat(t.text, 64)
		return &NumberExpr{V: v}, nil
	}
	return nil, p.errorf(t, "syntax error: unexpected %s: there is no such function", t.describe())
}

func (p *parser) grouping() (*Grouping, error) {
	if !p.isWord("by") && !p.isWord("without") {
		return nil, nil
	}
	g := &Grouping{Without: p.next().text == "without"}
	names, err := p.names()
	g.Labels = names
	return g, err
}

func (p *parser) aggExpr(op token) (Expr, error) {
	a := &AggExpr{Op: op.text}
	var err error
	if a.Group, err = p.grouping(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if vectorOps[op.text] {
		n := p.next()
		k, err := strconv.Atoi(n.text)
		if err != nil || k < 1 {
			return nil, p.errorf(n, "invalid parameter (must be greater than 0) for %s", op.text)
		}
		a.Param = k
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	at := p.peek()
	if a.Inner, err = p.expr(0); err != nil {
		return nil, err
	}
	switch a.Inner.(type) {
	case *LogExpr:
		return nil, p.errorf(at, "%s needs a metric query: put the log query into count_over_time(… [5m]) or the like", op.text)
	case *NumberExpr:
		return nil, p.errorf(at, "%s needs a vector, not a number: use vector(…)", op.text)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if a.Group == nil {
		if a.Group, err = p.grouping(); err != nil {
			return nil, err
		}
	}
	switch {
	case (op.text == "sort" || op.text == "sort_desc") && a.Group != nil:
		return nil, p.errorf(op, "%s has no grouping", op.text)
	case op.text == "approx_topk" && a.Group != nil:
		return nil, p.errorf(op, "approx_topk has no grouping: use topk")
	case op.text == "approx_topk":
		a.Op = "topk" // exact is the best approximation, and the series fit in memory
	}
	return a, nil
}

// rangeExpr reads ( [number,] log range ) [grouping].
func (p *parser) rangeExpr(op token) (Expr, error) {
	r := &RangeExpr{Op: op.text}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if op.text == "quantile_over_time" {
		n := p.next()
		q, err := strconv.ParseFloat(n.text, 64)
		if err != nil || n.kind != tokNumber || math.IsNaN(q) {
			return nil, p.unexpected(n, "the quantile, a number from 0 to 1")
		}
		r.Param = q
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	if err := p.rangeBody(r); err != nil {
		return nil, err
	}
	if r.Range == 0 {
		return nil, p.unexpected(p.peek(), "a range such as [5m]")
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	var err error
	if r.Group, err = p.grouping(); err != nil {
		return nil, err
	}
	switch need := rangeOps[op.text]; {
	case need == 2 && r.Unwrap == nil:
		return nil, p.errorf(op, "invalid aggregation %s without unwrap", op.text)
	case need == 0 && r.Unwrap != nil:
		return nil, p.errorf(op, "invalid aggregation %s with unwrap", op.text)
	case r.Group != nil && !slices.Contains(groupable, op.text):
		return nil, p.errorf(op, "grouping not allowed for %s aggregation", op.text)
	}
	return r, nil
}

// rangeBody reads a log query with its range, which may stand behind the selector, behind the pipeline, or behind parentheses.
func (p *parser) rangeBody(r *RangeExpr) error {
	if err := p.deeper(); err != nil {
		return err
	}
	defer p.leave()
	if p.accept("(") {
		if err := p.rangeBody(r); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
		return p.optionalRange(r)
	}
	m, err := p.selector()
	if err != nil {
		return err
	}
	r.Log = &LogExpr{Matchers: m}
	if err := p.optionalRange(r); err != nil {
		return err
	}
	if r.Log.Stages, err = p.pipeline(nil); err != nil {
		return err
	}
	if p.is("|") {
		if err := p.unwrap(r); err != nil {
			return err
		}
	}
	return p.optionalRange(r) // the range may stand behind the parenthesis; rangeExpr checks
}

func (p *parser) unwrap(r *RangeExpr) error {
	p.next()
	p.next() // | unwrap
	u := &Unwrap{}
	t := p.peek()
	name, err := p.ident("a label name")
	if err != nil {
		return err
	}
	u.Label = name
	if p.accept("(") {
		if name != "duration" && name != "duration_seconds" && name != "bytes" {
			return p.errorf(t, "unwrap converts with duration, duration_seconds or bytes, not %s", name)
		}
		u.Conv = name
		if u.Label, err = p.ident("a label name"); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	r.Unwrap = u
	for p.is("|") {
		at := p.next()
		s, err := p.labelFilter()
		if err != nil {
			return err
		}
		if r.After = append(r.After, s); len(r.After) > maxStages {
			return p.errorf(at, "the pipeline has more than %d stages", maxStages)
		}
	}
	return nil
}

func (p *parser) optionalRange(r *RangeExpr) error {
	if r.Range != 0 || !p.accept("[") {
		return nil
	}
	d, err := p.duration()
	if err != nil {
		return err
	}
	if d <= 0 {
		return p.errorf(p.peek(), "a range must be longer than 0")
	}
	r.Range = d
	if err := p.expect("]"); err != nil {
		return err
	}
	if p.acceptWord("offset") {
		neg := p.accept("-")
		if r.Offset, err = p.duration(); err != nil {
			return err
		}
		if neg {
			r.Offset = -r.Offset
		}
	}
	return nil
}

func (p *parser) duration() (time.Duration, error) {
	t := p.next()
	d, err := parseDuration(t.text)
	if t.kind != tokNumber || err != nil {
		return 0, p.unexpected(t, "a duration such as 5m")
	}
	return d, nil
}

// vectorArg reads the first argument of label_replace and label_join.
func (p *parser) vectorArg(t token) (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	switch e.(type) {
	case *LogExpr, *NumberExpr:
		return nil, p.errorf(t, "%s needs a metric query", t.text)
	}
	return e, nil
}

func (p *parser) strArg(what string) (string, error) {
	if err := p.expect(","); err != nil {
		return "", err
	}
	return p.str(what)
}

func (p *parser) labelReplace(t token) (Expr, error) {
	l := &LabelReplaceExpr{}
	var err error
	if l.Inner, err = p.vectorArg(t); err != nil {
		return nil, err
	}
	for _, dst := range []*string{&l.Dst, &l.Replacement, &l.Src} {
		if *dst, err = p.strArg("a string"); err != nil {
			return nil, err
		}
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	at := p.peek()
	if l.Text, err = p.str("a regular expression"); err != nil {
		return nil, err
	}
	if l.re, err = p.regexp(at, "^(?s:"+l.Text+")$"); err != nil {
		return nil, err
	}
	if !validLabelName(l.Dst) {
		return nil, p.errorf(t, "invalid destination label name in label_replace: %q", l.Dst)
	}
	return l, p.expect(")")
}

func (p *parser) labelJoin(t token) (Expr, error) {
	l := &LabelJoinExpr{}
	var err error
	if l.Inner, err = p.vectorArg(t); err != nil {
		return nil, err
	}
	if l.Dst, err = p.strArg("the new label"); err != nil {
		return nil, err
	}
	if l.Sep, err = p.strArg("the separator"); err != nil {
		return nil, err
	}
	for p.is(",") {
		s, err := p.strArg("a label name")
		if err != nil {
			return nil, err
		}
		l.Src = append(l.Src, s)
	}
	if !validLabelName(l.Dst) {
		return nil, p.errorf(t, "invalid destination label name in label_join: %q", l.Dst)
	}
	return l, p.expect(")")
}

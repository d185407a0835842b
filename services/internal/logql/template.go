package logql

import (
	"errors"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// tmpl is a template of line_format or label_format. It is not safe for concurrent use: a pipeline has its own query.
type tmpl struct {
	text string
	t    *template.Template
	out  limitedBuilder
	// line and timeNS are of the record at hand; ticks counts the turns of loops.
	line   string
	timeNS int64
	ticks  int
}

// maxTicks bounds the turns of all loops of one execution.
const maxTicks = 10_000

var (
	errOutput = errors.New("the template's output is longer than 256 KiB")
	errTicks  = errors.New("the template's loops have more than 10000 turns")
)

// limitedBuilder refuses to grow without bound.
type limitedBuilder struct{ strings.Builder }

// Write implements io.Writer.
func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxFormatBytes {
		return 0, errOutput
	}
	return b.Builder.Write(p)
}

func newTemplate(text string) (*tmpl, error) {
	t := &tmpl{text: text}
	funcs := template.FuncMap{
		"__line__":      func() string { return t.line },
		"__timestamp__": func() time.Time { return time.Unix(0, t.timeNS).UTC() },
		"__tick__": func() (string, error) {
			if t.ticks++; t.ticks > maxTicks {
				return "", errTicks
			}
			return "", nil
		},
	}
	var err error
	if t.t, err = template.New("t").Option("missingkey=zero").Funcs(templateFuncs()).Funcs(funcs).Parse(text); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.t.Templates()) > 1 {
		return nil, errors.New("define and block are not allowed")
	}
	if t.t.Tree == nil {
		return t, nil
	}
	tick, err := template.New("tick").Funcs(funcs).Parse("{{__tick__}}")
	if err != nil {
		return nil, err
	}
	return t, guard(t.t.Root, tick.Root.Nodes[0])
}

// guard puts tick into every loop, so that a loop over a large number ends, and refuses templates that call templates.
func guard(n parse.Node, tick parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := guard(c, tick); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(guard(n.List, tick), guard(n.ElseList, tick))
	case *parse.WithNode:
		return errors.Join(guard(n.List, tick), guard(n.ElseList, tick))
	case *parse.RangeNode:
		if err := errors.Join(guard(n.List, tick), guard(n.ElseList, tick)); err != nil {
			return err
		}
		n.List.Nodes = append([]parse.Node{tick}, n.List.Nodes...)
	case *parse.TemplateNode:
		return errors.New("templates cannot call templates")
	}
	return nil
}

func (t *tmpl) execute(r *record) (string, error) {
	t.out.Reset()
	t.line, t.timeNS, t.ticks = r.line, r.timeNS, 0
	if r.templateMap == nil {
		r.templateMap = map[string]string{}
	}
	clear(r.templateMap)
	r.each(func(name, value string) { r.templateMap[name] = value })
	if err := t.t.Execute(&t.out, r.templateMap); err != nil {
		return "", err
	}
	return t.out.String(), nil
}

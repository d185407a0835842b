package dryrun

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/gateway/pipeline"
)

// printer writes outcomes for people or machines, and counts.
type printer struct {
	out                        *bufio.Writer
	o                          Options
	in, kept, changed, dropped int
	took                       time.Duration
	stages                     map[string]*stageCount
}

type stageCount struct {
	Met     int `json:"met"`
	Changed int `json:"changed"`
	Dropped int `json:"dropped"`
}

// jsonLine is one outcome for machines.
type jsonLine struct {
	In string `json:"in"`
	pipeline.Outcome
}

// print writes one outcome.
func (p *printer) print(text string, o pipeline.Outcome) {
	p.count(o)
	if p.o.Quiet {
		return
	}
	if p.o.JSON {
		if o.Steps == nil {
			o.Steps = []pipeline.Step{}
		}
		if b, err := json.Marshal(jsonLine{text, o}); err == nil {
			p.out.Write(append(b, '\n'))
		}
		return
	}
	by, changed := steps(o)
	switch {
	case o.Out == nil:
		fmt.Fprintln(p.out, p.paint(red, "- "+text))
	case !changed:
		fmt.Fprintln(p.out, "  "+text)
	default:
		fmt.Fprintln(p.out, p.paint(red, "- "+text))
		for i, l := range describe(o.Out) {
			sign := "+ "
			if i > 0 {
				sign = "+     "
			}
			fmt.Fprintln(p.out, p.paint(green, sign+l))
		}
	}
	if by != "" {
		fmt.Fprintln(p.out, p.paint(gray, "    "+by))
	}
}

// count adds an outcome to the sums.
func (p *printer) count(o pipeline.Outcome) {
	if p.stages == nil {
		p.stages = map[string]*stageCount{}
	}
	p.in++
	p.took += o.Took
	_, changed := steps(o)
	switch {
	case o.Out == nil:
		p.dropped++
	case changed:
		p.changed++
		fallthrough
	default:
		p.kept++
	}
	for _, s := range o.Steps {
		c := p.stages[s.Stage]
		if c == nil {
			c = &stageCount{}
			p.stages[s.Stage] = c
		}
		c.Met++
		if s.Changed {
			c.Changed++
		}
		if s.Reason != "" {
			c.Dropped++
		}
	}
}

// steps says in words which stages did something, and whether the item was changed.
func steps(o pipeline.Outcome) (string, bool) {
	var by []string
	changed := false
	for _, s := range o.Steps {
		switch {
		case s.Reason != "":
			by = append(by, fmt.Sprintf("%s by %s", s.Reason, s.Stage))
		case s.Changed:
			by = append(by, "changed by "+s.Stage)
			changed = true
		}
	}
	return strings.Join(slices.Compact(by), ", "), changed
}

// describe writes an item as lines.
func describe(i *pipeline.Item) []string {
	first := i.Body
	if first == "" {
		first = i.Name
	}
	if i.Labels != nil {
		first = labelText(i.Labels)
	}
	out := strings.Split(first, "\n")
	var meta []string
	add := func(name, value string) {
		if value != "" {
			meta = append(meta, name+"="+value)
		}
	}
	add("time", i.Time)
	if i.Severity != 0 {
		add("severity", fmt.Sprint([]string{"trace", "debug", "info", "warn", "error", "fatal"}[min((i.Severity-1)/4, 5)]))
	}
	add("trace_id", i.TraceID)
	add("span_id", i.SpanID)
	if len(meta) > 0 {
		out = append(out, strings.Join(meta, " "))
	}
	for _, k := range slices.Sorted(maps.Keys(i.Attributes)) {
		out = append(out, fmt.Sprintf("%s: %s", k, i.Attributes[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(i.Resource)) {
		out = append(out, fmt.Sprintf("resource %s: %s", k, i.Resource[k]))
	}
	return out
}

func labelText(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k != "__name__" {
			parts = append(parts, fmt.Sprintf("%s=%q", k, m[k]))
		}
	}
	return m["__name__"] + "{" + strings.Join(parts, ",") + "}"
}

// summaryLine is the summary for machines.
type summaryLine struct {
	Summary struct {
		In      int                    `json:"in"`
		Out     int                    `json:"out"`
		Changed int                    `json:"changed"`
		Dropped int                    `json:"dropped"`
		NSPer   int64                  `json:"ns_per_item"`
		Stages  map[string]*stageCount `json:"stages"`
	} `json:"summary"`
}

// summary writes the sums. Stages that met nothing are named too: that they did not is often the answer.
func (p *printer) summary(t *pipeline.Trial) {
	per := int64(0)
	if p.in > 0 {
		per = p.took.Nanoseconds() / int64(p.in)
	}
	if p.o.JSON {
		var s summaryLine
		s.Summary.In, s.Summary.Out, s.Summary.Changed, s.Summary.Dropped, s.Summary.NSPer, s.Summary.Stages = p.in, p.kept, p.changed, p.dropped, per, p.stages
		if s.Summary.Stages == nil {
			s.Summary.Stages = map[string]*stageCount{}
		}
		if b, err := json.Marshal(s); err == nil {
			p.out.Write(append(b, '\n'))
		}
		return
	}
	fmt.Fprintf(p.out, "%d in, %d out, %d of them changed, %d dropped; %d ns each\n", p.in, p.kept, p.changed, p.dropped, per)
	for _, s := range t.Stages() {
		c := p.stages[s.Stage]
		if c == nil {
			c = &stageCount{}
		}
		fmt.Fprintf(p.out, "  %-32s met %d, changed %d, dropped %d\n", s.Stage+" ("+s.Kind+")", c.Met, c.Changed, c.Dropped)
	}
}

// Colours of a terminal.
const (
	red   = "31"
	green = "32"
	gray  = "90"
)

func (p *printer) paint(color, text string) string {
	if !p.o.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

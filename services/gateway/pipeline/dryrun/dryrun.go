// Package dryrun shows what a pipeline makes of telemetry without a gateway: it reads one item a line, takes each through the stages
// and prints what came out and which stage did it. It is behind `faultline pipeline test`.
package dryrun

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/prometheus"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/pipeline"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Options say what to run.
type Options struct {
	// File is the pipeline's file; empty is the default pipeline.
	File string
	// Signal is logs, metrics or spans.
	Signal string
	// Sample is JSON of what every item has besides its line, see sample.
	Sample string
	JSON   bool
	Color  bool
	Quiet  bool
}

// sample is what every item has; a line that is such an object by itself, with a body or a name, is taken as one.
type sample struct {
	Source     string         `json:"source"`
	Protocol   string         `json:"protocol"`
	Body       *string        `json:"body"`
	Name       *string        `json:"name"`
	Severity   string         `json:"severity"`
	Status     string         `json:"status"`
	Time       string         `json:"time"`
	TraceID    string         `json:"trace_id"`
	Attributes map[string]any `json:"attributes"`
	Resource   map[string]any `json:"resource"`
}

// maxLine bounds a line, as a gateway does by default with some room.
const maxLine = 1 << 20

// Run reads items from in and prints what became of them. Errors: errs.Invalid for a bad file, sample or line.
func Run(in io.Reader, out io.Writer, o Options, clock func() time.Time) error {
	base := sample{Source: "test", Protocol: "test"}
	if o.Sample != "" {
		d := json.NewDecoder(strings.NewReader(o.Sample))
		d.DisallowUnknownFields()
		if err := d.Decode(&base); err != nil {
			return errs.WithHint(errs.Invalid, `write it as {"resource":{"service.name":"shop"},"attributes":{},"severity":"info","source":"loki","protocol":"loki"}`, "the sample: %v", err)
		}
	}
	t, err := pipeline.NewTrial(o.File, pipeline.Sender{Source: base.Source, Protocol: base.Protocol}, clock)
	if err != nil {
		return err
	}
	defer t.Close()
	p := printer{out: bufio.NewWriter(out), o: o}
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; sc.Scan(); n++ {
		if err := p.line(t, base, sc.Text()); err != nil {
			return errs.New(errs.Invalid, "line %d: %w", n, err)
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return errs.New(errs.Invalid, "a line is longer than %d bytes", maxLine)
	}
	if sc.Err() != nil {
		return errs.New(errs.Invalid, "read lines: %w", sc.Err())
	}
	p.summary(t)
	return p.out.Flush()
}

// line takes one line through the pipeline.
func (p *printer) line(t *pipeline.Trial, base sample, text string) error {
	switch p.o.Signal {
	case "logs":
		rec, res, err := record(base, text)
		if err != nil {
			return err
		}
		p.print(text, t.Log(rec, res))
	case "spans":
		s, res, err := span(base, text)
		if err != nil {
			return err
		}
		p.print(text, t.Span(s, res))
	case "metrics":
		if text = strings.TrimSpace(text); text == "" || text[0] == '#' {
			return nil
		}
		ls, err := labels(text)
		if err != nil {
			return err
		}
		p.print(text, t.Series(ls))
	default:
		return fmt.Errorf("signal %q is none of logs, metrics and spans", p.o.Signal)
	}
	return nil
}

// own returns the sample with what a line that is an object of its own says.
func own(base sample, text string) sample {
	if !strings.HasPrefix(text, "{") {
		return base
	}
	s := base
	s.Attributes, s.Resource = maps.Clone(base.Attributes), maps.Clone(base.Resource)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || s.Body == nil && s.Name == nil {
		return base
	}
	return s
}

func record(base sample, text string) (intake.Record, []model.Label, error) {
	s := own(base, text)
	r := intake.Record{Body: text, Attributes: list(s.Attributes)}
	if s.Body != nil {
		r.Body = *s.Body
	}
	if s.Severity != "" {
		if r.Severity = intake.SeverityOf(s.Severity); r.Severity == 0 {
			return r, nil, fmt.Errorf("severity %q is unknown", s.Severity)
		}
	} else {
		r.Severity = intake.GuessSeverity(r.Body)
	}
	if s.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, s.Time)
		if err != nil {
			return r, nil, err
		}
		r.TimeNS = at.UnixNano()
	}
	id, err := hex.DecodeString(s.TraceID)
	r.TraceID = string(id)
	return r, list(s.Resource), err
}

func span(base sample, text string) (model.Span, []model.Label, error) {
	s := own(base, text)
	x := model.Span{Name: text, Attributes: list(s.Attributes), StatusCode: map[string]uint8{"ok": 1, "error": 2}[s.Status]}
	if s.Name != nil {
		x.Name = *s.Name
	}
	id, err := hex.DecodeString(s.TraceID)
	x.TraceID = string(id)
	return x, list(s.Resource), err
}

// labels reads a line of Prometheus' text format.
func labels(text string) ([]model.Label, error) {
	if !strings.ContainsAny(text[strings.LastIndexByte(text, '}')+1:], " \t") {
		text += " 1" // a series without a value will do
	}
	var rows prometheus.Rows
	bad := ""
	rows.UnmarshalWithErrLogger(text, func(s string) { bad = s })
	if bad != "" || len(rows.Rows) != 1 {
		return nil, fmt.Errorf("%q is not a series such as name{label=\"value\"} 1", text)
	}
	out := []model.Label{{Name: model.LabelName, Value: rows.Rows[0].Metric}}
	for _, t := range rows.Rows[0].Tags {
		out = append(out, model.Label{Name: t.Key, Value: t.Value})
	}
	return out, nil
}

// list returns attributes in order; what is not text is written as JSON.
func list(m map[string]any) []model.Label {
	var out []model.Label
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text, ok := m[k].(string)
		if !ok {
			b, err := json.Marshal(m[k])
			if err != nil {
				continue
			}
			text = string(b)
		}
		out = append(out, model.Label{Name: k, Value: text})
	}
	return out
}

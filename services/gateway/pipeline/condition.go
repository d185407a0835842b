package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/model"
)

// whenConfig is a condition as it is written: all that is named must hold.
type whenConfig struct {
	Signal       texts            `yaml:"signal"`
	Source       texts            `yaml:"source"`
	Protocol     texts            `yaml:"protocol"`
	Service      texts            `yaml:"service"`
	Host         texts            `yaml:"host"`
	Resource     map[string]texts `yaml:"resource"`
	Attributes   map[string]texts `yaml:"attributes"`
	Labels       map[string]texts `yaml:"labels"`
	BodyContains texts            `yaml:"body_contains"`
	BodyMatches  string           `yaml:"body_matches"`
	Severity     string           `yaml:"severity"`
	SpanName     texts            `yaml:"span_name"`
	Status       texts            `yaml:"status"`
	Not          *whenConfig      `yaml:"not"`
}

// subject is what a condition looks at. For metrics attrs are the labels.
type subject struct {
	signal model.Signal
	req    *intake.Request
	res    *model.Resource
	attrs  []model.Label
	rec    *intake.Record
	span   *model.Span
}

// signals says for which signals a stage is.
type signals struct{ metrics, logs, spans bool }

func (s signals) has(m model.Signal) bool {
	switch m {
	case model.SignalMetrics:
		return s.metrics
	case model.SignalLogs:
		return s.logs
	}
	return s.spans
}

// named is a matcher for the value of a name.
type named struct {
	name string
	m    matcher
}

// condition is a compiled whenConfig.
type condition struct {
	signals signals
	// asked are the signals that were named, before those without what is asked for were left out.
	asked    signals
	source   matcher
	protocol matcher
	service  matcher
	host     matcher
	resource []named
	attrs    []named
	contains []string
	matches  *regexp.Regexp
	compare  string
	severity uint8
	spanName matcher
	status   matcher
	not      *condition
}

func (w *whenConfig) compile() (*condition, error) {
	c := &condition{signals: signals{true, true, true}}
	c.asked = c.signals
	if w == nil {
		return c, nil
	}
	if len(w.Signal) > 0 {
		c.signals = signals{}
		for _, s := range w.Signal {
			switch s {
			case "metrics":
				c.signals.metrics = true
			case "logs":
				c.signals.logs = true
			case "spans", "traces":
				c.signals.spans = true
			default:
				return nil, fmt.Errorf("signal %q is none of metrics, logs and spans", s)
			}
		}
	}
	c.asked = c.signals
	var err error
	one := func(key string, t texts) matcher {
		m, e := compileMatcher(t)
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", key, e)
		}
		return m
	}
	c.source, c.protocol, c.service, c.host = one("source", w.Source), one("protocol", w.Protocol), one("service", w.Service), one("host", w.Host)
	c.spanName, c.status = one("span_name", w.SpanName), one("status", w.Status)
	many := func(key string, ts map[string]texts) []named {
		out := make([]named, 0, len(ts))
		for name, t := range ts {
			out = append(out, named{name, one(key+"."+name, t)})
		}
		slices.SortFunc(out, func(a, b named) int { return strings.Compare(a.name, b.name) })
		return out
	}
	c.resource = many("resource", w.Resource)
	c.attrs = append(many("attributes", w.Attributes), many("labels", w.Labels)...)
	c.contains = w.BodyContains
	if w.BodyMatches != "" {
		if c.matches, err = regexp.Compile(w.BodyMatches); err != nil {
			return nil, fmt.Errorf("body_matches: %w", err)
		}
	}
	if err == nil {
		err = c.compileSeverity(w.Severity)
	}
	if err == nil {
		err = c.narrow(w)
	}
	if err == nil && w.Not != nil {
		if c.not, err = w.Not.compile(); err != nil {
			return nil, fmt.Errorf("not: %w", err)
		}
	}
	return c, err
}

// narrow leaves the signals that have what the condition asks for, and refuses one that no signal meets.
func (c *condition) narrow(w *whenConfig) error {
	if len(w.Labels) > 0 {
		c.signals.logs, c.signals.spans = false, false
	}
	if len(w.Attributes) > 0 || len(w.Resource) > 0 || len(w.Service) > 0 || len(w.Host) > 0 {
		c.signals.metrics = false
	}
	if len(w.BodyContains) > 0 || w.BodyMatches != "" || w.Severity != "" {
		c.signals.metrics, c.signals.spans = false, false
	}
	if len(w.Status) > 0 || len(w.SpanName) > 0 {
		c.signals.metrics, c.signals.logs = false, false
	}
	if c.signals == (signals{}) {
		return errors.New("no signal has all of this: labels are for metrics; body and severity for logs; status and span_name for spans; attributes, resource, service and host for logs and spans")
	}
	return nil
}

func (c *condition) compileSeverity(text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	name := strings.TrimLeft(text, "<>=! ")
	c.compare = strings.TrimSpace(text[:len(text)-len(name)])
	switch c.compare {
	case "":
		c.compare = "="
	case "=", "<", "<=", ">", ">=", "!=":
	default:
		return fmt.Errorf("severity: %q is none of =, !=, <, <=, >, >=", c.compare)
	}
	if c.severity = intake.SeverityOf(name); c.severity == 0 {
		return fmt.Errorf("severity: %q is none of trace, debug, info, warn, error, fatal", name)
	}
	return nil
}

// needsLabels reports whether the labels of a series decide.
func (c *condition) needsLabels() bool {
	return len(c.attrs) > 0 || c.not != nil && c.not.needsLabels()
}

// ofResource reports whether sender and resource alone decide.
func (c *condition) ofResource() bool {
	return len(c.attrs) == 0 && len(c.contains) == 0 && c.matches == nil && c.compare == "" && c.spanName == nil && c.status == nil &&
		(c.not == nil || c.not.ofResource())
}

// holds reports whether a subject meets the condition.
func (c *condition) holds(s *subject) bool {
	if !c.signals.has(s.signal) || !c.source.match(s.req.Source) || !c.protocol.match(s.req.Protocol) {
		return false
	}
	if s.res != nil {
		if !c.service.match(s.res.Service) || !c.host.match(s.res.Host) || !matchAll(c.resource, s.res.Attributes) {
			return false
		}
	}
	if !matchAll(c.attrs, s.attrs) {
		return false
	}
	if s.rec != nil && !c.ofRecord(s.rec) {
		return false
	}
	if s.span != nil && (!c.spanName.match(s.span.Name) || c.status != nil && !c.status.match(statusName(s.span.StatusCode))) {
		return false
	}
	return c.not == nil || !c.not.holds(s)
}

func statusName(code uint8) string {
	switch code {
	case 1:
		return "ok"
	case 2:
		return "error"
	}
	return "unset"
}

func matchAll(ns []named, in []model.Label) bool {
	for i := range ns {
		if !ns[i].m.match(model.Lookup(in, ns[i].name)) {
			return false
		}
	}
	return true
}

func (c *condition) ofRecord(r *intake.Record) bool {
	if len(c.contains) > 0 && !slices.ContainsFunc(c.contains, func(t string) bool { return strings.Contains(r.Body, t) }) {
		return false
	}
	if c.matches != nil && !c.matches.MatchString(r.Body) {
		return false
	}
	return c.compare == "" || compareSeverity(c.compare, r.Severity, c.severity)
}

// compareSeverity compares levels: the four numbers of each of OpenTelemetry's six levels are one. An unknown severity meets only !=.
func compareSeverity(op string, have, want uint8) bool {
	if have == 0 {
		return op == "!="
	}
	a, b := (have-1)/4, (want-1)/4
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// matcher is what a value must be: one of a list. An empty one takes everything.
type matcher []pattern

// pattern is a text, a text with stars, or an expression; each may be negated.
type pattern struct {
	not   bool
	exact string
	re    *regexp.Regexp
}

// compileMatcher reads "text", "te*t", "~expression", each with ! before it for the contrary; an empty text is an absent value.
func compileMatcher(list texts) (matcher, error) {
	var m matcher
	for _, t := range list {
		var p pattern
		if rest, ok := strings.CutPrefix(t, "!"); ok {
			p.not, t = true, rest
		}
		text := ""
		switch {
		case strings.HasPrefix(t, "~"):
			text = t[1:]
		case strings.Contains(t, "*"):
			text = strings.ReplaceAll(regexp.QuoteMeta(t), `\*`, `.*`)
		default:
			p.exact = t
			m = append(m, p)
			continue
		}
		var err error
		if p.re, err = regexp.Compile("^(?s:" + text + ")$"); err != nil {
			return nil, err
		}
		m = append(m, p)
	}
	return m, nil
}

// match reports whether one of the positive patterns takes v, or there are none, and none of the negated ones does.
func (m matcher) match(v string) bool {
	positive, hit := false, false
	for i := range m {
		p := &m[i]
		is := false
		if p.re != nil {
			is = p.re.MatchString(v)
		} else {
			is = p.exact == v
		}
		if p.not {
			if is {
				return false
			}
			continue
		}
		positive = true
		hit = hit || is
	}
	return hit || !positive
}

package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/pipeline/parse"
	"github.com/faultline-io/faultline/services/model"
)

// parseConfig is a stage that parses, as it is written.
type parseConfig struct {
	Format texts  `yaml:"format"`
	Grok   texts  `yaml:"grok"`
	Regex  texts  `yaml:"regex"`
	From   string `yaml:"from"`
	Prefix string `yaml:"prefix"`
	// KeyValue has the separators of format key_value.
	FieldSplit string `yaml:"field_split"`
	ValueSplit string `yaml:"value_split"`
	// Which fields say what; the first that is there counts. An empty list turns one off.
	Time       *texts `yaml:"time"`
	TimeFormat texts  `yaml:"time_format"`
	TimeZone   string `yaml:"time_zone"`
	Severity   *texts `yaml:"severity"`
	Body       texts  `yaml:"body"`
	TraceID    *texts `yaml:"trace_id"`
	SpanID     *texts `yaml:"span_id"`
	Keep       texts  `yaml:"keep"`
	Remove     texts  `yaml:"remove"`
	OnFailure  string `yaml:"on_failure"`
}

// What happens to a record that has not the form.
const (
	failureKeep = "keep"
	failureDrop = "drop"
)

// parsing is a compiled parseConfig.
type parsing struct {
	parsers    []parse.Parser
	from       string
	prefix     string
	time       []string
	timeFormat []string
	zone       *time.Location
	severity   []string
	status     bool
	body       []string
	traceID    []string
	spanID     []string
	keep       []string
	remove     []string
	dropFailed bool
}

func (c *parseConfig) compile(s *stage, grokPatterns map[string]string) error {
	p := &parsing{from: c.From, prefix: c.Prefix, timeFormat: c.TimeFormat, body: c.Body, keep: c.Keep, remove: c.Remove, zone: time.UTC}
	for _, f := range c.Format {
		if err := p.format(f, c); err != nil {
			return err
		}
	}
	if len(c.Grok) > 0 {
		e, err := parse.Grok(c.Grok, grokPatterns)
		if err != nil {
			return err
		}
		p.parsers = append(p.parsers, e)
	}
	if len(c.Regex) > 0 {
		e, err := parse.Regex(c.Regex)
		if err != nil {
			return err
		}
		p.parsers = append(p.parsers, e)
	}
	if len(p.parsers) == 0 {
		return errors.New("names neither format nor grok nor regex")
	}
	if c.TimeZone != "" {
		var err error
		if p.zone, err = time.LoadLocation(c.TimeZone); err != nil {
			return err
		}
	}
	switch c.OnFailure {
	case "", failureKeep:
	case failureDrop:
		p.dropFailed = true
	default:
		return fmt.Errorf("on_failure %q is neither keep nor drop", c.OnFailure)
	}
	p.time = orDefault(c.Time, "time", "timestamp", "@timestamp", "ts")
	p.severity = orDefault(c.Severity, "level", "severity", "lvl", "log.level", "loglevel")
	p.traceID = orDefault(c.TraceID, "trace_id", "traceId", "traceID", "trace.id")
	p.spanID = orDefault(c.SpanID, "span_id", "spanId", "spanID", "span.id")
	s.parse = p
	return nil
}

func orDefault(t *texts, names ...string) []string {
	if t != nil {
		return *t
	}
	return names
}

func (p *parsing) format(name string, c *parseConfig) error {
	switch name {
	case "json":
		p.parsers = append(p.parsers, &parse.JSON{})
	case "logfmt":
		p.parsers = append(p.parsers, parse.Func(parse.Logfmt))
	case "access":
		p.status = true
		p.parsers = append(p.parsers, parse.Func(parse.Access))
	case "key_value":
		field, value := c.FieldSplit, c.ValueSplit
		if field == "" {
			field = " "
		}
		if value == "" {
			value = "="
		}
		if len(field) != 1 || len(value) != 1 || field == value {
			return errors.New("field_split and value_split must be two different characters")
		}
		p.parsers = append(p.parsers, parse.KeyValue(field[0], value[0]))
	default:
		return fmt.Errorf("format %q is none of json, logfmt, access and key_value", name)
	}
	return nil
}

// apply parses a record. It returns whether it had the form. fields is used for the work.
func (p *parsing) apply(req *intake.Request, r *intake.Record, fields []model.Label) ([]model.Label, bool) {
	text := r.Body
	if p.from != "" {
		if text = model.Lookup(r.Attributes, p.from); text == "" {
			return fields[:0], false
		}
	}
	fields = fields[:0]
	ok := false
	for _, x := range p.parsers {
		if fields, ok = x.Append(fields, text); ok {
			break
		}
	}
	if !ok {
		return fields, false
	}
	fields = p.promote(req, r, fields)
	for _, f := range fields {
		if len(p.keep) > 0 && !slices.Contains(p.keep, f.Name) || slices.Contains(p.remove, f.Name) {
			continue
		}
		setAttribute(r, p.prefix+f.Name, f.Value)
	}
	return fields, true
}

// promote gives the record what its fields say of time, severity, body and trace, and returns the others. A field that cannot be read
// stays a field.
func (p *parsing) promote(req *intake.Request, r *intake.Record, fields []model.Label) []model.Label {
	take := func(names []string, use func(v string) bool) {
		for _, n := range names {
			i := slices.IndexFunc(fields, func(l model.Label) bool { return l.Name == n })
			if i >= 0 && use(fields[i].Value) {
				fields = slices.Delete(fields, i, i+1)
				return
			}
		}
	}
	take(p.time, func(v string) bool {
		ns, ok := parse.Time(v, p.timeFormat, p.zone)
		if !ok || req.Window.Reason(ns/int64(time.Millisecond)) != "" {
			return false
		}
		r.TimeNS = ns
		return true
	})
	take(p.severity, func(v string) bool {
		n := severityOf(v)
		if n != 0 {
			r.Severity = n
		}
		return n != 0
	})
	if p.status && r.Severity == 0 {
		r.Severity = parse.StatusSeverity(model.Lookup(fields, "http.response.status_code"))
	}
	take(p.traceID, func(v string) bool { return hexID(v, 16, &r.TraceID) })
	take(p.spanID, func(v string) bool { return hexID(v, 8, &r.SpanID) })
	take(p.body, func(v string) bool {
		r.Body = v
		return v != ""
	})
	return fields
}

// severityOf reads a level's name, or the number of pino and bunyan: 10 is trace, 60 fatal.
func severityOf(v string) uint8 {
	if s := intake.SeverityOf(v); s != 0 {
		return s
	}
	if n, err := strconv.Atoi(v); err == nil && n >= 10 && n <= 60 && n%10 == 0 {
		return uint8(n/10-1)*4 + 1
	}
	return 0
}

// hexID reads an id, with or without dashes; one of zeros only is none.
func hexID(v string, size int, dst *string) bool {
	v = strings.ReplaceAll(v, "-", "")
	if len(v) != 2*size {
		return false
	}
	b, err := hex.DecodeString(v)
	if err != nil || strings.Trim(string(b), "\x00") == "" {
		return false
	}
	*dst = string(b)
	return true
}

// setAttribute sets or adds an attribute.
func setAttribute(r *intake.Record, name, value string) {
	for i := range r.Attributes {
		if r.Attributes[i].Name == name {
			r.Attributes[i].Value = value
			return
		}
	}
	r.Attributes = append(r.Attributes, model.Label{Name: name, Value: value})
}

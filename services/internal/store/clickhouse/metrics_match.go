package clickhouse

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// MatchOp is how a matcher compares.
type MatchOp uint8

// The comparisons, as in PromQL.
const (
	MatchEqual MatchOp = iota
	MatchNotEqual
	MatchRegexp
	MatchNotRegexp
)

// Matcher is a condition on one label. An absent label counts as "", as in PromQL.
type Matcher struct {
	Op    MatchOp
	Name  string
	Value string
	// OneOf holds the literals that a regular expression stands for, where it is only that: a|b|c.
	OneOf []string
}

// announceEvery is how long a series may live between two announcements (an hour), with room for a late writer.
const announceEvery = 70 * time.Minute

// condition collects the text of a WHERE clause and its parameters. Only constants and parameter names enter the text.
type condition struct {
	text   strings.Builder
	params params
}

// name returns how the text names the parameter that is added next, and its name.
func (c *condition) name(kind string) (ref, name string) {
	name = "p" + strconv.Itoa(len(c.params))
	return "{" + name + ":" + kind + "}", name
}

func (c *condition) str(v string) string {
	ref, name := c.name("String")
	c.params.str(name, v)
	return ref
}

func (c *condition) strs(vs []string) string {
	ref, name := c.name("Array(String)")
	c.params.strs(name, vs)
	return ref
}

func (c *condition) uint32(v uint32) string {
	ref, name := c.name("UInt32")
	c.params.uint(name, uint64(v))
	return ref
}

func (c *condition) uint32s(vs []uint32) string {
	ref, name := c.name("Array(UInt32)")
	c.params.uint32s(name, vs)
	return ref
}

func (c *condition) and(parts ...string) {
	c.text.WriteString("\n  AND ")
	for _, p := range parts {
		c.text.WriteString(p)
	}
}

// seriesCondition returns the condition on the table series for a tenant and matchers. Regular expressions are left to the caller
// when withRegexps is false, for those that the engine's library does not take.
func seriesCondition(tenant model.TenantID, matchers []Matcher, notBefore time.Time, withRegexps bool) *condition {
	c := &condition{}
	c.text.WriteString("tenant_id = " + c.uint32(uint32(tenant)))
	for _, m := range matchers {
		c.match(m, withRegexps)
	}
	if from := notBefore.Add(-announceEvery); from.Unix() > 0 {
		c.and("last_seen >= toDateTime(", c.uint32(uint32(min(from.Unix(), math.MaxUint32))), ")")
	}
	return c
}

func (c *condition) match(m Matcher, withRegexps bool) {
	subject := "name"
	if m.Name != model.LabelName {
		subject = "labels[" + c.str(m.Name) + "]"
	}
	switch m.Op {
	case MatchEqual:
		if m.Name == model.LabelName {
			c.and("metric_id = ", c.uint32(model.MetricID(m.Value)))
		}
		c.and(subject, " = ", c.str(m.Value))
	case MatchNotEqual:
		c.and(subject, " != ", c.str(m.Value))
	case MatchRegexp, MatchNotRegexp:
		c.matchRegexp(m, subject, withRegexps)
	}
}

func (c *condition) matchRegexp(m Matcher, subject string, withRegexps bool) {
	not := ""
	if m.Op == MatchNotRegexp {
		not = "NOT "
	}
	switch {
	case len(m.OneOf) > 0:
		if m.Name == model.LabelName && not == "" {
			ids := make([]uint32, len(m.OneOf))
			for i, name := range m.OneOf {
				ids[i] = model.MetricID(name)
			}
			c.and("metric_id IN ", c.uint32s(ids))
		}
		c.and(subject, " ", not, "IN ", c.strs(m.OneOf))
	case withRegexps:
		// PromQL's expressions match the whole value, and their dot matches line ends.
		c.and(not, "match(", subject, ", ", c.str("^(?s:"+m.Value+")$"), ")")
	}
}

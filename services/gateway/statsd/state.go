package statsd

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/gateway/datadog"
	"github.com/faultline-io/faultline/services/gateway/exphist"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/naming"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of the state.
const (
	maxCells      = 100_000
	maxHistograms = 10_000
	// maxAliases bounds the ways in which lines write the series: tags may come in any order.
	maxAliases = 2 * maxCells
	// maxKey bounds the text by which a line names its series; DogStatsD's datagrams have 8 KiB at most.
	maxKey = 8 << 10
	// maxMembers bounds the different values of all sets in an interval.
	maxMembers = 1_000_000
	// repeatFor is how long a silent series goes on giving its value: PromQL looks five minutes back, so as long again is of no use.
	repeatFor = 5 * time.Minute
	// forgetAfter is when the total of a silent series is dropped.
	forgetAfter = time.Hour
)

// cell is the state of one series.
type cell struct {
	kind kind
	// labels begin with the name.
	labels   []model.Label
	original string
	value    float64 // Total or gauge.
	hist     *exphist.Histogram
	members  map[uint64]struct{}
	heard    bool // In this interval.
	last     time.Time
	born     bool // It has given a sample since its end was last marked.
	quiet    bool // Its end was marked.
	told     bool // Its beginning at zero was said.
	aliases  []string
}

// state is all series. It is not safe for several goroutines.
type state struct {
	cells   map[uint64]*cell // By the hash of kind and labels.
	aliases map[string]*cell // By what lines write.
	hists   int
	members int
	flushed time.Time
	key     []byte
	names   naming.Arena
}

func newState(now time.Time) *state {
	return &state{cells: map[uint64]*cell{}, aliases: map[string]*cell{}, flushed: now}
}

// add adds a line and returns why it is refused, or "".
func (s *state) add(l *line) string {
	if len(l.name)+len(l.tags)+len(l.container) > maxKey {
		return limits.LabelTooLong
	}
	c, reason := s.find(l)
	if reason != "" {
		return reason
	}
	for values := l.values; ; {
		v, rest, more := bytes.Cut(values, []byte{':'})
		if reason := s.update(c, l, v); reason != "" {
			return reason
		}
		if values = rest; !more {
			break
		}
	}
	c.heard = true
	return ""
}

func (s *state) update(c *cell, l *line, raw []byte) string {
	if c.kind == set {
		h := xxhash.Sum64(raw)
		if _, ok := c.members[h]; ok {
			return ""
		}
		if s.members >= maxMembers {
			return limits.StateLimit
		}
		if c.members == nil {
			c.members = map[uint64]struct{}{}
		}
		c.members[h] = struct{}{}
		s.members++
		return ""
	}
	v, ok := number(raw)
	if !ok {
		return limits.InvalidData
	}
	switch c.kind {
	case counter:
		if v < 0 { // PromQL would read a total that falls as a restart.
			return limits.InvalidData
		}
		c.value += v / l.rate
	case gauge:
		if raw[0] == '+' || raw[0] == '-' {
			v += c.value
		}
		c.value = v
	case timer:
		c.hist.Observe(v/1000, 1/l.rate)
	case histogram:
		c.hist.Observe(v, 1/l.rate)
	}
	return ""
}

// find returns the series of a line, made new where there is room.
func (s *state) find(l *line) (*cell, string) {
	k := append(s.key[:0], byte(l.kind))
	k = append(append(append(append(append(k, l.name...), 0), l.tags...), 0), l.container...)
	s.key = k
	if c, ok := s.aliases[string(k)]; ok {
		return c, ""
	}
	labels, reason := s.labels(l)
	if reason != "" {
		return nil, reason
	}
	c, reason := s.cell(l.kind, labels, string(l.name))
	if reason == "" && len(s.aliases) < maxAliases {
		alias := string(k)
		s.aliases[alias] = c
		c.aliases = append(c.aliases, alias)
	}
	return c, reason
}

// cell returns the series of a kind with these labels.
func (s *state) cell(kind kind, labels []model.Label, original string) (*cell, string) {
	var id []byte
	id = append(id, byte(kind))
	for _, l := range labels {
		id = model.AppendIdentity(id, l.Name, l.Value)
	}
	h := xxhash.Sum64(id)
	if c, ok := s.cells[h]; ok {
		return c, ""
	}
	wide := kind == timer || kind == histogram
	if len(s.cells) >= maxCells || wide && s.hists >= maxHistograms {
		return nil, limits.StateLimit
	}
	c := &cell{kind: kind, labels: labels, original: intake.Valid(original)}
	if wide {
		c.hist = &exphist.Histogram{}
		s.hists++
	}
	s.cells[h] = c
	return c, ""
}

// labels returns the labels of a line: the name first, the others in order, each name once.
func (s *state) labels(l *line) ([]model.Label, string) {
	s.names.Reset()
	name := strings.Clone(s.names.Metric(string(l.name)))
	switch {
	case name == "":
		return nil, limits.MissingName
	case l.kind == counter && !strings.HasSuffix(name, "_total"):
		name += "_total"
	case l.kind == timer && !strings.HasSuffix(name, "_seconds"):
		name += "_seconds"
	}
	return s.tagged(name, l.tags, l.inName, model.Label{Name: "container_id", Value: intake.Valid(string(l.container))}), ""
}

// tagged returns name, further labels and tags as labels.
func (s *state) tagged(name string, tags []byte, inName bool, more ...model.Label) []model.Label {
	separator := ":"
	if inName {
		separator = "="
	}
	out := []model.Label{{Name: model.LabelName, Value: name}}
	for _, m := range more {
		if m.Value != "" {
			out = append(out, m)
		}
	}
	for _, t := range strings.Split(intake.Valid(string(tags)), ",") {
		k, v, ok := strings.Cut(t, separator)
		if !ok {
			v = "no_label_value" // As for Datadog's own protocol.
		}
		if k = strings.Clone(s.names.Label(k)); k != "" && v != "" {
			out = append(out, model.Label{Name: k, Value: v})
		}
	}
	rest := out[1:]
	slices.SortStableFunc(rest, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	rest = slices.CompactFunc(rest, func(a, b model.Label) bool { return a.Name == b.Name })
	return out[:1+len(rest)]
}

// check sets the gauge of a service check.
func (s *state) check(c *check) string {
	labels := s.tagged(datadog.CheckMetric, c.tags, false, model.Label{Name: "check", Value: c.name}, model.Label{Name: "host", Value: c.host})
	x, reason := s.cell(gauge, labels, datadog.CheckMetric)
	if reason == "" {
		x.value, x.heard = c.status, true
	}
	return reason
}

// row is one series at a flush.
type row struct {
	cell *cell
	ms   int64
	// zeroMS is when a new counter was zero, so that its first increments count as such; 0 for an old one.
	zeroMS int64
	value  float64
	hist   model.HistogramSample
	end    bool
}

// flush returns the samples of now and begins a new interval.
func (s *state) flush(now time.Time) []row {
	out := make([]row, 0, len(s.cells))
	for id, c := range s.cells {
		if c.heard {
			c.last, c.quiet = now, false
		}
		switch silent := now.Sub(c.last); {
		case silent > forgetAfter:
			s.forget(id, c)
			continue
		case silent > repeatFor && c.quiet:
			continue
		case silent > repeatFor, c.kind == set && !c.heard:
			c.quiet = true
			if c.born {
				out = append(out, row{cell: c, ms: now.UnixMilli(), end: true})
			}
			c.born = false
			continue
		}
		x := row{cell: c, ms: now.UnixMilli(), value: c.value}
		switch c.kind {
		case counter:
			if !c.told && s.flushed.Before(now) {
				x.zeroMS = s.flushed.UnixMilli()
			}
			c.told = true
		case timer, histogram:
			x.hist = c.hist.Sample(x.ms)
		case set:
			x.value = float64(len(c.members))
			s.members -= len(c.members)
			c.members = nil
		}
		c.born, c.heard = true, false
		out = append(out, x)
	}
	s.flushed = now
	return out
}

func (s *state) forget(id uint64, c *cell) {
	if c.hist != nil {
		s.hists--
	}
	for _, a := range c.aliases {
		delete(s.aliases, a)
	}
	s.members -= len(c.members)
	delete(s.cells, id)
}

// write adds the samples of the row to the open series of b.
func (x *row) write(b *intake.Metrics) {
	wide := x.cell.kind == timer || x.cell.kind == histogram
	switch {
	case x.end && wide:
		b.Histogram(model.HistogramSample{TimeMS: x.ms, Schema: exphist.Schema, Stale: true})
	case x.end:
		b.Sample(x.ms, intake.StaleNaN())
	case wide:
		b.Histogram(x.hist)
	default:
		if x.zeroMS > 0 {
			b.Sample(x.zeroMS, 0)
		}
		b.Sample(x.ms, x.value)
	}
}

func (k kind) promType() string {
	switch k {
	case counter:
		return "counter"
	case timer, histogram:
		return "histogram"
	}
	return "gauge"
}

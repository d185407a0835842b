package pipeline

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promrelabel"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/streamaggr"
	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// aggregateConfig is a stage that aggregates metrics, as it is written. The rules are VictoriaMetrics' stream aggregation.
type aggregateConfig struct {
	Rules     yaml.Node `yaml:"rules"`
	KeepInput bool      `yaml:"keep_input"`
}

// aggregating is a compiled aggregateConfig.
type aggregating struct {
	text      string
	match     []*promrelabel.IfExpression
	keepInput bool
}

func (c *aggregateConfig) compile(s *stage) error {
	if c.Rules.Kind != yaml.SequenceNode || len(c.Rules.Content) == 0 {
		return errors.New("rules must be a list as in VictoriaMetrics' stream aggregation")
	}
	text, err := yaml.Marshal(&c.Rules)
	if err != nil {
		return err
	}
	// The aggregators are made when samples come, for each tenant; this says whether they can be.
	as, err := streamaggr.LoadFromData(text, func([]prompb.TimeSeries) {}, nil, "check")
	if err != nil {
		return err
	}
	as.MustStop()
	var rules []struct {
		Match *promrelabel.IfExpression `yaml:"match"`
	}
	if err := c.Rules.Decode(&rules); err != nil {
		return err
	}
	a := &aggregating{text: string(text), keepInput: c.KeepInput}
	for _, r := range rules {
		a.match = append(a.match, r.Match)
	}
	s.aggregate = a
	return nil
}

// takes reports whether one of the rules takes a series.
func (a *aggregating) takes(ls []prompb.Label) bool {
	return slices.ContainsFunc(a.match, func(m *promrelabel.IfExpression) bool { return m == nil || m.Match(ls) })
}

// aggregation is the running state of a stage that aggregates. It outlives a reload that leaves the rules as they are.
type aggregation struct {
	text string
	emit func(tenant model.TenantID, tss []prompb.TimeSeries)
	// index bounds the series that are aggregated, as those that are stored are.
	index *series.Index

	// mu guards the rest; it is held for reading while samples are handed over, so that none come after the stop.
	mu      sync.RWMutex
	tenants map[model.TenantID]*streamaggr.Aggregators
	stopped bool
	// agents has how far the last batch of each agent was taken, so that one that is sent again does not count twice.
	agents map[string]progress
}

type progress struct {
	seq   uint64
	parts int
}

// maxAgents bounds what is remembered of agents; past it all is forgotten, and a batch sent again just then counts twice.
const maxAgents = 50_000

func newAggregation(text string, lim *limits.Limits, emit func(model.TenantID, []prompb.TimeSeries)) *aggregation {
	return &aggregation{text: text, emit: emit, index: series.NewIndex(lim), tenants: map[model.TenantID]*streamaggr.Aggregators{}, agents: map[string]progress{}}
}

// start makes the aggregators of a tenant.
func (a *aggregation) start(t model.TenantID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped || a.tenants[t] != nil {
		return
	}
	as, err := streamaggr.LoadFromData([]byte(a.text), func(tss []prompb.TimeSeries) { a.emit(t, tss) }, nil, "pipeline")
	if err != nil {
		return // the same text was checked when the file was loaded
	}
	a.tenants[t] = as
}

// push hands samples over; part says which part of its request they are.
func (a *aggregation) push(req *intake.Request, part int, tss []prompb.TimeSeries) {
	a.mu.RLock()
	as := a.tenants[req.Tenant]
	a.mu.RUnlock()
	if as == nil {
		a.start(req.Tenant)
	}
	if !a.fresh(req, part) {
		return
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if as = a.tenants[req.Tenant]; as != nil && !a.stopped {
		as.Push(tss, nil)
	}
}

// fresh reports whether a part of an agent's batch was not taken before. Others have no numbers.
func (a *aggregation) fresh(req *intake.Request, part int) bool {
	if req.AgentID == "" {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.agents[req.AgentID]
	if req.BatchSeq < p.seq || req.BatchSeq == p.seq && part < p.parts {
		return false
	}
	if len(a.agents) >= maxAgents {
		clear(a.agents)
	}
	a.agents[req.AgentID] = progress{req.BatchSeq, part + 1}
	return true
}

// stop ends the aggregators; what a rule flushes on shutdown is emitted before it returns.
func (a *aggregation) stop() {
	a.mu.Lock()
	a.stopped = true
	tenants := a.tenants
	a.tenants = nil
	a.mu.Unlock()
	for _, as := range tenants {
		as.MustStop()
	}
}

// collected are the samples of a builder that wait to be aggregated until their batch is published.
type collected struct {
	x     *processor
	stage *stage
	rule  *aggregating
	to    *aggregation
	in    *series.Table
	// active says that the current series is aggregated.
	active  bool
	tss     []prompb.TimeSeries
	current []prompb.Label
	started bool
	samples int
	part    int
}

// open prepares for a stage.
func (c *collected) open(x *processor, s *stage) {
	c.x, c.stage, c.rule, c.to = x, s, s.aggregate, x.h.aggregation.Load()
	if c.to != nil {
		c.in = c.to.index.Tenant(x.req.Tenant)
	}
}

// begin forgets the series before.
func (c *collected) begin() { c.active, c.started = false, false }

// series looks at a series that meets the condition of the stage.
func (c *collected) series(l *series.Labels) string {
	if c.to == nil {
		return ""
	}
	c.current = c.current[:0]
	for _, p := range l.Pairs() {
		c.current = append(c.current, prompb.Label{Name: p.Name, Value: p.Value})
	}
	if !c.rule.takes(c.current) {
		return ""
	}
	// A series that is not stored as well is bounded here.
	if !c.rule.keepInput {
		if _, reason := c.in.Resolve(l, uint32(c.x.req.ReceivedAt.Unix()), series.TargetHash, func(model.Series) {}); reason != "" {
			return reason
		}
	}
	c.active = true
	c.stage.counts.in.Inc()
	return ""
}

// sample keeps a sample, and says whether it is stored as well.
func (c *collected) sample(ms int64, v float64) string {
	if !intake.IsStale(v) {
		if !c.started {
			c.started = true
			ls := make([]prompb.Label, len(c.current))
			for i, l := range c.current {
				ls[i] = prompb.Label{Name: strings.Clone(l.Name), Value: strings.Clone(l.Value)}
			}
			c.tss = append(c.tss, prompb.TimeSeries{Labels: ls})
		}
		last := &c.tss[len(c.tss)-1]
		last.Samples = append(last.Samples, prompb.Sample{Timestamp: ms, Value: v})
		c.samples++
	}
	if c.rule.keepInput {
		return ""
	}
	return limits.Aggregated
}

// push hands over what was collected.
func (c *collected) push() {
	if c.samples > 0 {
		c.to.push(c.x.req, c.part, c.tss)
	}
	c.part++
	c.forget()
}

// forget drops what was collected: its batch was not published, so it comes again.
func (c *collected) forget() {
	clear(c.tss)
	c.tss, c.samples, c.started = c.tss[:0], 0, false
}

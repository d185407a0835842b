package suite

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/correlator/logstage"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/correlator/spanstage"
	"github.com/faultline-io/faultline/services/correlator/topology"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/test/scenario"
)

// pieces puts the parts of the brain together in the plainest way, until the one package that does is there.
type pieces struct {
	order   *eventtime.Order
	detect  *detect.Detector
	spans   *spanstage.Stage
	logs    *logstage.Stage
	topo    *topology.Map
	group   *group.Grouper
	changes []model.Change
	derived map[uint64]*model.Series
	edges   map[uint64][]model.Edge
	judged  map[string]int64
	err     error
	mark    eventtime.Mark
}

func newPieces() *pieces {
	return &pieces{
		order: eventtime.NewOrder(eventtime.DefaultLimits()), detect: detect.New(detect.Default()), spans: spanstage.New(spanstage.Default()),
		logs: logstage.New(logstage.Default()), topo: topology.New(topology.Config{MaxEdges: 100000, ForgetMS: 86_400_000}), group: group.New(group.Default(1)), derived: map[uint64]*model.Series{},
		edges: map[uint64][]model.Edge{}, judged: map[string]int64{},
	}
}

func (p *pieces) Metrics(m *model.Metrics) {
	for _, d := range m.Metadata {
		p.detect.Describe(d)
	}
	for i := range m.Announced {
		s := &m.Announced[i]
		for _, e := range model.EdgesOf(s.Name, s.Labels) {
			p.topo.See(e, m.TimesMS[0])
		}
	}
	p.order.Batch(m, p)
}
func (p *pieces) Logs(l *model.Logs) {
	for i := range l.Resources {
		p.topo.Resource(&l.Resources[i], l.TimesNS[0]/1e6)
	}
	p.logs.Logs(l)
}
func (p *pieces) Spans(s *model.Spans) {
	for i := range s.Resources {
		p.topo.Resource(&s.Resources[i], s.Spans[0].StartNS/1e6)
	}
	p.spans.Spans(s)
}
func (p *pieces) Changes(c *model.Changes) {
	p.changes = append(p.changes, c.Changes...)
	p.group.Changes(c.Changes)
}
func (p *pieces) Findings(f []model.Finding) { p.group.Findings(f) }

func (p *pieces) Sample(s *model.Series, x eventtime.Point) { p.detect.Sample(s, x) }
func (p *pieces) Aside(id uint64, x eventtime.Point, why eventtime.Reason) {
	p.detect.Aside(id, x, why)
}
func (p *pieces) Gone(s *model.Series)     { p.detect.Gone(s) }
func (p *pieces) Advance(k eventtime.Mark) { p.mark = k }

func (p *pieces) Mark(k eventtime.Mark) (scenario.Output, error) {
	var all []model.Derived
	emit := func(d model.Derived) { all = append(all, d) }
	if err := p.order.Mark(k, p); err != nil {
		return scenario.Output{}, err
	}
	p.spans.Mark(p.mark, emit, func(e model.Edge, at int64) { p.topo.See(e, at) })
	found := p.logs.Mark(p.mark, emit)
	for i := range all {
		p.take(&all[i])
	}
	p.detect.Advance(p.mark)
	found = append(slices.Clone(p.detect.Findings()), found...)
	p.group.Findings(found)
	graph := p.topo.At(p.mark.WatermarkMS)
	out := p.group.Mark(p.mark, graph)
	for i, in := range out {
		out[i] = p.judge(in, graph)
	}
	return scenario.Output{Findings: found, Incidents: out}, p.err
}

func (p *pieces) take(d *model.Derived) {
	id := model.ResourceHash(append(slices.Clone(d.Labels), model.Label{Name: model.LabelName, Value: d.Name}))
	s := p.derived[id]
	if s == nil {
		s = &model.Series{ID: id, MetricID: model.MetricID(d.Name), Name: d.Name, Labels: d.Labels, ShardHash: model.Hash64(model.EntityOf(d.Name, d.Labels).String())}
		p.derived[id] = s
		p.detect.Describe(model.MetricMetadata{Family: d.Name, Type: d.Type, Unit: d.Unit})
	}
	p.detect.Sample(s, eventtime.Point{TimeMS: d.TimeMS, Value: d.Value})
}

// judge looks for the cause when the incident is new or half a minute has gone by.
func (p *pieces) judge(in *model.Incident, g *topology.Graph) *model.Incident {
	if in.State != model.IncidentOpen || p.mark.AtMS-p.judged[in.ID] < 30_000 {
		return in
	}
	p.judged[in.ID] = p.mark.AtMS
	near := map[model.Entity]bool{}
	for _, e := range in.Entities {
		near[e] = true
		for _, r := range g.Closure(e, 4) {
			near[r.Entity] = true
		}
		for _, r := range g.Affected(e, 2) {
			near[r.Entity] = true
		}
	}
	var recent []model.Change
	for _, c := range p.changes {
		if c.TimeNS/1e6 > in.StartMS-3*3_600_000 {
			recent = append(recent, c)
		}
	}
	slices.SortFunc(recent, func(a, b model.Change) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	v := rootcause.Rank(rootcause.Input{
		OnsetMS: in.StartMS, NowMS: p.mark.WatermarkMS, Windows: p.detect.Windows(func(e model.Entity) bool { return near[e] }, in.StartMS-2*3_600_000), Edges: g.Edges(),
		Changes: recent, Findings: p.group.Members(in.ID),
	}, rootcause.Default())
	if n := p.group.SetVerdict(in.ID, v); n != nil {
		return n
	}
	return in
}

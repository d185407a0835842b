// Package brain puts the parts of the correlator together: telemetry and marks in, findings and incidents out. It is a pure function of event
// time: no clock, no I/O, no goroutine, so that the same code runs live, replays a stored range and works on labelled data.
//
// Inputs between two marks may come in any order. A mark makes them count: samples up to the watermark are judged, spans and log lines are
// turned into series and judged with them, findings are grouped, and the cause of what is open is looked for. The cost is that of its parts;
// this package adds one look-up a sample.
package brain

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/correlator/logstage"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/correlator/spanstage"
	"github.com/faultline-io/faultline/services/correlator/topology"
	"github.com/faultline-io/faultline/services/model"
)

// DerivedSource is the source of the batches that carry what the brain derived itself. They are stored like others; the brain has judged them
// already and passes them by.
const DerivedSource = "correlator"

// Config has the settings of the parts.
type Config struct {
	Order     eventtime.Limits
	Detect    detect.Config
	Spans     spanstage.Config
	Logs      logstage.Config
	Topology  topology.Config
	Group     group.Config
	RootCause rootcause.Config
	// WindowMS is how much past the search for a cause looks at.
	WindowMS int64
	// RankEveryMS is how often the cause of an incident is looked for again while it is young (RankForMS after it was opened), beside
	// each time that a finding joins it.
	RankEveryMS, RankForMS int64
	// MaxChanges bounds the changes that are remembered, ChangeMS for how long.
	MaxChanges int
	ChangeMS   int64
}

// Default returns the settings of the all-in-one.
func Default() Config {
	return Config{
		Order: eventtime.DefaultLimits(), Detect: detect.Default(), Spans: spanstage.Default(), Logs: logstage.Default(), Topology: topology.Default(),
		Group: group.Default(model.DefaultTenant), RootCause: rootcause.Default(),
		WindowMS: 3_600_000, RankEveryMS: 60_000, RankForMS: 15 * 60_000, MaxChanges: 2_000, ChangeMS: 6 * 3_600_000,
	}
}

// Output is what one mark brought.
type Output struct {
	Mark eventtime.Mark
	// Findings are those that were opened, changed or ended.
	Findings []model.Finding
	// Incidents are those that changed, as they are now.
	Incidents []*model.Incident
	// Derived are samples to be stored.
	Derived []model.Derived
	// Aside are samples that must not count in a replay either.
	Aside []Aside
}

// Aside is one sample that was set aside.
type Aside struct {
	SeriesID uint64
	Point    eventtime.Point
	Reason   eventtime.Reason
}

// Brain is one tenant's. It belongs to one goroutine.
type Brain struct {
	cfg      Config
	order    *eventtime.Order
	detect   *detect.Detector
	spans    *spanstage.Stage
	logs     *logstage.Stage
	topology *topology.Map
	group    *group.Grouper
	series   *seriesBook
	changes  []model.Change
	// outside are findings that came from elsewhere since the last mark: alerts, forecasts.
	outside []model.Finding
	// freshChanges came since the last mark.
	freshChanges []model.Change
	ranked       map[string]ranking
	names        names
	mark         eventtime.Mark
	out          *Output
	stats        Stats
}

// ranking says on what an incident's cause was last looked for.
type ranking struct {
	AtMS    int64
	Members int
}

// New returns a brain that knows nothing.
func New(cfg Config) *Brain {
	return &Brain{
		cfg: cfg, order: eventtime.NewOrder(cfg.Order), detect: detect.New(cfg.Detect), spans: spanstage.New(cfg.Spans), logs: logstage.New(cfg.Logs),
		topology: topology.New(cfg.Topology), group: group.New(cfg.Group), series: newSeriesBook(), ranked: map[string]ranking{}, names: names{}, out: &Output{},
	}
}

// Metrics takes a batch of samples.
func (b *Brain) Metrics(m *model.Metrics) {
	if m.Source == DerivedSource {
		return
	}
	for i := range m.Metadata {
		b.detect.Describe(m.Metadata[i])
	}
	b.stats.Samples += uint64(len(m.Values))
	b.order.Batch(m, (*sink)(b))
}

// Logs takes a batch of log records.
func (b *Brain) Logs(l *model.Logs) {
	b.stats.Lines += uint64(l.Len())
	for i := range l.Resources {
		b.seeResource(&l.Resources[i])
	}
	b.logs.Logs(l)
}

// Spans takes a batch of spans.
func (b *Brain) Spans(s *model.Spans) {
	b.stats.Spans += uint64(s.Len())
	for i := range s.Resources {
		b.seeResource(&s.Resources[i])
	}
	b.spans.Spans(s)
}

// Changes takes what was changed.
func (b *Brain) Changes(c *model.Changes) {
	b.freshChanges = append(b.freshChanges, c.Changes...)
}

// Findings takes findings from outside: alerts of rules, forecasts. They count from the next mark on.
func (b *Brain) Findings(fs []model.Finding) { b.outside = append(b.outside, fs...) }

// Command takes what a person asks for and returns the incident that is there afterwards: of a merge the one that stays, of a split the new
// one. Errors are those of package group; nothing has changed then.
func (b *Brain) Command(c model.Command) (incident string, err error) {
	if err := b.group.Command(c); err != nil {
		return c.Incident, err
	}
	in := b.group.Incident(c.Incident)
	switch {
	case in == nil:
	case in.MergedInto != "":
		return in.MergedInto, nil
	case c.Action == "split":
		return b.group.PartOf(c.Incident), nil
	}
	return c.Incident, nil
}

// Mark makes everything up to the watermark count and returns what follows from it. The result is the caller's.
func (b *Brain) Mark(k eventtime.Mark) (Output, error) {
	if k.Seq <= b.mark.Seq {
		return Output{Mark: k}, nil
	}
	b.mark = k
	b.takeChanges(k)
	if err := b.order.Mark(k, (*sink)(b)); err != nil {
		return Output{}, fmt.Errorf("samples: %w", err)
	}
	out := b.out
	b.out = &Output{}
	out.Mark = k
	b.stats.Marks++
	b.stats.Findings += uint64(len(out.Findings))
	b.decide(k, out)
	return *out, nil
}

// pruneEvery is after how many marks the topology forgets: five minutes of them. It is a number of marks, so that a replay forgets at the same ones.
const pruneEvery = 60

// decide groups the findings of a mark and looks for causes.
func (b *Brain) decide(k eventtime.Mark, out *Output) {
	slices.SortStableFunc(out.Findings, func(x, y model.Finding) int {
		return cmp.Or(cmp.Compare(x.OnsetMS, y.OnsetMS), cmp.Compare(x.ID, y.ID), cmp.Compare(x.SeenMS, y.SeenMS))
	})
	if k.Seq%pruneEvery == 0 {
		b.topology.Prune(k.WatermarkMS)
	}
	graph := b.topology.At(k.WatermarkMS)
	b.group.Changes(b.freshChanges)
	b.freshChanges = nil
	b.group.Findings(out.Findings)
	changed := map[string]*model.Incident{}
	for _, in := range b.group.Mark(k, graph) {
		changed[in.ID] = in
	}
	for _, in := range b.group.Open() {
		if !b.due(in, k) {
			continue
		}
		b.ranked[in.ID] = ranking{k.WatermarkMS, len(in.Members)}
		v := rootcause.Rank(b.input(in, graph, k), b.cfg.RootCause)
		b.stats.Verdicts++
		if now := b.group.SetVerdict(in.ID, v); now != nil {
			changed[in.ID] = now
		}
	}
	for id := range b.ranked {
		if in := b.group.Incident(id); in == nil || in.State == model.IncidentResolved || in.State == model.IncidentMerged {
			delete(b.ranked, id)
		}
	}
	for _, in := range changed {
		b.names.incident(in)
		out.Incidents = append(out.Incidents, in)
	}
	for i := range out.Findings {
		b.names.finding(&out.Findings[i])
	}
	slices.SortFunc(out.Incidents, func(x, y *model.Incident) int { return cmp.Compare(x.ID, y.ID) })
}

// due says whether an incident's cause is to be looked for: a finding has joined it, or it is young and some time has passed.
func (b *Brain) due(in *model.Incident, k eventtime.Mark) bool {
	last, ok := b.ranked[in.ID]
	if !ok || len(in.Members) != last.Members {
		return true
	}
	return k.WatermarkMS-in.DetectedMS < b.cfg.RankForMS && k.WatermarkMS-last.AtMS >= b.cfg.RankEveryMS
}

// input gathers what the search for a cause may look at: everything that is linked to an affected entity, whichever way.
func (b *Brain) input(in *model.Incident, graph *topology.Graph, k eventtime.Mark) rootcause.Input {
	near, edges := vicinity(graph, in.Entities)
	return rootcause.Input{
		OnsetMS: in.StartMS, NowMS: k.WatermarkMS,
		Windows: b.detect.Windows(func(e model.Entity) bool { return near[e] }, in.StartMS-b.cfg.WindowMS),
		Edges:   edges, Changes: b.changes, Findings: b.group.Members(in.ID), Incidents: b.earlier(in, near),
	}
}

// earlier returns the times of incidents that were over before this one and touched something near it: what was measured then is no normal.
func (b *Brain) earlier(in *model.Incident, near map[model.Entity]bool) []rootcause.Interval {
	var out []rootcause.Interval
	from := in.StartMS - b.cfg.WindowMS
	for _, o := range b.group.Incidents() {
		end := cmp.Or(o.QuietMS, o.EndMS)
		if o.ID == in.ID || end == 0 || end <= from || o.StartMS >= in.StartMS || !slices.ContainsFunc(o.Entities, func(e model.Entity) bool { return near[e] }) {
			continue
		}
		out = append(out, rootcause.Interval{FromMS: o.StartMS, ToMS: min(end, in.StartMS)})
	}
	return out
}

// Bounds of the vicinity of an incident: a cause is rarely more than three steps away, and a graph with a hub has everything within three.
const (
	nearSteps    = 3
	nearEntities = 5_000
)

// vicinity returns the entities that are linked to some of the given ones, and the edges between them.
func vicinity(graph *topology.Graph, from []model.Entity) (map[model.Entity]bool, []model.Edge) {
	near := map[model.Entity]bool{}
	at := slices.Clone(from)
	slices.SortFunc(at, model.Entity.Compare)
	for _, e := range at {
		near[e] = true
	}
	for range nearSteps {
		var next []model.Entity
		reach := func(e model.Entity) {
			if !near[e] && len(near) < nearEntities {
				near[e] = true
				next = append(next, e)
			}
		}
		for _, e := range at {
			for _, d := range graph.Out(e) {
				reach(d.To)
			}
			for _, d := range graph.In(e) {
				reach(d.From)
			}
		}
		at = next
	}
	var edges []model.Edge
	for _, d := range graph.Edges() {
		if near[d.From] && near[d.To] {
			edges = append(edges, d)
		}
	}
	return near, edges
}

// takeChanges remembers fresh changes and forgets old ones.
func (b *Brain) takeChanges(k eventtime.Mark) {
	for _, c := range b.freshChanges {
		at, known := slices.BinarySearchFunc(b.changes, c, compareChanges)
		if known {
			b.changes[at] = c
			continue
		}
		b.changes = slices.Insert(b.changes, at, c)
	}
	limit := (k.WatermarkMS - b.cfg.ChangeMS) * 1_000_000
	b.changes = slices.DeleteFunc(b.changes, func(c model.Change) bool { return c.TimeNS < limit })
	if n := len(b.changes) - b.cfg.MaxChanges; n > 0 {
		b.changes = slices.Delete(b.changes, 0, n)
	}
}

func compareChanges(a, c model.Change) int {
	return cmp.Or(cmp.Compare(a.TimeNS, c.TimeNS), cmp.Compare(a.ID, c.ID))
}

// Sensitive returns the settings with which about s times as many findings are made; 1 changes nothing.
func (c Config) Sensitive(s float64) Config {
	c.Detect.FalsePerDay *= s
	c.Group.OpenP *= s
	return c
}

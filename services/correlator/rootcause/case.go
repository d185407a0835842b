package rootcause

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// item is one piece of evidence: a series that left its past, or a finding that says so.
type item struct {
	// win is the index of the window, finding that of the finding; -1 for none.
	win, finding int
	// node is whose evidence it is, instance the part of it that it speaks of (the same node when there are no parts).
	node, instance int
	// from is the caller when the item speaks of a call, else -1.
	from int
	role model.Role
	rule rule
	d    deviation
	// mid is the median of the time after.
	mid float64
	w   float64
	// beside is one more than the window of the event that this one used to come with; fresh says that it was never seen before.
	beside int
	fresh  bool
	// total is the sum of the samples after the onset times the seconds that they stand for: a count, for a rate.
	total float64
}

// cell is one column of a node.
type cell struct {
	// raw is the evidence as measured, w what is left of it after explanation by dependencies.
	raw, w float64
	// items are indexes into incident.items, strongest first.
	items []int
	// by is the node that explains what is missing from raw, -1 for none.
	by int
}

// node is an entity with what speaks for it. Instances are folded into their services.
type node struct {
	entity model.Entity
	cells  [columns]cell
	// calls and callers are nodes, sorted; hosts are the nodes it or its parts run on, tenants those that run on it.
	calls, callers, hosts, tenants []int
	// parts are the instances.
	parts []int
	// whole is the service that this is a part of, -1 for none.
	whole int
	// windows counts the series that were judged, silent those of them that stopped.
	windows, silent int
	inCone          bool
	depth           int
	score           float64
	onset           int64
	change          *changeVerdict
	shared          *sharedVerdict
	// surge is the factor by which the load of an entry grew, when that is offered as the cause.
	surge float64
}

// incident is the working state of one call of Rank.
type incident struct {
	Input
	cfg     Config
	windows []model.Window
	nodes   []node
	byName  map[model.Entity]int
	as      map[string]model.Entity
	items   []item
	s       scratch
	// pooled is for each role the 95 % quantile of past windows, for series with too short a past.
	pooled map[model.Role]float64
	judged int
	// begin is when the data begins, step the largest usual distance of samples.
	begin, step int64
}

func newCase(in Input, cfg Config) *incident {
	c := &incident{Input: in, cfg: cfg, byName: map[model.Entity]int{}, pooled: map[model.Role]float64{}}
	if c.OnsetMS == 0 {
		for _, f := range in.Findings {
			if c.OnsetMS == 0 || f.OnsetMS < c.OnsetMS {
				c.OnsetMS = f.OnsetMS
			}
		}
	}
	c.windows = slices.Clone(in.Windows)
	for i := range c.windows {
		w := &c.windows[i]
		n := min(len(w.TimesMS), len(w.Values))
		w.TimesMS, w.Values = w.TimesMS[:n], w.Values[:n]
	}
	slices.SortStableFunc(c.windows, compareWindows)
	c.Findings = slices.Clone(in.Findings)
	slices.SortFunc(c.Findings, func(a, b model.Finding) int {
		return cmp.Or(a.Entity.Compare(b.Entity), strings.Compare(a.Signal.Name, b.Signal.Name), cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID))
	})
	c.Changes = slices.Clone(in.Changes)
	slices.SortFunc(c.Changes, func(a, b model.Change) int {
		return cmp.Or(cmp.Compare(a.TimeNS, b.TimeNS), strings.Compare(a.ID, b.ID))
	})
	c.s.incidents = in.Incidents
	c.link()
	return c
}

func compareWindows(a, b model.Window) int {
	return cmp.Or(a.Entity.Compare(b.Entity), strings.Compare(a.Signal.Name, b.Signal.Name), compareLabels(a.Signal.Labels, b.Signal.Labels),
		cmp.Compare(a.Signal.SeriesID, b.Signal.SeriesID), cmp.Compare(len(a.TimesMS), len(b.TimesMS)))
}

func compareLabels(a, b []model.Label) int {
	return slices.CompareFunc(a, b, func(x, y model.Label) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value))
	})
}

// alias makes one of an entity that is known as external, database or queue by some and as a service by others, who only know its name.
func (c *incident) alias() {
	as := map[string]model.Entity{}
	note := func(e model.Entity) {
		if e.Kind == model.KindExternal || e.Kind == model.KindDatabase || e.Kind == model.KindQueue {
			if old, ok := as[e.Name]; !ok || e.Compare(old) < 0 {
				as[e.Name] = e
			}
		}
	}
	for _, e := range c.Edges {
		note(e.From)
		note(e.To)
	}
	for i := range c.windows {
		note(c.windows[i].Entity)
	}
	if len(as) == 0 {
		return
	}
	c.as = as
	for i := range c.windows {
		c.windows[i].Entity = c.known(c.windows[i].Entity)
	}
}

// known returns the entity under the kind that is known best.
func (c *incident) known(e model.Entity) model.Entity {
	if e.Kind == model.KindService {
		if better, ok := c.as[e.Name]; ok {
			return better
		}
	}
	return e
}

// link makes the nodes and connects them.
func (c *incident) link() {
	c.alias()
	edges := slices.Clone(c.Edges)
	for i := range c.windows {
		w := &c.windows[i]
		if w.Entity.Kind == "" {
			continue
		}
		c.nodeOf(w.Entity)
		edges = append(edges, model.EdgesOf(w.Signal.Name, w.Signal.Labels)...)
		if n := len(w.TimesMS); n > 0 && (c.begin == 0 || w.TimesMS[0] < c.begin) {
			c.begin = w.TimesMS[0]
		}
	}
	slices.SortFunc(edges, model.Edge.Compare)
	edges = slices.Compact(edges)
	for _, e := range edges {
		if e.Kind == model.EdgePartOf {
			whole, part := c.nodeOf(e.From), c.nodeOf(e.To)
			if whole != part {
				c.nodes[whole].parts = append(c.nodes[whole].parts, part)
				c.nodes[part].whole = whole
			}
		}
	}
	for _, e := range edges {
		from, to := c.fold(c.nodeOf(e.From)), c.fold(c.nodeOf(e.To))
		if from == to {
			continue
		}
		switch e.Kind {
		case model.EdgeCalls:
			c.nodes[from].calls = append(c.nodes[from].calls, to)
			c.nodes[to].callers = append(c.nodes[to].callers, from)
		case model.EdgeRunsOn:
			c.nodes[from].hosts = append(c.nodes[from].hosts, to)
			c.nodes[to].tenants = append(c.nodes[to].tenants, from)
		}
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		for _, list := range []*[]int{&n.calls, &n.callers, &n.hosts, &n.tenants, &n.parts} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
	}
}

// nodeOf returns the node of an entity and makes it if needed.
func (c *incident) nodeOf(e model.Entity) int {
	e = c.known(e)
	if i, ok := c.byName[e]; ok {
		return i
	}
	c.nodes = append(c.nodes, node{entity: e, whole: -1})
	i := len(c.nodes) - 1
	for k := range c.nodes[i].cells {
		c.nodes[i].cells[k].by = -1
	}
	c.byName[e] = i
	return i
}

// fold returns the service that a node is an instance of, or the node itself.
func (c *incident) fold(i int) int {
	for hops := 0; c.nodes[i].whole >= 0 && hops < 4; hops++ {
		i = c.nodes[i].whole
	}
	return i
}

// measure judges all windows by their own past and turns findings without a window into evidence.
func (c *incident) measure() {
	c.windows = append(c.windows, c.pairs()...)
	pool := map[model.Role][]float64{}
	type pending struct {
		item int
		past []float64
	}
	var short []pending
	for i := range c.windows {
		w := &c.windows[i]
		if w.Entity.Kind == "" {
			continue
		}
		if roleOf(&w.Signal) == model.RoleLog {
			continue // Counted as events.
		}
		it := c.judge(i, w)
		n := &c.nodes[it.instance]
		n.windows++
		if it.d.silent {
			n.silent++
		}
		if it.d.before < minBefore || it.d.after < minAfter {
			continue
		}
		c.judged++
		if len(c.s.past) >= pooledBelow {
			it.d.p = tail(it.d.z, c.s.past, 0)
			it.w = max(evidence(it.d.p), c.limit(&it))
			pool[it.role] = append(pool[it.role], quantile(c.s.past, 1-tailFrom))
		} else {
			short = append(short, pending{len(c.items), slices.Clone(c.s.past)})
		}
		c.items = append(c.items, it)
	}
	for role, qs := range pool {
		slices.Sort(qs)
		c.pooled[role] = quantile(qs, .5)
	}
	for _, p := range short {
		it := &c.items[p.item]
		it.d.p = tail(it.d.z, p.past, c.pooled[it.role])
		it.w = max(evidence(it.d.p), c.limit(it))
	}
	c.trust()
	c.events()
	c.findings()
	c.silences()
}

// maxStep bounds the step of sampling: what comes more rarely orders nothing.
const maxStep = 300_000

// judge compares one window with its past.
func (c *incident) judge(i int, w *model.Window) item {
	role := roleOf(&w.Signal)
	instance := c.nodeOf(w.Entity)
	it := item{win: i, finding: -1, instance: instance, node: c.fold(instance), from: -1, role: role, rule: ruleOf(role, w.Signal.Unit)}
	for _, e := range model.EdgesOf(w.Signal.Name, w.Signal.Labels) {
		if e.Kind == model.EdgeCalls {
			it.from = c.nodeOf(e.From)
		}
	}
	p := c.s.cut(w, c.OnsetMS, c.NowMS, c.cfg.HistoryMS)
	if successByData(&w.Signal, role, p.before) {
		it.role, it.rule = model.RoleSuccess, ruleOf(model.RoleSuccess, w.Signal.Unit)
	}
	it.d = c.s.deviate(p, it.rule, c.OnsetMS, c.NowMS)
	c.step = max(c.step, min(p.step, maxStep))
	it.total = p.total
	if it.d.after > 0 {
		c.s.sorted = append(c.s.sorted[:0], p.after...)
		slices.Sort(c.s.sorted)
		it.mid = quantile(c.s.sorted, .5)
	}
	return it
}

const (
	// atLimit and belowLimit are the shares of a physical limit that are full and not full: what went from one to the other ran into it,
	// however often it did so before.
	atLimit, belowLimit = 0.95, 0.8
	// limitWeight is the evidence of that.
	limitWeight = 3
)

// limit returns the evidence of a share of something that ends at a whole.
func (c *incident) limit(it *item) float64 {
	if it.role != model.RoleUtilization || it.d.dir < 0 {
		return 0
	}
	kind, _ := unitOf(c.unit(it))
	full := 0.0
	switch kind {
	case unitPercent:
		full = 100
	case unitShare:
		full = 1
	default:
		return 0
	}
	if it.d.value >= atLimit*full && it.d.level <= belowLimit*full {
		return limitWeight
	}
	return 0
}

// findings adds what detectors say and windows cannot show.
func (c *incident) findings() {
	have := map[uint64]bool{}
	for _, it := range c.items {
		if it.win >= 0 && it.w > 0 {
			if id := c.windows[it.win].Signal.SeriesID; id != 0 {
				have[id] = true
			}
		}
	}
	for i := range c.Findings {
		f := &c.Findings[i]
		if f.Entity.Kind == "" || f.Signal.SeriesID != 0 && have[f.Signal.SeriesID] && f.Kind != model.FindingLimit {
			continue
		}
		instance := c.nodeOf(f.Entity)
		role := roleOf(&f.Signal)
		it := item{win: -1, finding: i, instance: instance, node: c.fold(instance), from: -1, role: role, rule: ruleOf(role, f.Signal.Unit)}
		it.d = deviation{level: f.Expected, low: f.Low, high: f.High, value: f.Value, z: f.Score, dir: f.Direction, p: f.PValue, onset: f.OnsetMS}
		it.mid = f.Value
		for _, e := range model.EdgesOf(f.Signal.Name, f.Signal.Labels) {
			if e.Kind == model.EdgeCalls {
				it.from = c.nodeOf(e.From)
			}
		}
		it.w = findingWeight(f)
		switch f.Kind {
		case model.FindingSilence:
			it.rule.column = colState
		case model.FindingNew, model.FindingGone:
			it.rule.column = colLog
		case model.FindingForecast:
			it.rule.column = colResource
		case model.FindingShift, model.FindingDrift, model.FindingPeer:
			if f.Direction != 0 && f.Direction == -it.rule.direction {
				it.w *= goodShare
			}
		case model.FindingAlert:
			it.rule.column = colErrors
		}
		c.items = append(c.items, it)
	}
}

// goodShare is what is left of a finding that moved in the direction that is not bad: less work, less memory.
const goodShare = 0.2

// findingWeight returns the evidence of a finding: its own probability, within what its kind can say.
func findingWeight(f *model.Finding) float64 {
	p := f.PValue
	if p <= 0 {
		p = 1 - min(max(f.Confidence, 0), .99)
	}
	w := evidence(p)
	if f.Kind == model.FindingNew || f.Kind == model.FindingGone {
		// What was never seen in a minute is no wonder: an hour is needed to believe it in full.
		w = min(w*math.Sqrt(min(1, float64(max(f.HistoryMS, 0))/3_600_000)), newWeight)
	}
	switch f.Kind {
	case model.FindingAlert:
		// Somebody's threshold: it says that there is trouble, and not how unusual it is.
		return min(max(w, 1), 2)
	case model.FindingLimit:
		return max(w, 3)
	case model.FindingForecast:
		return min(w, 1)
	}
	return w
}

const (
	// silentService is the evidence of a service whose instances all stopped, silentInstance that of one that stopped beside others.
	silentService, silentInstance = 3, 2
)

// silences turns instances whose data stopped into evidence of state. One that stops while another of its service begins was replaced.
func (c *incident) silences() {
	stopped := map[int][]int{}
	replaced := map[int]bool{}
	for i := range c.windows {
		w := &c.windows[i]
		if w.Entity.Kind == "" || len(w.TimesMS) == 0 {
			continue
		}
		if w.TimesMS[0] > c.begin+maxStep && w.TimesMS[0] >= c.OnsetMS-c.cfg.LookbackMS {
			replaced[c.fold(c.nodeOf(w.Entity))] = true
		}
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		if n.windows >= 2 && n.silent*5 >= n.windows*3 {
			stopped[c.fold(i)] = append(stopped[c.fold(i)], i)
		}
	}
	for i := range c.nodes {
		list := stopped[i]
		if len(list) == 0 || replaced[i] {
			continue
		}
		w := float64(silentInstance)
		if len(list) >= len(c.nodes[i].parts) {
			w = silentService
		}
		// Three steps without data in most of the series that came regularly.
		c.items = append(c.items, item{win: -1, finding: -1, node: i, instance: list[0], from: -1, role: model.RoleState,
			rule: ruleOf(model.RoleState, ""), d: deviation{silent: true, p: math.Pow(10, -w), onset: c.OnsetMS}, w: w})
	}
}

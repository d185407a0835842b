package detect

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// Reasons why a series is not watched.
const (
	skipNone = iota
	skipBucket
	skipConstant
	skipFull
	skipKinds
)

// Detector watches the series of one shard. The zero value is not usable; see New.
type Detector struct {
	cfg      Config
	series   map[uint64]*series
	groups   map[groupKey]*group
	sorted   []*group // By key; groups that came since the last mark are in fresh.
	fresh    []*group
	dirty    []*group // With scores to decide on.
	touched  []touched
	found    []model.Finding
	families map[string]family
	version  uint32 // Of the metadata.
	types    map[typeKey]*typing
	pairs    map[uint64]*pair
	sets     map[uint64]*peerSet
	setList  []*peerSet // By key.
	setsNew  bool
	births   map[string]int64 // Newest instance of each service.
	feedback map[feedbackKey]judgement
	skip     [skipKinds]series // Stand for the series that are not watched, by reason.
	skips    [skipKinds]uint64
	watched  int
	steps    uint64
	opened   uint64
	late     uint64
	mark     eventtime.Mark
	minute   int64 // The minute that was last looked over.
	logs     *binLogs
}

var _ eventtime.Sink = (*Detector)(nil)

// family is what metadata says of a family of metrics.
type family struct{ typ, unit string }

type typeKey struct {
	kind  signal.Kind
	role  model.Role
	unit  string
	limit signal.Limit
}

// New returns a Detector without series.
func New(cfg Config) *Detector {
	return &Detector{
		cfg: cfg, series: map[uint64]*series{}, groups: map[groupKey]*group{}, families: map[string]family{}, types: map[typeKey]*typing{},
		pairs: map[uint64]*pair{}, sets: map[uint64]*peerSet{}, births: map[string]int64{}, feedback: map[feedbackKey]judgement{}, logs: newLogs(),
		version: 1,
	}
}

// Describe takes the type and unit of a family. Of two that differ the one that sorts first stays, so that the order in which they came has
// no influence.
func (d *Detector) Describe(m model.MetricMetadata) {
	f := family{m.Type, signalUnit(m.Unit)}
	had, known := d.families[m.Family]
	switch {
	case known && cmp.Or(cmp.Compare(f.typ, had.typ), cmp.Compare(f.unit, had.unit)) >= 0:
		return
	case !known && len(d.families) >= d.cfg.MaxFamilies, f == family{}:
		return
	}
	d.families[m.Family] = f
	d.version++
}

// signalUnit bounds what a sender may call a unit.
func signalUnit(u string) string {
	if len(u) > 32 {
		return ""
	}
	return u
}

// skipped returns the reason for which a kind is not watched, 0 for one that is.
func skipped(k signal.Kind) int {
	switch k {
	case signal.Bucket:
		return skipBucket
	case signal.Constant:
		return skipConstant
	}
	return skipNone
}

func skipOf(d *Detector, s *series) int {
	for i := range d.skip {
		if s == &d.skip[i] {
			return i
		}
	}
	return skipNone
}

// retype works out the type of a series from its name, labels and metadata. One that turns out to be another kind starts anew.
func (d *Detector) retype(s *series) {
	s.metadata = d.version
	var f family
	for _, name := range signal.Family(s.src.Name) {
		if known, ok := d.families[name]; ok {
			f = known
			break
		}
	}
	unit := signal.UnitOf(s.src.Name, f.unit)
	kind := signal.KindOf(s.src.Name, f.typ)
	if kind == signal.Unknown && (unit == "1" && strings.HasSuffix(s.src.Name, "_ratio") || unit == "%") {
		kind = signal.Gauge // A share does not count.
	}
	if s.typ != nil && kind == signal.Unknown {
		kind = s.typ.kind // What the data said stays.
	}
	role := signal.Of(s.src.Name, s.src.Labels, f.typ, unit)
	if kind == signal.Count && role != model.RoleErrors {
		role = model.RoleTraffic
	}
	var limit signal.Limit
	ends := false
	if kind == signal.Gauge || kind == signal.Unknown {
		limit, ends = signal.LimitOf(s.src.Name, s.src.Labels, role, unit)
	}
	t := d.typeOf(kind, role, unit, limit, ends)
	if s.typ != nil && s.typ.kind != t.kind {
		s.restart()
	}
	s.typ = t
}

// typeOf returns the one typing with these properties.
func (d *Detector) typeOf(kind signal.Kind, role model.Role, unit string, limit signal.Limit, ends bool) *typing {
	key := typeKey{kind, role, unit, limit}
	t := d.types[key]
	if t == nil {
		t = &typing{kind: kind, role: role, unit: unit, norm: signal.NormOf(role, unit), limit: limit, ends: ends}
		if kind == signal.Counter {
			t.norm = signal.RateNormOf(role, unit)
		}
		if len(d.types) < 10_000 { // Units come from senders.
			d.types[key] = t
		}
	}
	return t
}

// restart forgets the past of a series whose values mean something else from now on.
func (s *series) restart() {
	if s.group != nil && s.is(shown) {
		s.group.learnt--
	}
	*s = series{src: s.src, typ: s.typ, group: s.group, pair: s.pair, peers: s.peers, ep: s.ep, metadata: s.metadata, gapMS: s.gapMS, flags: s.flags & hot, hotP: s.hotP, hotMS: s.hotMS}
}

// Sample takes a sample; those of one series come in order of time.
func (d *Detector) Sample(src *model.Series, p eventtime.Point) {
	s := d.series[src.ID]
	if s == nil {
		s = d.admit(src)
	}
	if s.group == nil {
		return
	}
	s.src = src
	if s.metadata != d.version {
		d.retype(s)
	}
	if p.Stale {
		s.set(ended, true)
		s.runMS, s.limitMS, s.heldN, s.held = 0, 0, 0, 0
		return
	}
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
		return
	}
	if g := s.group; p.TimeMS > g.lastMS {
		g.lastMS = p.TimeMS
		if g.bornMS == 0 {
			g.bornMS = p.TimeMS
		}
	}
	d.take(s, p)
}

// take turns a sample into a value and the value into steps.
func (d *Detector) take(s *series, p eventtime.Point) {
	dt := p.TimeMS - s.lastMS
	first := s.lastMS == 0 || s.is(ended)
	if !first {
		if dt <= 0 {
			return
		}
		if s.gapMS == 0 {
			s.gapMS = float32(dt)
		} else {
			s.gapMS += 0.1 * (min(float32(dt), 4*s.gapMS) - s.gapMS)
		}
	}
	x, ok := d.value(s, p, dt, first)
	s.lastMS = p.TimeMS
	s.set(ended, false)
	if ok {
		d.hold(s, p.TimeMS, x)
	}
}

// hold averages values that come faster than they are judged.
func (d *Detector) hold(s *series, ms int64, x float64) {
	if s.gapMS < judgeMS*0.9 && s.stepMS != 0 {
		s.held += x
		s.heldN++
		if ms-s.stepMS < judgeMS && s.heldN < math.MaxUint16 {
			return
		}
		x = s.held / float64(s.heldN)
		s.held, s.heldN = 0, 0
	}
	d.steps++
	d.step(s, ms, x)
}

// Advance ends a mark: what is off is decided on, entity by entity.
func (d *Detector) Advance(k eventtime.Mark) {
	d.mark = k
	d.settleGroups(k.WatermarkMS)
	slices.SortFunc(d.dirty, func(a, b *group) int { return a.key.compare(b.key) })
	again := d.dirty[:0]
	for _, g := range d.dirty {
		d.decide(g)
		if g.dirty = len(g.hot) > 0; g.dirty {
			again = append(again, g)
		}
	}
	clear(d.dirty[len(again):])
	d.dirty = again
	if d.cfg.Silence {
		for _, g := range d.sorted {
			d.silence(g)
		}
	}
	if m := k.WatermarkMS / minuteMS; m > d.minute {
		d.minute = m
		d.everyMinute()
	}
	d.say()
}

// everyMinute does what looks over many series.
func (d *Detector) everyMinute() {
	if d.cfg.Peers {
		d.comparePeers()
	}
	if d.cfg.Silence {
		for _, g := range d.sorted {
			d.partSilence(g)
		}
	}
	d.expire()
}

// say writes the findings of all episodes that changed at this mark.
func (d *Detector) say() {
	for _, t := range d.touched {
		t.ep.touched = false
		if t.ep.muted {
			continue
		}
		if t.ep.seenMS == 0 {
			t.ep.seenMS = d.mark.WatermarkMS
		}
		t.ep.saidMS, t.ep.saidScore = d.mark.WatermarkMS, t.ep.score
		d.found = append(d.found, finding(t))
	}
	clear(d.touched)
	d.touched = d.touched[:0]
}

// Findings returns what was opened, updated and ended since the last call, by onset and ID.
func (d *Detector) Findings() []model.Finding {
	out := d.found
	d.found = nil
	slices.SortStableFunc(out, func(a, b model.Finding) int {
		return cmp.Or(cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Score returns how surprising the last step of a series was, as -log10 of its probability by the series' own past, and the value without
// its unit that was expected; false for a series that is not watched.
func (d *Detector) Score(id uint64) (surprise, expected float64, ok bool) {
	s := d.series[id]
	if s == nil || s.group == nil {
		return 0, 0, false
	}
	expected, _ = s.expected(s.stepMS)
	return float64(s.surprise), expected, true
}

// Counts are what a Detector holds and did.
type Counts struct {
	// Series are watched, Entities are their groups. Buckets, Constants and Unwatched are not: by kind, and beyond the bounds.
	Series, Entities, Buckets, Constants, Unwatched int
	// Open are findings that last, Seasons the profiles in use.
	Open, Seasons int
	// Steps are judgements since the start, Opened the findings, Late the samples that came too late to be judged.
	Steps, Opened, Late uint64
}

// Counts looks over all series: for metrics about ourselves, not for each sample.
func (d *Detector) Counts() Counts {
	c := Counts{
		Series: d.watched, Entities: len(d.groups), Buckets: int(d.skips[skipBucket]), Constants: int(d.skips[skipConstant]), Unwatched: int(d.skips[skipFull]),
		Steps: d.steps, Opened: d.opened, Late: d.late,
	}
	for _, g := range d.groups {
		if g.ep.open() {
			c.Open++
		}
		for _, s := range g.members {
			if s.ep.open() {
				c.Open++
			}
			if s.season != nil && s.season.active {
				c.Seasons++
			}
		}
	}
	return c
}

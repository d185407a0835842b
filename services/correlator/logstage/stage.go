// Package logstage turns log lines into ordinary series and into findings. Lines are counted by entity and template in windows of event time; the
// counts are series that the detector judges as it judges any other (docs/formats/derived.md). What is no rate is found here: a
// template that was never seen, one that is gone, and a line after which its usual follower does not come.
//
// A line whose shape is known costs one look into a map and no allocation; the text of a line is read for the first of its shape only. Templates
// are mined at marks, in an order that does not depend on arrival, and keep the id of their first shape for ever.
//
// It is pure: no clock, no I/O, no goroutines. State is bounded by Config: about 250 bytes a shape, a kilobyte a template, and 40 bytes for each
// line with a trace id that waits for its trace.
package logstage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/template"
	"github.com/faultline-io/faultline/services/model"
)

// Config bounds a Stage.
type Config struct {
	// WindowMS is the length of a window, ten seconds as for spans.
	WindowMS int64
	// SettleMS is how long an entity is listened to before a template that is new counts as such. What counts is time that was listened to, not how
	// old the oldest line is: a file that is read from its beginning says nothing about how often something new comes.
	SettleMS int64
	// MaxEntities bounds entities, MaxShapes the shapes of one; lines beyond are counted as "other".
	MaxEntities, MaxShapes int
	// MaxSeries is how many templates of an entity have a series of their own, MaxUrgent how many more of warnings and errors.
	MaxSeries, MaxUrgent int
	// MaxFindings bounds the open findings of new templates of an entity: what is new in dozens at once is one event, a new version.
	MaxFindings int
	// IdleMS is after how long without a line a series ends, ForgetMS after how long a template is forgotten.
	IdleMS, ForgetMS int64
	Follow           FollowConfig
	Miner            template.Config
}

// Default returns bounds for a machine with some hundred services.
func Default() Config {
	return Config{
		WindowMS: 10_000, SettleMS: 600_000,
		MaxEntities: 5_000, MaxShapes: 10_000, MaxSeries: 60, MaxUrgent: 30, MaxFindings: 10,
		IdleMS: 3_600_000, ForgetMS: 14 * 24 * 3_600_000,
		Follow: DefaultFollow(), Miner: template.Default(),
	}
}

// ring is how many windows are counted at once: the watermark is half a minute behind what arrives, and a clock may be a minute ahead.
const ring = 16

// Counts are what a Stage did not take as it came, for its health.
type Counts struct {
	// Late lines are of a window that was told; Ahead ones are too far ahead of the watermark; Unattributed ones name no service and no
	// host; Overflow ones had a shape or entity without room.
	Late, Ahead, Unattributed, Overflow uint64
}

// Stage counts lines. The zero value is not usable; see New.
type Stage struct {
	cfg      Config
	mark     eventtime.Mark
	miner    *template.Miner
	entities map[model.Entity]*entity
	sources  map[uint64]*source
	ordered  []*entity // By entity.
	// open is the first window that was not told; it is known from the first mark on.
	open int64
	// touched are the shapes that have lines in a window, by its place in the ring.
	touched [ring][]*shape
	fresh   []*shape
	// early are lines that no window is open for yet: those before the first mark.
	early  []earlyLine
	follow follower
	counts Counts
	// batch has the sources of a batch's resources.
	batch []*source
	found []model.Finding
	// ended are the labels of series whose template has become part of another one.
	ended [][]model.Label
}

// earlyLine is a line that waits for its window.
type earlyLine struct {
	shape  *shape
	window int64
}

// entity is a service or host that writes lines.
type entity struct {
	entity model.Entity
	scope  string
	hash   uint64
	// firstMS and lastMS are of its lines.
	firstMS, lastMS int64
	lines           uint64 // Up to the open window.
	shapes          map[uint64]*shape
	kinds           map[uint64]*kind
	ordered         []*kind // By id.
	own, urgent     int     // Series of plain and of urgent templates.
	// bySeverity counts the lines of each class in the windows of the ring.
	bySeverity [classes][ring]uint32
	severities [classes]severityGroup
	rest       kind // What has no series of its own.
	novelty    novelty
	pairs      pairs
	sequences  Sequences
	// sequenceMS is when a sequence ended last.
	sequenceMS int64
	labels     []model.Label
}

// shape is what is counted of the lines of one shape.
type shape struct {
	entity *entity
	id     uint64
	counts [ring]uint32
	kind   *kind // nil until it was mined.
	// severity is the highest seen.
	severity uint8
	// firstNS and example are of its first line, until it was mined.
	firstNS int64
	example string
	// late says that one of its lines came after its time had passed: then nothing opens by it.
	late bool
}

// New returns an empty stage.
func New(cfg Config) *Stage {
	return &Stage{
		cfg: cfg, miner: template.New(cfg.Miner), entities: map[model.Entity]*entity{}, sources: map[uint64]*source{},
		follow: newFollower(cfg.Follow),
	}
}

// Counts returns what was left out since the start.
func (s *Stage) Counts() Counts { return s.counts }

// Templates returns how many templates and shapes are known.
func (s *Stage) Templates() (templates, shapes int) {
	for _, e := range s.entities {
		templates += len(e.kinds)
		shapes += len(e.shapes)
	}
	return templates, shapes
}

// Logs takes a batch. Bodies of lines with a new shape are kept until the next mark.
func (s *Stage) Logs(b *model.Logs) {
	s.batch = slices.Grow(s.batch[:0], len(b.Resources))[:len(b.Resources)]
	for i := range b.Resources {
		s.batch[i] = s.source(&b.Resources[i])
	}
	for i, ns := range b.TimesNS {
		at := b.ResourceIdx[i]
		if int(at) >= len(s.batch) || s.batch[at] == nil {
			s.counts.Unattributed++
			continue
		}
		src := s.batch[at]
		trace := ""
		if b.TraceIDs != nil {
			trace = b.TraceIDs[i]
		}
		s.line(src, ns, b.ShapeHash[i], b.Severity[i], b.Bodies[i], trace)
	}
}

func (s *Stage) line(src *source, ns int64, id uint64, severity uint8, body, trace string) {
	sh := src.entity.shapes[id]
	if sh == nil || sh.kind == nil {
		if sh = s.first(src.entity, sh, ns, id, body); sh == nil {
			s.counts.Overflow++
			return
		}
	}
	sh.severity = max(sh.severity, severity)
	src.lastMS = max(src.lastMS, ns/1e6)
	window := floor(ns/1e6, s.cfg.WindowMS)
	switch d := window - s.open; {
	case s.mark.Seq == 0:
		if len(s.early) < maxEarly {
			s.early = append(s.early, earlyLine{sh, window})
		} else {
			s.counts.Ahead++
		}
		return
	case d < 0:
		s.counts.Late++
		return
	case d >= ring:
		s.counts.Ahead++
		return
	}
	s.count(sh, window, severity)
	if ns/1e6 > s.mark.WatermarkMS { // Neighbours of what is late were looked at already.
		s.follow.hold(src, sh, ns, trace, window&(ring-1))
	}
}

// maxEarly bounds the lines before the first mark: five seconds at the rate that one process is made for.
const maxEarly = 100_000

func (s *Stage) count(sh *shape, window int64, severity uint8) {
	at := window & (ring - 1)
	if sh.counts[at] == 0 {
		s.touched[at] = append(s.touched[at], sh)
	}
	sh.counts[at]++
	sh.entity.bySeverity[classOf(severity)][at]++
}

// first takes a line whose shape has not been mined yet. Of several the earliest is the example, whichever came first.
func (s *Stage) first(e *entity, sh *shape, ns int64, id uint64, body string) *shape {
	if sh == nil {
		// The bound is soft between two marks, in order of arrival, and hard over them.
		if len(e.shapes) >= s.cfg.MaxShapes {
			return nil
		}
		sh = &shape{entity: e, id: id, firstNS: ns, example: body, late: s.late(ns)}
		e.shapes[id] = sh
		s.fresh = append(s.fresh, sh)
		return sh
	}
	sh.late = sh.late || s.late(ns)
	if ns < sh.firstNS || ns == sh.firstNS && body < sh.example {
		sh.firstNS, sh.example = ns, body
	}
	return sh
}

// late reports whether a line comes after its time has passed.
func (s *Stage) late(ns int64) bool { return s.mark.Seq > 0 && ns/1e6 <= s.mark.WatermarkMS }

// source returns the source that a resource is, with who writes its lines: its service, else its host; nil when it names neither, or when there is no
// room.
func (s *Stage) source(r *model.Resource) *source {
	if src := s.sources[r.ID]; src != nil {
		return src
	}
	who := model.Entity{Kind: model.KindService, Name: r.Service}
	if r.Service == "" {
		who.Name = model.ResolveService(r.Attributes)
	}
	if who.Name == "" {
		who = model.Entity{Kind: model.KindHost, Name: r.Host}
		if r.Host == "" {
			who.Name = model.ResolveHost(r.Attributes)
		}
	}
	if who.Name == "" || len(s.sources) >= sourcesOfEntity*s.cfg.MaxEntities {
		return nil
	}
	e := s.entity(who)
	if e == nil {
		return nil
	}
	src := &source{id: r.ID, entity: e}
	s.sources[r.ID] = src
	return src
}

// sourcesOfEntity is how many sources entities have on average at most: instances of a service, each with its own attributes.
const sourcesOfEntity = 10

func (s *Stage) entity(who model.Entity) *entity {
	if e := s.entities[who]; e != nil {
		return e
	}
	if len(s.entities) >= s.cfg.MaxEntities {
		return nil
	}
	who.Name = strings.Clone(who.Name)
	e := newEntity(who)
	s.entities[who] = e
	at, _ := slices.BinarySearchFunc(s.ordered, who, func(e *entity, who model.Entity) int { return e.entity.Compare(who) })
	s.ordered = slices.Insert(s.ordered, at, e)
	return e
}

func newEntity(who model.Entity) *entity {
	e := &entity{entity: who, scope: who.String(), shapes: map[uint64]*shape{}, kinds: map[uint64]*kind{}}
	e.hash = model.Hash64(e.scope)
	for c := range e.severities {
		e.severities[c].labels = seriesLabels(who, classNames[c], "")
	}
	e.labels = seriesLabels(who, "", "")
	e.rest = kind{labels: seriesLabels(who, "", other)}
	return e
}

// Adopt tells the stage of a shape that is known from before under the id of a template, as from the dictionary that the store has. Its
// template then is not new. Shapes come in the order in which they were first seen.
func (s *Stage) Adopt(who model.Entity, id, templateID uint64, example string, firstMS, lastMS int64, severity uint8) {
	e := s.entity(who)
	if e == nil || e.shapes[id] != nil || len(e.shapes) >= s.cfg.MaxShapes {
		return
	}
	t := s.miner.Adopt(e.scope, id, templateID, example)
	if t == nil {
		return
	}
	sh := &shape{entity: e, id: id, severity: severity}
	e.shapes[id] = sh
	e.heard(firstMS, lastMS)
	e.novelty.knew(float64(lastMS-firstMS) / float64(s.cfg.WindowMS))
	sh.kind = e.kind(t.ID, func() *kind { return &kind{id: t.ID, firstMS: firstMS, lastMS: lastMS, severity: severity, old: true} })
}

func (e *entity) heard(firstMS, lastMS int64) {
	if e.firstMS == 0 || firstMS < e.firstMS {
		e.firstMS = firstMS
	}
	e.lastMS = max(e.lastMS, lastMS)
}

// Mark counts what has ended by k, and hands on the samples of every series. It returns the findings that opened, changed or ended.
func (s *Stage) Mark(k eventtime.Mark, emit func(model.Derived)) []model.Finding {
	if k.Seq <= s.mark.Seq && s.mark.Seq > 0 {
		return nil
	}
	first := s.mark.Seq == 0
	k.WatermarkMS = max(k.WatermarkMS, s.mark.WatermarkMS)
	s.mark = k
	s.found = nil
	if first {
		s.start(floor(k.WatermarkMS, s.cfg.WindowMS))
	}
	s.mine()
	s.end(emit)
	s.followLines(k.WatermarkMS)
	last := floor(k.WatermarkMS, s.cfg.WindowMS)
	for n := 0; s.open < last; n++ {
		if n == ring { // Nothing can be counted in the windows between; they are passed over.
			s.open = last
			break
		}
		s.tell(emit)
		s.open++
	}
	s.followers(k.WatermarkMS)
	s.sweep(k)
	slices.SortFunc(s.found, func(a, b model.Finding) int {
		return cmp.Or(a.Entity.Compare(b.Entity), cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID))
	})
	return s.found
}

// sweepEvery is after how many marks what is long gone is looked for: five minutes of them.
const sweepEvery = 60

// sweep drops the sources that were silent for long, the shapes that had no room so that they may try again, and the entities of which nothing is
// left.
func (s *Stage) sweep(k eventtime.Mark) {
	if k.Seq%sweepEvery != 0 {
		return
	}
	live := map[*entity]bool{}
	for id, src := range s.sources {
		if src.lastMS+s.cfg.IdleMS < k.WatermarkMS {
			delete(s.sources, id)
		} else {
			live[src.entity] = true
		}
	}
	for _, t := range s.follow.traces {
		live[t.entity] = true
	}
	for _, h := range s.follow.held {
		live[h.shape.entity] = true
	}
	s.ordered = slices.DeleteFunc(s.ordered, func(e *entity) bool {
		for id, sh := range e.shapes {
			if sh.kind == &e.rest && sh.counts == [ring]uint32{} {
				delete(e.shapes, id)
			}
		}
		if live[e] || len(e.shapes) > 0 || e.lastMS+s.cfg.ForgetMS >= k.WatermarkMS || e.rest.lastMS > 0 || e.sequenceMS > 0 {
			return false
		}
		delete(s.entities, e.entity)
		return true
	})
}

// start opens the first window and counts the lines that waited for it.
func (s *Stage) start(open int64) {
	s.open = open
	for _, l := range s.early {
		switch d := l.window - open; {
		case d < 0:
			s.counts.Late++
		case d >= ring:
			s.counts.Ahead++
		default:
			s.count(l.shape, l.window, l.shape.severity)
		}
	}
	s.early = nil
}

func floor(ms, step int64) int64 {
	if ms < 0 {
		return -((-ms + step - 1) / step)
	}
	return ms / step
}

// mine looks at the shapes that are new and whose first line the watermark has passed, by entity, time and shape. Those ahead of it wait, since a
// line that is earlier may still come, and a replay must find the same.
func (s *Stage) mine() {
	passed := s.fresh[:0:0]
	ahead := s.fresh[:0]
	for _, sh := range s.fresh {
		if sh.firstNS/1e6 <= s.mark.WatermarkMS {
			passed = append(passed, sh)
		} else {
			ahead = append(ahead, sh)
		}
	}
	clear(s.fresh[len(ahead):])
	s.fresh = ahead
	slices.SortFunc(passed, func(a, b *shape) int {
		return cmp.Or(a.entity.entity.Compare(b.entity.entity), cmp.Compare(a.firstNS, b.firstNS), cmp.Compare(a.id, b.id))
	})
	for i := 0; i < len(passed); {
		j := i
		for ; j < len(passed) && passed[j].entity == passed[i].entity; j++ {
			s.learn(passed[j])
		}
		s.regroup(passed[i].entity)
		for _, sh := range passed[i:j] {
			s.admit(sh)
		}
		i = j
	}
}

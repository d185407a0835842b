package logstage

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/faultline-io/faultline/services/model"
)

// kind is a template of an entity as it is counted.
type kind struct {
	id       uint64
	severity uint8
	// n counts the lines of the window that is being told.
	n uint32
	// firstMS and lastMS are of its lines, by window.
	firstMS, lastMS int64
	// old says that it is not to be called new: the entity was not settled, or it was known from before.
	old bool
	// series says that it has a series of its own.
	series, isUrgent bool
	labels           []model.Label
	gaps             gaps
	finding          *model.Finding // Open, that it is new.
	lost             *model.Finding // Open, that it is gone.
	total            uint64
}

// Series are named by what they count; docs/formats/derived.md describes them.
const (
	seriesTemplate = "log_template_lines_per_second"
	seriesLines    = "log_lines_per_second"
	// seriesSequences is the share of traces with lines as no trace had before.
	seriesSequences = "log_unusual_sequences_ratio"
	other           = "other"
)

// classes of severities: enough to tell trouble from talk, and few enough for a series each.
const classes = 3

var classNames = [classes]string{"info", "warn", "error"}

func classOf(severity uint8) int {
	switch {
	case severity >= 17:
		return 2
	case severity >= 13:
		return 1
	}
	return 0
}

// severityGroup are the lines of one class of severity.
type severityGroup struct {
	labels []model.Label
	lastMS int64
}

// seriesLabels returns the labels of a series in order of their names.
func seriesLabels(who model.Entity, severity, template string) []model.Label {
	var out []model.Label
	add := func(name, value string) {
		if value != "" {
			out = append(out, model.Label{Name: name, Value: value})
		}
	}
	if who.Kind == model.KindHost {
		add("host", who.Name)
		add("severity", severity)
	} else {
		add("service", who.Name)
		add("severity", severity)
		slices.SortFunc(out, func(a, b model.Label) int { return cmp.Compare(a.Name, b.Name) })
	}
	add("template", template)
	return out
}

// TemplateLabel writes the id of a template as the label template has it.
func TemplateLabel(id uint64) string { return strconv.FormatUint(id, 16) }

// kind returns the kind of an id, made by create when it is not there.
func (e *entity) kind(id uint64, create func() *kind) *kind {
	if k := e.kinds[id]; k != nil {
		return k
	}
	k := create()
	e.kinds[id] = k
	at, _ := slices.BinarySearchFunc(e.ordered, id, func(k *kind, id uint64) int { return cmp.Compare(k.id, id) })
	e.ordered = slices.Insert(e.ordered, at, k)
	return k
}

// learn gives a shape its template; one without room counts as other.
func (s *Stage) learn(sh *shape) {
	e := sh.entity
	ms := sh.firstNS / 1e6
	e.heard(ms, ms)
	t := s.miner.Learn(e.scope, sh.id, sh.example)
	if t == nil {
		s.counts.Overflow++
		sh.kind = &e.rest
		return
	}
	sh.kind = e.kind(t.ID, func() *kind { return &kind{id: t.ID, firstMS: ms} })
}

// regroup follows templates that have merged: their lines count for the one that took them in.
func (s *Stage) regroup(e *entity) {
	var gone []*kind
	for _, sh := range e.shapes {
		if sh.kind == nil || sh.kind == &e.rest {
			continue
		}
		id, ok := s.miner.Template(e.scope, sh.id)
		if !ok || id == sh.kind.id {
			continue
		}
		was := sh.kind
		sh.kind = e.kind(id, func() *kind { return &kind{id: id, firstMS: was.firstMS} })
		if e.kinds[was.id] == was {
			delete(e.kinds, was.id)
			gone = append(gone, was)
		}
		sh.kind.take(was)
	}
	if len(gone) == 0 {
		return
	}
	e.ordered = slices.DeleteFunc(e.ordered, func(k *kind) bool { return e.kinds[k.id] != k })
	slices.SortFunc(gone, func(a, b *kind) int { return cmp.Compare(a.id, b.id) })
	for _, k := range gone {
		s.retire(e, k)
		e.pairs.forget(k.id)
		e.sequences.forget(k.id)
	}
}

// take lets k have the past of one that is part of it now. It may be called for each shape of that one; the result is the same.
func (k *kind) take(was *kind) {
	k.firstMS = min(k.firstMS, was.firstMS)
	k.lastMS = max(k.lastMS, was.lastMS)
	k.severity = max(k.severity, was.severity)
	k.old = k.old || was.old
	k.gaps.take(&was.gaps)
}

// admit sees to what follows from a new shape once all templates are settled: is the kind new.
func (s *Stage) admit(sh *shape) {
	sh.example = ""
	e, k := sh.entity, sh.kind
	if k == &e.rest {
		return
	}
	ms := sh.firstNS / 1e6
	fresh := k.total == 0 && !k.old && k.finding == nil && k.lastMS == 0
	k.severity = max(k.severity, sh.severity)
	if k.firstMS == 0 || ms < k.firstMS {
		k.firstMS = ms
	}
	k.lastMS = max(k.lastMS, ms)
	if fresh {
		s.novel(e, k, ms, sh.late)
	}
	sh.late = false
}

// series gives a kind a series of its own while there is room for one.
func (s *Stage) series(e *entity, k *kind) {
	switch urgent := classOf(k.severity) > 0; {
	case e.own < s.cfg.MaxSeries:
		e.own++
	case urgent && e.urgent < s.cfg.MaxUrgent:
		e.urgent++
		k.isUrgent = true
	default:
		return
	}
	k.series = true
	k.labels = seriesLabels(e.entity, classNames[classOf(k.severity)], TemplateLabel(k.id))
}

// tell hands on the open window, entity by entity.
func (s *Stage) tell(emit func(model.Derived)) {
	at := s.open & (ring - 1)
	endMS := (s.open + 1) * s.cfg.WindowMS
	for i, sh := range s.touched[at] {
		sh.kind.n += sh.counts[at]
		sh.kind.severity = max(sh.kind.severity, sh.severity)
		sh.counts[at] = 0
		s.touched[at][i] = nil
	}
	s.touched[at] = s.touched[at][:0]
	for _, src := range s.sources {
		src.counts[at] = 0
	}
	seconds := float64(s.cfg.WindowMS) / 1000
	for _, e := range s.ordered {
		lines := uint64(0)
		for c := range classes {
			n := e.bySeverity[c][at]
			e.bySeverity[c][at] = 0
			lines += uint64(n)
			g := &e.severities[c]
			s.put(emit, seriesLines, g.labels, endMS, float64(n)/seconds, n > 0, &g.lastMS)
		}
		if lines > 0 {
			e.heard(endMS-s.cfg.WindowMS, endMS)
		}
		e.lines += lines
		for i := 0; i < len(e.ordered); i++ {
			k := e.ordered[i]
			if s.window(e, k, endMS, emit, seconds) {
				s.forget(e, k)
				e.ordered = slices.Delete(e.ordered, i, i+1)
				i--
			}
		}
		n := e.rest.n
		e.rest.n = 0
		s.put(emit, seriesTemplate, e.rest.labels, endMS, float64(n)/seconds, n > 0, &e.rest.lastMS)
		s.tellSequences(e, endMS, emit)
		e.novelty.window()
	}
}

// tellSequences hands on which share of the traces that ended was unusual.
func (s *Stage) tellSequences(e *entity, endMS int64, emit func(model.Derived)) {
	q := &e.sequences
	d := model.Derived{Name: seriesSequences, Labels: e.labels, Type: "gauge", Unit: "1", TimeMS: endMS}
	switch {
	case q.all > 0 && q.seen >= fewestSequences:
		d.Value = float64(q.unusual) / float64(q.all)
		e.sequenceMS = endMS
		emit(d)
	case e.sequenceMS > 0 && e.sequenceMS+s.cfg.IdleMS < endMS:
		e.sequenceMS = 0
		d.Stale = true
		emit(d)
	}
	q.Window()
}

// put hands on a sample of a series that had a line within the idle time, and ends it when that is over.
func (s *Stage) put(emit func(model.Derived), name string, labels []model.Label, endMS int64, v float64, some bool, lastMS *int64) {
	if some {
		*lastMS = endMS
	}
	if *lastMS == 0 {
		return
	}
	d := model.Derived{Name: name, Labels: labels, Type: "gauge", Unit: "1/s", TimeMS: endMS, Value: v}
	if *lastMS+s.cfg.IdleMS < endMS {
		*lastMS = 0
		d.Value, d.Stale = 0, true
	}
	emit(d)
}

// window ends a window of a kind. It reports whether the kind is to be forgotten.
func (s *Stage) window(e *entity, k *kind, endMS int64, emit func(model.Derived), seconds float64) bool {
	n := k.n
	k.n = 0
	k.total += uint64(n)
	if n > 0 {
		k.gaps.seen(endMS, e.lines, k.lastMS)
		k.lastMS = endMS
	}
	s.judge(e, k, n, endMS)
	if k.labels == nil && n > 0 {
		s.series(e, k)
	}
	if !k.series {
		e.rest.n += n
	} else {
		last := k.lastMS
		s.put(emit, seriesTemplate, k.labels, endMS, float64(n)/seconds, n > 0, &last)
		if last == 0 { // The series has ended; its room is free, the template stays known.
			s.release(e, k)
		}
	}
	return k.lastMS+s.cfg.ForgetMS < endMS
}

func (s *Stage) release(e *entity, k *kind) {
	if k.isUrgent {
		e.urgent--
	} else if k.series {
		e.own--
	}
	k.series, k.isUrgent, k.labels = false, false, nil
}

// retire ends what is open of a kind that has become part of another. Its series just ends: the other one goes on.
func (s *Stage) retire(e *entity, k *kind) {
	for _, f := range []*model.Finding{k.finding, k.lost} {
		if f != nil {
			f.EndMS = max(s.mark.WatermarkMS, f.OnsetMS)
			s.found = append(s.found, *f)
		}
	}
	if k.finding != nil {
		e.novelty.open--
	}
	if k.series {
		s.ended = append(s.ended, k.labels)
	}
	s.release(e, k)
}

// end ends the series of templates that have become part of others.
func (s *Stage) end(emit func(model.Derived)) {
	for _, l := range s.ended {
		emit(model.Derived{Name: seriesTemplate, Labels: l, Type: "gauge", Unit: "1/s", TimeMS: s.open * s.cfg.WindowMS, Stale: true})
	}
	s.ended = nil
}

// forget drops a kind that was not seen for long, with its shapes.
func (s *Stage) forget(e *entity, k *kind) {
	delete(e.kinds, k.id)
	e.pairs.forget(k.id)
	e.sequences.forget(k.id)
	for id, sh := range e.shapes {
		if sh.kind == k {
			delete(e.shapes, id)
			s.miner.Forget(e.scope, id)
		}
	}
}

package detect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// groupKey is an entity as far as one shard sees it: what the labels name, by the hash that puts it on a shard. That makes what is decided
// independent of the number of shards.
type groupKey struct {
	shard  uint64
	entity model.Entity
}

func (k groupKey) compare(o groupKey) int {
	return cmp.Or(cmp.Compare(k.shard, o.shard), k.entity.Compare(o.entity))
}

// group is all series of an entity.
type group struct {
	key     groupKey
	parent  string    // Service that an instance is part of.
	members []*series // By id.
	learnt  int       // Members that are judged by their past.
	hot     []*series // With a score that nobody has decided on.
	lastMS  int64     // Newest sample.
	bornMS  int64     // Oldest sample.
	ep      *episode  // Silence.
	dirty   bool
	parted  bool // Some members are silent, and that was said.
}

func compareSeries(a, b *series) int { return cmp.Compare(a.src.ID, b.src.ID) }

// admit makes the state of a series that is new, or returns the mark for those that are not watched.
func (d *Detector) admit(src *model.Series) *series {
	s := &series{src: src, gapMS: 0}
	d.retype(s)
	switch {
	case skipped(s.typ.kind) != 0:
		s = &d.skip[skipped(s.typ.kind)]
	case d.watched >= d.cfg.MaxSeries:
		s = &d.skip[skipFull]
	}
	if s.typ == nil {
		d.series[src.ID] = s
		d.skips[skipOf(d, s)]++
		return s
	}
	key := groupKey{src.ShardHash, model.EntityOf(src.Name, src.Labels)}
	g := d.groups[key]
	if g == nil {
		g = &group{key: key}
		if k := key.entity.Kind; k == model.KindInstance || k == model.KindContainer {
			g.parent = model.ResolveService(src.Labels)
		}
		d.groups[key] = g
		d.fresh = append(d.fresh, g)
	}
	if len(g.members) >= d.cfg.MaxSeriesPerEntity {
		s = &d.skip[skipFull]
		d.series[src.ID] = s
		d.skips[skipFull]++
		return s
	}
	s.group = g
	at, _ := slices.BinarySearchFunc(g.members, s, compareSeries)
	g.members = slices.Insert(g.members, at, s)
	d.series[src.ID] = s
	d.watched++
	d.join(s)
	return s
}

// settleGroups puts new groups in their place.
func (d *Detector) settleGroups(ms int64) {
	if len(d.fresh) == 0 {
		return
	}
	for _, g := range d.fresh {
		if g.parent != "" {
			if g.bornMS != 0 {
				ms = g.bornMS
			}
			d.births[g.parent] = max(d.births[g.parent], ms)
		}
	}
	d.sorted = append(d.sorted, d.fresh...)
	d.fresh = d.fresh[:0]
	slices.SortFunc(d.sorted, func(a, b *group) int { return a.key.compare(b.key) })
}

// Gone forgets a series.
func (d *Detector) Gone(src *model.Series) {
	s := d.series[src.ID]
	if s == nil {
		return
	}
	delete(d.series, src.ID)
	if s.group == nil {
		d.skips[skipOf(d, s)]--
		return
	}
	if s.ep.open() {
		s.ep.endMS = s.lastMS
		d.touch(s.group, s, s.ep)
	}
	g := s.group
	g.members = slices.DeleteFunc(g.members, func(m *series) bool { return m == s })
	g.hot = slices.DeleteFunc(g.hot, func(m *series) bool { return m == s })
	if s.is(shown) {
		g.learnt--
	}
	d.watched--
	d.leave(s)
	if len(g.members) == 0 {
		if g.ep.open() {
			g.ep.endMS = d.mark.WatermarkMS
			d.touch(g, nil, g.ep)
		}
		delete(d.groups, g.key)
		d.sorted = slices.DeleteFunc(d.sorted, func(o *group) bool { return o == g })
		d.fresh = slices.DeleteFunc(d.fresh, func(o *group) bool { return o == g })
		d.dirty = slices.DeleteFunc(d.dirty, func(o *group) bool { return o == g })
	}
}

// heat notes a score that may open a finding; the group decides at the mark.
func (d *Detector) heat(s *series, ms int64, p float64, way uint8) {
	if !s.is(hot) {
		s.set(hot, true)
		s.group.hot = append(s.group.hot, s)
		s.hotP = 2
	}
	if float32(p) <= s.hotP {
		s.hotP, s.hotWay = float32(p), way
	}
	s.hotMS = ms
	if !s.group.dirty {
		s.group.dirty = true
		d.dirty = append(d.dirty, s.group)
	}
}

// decide opens findings of a group by Benjamini and Hochberg's step-up over all its series (J. R. Stat. Soc. B 1995): one series needs the
// expected number of false findings divided by the number of series, many that are off together need less each.
func (d *Detector) decide(g *group) {
	slices.SortFunc(g.hot, func(a, b *series) int {
		return cmp.Or(cmp.Compare(a.hotP/a.weight(), b.hotP/b.weight()), compareSeries(a, b))
	})
	m := float32(max(g.learnt, len(g.hot), 1))
	pass := -1
	for k, s := range g.hot {
		if s.hotP <= d.level(s)*float32(k+1)/m {
			pass = k
		}
	}
	keep := g.hot[:0]
	for k, s := range g.hot {
		switch {
		case k <= pass || s.is(forced):
			d.open(s, float64(s.hotP)*float64(m)/float64(d.level(s)))
			s.set(hot|forced, false)
		case d.mark.WatermarkMS-s.hotMS < minuteMS+2*int64(s.gapMS):
			keep = append(keep, s)
		default:
			s.set(hot, false)
		}
	}
	clear(g.hot[len(keep):])
	g.hot = keep
}

// level is the probability below which a step of a series is worth a finding if it were alone: the false findings of a day spread over its
// steps.
func (d *Detector) level(s *series) float32 {
	return float32(d.cfg.FalsePerDay) * s.weight() * d.caution(s)
}

// weight is the part of a day that a step stands for, at most five minutes of it: a series with few samples a day has no right to more false
// findings for each. One whose steps are judged alone may have more of them: a step is a mean of minutes by itself.
func (s *series) weight() float32 {
	w := min(max(s.gapMS, judgeMS), 5*minuteMS) / dayMS
	if !s.short() {
		w *= aloneMore
	}
	return w
}

// parentOf returns what peers have in common, "" for what has none.
func parentOf(g *group) string {
	switch g.key.entity.Kind {
	case model.KindHost:
		return "host"
	case model.KindInstance, model.KindContainer:
		if g.parent != "" {
			return "service/" + g.parent
		}
	}
	return ""
}

// identityLabels are the labels that tell peers apart.
func identity(l model.Label, entity string) bool {
	switch l.Name {
	case "instance", "pod", "pod_name", "k8s_pod_name", "k8s.pod.name", "node", "host", "hostname", "host_id", "host_name", "host.id", "host.name",
		"service_instance_id", "service.instance.id", "container", "container_id", "container.id", "container_name", "task", "uid", "k8s_pod_uid":
		return true
	}
	return strings.Contains(l.Value, entity) && entity != ""
}

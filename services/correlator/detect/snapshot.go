package detect

import (
	"cmp"
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// Snapshot returns the state as bytes: the same state gives the same bytes. Findings that were not taken are not in it.
func (d *Detector) Snapshot() []byte {
	c := &codec{b: []byte{snapshotVersion}}
	d.settleGroups(d.mark.WatermarkMS)
	d.codeHead(c)
	n := c.count(len(d.sorted), 8)
	for _, g := range d.sorted[:n] {
		d.codeGroup(c, g)
	}
	d.codeSkips(c)
	d.codePairs(c)
	return seal(c.b)
}

// Restore returns the Detector of a snapshot. The bounds are those of now.
func Restore(data []byte, cfg Config) (*Detector, error) {
	c, err := open(data)
	if err != nil {
		return nil, err
	}
	d := New(cfg)
	d.codeHead(c)
	for range c.count(0, 8) {
		g := &group{}
		d.codeGroup(c, g)
		if c.err != nil {
			return nil, c.err
		}
		if n := len(d.sorted); n > 0 && d.sorted[n-1].key.compare(g.key) >= 0 {
			c.fail("entities are not in order")
			return nil, c.err
		}
		d.groups[g.key] = g
		d.sorted = append(d.sorted, g)
	}
	d.codeSkips(c)
	d.codePairs(c)
	if c.err == nil && len(c.b) > 0 {
		c.fail("bytes after the end")
	}
	if c.err != nil {
		return nil, c.err
	}
	return d, nil
}

// codeHead codes what is not of a series.
func (d *Detector) codeHead(c *codec) {
	c.u64(&d.mark.Seq)
	for _, v := range []*int64{&d.mark.AtMS, &d.mark.WatermarkMS, &d.minute} {
		c.i64(v)
	}
	for _, v := range []*uint64{&d.steps, &d.opened, &d.late} {
		c.uvarint(v)
	}
	c.u32(&d.version)
	names := slices.Sorted(maps.Keys(d.families))
	for i := range c.count(len(names), 3) {
		var name string
		var f family
		if !c.reading {
			name = names[i]
			f = d.families[name]
		}
		c.str(&name)
		c.str(&f.typ)
		c.str(&f.unit)
		d.families[name] = f
	}
	parents := slices.Sorted(maps.Keys(d.births))
	for i := range c.count(len(parents), 2) {
		var name string
		var at int64
		if !c.reading {
			name = parents[i]
			at = d.births[name]
		}
		c.str(&name)
		c.i64(&at)
		d.births[name] = at
	}
	d.codeFeedback(c)
}

func (d *Detector) codeFeedback(c *codec) {
	keys := slices.SortedFunc(maps.Keys(d.feedback), feedbackKey.compare)
	for i := range c.count(len(keys), 6) {
		var k feedbackKey
		var j judgement
		if !c.reading {
			k = keys[i]
			j = d.feedback[k]
		}
		codeEntity(c, &k.entity)
		c.str(&k.signal)
		kind := string(j.kind)
		c.str(&kind)
		j.kind = model.FeedbackKind(kind)
		c.i64(&j.untilMS)
		c.u8(&j.rejects)
		j.rejects = min(j.rejects, 4)
		d.feedback[k] = j
	}
}

func codeEntity(c *codec, e *model.Entity) {
	kind := string(e.Kind)
	c.str(&kind)
	e.Kind = model.EntityKind(kind)
	c.str(&e.Name)
}

// codeGroup codes an entity with its series.
func (d *Detector) codeGroup(c *codec, g *group) {
	c.u64(&g.key.shard)
	codeEntity(c, &g.key.entity)
	c.str(&g.parent)
	c.i64(&g.lastMS)
	c.i64(&g.bornMS)
	c.bool(&g.parted)
	has := g.ep != nil
	if c.bool(&has); has {
		if c.reading {
			g.ep = &episode{}
		}
		g.ep.code(c)
		if c.reading && g.ep.touched {
			d.touched = append(d.touched, touched{g, nil, g.ep})
		}
	}
	for i := range c.count(len(g.members), 100) {
		var s *series
		if c.reading {
			s = &series{src: &model.Series{}, group: g}
			g.members = append(g.members, s)
		} else {
			s = g.members[i]
		}
		codeSource(c, s.src)
		d.codeType(c, s)
		s.code(c)
		compared := s.peers != nil
		c.bool(&compared)
		if c.err != nil {
			return
		}
		if c.reading {
			d.adopt(c, g, s, compared)
		}
	}
}

// adopt puts a series that was read in its places.
func (d *Detector) adopt(c *codec, g *group, s *series, compared bool) {
	if d.series[s.src.ID] != nil || len(g.members) > 1 && compareSeries(g.members[len(g.members)-2], s) >= 0 {
		c.fail("series are not in order")
		return
	}
	d.series[s.src.ID] = s
	d.watched++
	s.src.ShardHash = g.key.shard
	if s.is(shown) {
		g.learnt++
	}
	if s.is(hot) {
		g.hot = append(g.hot, s)
		if !g.dirty {
			g.dirty = true
			d.dirty = append(d.dirty, g)
		}
	}
	if s.ep != nil && s.ep.touched {
		d.touched = append(d.touched, touched{g, s, s.ep})
	}
	if compared {
		d.joinPeers(s)
	}
	d.joinPair(s)
}

func codeSource(c *codec, src *model.Series) {
	c.u64(&src.ID)
	c.u32(&src.MetricID)
	c.str(&src.Name)
	n := c.count(len(src.Labels), 2)
	if c.reading && n > 0 {
		src.Labels = make([]model.Label, n)
	}
	for i := range src.Labels {
		c.str(&src.Labels[i].Name)
		c.str(&src.Labels[i].Value)
	}
}

// codeType keeps the kind, which the data may have said; the rest follows from the name and the metadata.
func (d *Detector) codeType(c *codec, s *series) {
	kind := uint8(0)
	if !c.reading {
		kind = uint8(s.typ.kind)
	}
	c.u8(&kind)
	if c.reading {
		if kind > uint8(signal.Count) {
			c.fail("kind of a series")
			kind = 0
		}
		s.typ = &typing{kind: signal.Kind(kind)}
		known := s.typ
		d.retype(s)
		if s.typ.kind != known.kind {
			t := s.typ
			s.typ = d.typeOf(known.kind, t.role, t.unit, signal.Limit{}, false)
		}
	}
	c.u32(&s.metadata)
}

// codeSkips codes the series that are not watched.
func (d *Detector) codeSkips(c *codec) {
	type skip struct {
		id  uint64
		why uint8
	}
	var all []skip
	for id, s := range d.series {
		if s.group == nil {
			all = append(all, skip{id, uint8(skipOf(d, s))})
		}
	}
	slices.SortFunc(all, func(a, b skip) int { return cmp.Compare(a.id, b.id) })
	for i := range c.count(len(all), 9) {
		var k skip
		if !c.reading {
			k = all[i]
		}
		c.u64(&k.id)
		c.u8(&k.why)
		if c.reading {
			if k.why == 0 || k.why >= skipKinds || d.series[k.id] != nil {
				c.fail("series that is not watched")
				return
			}
			d.series[k.id] = &d.skip[k.why]
			d.skips[k.why]++
		}
	}
}

// codePairs codes what waits in pairs.
func (d *Detector) codePairs(c *codec) {
	keys := slices.Sorted(maps.Keys(d.pairs))
	if !c.reading {
		keys = slices.DeleteFunc(keys, func(k uint64) bool { return d.pairs[k].n == 0 })
	}
	for i := range c.count(len(keys), 20) {
		var key uint64
		p := &pair{}
		if !c.reading {
			key = keys[i]
			p = d.pairs[key]
		}
		c.u64(&key)
		if c.reading {
			if known := d.pairs[key]; known != nil {
				p = known
			}
		}
		c.bool(&p.ofSum)
		c.u8(&p.n)
		p.n = min(p.n, pairQueue)
		for i := range p.n {
			c.i64(&p.at[i])
			c.f64(&p.values[i])
		}
	}
}

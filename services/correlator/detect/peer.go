package detect

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Figures of the comparison with peers.
const (
	peerLeast  = 4   // With fewer there is no majority.
	peerMost   = 500 // Members of a set that are compared.
	peerFar    = 6   // Spreads of the peers, and of the series' own past difference.
	peerHold   = 5   // Minutes in a row.
	peerWarm   = 15  // Minutes until the own difference is known.
	peerForget = 360 // Minutes of memory of it.
)

// peerSet are series that say the same of alike entities: hosts, or instances of one service.
type peerSet struct {
	key     uint64
	members []*series
	scratch []float64
	median  float64
}

func (p *peerSet) last(s *series) float64 {
	if p == nil {
		return 0
	}
	return s.fast - p.median
}

// joinPeers makes a series part of the set of its peers, if its entity has any.
func (d *Detector) joinPeers(s *series) {
	parent := parentOf(s.group)
	if parent == "" {
		return
	}
	b := model.AppendIdentity(nil, parent, s.src.Name)
	for _, l := range s.src.Labels {
		if !identity(l, s.group.key.entity.Name) {
			b = model.AppendIdentity(b, l.Name, l.Value)
		}
	}
	key := model.Hash64(string(b))
	p := d.sets[key]
	if p == nil {
		p = &peerSet{key: key}
		d.sets[key] = p
		d.setList = append(d.setList, p)
		d.setsNew = true
	}
	if len(p.members) >= peerMost {
		return
	}
	at, _ := slices.BinarySearchFunc(p.members, s, compareSeries)
	p.members = slices.Insert(p.members, at, s)
	s.peers = p
}

func (d *Detector) leavePeers(s *series) {
	p := s.peers
	if p == nil {
		return
	}
	p.members = slices.DeleteFunc(p.members, func(m *series) bool { return m == s })
	if len(p.members) == 0 {
		delete(d.sets, p.key)
		d.setList = slices.DeleteFunc(d.setList, func(o *peerSet) bool { return o == p })
	}
	s.peers = nil
}

// comparePeers looks at all sets, once a minute.
func (d *Detector) comparePeers() {
	if d.setsNew {
		slices.SortFunc(d.setList, func(a, b *peerSet) int { return cmp.Compare(a.key, b.key) })
		d.setsNew = false
	}
	for _, p := range d.setList {
		if len(p.members) >= peerLeast {
			d.comparePeerSet(p)
		}
	}
}

func (d *Detector) comparePeerSet(p *peerSet) {
	w := d.mark.WatermarkMS
	v := p.scratch[:0]
	for _, s := range p.members {
		if s.now(w) {
			v = append(v, s.fast)
		}
	}
	p.scratch = v
	if len(v) < peerLeast {
		return
	}
	slices.Sort(v)
	p.median = v[len(v)/2]
	for i := range v {
		v[i] = math.Abs(v[i] - p.median)
	}
	slices.Sort(v)
	mad := 1.48 * v[len(v)/2]
	for _, s := range p.members {
		if s.now(w) {
			d.comparePeer(s, p.median, mad)
		}
	}
}

// now reports whether a series has a current value without a season, which peers would not share.
func (s *series) now(w int64) bool {
	return s.n >= 8 && !s.is(ended) && w-s.lastMS < 2*minuteMS+2*int64(s.gapMS) && (s.season == nil || !s.season.active)
}

// comparePeer judges one series by its difference from the median of its peers, and that difference by its own past.
func (d *Detector) comparePeer(s *series, median, mad float64) {
	floor := s.floor(median)
	diff := s.fast - median
	own := diff - float64(s.peerDiff)
	n := &s.typ.norm
	off := math.Abs(diff) > peerFar*math.Max(mad, floor) && math.Abs(diff) >= n.Effect(median) && (n.Bad == 0 || (diff > 0) == (n.Bad > 0)) &&
		math.Abs(own) > peerFar*math.Max(float64(s.peerDev), floor) && s.peerN >= peerWarm
	if off {
		s.peerOff = min(s.peerOff+1, 250)
		if s.peerOff == peerHold && !s.ep.open() {
			s.set(forced, true)
			d.heat(s, d.mark.WatermarkMS, 1e-3, wayPeer)
			s.hotWay = wayPeer
		}
		if s.peerOff < 120 {
			return
		}
	} else {
		s.peerOff = 0
	}
	s.peerN = min(s.peerN+1, 250)
	a := float32(math.Max(1/float64(s.peerN), 1.0/peerForget))
	s.peerDiff += a * float32(own)
	s.peerDev += a * (1.25*float32(math.Abs(own)) - s.peerDev)
}

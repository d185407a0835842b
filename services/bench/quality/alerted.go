package quality

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// apartMS is how far apart the incidents of a system are laid where a set does not say when they were: so far that none has to do with another.
const apartMS = 6 * 3_600_000

// AlertedCauses scores incidents of one system that are given as findings without a past, in their order: the product's grouping remembers
// how often each signal was found before, and nothing else of earlier incidents; no label is given. Beside it stands what counting the
// findings of each entity gives.
func AlertedCauses(cases []CauseCase, cfg rootcause.Config) (scores []CauseScore, counted []int) {
	g := group.New(group.Default(model.DefaultTenant))
	for n, c := range cases {
		at := int64(1_700_000_000_000) + int64(n)*apartMS
		fs := slices.Clone(c.Input.Findings)
		for i := range fs {
			f := &fs[i]
			f.OnsetMS, f.SeenMS, f.EndMS = at, at, 0
			f.ID = model.FindingID(model.Hash64(f.Entity.String()), f.Signal.Name+"\x00"+labelsText(f.Signal.Labels), at)
		}
		begin := time.Now()
		g.Findings(fs)
		g.Mark(eventtime.Mark{Seq: uint64(2*n + 1), AtMS: at, WatermarkMS: at}, nil)
		c.Input.Findings = g.Weigh(fs)
		c.Input.OnsetMS, c.Input.NowMS = at, at+60_000
		took := time.Since(begin)
		s := Cause(c, cfg)
		s.Took += took
		scores = append(scores, s)
		counted = append(counted, countPlace(&c))
		for i := range fs {
			fs[i].EndMS, fs[i].SeenMS = at+60_000, at+60_000
		}
		g.Findings(fs)
		g.Mark(eventtime.Mark{Seq: uint64(2*n + 2), AtMS: at + 60_000, WatermarkMS: at + 60_000}, nil)
	}
	return scores, counted
}

// countPlace returns the place of the truth when entities are ordered by how many findings of metrics they have; of equals the mean place, rounded
// up, as an order by name would favour some.
func countPlace(c *CauseCase) int {
	n := map[string]int{}
	for i := range c.Input.Findings {
		if f := &c.Input.Findings[i]; f.Signal.Role != model.RoleLog && f.Detector != "trace" {
			n[f.Entity.Name]++
		}
	}
	more, same := 0, 0
	truth := 0
	for _, t := range c.Truth {
		truth = max(truth, n[t])
	}
	if truth == 0 {
		return 0
	}
	for _, k := range n {
		switch cmp.Compare(k, truth) {
		case 1:
			more++
		case 0:
			same++
		}
	}
	return more + (same+2)/2
}

func labelsText(ls []model.Label) string {
	var b []byte
	for _, l := range ls {
		b = model.AppendIdentity(b, l.Name, l.Value)
	}
	return string(b)
}

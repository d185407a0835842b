package detect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// Windows returns the recent past of all series whose entity f takes, sorted by entity, name and series: means by minute, or by the interval of
// a series that is slower, each at the beginning of its minute, and the single steps of the minute that is not over. Counters are rates a second,
// sums of histograms means. It is an hour at most, a matter of milliseconds for ten thousand series, and a copy.
func (d *Detector) Windows(f func(e model.Entity) bool, sinceMS int64) []model.Window {
	var out []model.Window
	for _, groups := range [][]*group{d.sorted, d.fresh} {
		for _, g := range groups {
			if !f(g.key.entity) {
				continue
			}
			for _, s := range g.members {
				if w := s.window(sinceMS); len(w.Values) > 0 {
					out = append(out, w)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b model.Window) int {
		return cmp.Or(a.Entity.Compare(b.Entity), strings.Compare(a.Signal.Name, b.Signal.Name), cmp.Compare(a.Signal.SeriesID, b.Signal.SeriesID))
	})
	return out
}

func (s *series) window(sinceMS int64) model.Window {
	w := model.Window{Entity: s.group.key.entity, Signal: s.ref()}
	s.ring.each(sinceMS, func(ms int64, v float64) {
		w.TimesMS = append(w.TimesMS, ms)
		w.Values = append(w.Values, v)
	})
	return w
}

// ref names the series.
func (s *series) ref() model.SignalRef {
	return model.SignalRef{SeriesID: s.src.ID, Name: s.src.Name, Labels: s.src.Labels, Role: s.typ.role, Unit: s.unit()}
}

// unit is what the judged value is measured in: a rate for counters.
func (s *series) unit() string {
	if s.typ.kind == signal.Count {
		return "1/s"
	}
	if s.counts() {
		switch u := s.typ.unit; u {
		case "", "1":
			return "1/s"
		default:
			return u + "/s"
		}
	}
	return s.typ.unit
}

package adapters

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// Options are how a set is shown to the product.
type Options struct {
	Renamer quality.Renamer
	// NoMetadata leaves out units.
	NoMetadata bool
}

// windows collects samples by series. Names go through the renamer here, so that nothing of a set's own words gets further.
type windows struct {
	o    Options
	list []model.Window
	byID map[string]int
}

func newWindows(o Options) *windows { return &windows{o: o, byID: map[string]int{}} }

// entity returns an entity under the name that the product sees.
func (w *windows) entity(kind model.EntityKind, name string) model.Entity {
	return model.Entity{Kind: kind, Name: w.o.Renamer.Name(name)}
}

// add appends a sample; what is no number is left out. labels are name, value, …; their values are renamed but for those of reporter.
func (w *windows) add(e model.Entity, name, unit string, ms int64, v float64, labels ...string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	key := e.String() + "\x00" + name + "\x00" + strings.Join(labels, "\x00")
	i, ok := w.byID[key]
	if !ok {
		i = len(w.list)
		w.byID[key] = i
		s := model.SignalRef{Name: w.o.Renamer.Name(name), Unit: unit, SeriesID: model.Hash64(key)}
		if w.o.NoMetadata {
			s.Unit = ""
		}
		for k := 0; k+1 < len(labels); k += 2 {
			value := labels[k+1]
			if labels[k] != "reporter" {
				value = w.o.Renamer.Name(value)
			}
			s.Labels = append(s.Labels, model.Label{Name: labels[k], Value: value})
		}
		s.Role = signal.Classify(s.Name, "", s.Unit)
		w.list = append(w.list, model.Window{Entity: e, Signal: s})
	}
	p := &w.list[i]
	p.TimesMS, p.Values = append(p.TimesMS, w.o.Renamer.Time(ms)), append(p.Values, v)
}

// sorted returns the windows with their samples in order of time.
func (w *windows) sorted() []model.Window {
	for i := range w.list {
		sortSamples(&w.list[i])
	}
	return w.list
}

func sortSamples(w *model.Window) {
	if slices.IsSorted(w.TimesMS) {
		return
	}
	order := make([]int, len(w.TimesMS))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(w.TimesMS[a], w.TimesMS[b]) })
	ts, vs := make([]int64, len(order)), make([]float64, len(order))
	for k, i := range order {
		ts[k], vs[k] = w.TimesMS[i], w.Values[i]
	}
	w.TimesMS, w.Values = ts, vs
}

// unitOf takes a unit off a column's name: "CpuUsageRate(%)" is CpuUsageRate in %.
func unitOf(column string) (name, unit string) {
	name, rest, ok := strings.Cut(column, "(")
	if !ok {
		return column, ""
	}
	unit, _, _ = strings.Cut(rest, ")")
	return strings.TrimSpace(name), unit
}

// edge says that one service calls another.
func (w *windows) calls(from, to string) model.Edge {
	return model.Edge{Kind: model.EdgeCalls, From: w.entity(model.KindService, from), To: w.entity(model.KindService, to)}
}

// within returns the part of windows between two times.
func within(all []model.Window, from, to int64) []model.Window {
	out := make([]model.Window, 0, len(all))
	for _, w := range all {
		lo, _ := slices.BinarySearch(w.TimesMS, from)
		hi, _ := slices.BinarySearch(w.TimesMS, to+1)
		if lo < hi {
			out = append(out, model.Window{Entity: w.Entity, Signal: w.Signal, TimesMS: w.TimesMS[lo:hi], Values: w.Values[lo:hi]})
		}
	}
	return out
}

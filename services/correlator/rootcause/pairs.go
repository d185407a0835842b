package rootcause

import (
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// reporterLabels say from which side a call was measured; meshes write both.
var reporterLabels = []string{"reporter", "side"}

// pairs returns series that no sender writes and two of them together say: what a call takes beyond what the called one worked (the
// difference of the two reporters), and how often a caller calls for each request that it gets.
func (c *incident) pairs() []model.Window {
	type key struct {
		entity model.Entity
		name   string
		labels string
	}
	var keys []key
	sides := map[key][2]int{}
	for i := range c.windows {
		w := &c.windows[i]
		side, rest := reporter(w.Signal.Labels)
		if side < 0 || roleOf(&w.Signal) != model.RoleLatency {
			continue
		}
		k := key{w.Entity, w.Signal.Name, rest}
		p, ok := sides[k]
		if !ok {
			p = [2]int{-1, -1}
			keys = append(keys, k)
		}
		p[side] = i
		sides[k] = p
	}
	var out []model.Window
	for _, k := range keys {
		if p := sides[k]; p[0] >= 0 && p[1] >= 0 {
			if w, ok := combine(&c.windows[p[0]], &c.windows[p[1]], func(a, b float64) float64 { return a - b }); ok {
				w.Signal.Role = model.RoleGap
				w.Signal.SeriesID = 0
				out = append(out, w)
			}
		}
	}
	return append(out, c.ratios()...)
}

// reporter returns 0 for the caller's side, 1 for the called one's, -1 for neither, and the other labels as one string.
func reporter(labels []model.Label) (int, string) {
	side := -1
	var rest strings.Builder
	for _, l := range labels {
		if slices.Contains(reporterLabels, l.Name) {
			switch l.Value {
			case "source", "client":
				side = 0
			case "destination", "server":
				side = 1
			}
			continue
		}
		rest.WriteString(l.Name)
		rest.WriteByte(0)
		rest.WriteString(l.Value)
		rest.WriteByte(0)
	}
	if side < 0 {
		return -1, ""
	}
	return side, rest.String()
}

// ratios returns for each caller the calls to a dependency by request that the caller gets. A dependency with other callers takes part only
// where its series names the caller.
func (c *incident) ratios() []model.Window {
	load := map[int]int{} // node → the window that stands for its load.
	for i := range c.windows {
		w := &c.windows[i]
		if w.Entity.Kind == "" || roleOf(&w.Signal) != model.RoleTraffic || isBytes(&w.Signal) || partial(w) {
			continue
		}
		n := c.nodeOf(w.Entity)
		if n != c.fold(n) && len(c.nodes[c.fold(n)].parts) > 1 {
			continue // One of several instances: its share of the load moves with the others'.
		}
		n = c.fold(n)
		if j, ok := load[n]; !ok || betterLoad(w, &c.windows[j]) {
			load[n] = i
		}
	}
	var out []model.Window
	for v := range c.nodes {
		own, ok := load[v]
		if !ok {
			continue
		}
		for _, u := range c.nodes[v].calls {
			theirs, ok := load[u]
			if !ok || len(c.nodes[u].callers) != 1 || c.windows[theirs].Signal.Name != c.windows[own].Signal.Name {
				continue
			}
			w, ok := combine(&c.windows[theirs], &c.windows[own], func(a, b float64) float64 {
				if b <= 0 {
					return math.NaN()
				}
				return a / b
			})
			if !ok {
				continue
			}
			w.Entity = c.nodes[v].entity
			w.Signal = model.SignalRef{Name: w.Signal.Name, Labels: w.Signal.Labels, Role: roleStructure}
			out = append(out, w)
		}
	}
	return out
}

// roleStructure is for calls by request; fewer than usual means that something is not done any more.
const roleStructure model.Role = "structure"

// roleOrigin is for errors that no called service had: they began here.
const roleOrigin model.Role = "error_origin"

// partial reports whether a series counts a part of what comes to its entity only.
func partial(w *model.Window) bool {
	return model.Lookup(w.Signal.Labels, "operation") != "" || len(model.EdgesOf(w.Signal.Name, w.Signal.Labels)) > 0 && w.Entity.Kind == model.KindService
}

// isBytes reports whether a series counts bytes, which say less of load than requests do.
func isBytes(s *model.SignalRef) bool {
	kind, _ := unitOf(s.Unit)
	return kind == unitBytes || strings.Contains(strings.ToLower(s.Name), "byte")
}

// betterLoad prefers the series with more samples, then the first by name.
func betterLoad(a, b *model.Window) bool {
	if len(a.Values) != len(b.Values) {
		return len(a.Values) > len(b.Values)
	}
	return a.Signal.Name < b.Signal.Name
}

// combine returns f of two windows at the times of the first, with the sample of the second that is nearest, within half of a step.
func combine(a, b *model.Window, f func(x, y float64) float64) (model.Window, bool) {
	out := model.Window{Entity: a.Entity, Signal: a.Signal}
	if len(a.TimesMS) < 2 || len(b.TimesMS) < 2 {
		return out, false
	}
	half := max(a.TimesMS[len(a.TimesMS)-1]-a.TimesMS[0], 1) / int64(len(a.TimesMS)-1) / 2
	j := 0
	for i, t := range a.TimesMS {
		for j+1 < len(b.TimesMS) && abs64(b.TimesMS[j+1]-t) <= abs64(b.TimesMS[j]-t) {
			j++
		}
		if abs64(b.TimesMS[j]-t) > half {
			continue
		}
		if v := f(a.Values[i], b.Values[j]); !math.IsNaN(v) {
			out.TimesMS, out.Values = append(out.TimesMS, t), append(out.Values, v)
		}
	}
	return out, len(out.Values) > minBefore
}

func abs64(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

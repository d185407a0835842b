package rootcause_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// step of all series, and the moments of a small world: two hours of quiet, then an incident of ten minutes.
const (
	step  = int64(60_000)
	begin = int64(1_700_000_000_000) / step * step
	onset = begin + 120*step
	now   = onset + 10*step
)

// world makes windows with a bit of noise; the seed is fixed.
type world struct {
	in rootcause.Input
	r  *rand.Rand
}

func newWorld() *world {
	return &world{in: rootcause.Input{OnsetMS: onset, NowMS: now}, r: rand.New(rand.NewPCG(7, 11))}
}

func service(name string) model.Entity  { return model.Entity{Kind: model.KindService, Name: name} }
func instance(name string) model.Entity { return model.Entity{Kind: model.KindInstance, Name: name} }
func host(name string) model.Entity     { return model.Entity{Kind: model.KindHost, Name: name} }

// series adds a signal that is at level, moves by noise (a share of the level), and is at then from the onset on.
func (w *world) series(e model.Entity, name, unit string, role model.Role, level, noise, then float64, labels ...model.Label) {
	w.between(e, name, unit, role, begin, now, func(t int64) float64 {
		if t >= onset {
			return then
		}
		return level
	}, noise, labels...)
}

func (w *world) between(e model.Entity, name, unit string, role model.Role, from, to int64, at func(int64) float64, noise float64, labels ...model.Label) {
	x := model.Window{Entity: e, Signal: model.SignalRef{SeriesID: uint64(len(w.in.Windows) + 1), Name: name, Unit: unit, Role: role, Labels: labels}}
	for t := from; t < to; t += step {
		v := at(t)
		x.TimesMS, x.Values = append(x.TimesMS, t), append(x.Values, v*(1+noise*w.r.NormFloat64()))
	}
	w.in.Windows = append(w.in.Windows, x)
}

// service adds the usual signals of a service at rest, with factors from the onset on.
func (w *world) service(name string, latency, cpu, traffic float64) {
	e := service(name)
	w.series(e, "http_server_duration", "s", model.RoleLatency, .2, .05, .2*latency)
	w.series(e, "cpu_utilization", "%", model.RoleUtilization, 20, .05, 20*cpu)
	w.series(e, "http_requests", "1/s", model.RoleTraffic, 50, .05, 50*traffic)
}

func (w *world) calls(from, to string) {
	w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgeCalls, From: service(from), To: service(to)})
}

func (w *world) runsOn(name, on string) {
	w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgeRunsOn, From: service(name), To: host(on)})
}

// shop is front, which calls cart, checkout and search; checkout calls pay and cart.
func shop(w *world) {
	for _, e := range [][2]string{{"front", "cart"}, {"front", "checkout"}, {"front", "search"}, {"checkout", "pay"}, {"checkout", "cart"}} {
		w.calls(e[0], e[1])
	}
}

func rank(w *world) model.Verdict { return rootcause.Rank(w.in, rootcause.Default()) }

// expect checks the first candidate.
func expect(t *testing.T, v model.Verdict, who model.Entity, kind model.CauseKind) model.Candidate {
	t.Helper()
	if v.Unknown || len(v.Candidates) == 0 {
		t.Fatalf("unknown: %s %v", v.Sentence, v.Checked)
	}
	c := v.Candidates[0]
	if c.Entity != who || c.Kind != kind {
		for _, c := range v.Candidates {
			t.Logf("%s %.2f %s: %s", c.Entity, c.Score, c.Kind, c.Why)
		}
		t.Fatalf("%s (%s), want %s (%s): %s", c.Entity, c.Kind, who, kind, v.Sentence)
	}
	if c.Confidence <= 0 || c.Confidence >= 1 || c.Why == "" || v.Sentence == "" {
		t.Errorf("%+v", c)
	}
	return c
}

// against returns the texts that speak against a candidate.
func against(v model.Verdict, who model.Entity) []string {
	var out []string
	for _, c := range v.Candidates {
		if c.Entity == who {
			for _, e := range c.Against {
				out = append(out, e.Text)
			}
		}
	}
	return out
}

func shuffle(in rootcause.Input, seed uint64) rootcause.Input {
	r := rand.New(rand.NewPCG(seed, seed))
	in.Windows, in.Edges = slices.Clone(in.Windows), slices.Clone(in.Edges)
	in.Changes, in.Findings = slices.Clone(in.Changes), slices.Clone(in.Findings)
	r.Shuffle(len(in.Windows), func(i, j int) { in.Windows[i], in.Windows[j] = in.Windows[j], in.Windows[i] })
	r.Shuffle(len(in.Edges), func(i, j int) { in.Edges[i], in.Edges[j] = in.Edges[j], in.Edges[i] })
	r.Shuffle(len(in.Changes), func(i, j int) { in.Changes[i], in.Changes[j] = in.Changes[j], in.Changes[i] })
	r.Shuffle(len(in.Findings), func(i, j int) { in.Findings[i], in.Findings[j] = in.Findings[j], in.Findings[i] })
	return in
}

// scaled multiplies all values of signals with a unit by a power of ten and changes the unit to match.
func scaled(in rootcause.Input) rootcause.Input {
	in.Windows = slices.Clone(in.Windows)
	for i := range in.Windows {
		w := &in.Windows[i]
		if w.Signal.Unit != "s" {
			continue
		}
		w.Signal.Unit = "ms"
		w.Values = slices.Clone(w.Values)
		for k := range w.Values {
			w.Values[k] *= 1000
		}
	}
	return in
}

func nan() float64 { return math.NaN() }

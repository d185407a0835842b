package scenario

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// TestFaultsShow runs the worlds without telemetry: what is called a fault must do something to requests or machines. Those that are about
// clocks, logs and what is still to come do not.
func TestFaultsShow(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Quiet || s.Has("clock") || s.Has("logs") || s.Has("forecast") {
			continue
		}
		s.Spec.Sends.NoLogs, s.Spec.Sends.Traces = true, 0
		history := 15 * time.Minute
		if s.Fault <= 0 {
			history = s.History
		}
		w, err := world.New(s.Spec, s.Plan, s.Zero, history, s.Seed)
		if err != nil {
			t.Fatal(err)
		}
		most, what := effect(w, s)
		t.Logf("%-22s %4.1f %s", s.Name, most, what)
		if most < 0.5 {
			t.Errorf("%s does next to nothing: %.1f %s", s.Name, most, what)
		}
	}
}

// effect returns the largest effect on any operation after the fault, and what it was: 1 for each factor of two in time, four in rate, and
// two per cent of failures.
func effect(w *world.World, s *Scenario) (most float64, what string) {
	before := map[string]world.Flow{}
	for w.NowMS() < s.Zero.Add(s.Run).UnixMilli() {
		w.Step()
		at := time.Duration(w.NowMS()-s.Zero.UnixMilli()) * time.Millisecond
		for _, f := range w.Flows() {
			k := f.Part + "." + f.Op
			if at < s.Fault {
				before[k] = f
				continue
			}
			b := before[k]
			slow, rate := math.Abs(math.Log2(f.Seconds/b.Seconds)), math.Abs(math.Log2((f.Rate+0.5)/(b.Rate+0.5)))/2
			if d := max((f.Failing-b.Failing)*50, slow, rate); d > most {
				most = d
				what = fmt.Sprintf("%s at %v: %.1f/s -> %.1f/s, %.0f ms -> %.0f ms, %.1f%% -> %.1f%%", k, at, b.Rate, f.Rate, 1000*b.Seconds, 1000*f.Seconds, 100*b.Failing, 100*f.Failing)
			}
		}
	}
	return most, what
}

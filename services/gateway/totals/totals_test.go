package totals

import (
	"testing"

	"github.com/faultline-io/faultline/services/gateway/exphist"
	"github.com/faultline-io/faultline/services/gateway/limits"
)

func TestTotals(t *testing.T) {
	all := New()
	f := func(commit bool, ms int64, v, want float64, wantReason string) {
		t.Helper()
		x := all.Begin(1, 1000)
		defer x.End()
		got, reason := x.Add(7, ms, v)
		if got != want || reason != wantReason {
			t.Errorf("at %d: %v %q, want %v %q", ms, got, reason, want, wantReason)
		}
		if commit {
			x.Commit()
		}
	}
	f(true, 10, 5, 5, "")
	f(false, 20, 3, 8, "") // Not published: sent again it counts once.
	f(true, 20, 3, 8, "")
	f(true, 20, 3, 0, limits.OutOfOrderDelta)
	f(true, 30, -1, 0, limits.InvalidData)

	var one exphist.Histogram
	one.Observe(2, 1)
	for i, commit := range []bool{true, false, true} {
		x := all.Begin(1, 1000)
		h, reason := x.AddHistogram(9, int64(100+i), &one)
		if reason != "" || h.Count() != []float64{1, 2, 2}[i] {
			t.Errorf("%d: %v %q", i, h, reason)
		}
		if commit {
			x.Commit()
		}
		x.End()
	}
}

func TestTotalsAreBounded(t *testing.T) {
	all := New()
	x := all.Begin(1, 1000)
	var h exphist.Histogram
	h.Observe(1, 1)
	for i := range uint64(maxHistograms) {
		if _, reason := x.AddHistogram(i, 1, &h); reason != "" {
			t.Fatal(i, reason)
		}
	}
	if _, reason := x.AddHistogram(1<<40, 1, &h); reason != limits.StateLimit {
		t.Errorf("got %q", reason)
	}
	x.Commit()
	x.End()
	x = all.Begin(1, 1000+idleSec+1) // An hour later the silent ones make room.
	if _, reason := x.AddHistogram(1<<40, 1, &h); reason != "" {
		t.Errorf("got %q", reason)
	}
	x.End()
	if all.hists != 0 {
		t.Errorf("%d histograms are left", all.hists)
	}
}

package quality_test

import (
	"math"
	"testing"

	"github.com/faultline-io/faultline/services/bench/quality"
)

func TestRank(t *testing.T) {
	r := quality.Rank([]int{1, 1, 2, 5, 0, 0, 6, 3})
	for name, c := range map[string][2]float64{"AC1": {r.AC1.Mean, 2. / 8}, "AC3": {r.AC3.Mean, 4. / 8}, "AC5": {r.AC5.Mean, 5. / 8}, "Avg5": {r.Avg5.Mean, (1 + 1 + .8 + .2 + .6) / 8}} {
		if math.Abs(c[0]-c[1]) > 1e-12 {
			t.Errorf("%s = %v, want %v", name, c[0], c[1])
		}
	}
	if r.AC1.Low > r.AC1.Mean || r.AC1.High < r.AC1.Mean || r.AC1.High-r.AC1.Low < .2 {
		t.Errorf("interval %v", r.AC1)
	}
	if got := quality.Bootstrap([]float64{1, 1, 1}); got.Low != 1 || got.High != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRenamer(t *testing.T) {
	r := quality.NewRenamer(true)
	hidden := r.Name("checkout")
	if again := quality.NewRenamer(true).Name("checkout"); hidden == "checkout" || hidden != again || r.Name("") != "" {
		t.Errorf("%s and %s", hidden, again)
	}
	if quality.NewRenamer(false).Name("checkout") != "checkout" {
		t.Error("renamed")
	}
}

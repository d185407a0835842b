package rootcause_test

import (
	"fmt"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// BenchmarkRank is a verdict over 10,000 series of 130 points: 500 services with twelve signals of their own, calls, and templates of lines.
func BenchmarkRank(b *testing.B) {
	w := newWorld()
	for s := range 500 {
		name := fmt.Sprintf("s%03d", s)
		bad := 1.
		if s == 137 {
			bad = 4
		}
		w.service(name, bad, bad, 1)
		for k := range 9 {
			w.series(service(name), fmt.Sprintf("memory_%d", k), "By", model.RoleUsage, 1e9, .05, 1e9)
		}
		for k := range 2 {
			w.calls(name, fmt.Sprintf("s%03d", (s*7+k*13+1)%500))
		}
		for k := range 8 {
			w.lines(name, fmt.Sprintf("t%d", k), .5, .5)
		}
	}
	b.Logf("%d series", len(w.in.Windows))
	b.ReportAllocs()
	for b.Loop() {
		if v := rootcause.Rank(w.in, rootcause.Default()); v.Unknown {
			b.Fatal(v.Sentence)
		}
	}
}

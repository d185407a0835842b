package scenario_test

import (
	"context"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/test/scenario"
)

// lively is the product's brain.
type lively struct{ *brain.Brain }

func (b lively) Mark(k eventtime.Mark) (scenario.Output, error) {
	out, err := b.Brain.Mark(k)
	return scenario.Output{Findings: out.Findings, Incidents: out.Incidents}, err
}

// TestSmoke runs the few scenarios with the tag smoke through the product's brain; all of them are run by faultline bench brain --suite scenarios.
func TestSmoke(t *testing.T) {
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range all {
		if !s.Has("smoke") {
			continue
		}
		n++
		t.Run(s.Name, func(t *testing.T) {
			r, err := scenario.Run(context.Background(), s, lively{brain.New(brain.Default())}, scenario.Options{})
			if err != nil {
				t.Fatal(err)
			}
			res := &scenario.Result{Record: r, Checked: r.Checks()}
			if state := res.State(); state == "failed" {
				for _, c := range res.Failures() {
					if c.Known == "" {
						t.Errorf("%s: %s", c.Expect, c.Why)
					}
				}
				t.Log(strings.Join(res.Details(), "\n"))
			}
		})
	}
	if n < 3 {
		t.Errorf("%d scenarios have the tag smoke", n)
	}
}

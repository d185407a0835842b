package scenario

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// describe prints the flows of a scenario, for who writes one: go test ./test/scenario -run Describe -v -describe NAME.
var describe = flag.String("describe", "", "print how the world of this scenario goes on, every five minutes")

func TestDescribe(t *testing.T) {
	if *describe == "" {
		t.Skip("for writers of scenarios: -describe NAME")
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name != *describe {
			continue
		}
		w, err := world.New(s.Spec, s.Plan, s.Zero, s.History, s.Seed)
		if err != nil {
			t.Fatal(err)
		}
		for at := -10 * time.Minute; at <= s.Run; at += 5 * time.Minute {
			for w.NowMS() < s.Zero.Add(at).UnixMilli() {
				w.Step()
			}
			t.Logf("at %v\n%s", at, w.Describe())
		}
	}
}

// deaf is a brain that hears and says nothing: what expects silence passes, what expects an incident fails.
type deaf struct{}

func (deaf) Metrics(*model.Metrics)              {}
func (deaf) Logs(*model.Logs)                    {}
func (deaf) Spans(*model.Spans)                  {}
func (deaf) Changes(*model.Changes)              {}
func (deaf) Findings([]model.Finding)            {}
func (deaf) Mark(eventtime.Mark) (Output, error) { return Output{}, nil }

func TestScenariosParse(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	quiet := 0
	for _, s := range all {
		if s.Title == "" || len(s.Tags) == 0 {
			t.Errorf("%s has no title or no tag", s.Name)
		}
		if s.Quiet {
			quiet++
		}
	}
	if faults := len(all) - quiet; faults < 40 || quiet < 40 {
		t.Errorf("%d scenarios with faults and %d quiet ones, want 40 of each at least", faults, quiet)
	}
	t.Log(len(all), quiet)
}

// TestDeafBrain runs a few scenarios with nobody listening.
func TestDeafBrain(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if !slices.Contains([]string{"bad_deploy_errors", "host_loss", "quiet_deploy", "quiet_restart_workers", "office_slow_database"}, s.Name) {
			continue
		}
		r, err := Run(context.Background(), s, deaf{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		res := &Result{Record: r, Checked: r.Checks()}
		if s.Quiet != (res.State() == "passed") {
			t.Errorf("%s %s", s.Name, res.State())
		}
	}
}

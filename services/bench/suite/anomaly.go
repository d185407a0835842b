package suite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// anomaly scores the detector on labelled series.
func anomaly() Suite {
	s := Suite{
		Name: "anomaly", Short: "labelled series: NAB, services with many signals, single curves",
		Source: "NAB: github.com/numenta/NAB (folders data and labels/combined_windows.json); github.com/NetManAIOps/JumpStarter; github.com/NetManAIOps/donut",
	}
	s.Run = func(ctx context.Context, o Options) (*Report, error) {
		cases, err := adapters.Anomaly(o.Dir)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		a := &anomalyRun{
			options: o, report: &Report{Suite: s.Name, Columns: []string{"set", "case", "events", "found", "median min.", "false/day", "AP", "chance", "NAB", "ns/sample"}, Values: map[string]float64{}},
			nab: map[string][]float64{}, sets: map[string]*anomalySet{},
		}
		for _, c := range cases {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			a.run(c)
		}
		a.finish()
		return a.report, nil
	}
	return s
}

type anomalyRun struct {
	options Options
	report  *Report
	nab     map[string][]float64 // By profile: the sum of each case.
	windows []int
	sets    map[string]*anomalySet
}

// anomalySet adds up one set.
type anomalySet struct {
	events, found, cases int
	recalls, delays, aps []float64
	falsePerDay          []float64
	bases                float64
	days                 float64
	falses               int
}

func (a *anomalyRun) run(c quality.AnomalyCase) {
	run := quality.RunDetector(c, quality.NewRenamer(a.options.Rename), detect.Default())
	e := quality.ScoreEvents(c, run)
	set := a.sets[c.Set]
	if set == nil {
		set = &anomalySet{}
		a.sets[c.Set] = set
	}
	set.add(e)
	score := ""
	if c.Set == adapters.SetNAB {
		a.windows = append(a.windows, len(c.Windows))
		for _, p := range quality.NABProfiles() {
			sum := quality.NABSum(c, run.Opened, p)
			a.nab[p.Name] = append(a.nab[p.Name], sum)
			if p.Name == "standard" {
				score = fmt.Sprintf("%+.2f", sum)
			}
		}
	}
	a.report.Add(c.Set, c.Name, e.Events, e.Found, median(e.DelayMinutes), float64(e.False)/math.Max(e.Days, 1e-9), e.AP, e.Base, score, fmt.Sprintf("%.0f", run.NSPerSample))
	if a.options.Progress != nil {
		a.options.Progress(c.Name + ": " + e.String())
	}
}

func (s *anomalySet) add(e quality.EventScore) {
	s.cases++
	s.events += e.Events
	s.found += e.Found
	s.falses += e.False
	s.days += e.Days
	s.falsePerDay = append(s.falsePerDay, float64(e.False)/math.Max(e.Days, 1e-9))
	s.delays = append(s.delays, e.DelayMinutes...)
	for i := range e.Events {
		hit := 0.0
		if i < e.Found {
			hit = 1
		}
		s.recalls = append(s.recalls, hit)
	}
	if e.Events > 0 {
		s.aps = append(s.aps, e.AP)
		s.bases += e.Base
	}
}

// finish writes the sums.
func (a *anomalyRun) finish() {
	r := a.report
	for _, name := range []string{adapters.SetNAB, adapters.SetRows, adapters.SetCurves} {
		s := a.sets[name]
		if s == nil {
			continue
		}
		recall, ap := quality.Bootstrap(s.recalls), quality.Bootstrap(s.aps)
		r.Add(name, fmt.Sprintf("all %d", s.cases), s.events, s.found, median(s.delays), float64(s.falses)/s.days, ap.Mean, s.bases/math.Max(float64(len(s.aps)), 1), "", "")
		r.Notes = append(r.Notes, fmt.Sprintf("%s: event recall %s, AP %s, false findings a day and entity %s", name, recall, ap, quality.Bootstrap(s.falsePerDay)))
		r.Values[name+"_recall"], r.Values[name+"_ap"], r.Values[name+"_false_per_day"] = recall.Mean, ap.Mean, float64(s.falses)/s.days
		r.Values[name+"_delay_minutes"] = median(s.delays)
	}
	if len(a.windows) == 0 {
		return
	}
	for _, p := range quality.NABProfiles() {
		sum, n := 0.0, 0
		for i, v := range a.nab[p.Name] {
			sum, n = sum+v, n+a.windows[i]
		}
		score := quality.NABScore(sum, n, p)
		low, high := quality.BootstrapNAB(a.nab[p.Name], a.windows, p)
		r.Notes = append(r.Notes, fmt.Sprintf("NAB %s: %.1f [%.0f, %.0f] (%d windows in %d files)", p.Name, score, low, high, n, len(a.windows)))
		r.Values["nab_"+p.Name] = score
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

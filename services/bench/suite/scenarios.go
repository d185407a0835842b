package suite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/test/scenario"
)

// scenarios runs our own end-to-end scenarios (docs/formats/scenario.md).
func scenarios() Suite {
	s := Suite{Name: "scenarios", Short: "our own end-to-end scenarios, with faults and quiet ones", Source: "part of Faultline: services/test/scenario/testdata"}
	s.Run = func(ctx context.Context, o Options) (*Report, error) {
		all, err := scenario.All()
		if err != nil {
			return nil, err
		}
		names := quality.NewRenamer(o.Rename)
		r := &Report{Suite: s.Name, Columns: []string{"scenario", "result", "pages", "min to detect", "rank", "rank at end", "brain s"}, Values: map[string]float64{}}
		var sum scenario.Summary
		for _, c := range all {
			if !chosen(c, o.Only) {
				continue
			}
			opts := scenario.Options{NoTypes: o.NoMetadata}
			if o.Rename {
				opts.Rename = names.Name
			}
			rec, err := scenario.Run(ctx, c, scenarioBrain{brain.New(brain.Default())}, opts)
			if ctx.Err() != nil && len(r.Rows) > 0 {
				r.Notes = append(r.Notes, "stopped before "+c.Name)
				break
			}
			if err != nil {
				return nil, err
			}
			res := &scenario.Result{Record: rec, Checked: rec.Checks()}
			sum.Add(res)
			row(r, o, res)
			progress(o, res)
		}
		if len(r.Rows) == 0 {
			return nil, errs.WithHint(errs.NotFound, "tags are quiet and the kinds of causes, as in deploy or network", "there is no scenario %q", o.Only)
		}
		summary(r, &sum)
		return r, nil
	}
	return s
}

func chosen(s *scenario.Scenario, only string) bool {
	if only == "" {
		return true
	}
	for _, w := range strings.Split(only, ",") {
		if s.Has(strings.TrimSpace(w)) {
			return true
		}
	}
	return false
}

func row(r *Report, o Options, res *scenario.Result) {
	pages, delay, rank, end := 0, "", "", ""
	for _, t := range res.Tracks {
		if _, ok := t.Paged(); ok {
			pages++
		}
	}
	for _, c := range res.Checked {
		if c.What == scenario.ExpectIncident && delay == "" && c.Opened {
			delay = fmt.Sprintf("%.1f", c.Delay.Minutes())
			rank, end = fmt.Sprint(c.Rank), fmt.Sprint(c.EndRank)
		}
	}
	r.Add(res.Scenario.Name, res.State(), pages, delay, rank, end, fmt.Sprintf("%.1f", res.Brain.Seconds()))
	for _, c := range res.Failures() {
		what := "FAILS"
		if c.Known != "" {
			what = "known (" + c.Known + ")"
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s:%d %s: %s\n    %s", res.Scenario.Name, c.Line, what, c.Text, cut(c.Why)))
	}
	if o.Details {
		for _, d := range res.Details() {
			r.Notes = append(r.Notes, "    "+d)
		}
	}
}

// cut bounds what is written of a failure.
func cut(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " …"
}

func progress(o Options, res *scenario.Result) {
	if o.Progress != nil {
		line := fmt.Sprintf("%-8s %-24s %4.1f s", res.State(), res.Scenario.Name, res.Took.Seconds())
		for _, c := range res.Failures() {
			line += fmt.Sprintf("\n    %s\n      %s", c.Expect, cut(c.Why))
		}
		o.Progress(line)
	}
}

// summary writes the figures over all scenarios.
func summary(r *Report, s *scenario.Summary) {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	note("")
	note("%d scenarios: %d passed, %d fail as known, %d hold although known to fail, %d failed", s.Passed+s.Known+s.Fixed+s.Failed, s.Passed, s.Known, s.Fixed, s.Failed)
	if len(s.Opened) > 0 {
		rank := quality.Rank(s.Ranks)
		recall := quality.Bootstrap(s.Opened)
		note("incidents in time %s (n=%d); cause among them AC@1 %s, AC@3 %s (n=%d); kind %s", recall, recall.N, rank.AC1, rank.AC3, rank.AC1.N, quality.Bootstrap(s.Kinds))
		end := quality.Rank(s.Ends)
		note("at the end of the runs AC@1 %s, AC@3 %s", end.AC1, end.AC3)
		note("fault to incident: median %s", scenario.Median(s.Delays).Round(time.Second))
		r.Values["recall"], r.Values["ac1"], r.Values["ac3"], r.Values["kind"] = recall.Mean, rank.AC1.Mean, rank.AC3.Mean, quality.Bootstrap(s.Kinds).Mean
		r.Values["ac1_end"], r.Values["ac3_end"] = end.AC1.Mean, end.AC3.Mean
		r.Values["delay_seconds"] = scenario.Median(s.Delays).Seconds()
	}
	if s.Pages > 0 {
		r.Values["precision"] = float64(s.True) / float64(s.Pages)
		note("pages: %d, of them during a fault %d (precision %.2f)", s.Pages, s.True, r.Values["precision"])
	}
	if s.QuietDays > 0 {
		r.Values["quiet_pages_per_day"], r.Values["quiet_incidents_per_day"] = float64(s.QuietPages)/s.QuietDays, float64(s.QuietIncidents)/s.QuietDays
		note("quiet hours: %.1f days, %d pages (%.2f a day, %.3f a day and entity), %d incidents (%.2f a day)", s.QuietDays, s.QuietPages, r.Values["quiet_pages_per_day"],
			float64(s.QuietPages)/s.EntityDays, s.QuietIncidents, r.Values["quiet_incidents_per_day"])
	}
	note("%d samples, %d spans, %d lines; brain %s of %s", s.Samples, s.Spans, s.Lines, s.Brain.Round(time.Second), s.Took.Round(time.Second))
	r.Values["passed"], r.Values["failed"], r.Values["known"] = float64(s.Passed+s.Fixed), float64(s.Failed), float64(s.Known)
}

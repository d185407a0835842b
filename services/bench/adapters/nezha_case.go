package adapters

import (
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

const (
	// nezhaAfter is how long after the injection a case is looked at: the three minutes of the fault, and one for what lags behind.
	nezhaAfter = 240_000
	// nezhaPast is how much of the day before a case is shown.
	nezhaPast = 4 * 3_600_000
	// recordedMS is the length of a minute's file, with what hangs over.
	recordedMS = 70_000
)

// NezhaCases returns a case for each fault, given the time of injection. Spans and logs go through the product's own stages, with the minute
// without a fault (or the minutes before it, whichever were recorded) as their past.
func NezhaCases(dir string, o Options) ([]quality.CauseCase, error) {
	days, err := Nezha(dir, o)
	if err != nil {
		return nil, err
	}
	var out []quality.CauseCase
	for _, d := range days {
		for _, f := range d.Faults {
			c, err := d.Case(f)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// Case makes the case of one fault.
func (d *NezhaDay) Case(f nezhaLabel) (quality.CauseCase, error) {
	o := d.o
	onset := o.Renamer.Time(f.InjectUnix * 1000)
	c := quality.CauseCase{
		Name: o.Renamer.Name(f.ID), System: "nezha-" + f.System, Fault: f.Fault, Truth: []string{o.Renamer.Name(f.Service)},
		Input: rootcause.Input{OnsetMS: onset, NowMS: onset + nezhaAfter, Edges: d.edges, Windows: within(d.windows, onset-nezhaPast, onset+nezhaAfter)},
	}
	switch f.Fault {
	case "network_delay":
		c.Roles = []model.Role{model.RoleGap}
	case "cpu_contention", "cpu_consumed":
		for _, n := range []string{"CpuUsage", "CpuUsageRate"} {
			c.Indicators = append(c.Indicators, o.Renamer.Name(n))
		}
		c.Roles = []model.Role{model.RoleSelfTime}
	}
	t, err := d.telemetry(f, onset)
	if err != nil || len(t.windows) == 0 {
		return c, err
	}
	c.Input.Windows = append(c.Input.Windows, t.windows...)
	c.Input.Edges = append(append([]model.Edge{}, c.Input.Edges...), t.edges...)
	c.Input.Findings = t.findings
	return c, nil
}

// telemetry derives the series of spans and logs around a fault.
func (d *NezhaDay) telemetry(f nezhaLabel, onset int64) (derived, error) {
	minutes := f.Minutes
	if len(minutes) == 0 {
		minutes = f.Available
	}
	spans, logs, err := d.read(minutes)
	if err != nil || len(spans) == 0 {
		return derived{}, err
	}
	first, last := spanRange(spans)
	// The reference: minutes before the fault where there are some, else the one without a fault, put right before the first one recorded.
	reference := f.Before
	moved := false
	if len(reference) == 0 {
		reference, moved = d.Minutes("trace_faultfree"), true
	}
	past, pastLogs, err := d.read(reference)
	if err != nil || len(past) == 0 {
		return derived{}, err
	}
	start, end := spanRange(past)
	if moved {
		shift := first - end - 1
		moveSpans(past, shift)
		moveLogs(pastLogs, shift)
		start += shift
	}
	t := derive(append(past, spans...), append(pastLogs, logs...), start, min(last, onset+nezhaAfter))
	var recorded [][2]int64
	for _, b := range append(past, spans...) {
		first, last := spanRange([]*model.Spans{b})
		recorded = append(recorded, [2]int64{first, min(last, first+recordedMS) + 10_000})
	}
	for i := range t.windows {
		dropUnrecorded(&t.windows[i], recorded)
	}
	return t, nil
}

func (d *NezhaDay) read(minutes []string) (spans []*model.Spans, logs []*model.Logs, err error) {
	for _, m := range minutes {
		s, err := d.Spans(m)
		if err != nil {
			return nil, nil, err
		}
		if s != nil && len(s.Spans) > 0 {
			spans = append(spans, s)
		}
		l, err := d.Logs(m)
		if err != nil {
			return nil, nil, err
		}
		if l != nil && l.Len() > 0 {
			logs = append(logs, l)
		}
	}
	return spans, logs, nil
}

// spanRange returns the times of the first start and the last end, in milliseconds.
func spanRange(batches []*model.Spans) (first, last int64) {
	first = allTime
	for _, b := range batches {
		for i := range b.Spans {
			s := &b.Spans[i]
			first, last = min(first, s.StartNS/1e6), max(last, (s.StartNS+s.DurationNS)/1e6)
		}
	}
	return first, last
}

func moveSpans(batches []*model.Spans, ms int64) {
	for _, b := range batches {
		for i := range b.Spans {
			b.Spans[i].StartNS += ms * 1e6
		}
	}
}

func moveLogs(batches []*model.Logs, ms int64) {
	for _, b := range batches {
		for i := range b.TimesNS {
			b.TimesNS[i] += ms * 1e6
		}
	}
}

// dropUnrecorded takes out the samples of windows that no file is of: nothing was recorded then, which is not the same as that nothing happened.
func dropUnrecorded(w *model.Window, recorded [][2]int64) {
	ts, vs := w.TimesMS[:0:0], w.Values[:0:0]
	for i, t := range w.TimesMS {
		for _, r := range recorded {
			if t > r[0] && t <= r[1] {
				ts, vs = append(ts, t), append(vs, w.Values[i])
				break
			}
		}
	}
	w.TimesMS, w.Values = ts, vs
}

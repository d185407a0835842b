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
	for _, e := range d.Faults {
		if e.InjectUnix < f.InjectUnix { // Earlier incidents are known as such, and theirs is no normal time.
			from := o.Renamer.Time(e.InjectUnix * 1000)
			c.Input.Incidents = append(c.Input.Incidents, rootcause.Interval{FromMS: from, ToMS: from + e.Duration*1000 + 60_000})
		}
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
	if err := d.derive(); err != nil {
		return c, err
	}
	c.Input.Windows = append(c.Input.Windows, within(d.derived.windows, onset-nezhaPast, onset+nezhaAfter)...)
	c.Input.Edges = append(append([]model.Edge{}, c.Input.Edges...), d.derived.edges...)
	for _, x := range d.derived.findings {
		if x.OnsetMS >= onset-recordedMS && x.SeenMS <= onset+nezhaAfter {
			c.Input.Findings = append(c.Input.Findings, x)
		}
	}
	return c, nil
}

// recordedMinutes returns the minutes of the day that have spans, in order of time, the one without a fault first: it is the only one that some days
// have before their first fault.
func (d *NezhaDay) recordedMinutes() []string {
	out := d.Minutes("trace_faultfree")
	for _, folder := range []string{"trace", "trace_compact"} {
		out = append(out, d.Minutes(folder)...)
	}
	return out
}

// derive runs all recorded minutes of the day through the stages, once: what was recorded before a fault is its past, other faults included.
func (d *NezhaDay) derive() error {
	if d.derived != nil {
		return nil
	}
	d.derived = &derived{}
	minutes := d.recordedMinutes()
	free := len(d.Minutes("trace_faultfree"))
	spans, logs, err := d.read(minutes[free:])
	if err != nil || len(spans) == 0 {
		return err
	}
	first, _ := spanRange(spans)
	past, pastLogs, err := d.read(minutes[:free])
	if err != nil {
		return err
	}
	if len(past) > 0 {
		_, end := spanRange(past)
		moveSpans(past, first-end-1)
		moveLogs(pastLogs, first-end-1)
	}
	spans, logs = append(past, spans...), append(pastLogs, logs...)
	start, last := spanRange(spans)
	t := derive(spans, logs, start, last)
	var recorded [][2]int64
	for _, b := range spans {
		from, to := spanRange([]*model.Spans{b})
		recorded = append(recorded, [2]int64{from, min(to, from+recordedMS) + 10_000})
	}
	for i := range t.windows {
		dropUnrecorded(&t.windows[i], recorded)
	}
	d.derived = &t
	return nil
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

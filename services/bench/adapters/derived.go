package adapters

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/logstage"
	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/correlator/spanstage"
	"github.com/faultline-io/faultline/services/model"
)

// derived is what the product's own stages make of spans and logs.
type derived struct {
	windows  []model.Window
	edges    []model.Edge
	findings []model.Finding
}

// derive runs batches through the stages of spans and logs, with a mark every window, from one time to another. What the stages say of windows that end
// later than to is left out: nothing was recorded then.
func derive(spans []*model.Spans, logs []*model.Logs, from, to int64) derived {
	span, log := spanstage.New(spanstage.Default()), logstage.New(logstage.Default())
	var out derived
	byKey := map[string]int{}
	emit := func(d model.Derived) {
		if d.Stale || d.TimeMS > to {
			return
		}
		var key strings.Builder
		key.WriteString(d.Name)
		for _, l := range d.Labels {
			key.WriteString("\x00" + l.Name + "\x00" + l.Value)
		}
		i, ok := byKey[key.String()]
		if !ok {
			i = len(out.windows)
			byKey[key.String()] = i
			out.windows = append(out.windows, model.Window{Entity: model.EntityOf(d.Name, d.Labels), Signal: model.SignalRef{
				SeriesID: model.Hash64(key.String()), Name: d.Name, Labels: d.Labels, Unit: d.Unit, Role: signal.Of(d.Name, d.Labels, d.Type, d.Unit)}})
		}
		w := &out.windows[i]
		w.TimesMS, w.Values = append(w.TimesMS, d.TimeMS), append(w.Values, d.Value)
	}
	seen := map[model.Edge]bool{}
	edge := func(e model.Edge, _ int64) {
		if !seen[e] {
			seen[e] = true
			out.edges = append(out.edges, e)
		}
	}
	mark := eventtime.Mark{Seq: 1, AtMS: from, WatermarkMS: from}
	step := spanstage.Default().WindowMS
	span.Mark(mark, emit, edge)
	log.Mark(mark, emit)
	spans, logs = byTime(spans, step), byTimeLogs(logs, step)
	// The stages hold what is not complete for some windows more.
	for at := from + step; at <= to+6*step; at += step {
		for len(spans) > 0 && spanTime(spans[0]) < at {
			span.Spans(spans[0])
			spans = spans[1:]
		}
		for len(logs) > 0 && logs[0].TimesNS[0]/1e6 < at {
			log.Logs(logs[0])
			logs = logs[1:]
		}
		mark.Seq++
		mark.AtMS, mark.WatermarkMS = at, at
		span.Mark(mark, emit, edge)
		out.findings = append(out.findings, log.Mark(mark, emit)...)
	}
	return out
}

func spanTime(b *model.Spans) int64 { return (b.Spans[0].StartNS + b.Spans[0].DurationNS) / 1e6 }

// byTime cuts batches into pieces of a window's length, by the end of spans.
func byTime(batches []*model.Spans, step int64) []*model.Spans {
	var out []*model.Spans
	for _, b := range batches {
		pieces := map[int64]*model.Spans{}
		for _, s := range b.Spans {
			k := (s.StartNS + s.DurationNS) / 1e6 / step
			if pieces[k] == nil {
				pieces[k] = &model.Spans{Header: b.Header, Resources: b.Resources}
				out = append(out, pieces[k])
			}
			pieces[k].Spans = append(pieces[k].Spans, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Spans) int { return cmp.Compare(spanTime(a)/step, spanTime(b)/step) })
	return out
}

// byTimeLogs does the same with logs.
func byTimeLogs(batches []*model.Logs, step int64) []*model.Logs {
	var out []*model.Logs
	for _, b := range batches {
		pieces := map[int64]*model.Logs{}
		for i, ns := range b.TimesNS {
			k := ns / 1e6 / step
			p := pieces[k]
			if p == nil {
				p = &model.Logs{Header: b.Header, Resources: b.Resources}
				pieces[k] = p
				out = append(out, p)
			}
			p.ResourceIdx = append(p.ResourceIdx, b.ResourceIdx[i])
			p.TimesNS, p.ObservedNS = append(p.TimesNS, ns), append(p.ObservedNS, b.ObservedNS[i])
			p.Severity, p.ShapeHash = append(p.Severity, b.Severity[i]), append(p.ShapeHash, b.ShapeHash[i])
			p.Bodies = append(p.Bodies, b.Bodies[i])
			p.TraceIDs, p.SpanIDs = append(p.TraceIDs, b.TraceIDs[i]), append(p.SpanIDs, b.SpanIDs[i])
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Logs) int { return cmp.Compare(a.TimesNS[0]/1e6/step, b.TimesNS[0]/1e6/step) })
	return out
}

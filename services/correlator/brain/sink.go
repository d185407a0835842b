package brain

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// sink takes what the order of event time hands on.
type sink Brain

var _ eventtime.Sink = (*sink)(nil)

// Sample implements eventtime.Sink.
func (s *sink) Sample(series *model.Series, p eventtime.Point) {
	if s.series.see(series.ID, p.TimeMS) {
		for _, e := range model.EdgesOf(series.Name, series.Labels) {
			s.topology.See(e, p.TimeMS)
		}
		s.names.learn(series.Labels)
	}
	s.detect.Sample(series, p)
}

// Aside implements eventtime.Sink.
func (s *sink) Aside(id uint64, p eventtime.Point, why eventtime.Reason) {
	s.stats.Aside[why]++
	s.detect.Aside(id, p, why)
	s.out.Aside = append(s.out.Aside, Aside{SeriesID: id, Point: p, Reason: why})
}

// Gone implements eventtime.Sink.
func (s *sink) Gone(series *model.Series) {
	s.series.forget(series.ID)
	s.detect.Gone(series)
}

// Advance implements eventtime.Sink: after the samples that came as such, what spans and logs were turned into is judged at the same mark.
func (s *sink) Advance(k eventtime.Mark) {
	var derived []model.Derived
	emit := func(d model.Derived) { derived = append(derived, d) }
	s.spans.Mark(k, emit, func(e model.Edge, atMS int64) { s.topology.See(e, atMS) })
	found := s.logs.Mark(k, emit)
	s.judge(derived)
	s.detect.Advance(k)
	s.out.Derived = derived
	s.out.Findings = append(s.out.Findings, s.detect.Findings()...)
	s.out.Findings = append(s.out.Findings, found...)
	s.out.Findings = append(s.out.Findings, s.outside...)
	s.outside = nil
}

// judge hands derived samples to the detector as samples of series, by entity, series and time as the others come.
func (s *sink) judge(derived []model.Derived) {
	type judged struct {
		series *model.Series
		at     int
	}
	all := make([]judged, len(derived))
	for i := range derived {
		all[i] = judged{s.series.derived(&derived[i], s.detect.Describe), i}
	}
	slices.SortFunc(all, func(a, b judged) int {
		return cmp.Or(cmp.Compare(a.series.ShardHash, b.series.ShardHash), cmp.Compare(a.series.ID, b.series.ID), cmp.Compare(derived[a.at].TimeMS, derived[b.at].TimeMS))
	})
	for _, j := range all {
		d := &derived[j.at]
		s.Sample(j.series, eventtime.Point{TimeMS: d.TimeMS, Value: d.Value, Stale: d.Stale})
		if d.Stale { // It ended on purpose. Should it come again, it is a new one.
			s.Gone(j.series)
			s.series.drop(j.series)
		}
	}
}

// seeResource learns which instance and host a service has from what logs and spans say of their sender.
func (b *Brain) seeResource(r *model.Resource) {
	if !b.series.see(r.ID, b.mark.WatermarkMS) {
		return
	}
	b.names.learn(r.Attributes)
	b.topology.Resource(r, b.mark.WatermarkMS)
}

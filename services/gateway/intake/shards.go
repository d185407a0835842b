package intake

import (
	"context"

	"github.com/faultline-io/faultline/services/model"
)

// Metrics and logs go to the shard of their resource or target, so that one reader sees all of an entity; spans to the shard of
// their trace. A batch is parted when it is published; with one shard none of this runs.

// eachShard calls publish for every shard that has something, in order, so that the parts of a batch are always the same.
func (r *Request) eachShard(shards int, publish func(shard int) error) error {
	defer func() { r.Shard = 0 }()
	for s := range shards {
		r.Shard = s
		if err := publish(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *Metrics) publishShards(ctx context.Context) error {
	n := b.core.Shards
	return b.req.eachShard(n, func(shard int) error {
		m := b.shardOf(shard)
		h := b.req.Header(model.SignalMetrics) // also of a shard that has nothing: the parts of an agent's batch keep their names
		if m.Len() == 0 && len(m.Announced) == 0 && len(m.Metadata) == 0 {
			return nil
		}
		m.Header = h
		return b.core.Sink.PublishMetrics(ctx, b.req, m)
	})
}

// shardOf copies what belongs to a shard out of the batch. Metadata belongs to no entity and goes with the first.
func (b *Metrics) shardOf(shard int) *model.Metrics {
	all, m := &b.batch, &model.Metrics{}
	mine := func(s uint8) bool { return model.Shard(uint64(s), b.core.Shards) == shard }
	stale, at := all.Stale, 0
	for i, n := range all.Counts {
		end := at + int(n)
		take := mine(b.runShards[i])
		for len(stale) > 0 && int(stale[0]) < end {
			if take {
				m.Stale = append(m.Stale, uint32(len(m.Values))+stale[0]-uint32(at))
			}
			stale = stale[1:]
		}
		if take {
			m.MetricIDs, m.SeriesIDs = append(m.MetricIDs, all.MetricIDs[i]), append(m.SeriesIDs, all.SeriesIDs[i])
			m.Counts = append(m.Counts, n)
			m.TimesMS, m.Values = append(m.TimesMS, all.TimesMS[at:end]...), append(m.Values, all.Values[at:end]...)
		}
		at = end
	}
	if !b.multi {
		m.Counts = nil
	}
	for i := range all.Announced {
		if model.Shard(all.Announced[i].ShardHash, b.core.Shards) == shard {
			m.Announced = append(m.Announced, all.Announced[i])
		}
	}
	for i, s := range b.histShards {
		if mine(s) {
			m.Histograms = append(m.Histograms, all.Histograms[i])
		}
	}
	for i, s := range b.exemplarShards {
		if mine(s) {
			m.Exemplars = append(m.Exemplars, all.Exemplars[i])
		}
	}
	if shard == 0 {
		m.Metadata = all.Metadata
	}
	return m
}

func (b *Logs) publishShards(ctx context.Context, all *model.Logs) error {
	n := b.core.Shards
	return b.req.eachShard(n, func(shard int) error {
		l := &model.Logs{}
		index := make([]int, len(all.Resources)) // of a resource in l, and one more
		for i, res := range all.ResourceIdx {
			if model.Shard(all.Resources[res].ID, n) != shard {
				continue
			}
			if index[res] == 0 {
				l.Resources = append(l.Resources, all.Resources[res])
				index[res] = len(l.Resources)
			}
			l.ResourceIdx = append(l.ResourceIdx, uint32(index[res]-1))
			l.TimesNS, l.ObservedNS = append(l.TimesNS, all.TimesNS[i]), append(l.ObservedNS, all.ObservedNS[i])
			l.Severity, l.ShapeHash = append(l.Severity, all.Severity[i]), append(l.ShapeHash, all.ShapeHash[i])
			l.Bodies = append(l.Bodies, all.Bodies[i])
			if all.Attributes != nil {
				l.Attributes = append(l.Attributes, all.Attributes[i])
			}
			if all.TraceIDs != nil {
				l.TraceIDs, l.SpanIDs = append(l.TraceIDs, all.TraceIDs[i]), append(l.SpanIDs, all.SpanIDs[i])
			}
		}
		l.Header = b.req.Header(model.SignalLogs)
		if l.Len() == 0 {
			return nil
		}
		return b.core.Sink.PublishLogs(ctx, b.req, l)
	})
}

func (b *Spans) publishShards(ctx context.Context) error {
	n := b.core.Shards
	return b.req.eachShard(n, func(shard int) error {
		x := &model.Spans{Resources: b.batch.Resources}
		for i := range b.batch.Spans {
			if model.Shard(model.Hash64(b.batch.Spans[i].TraceID), n) == shard {
				x.Spans = append(x.Spans, b.batch.Spans[i])
			}
		}
		x.Header = b.req.Header(model.SignalSpans)
		if x.Len() == 0 {
			return nil
		}
		return b.core.Sink.PublishSpans(ctx, b.req, x)
	})
}

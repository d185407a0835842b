package intake

import (
	"context"
	"math"
	"sync"

	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one metrics batch: what fits a bus message with room to spare. A sample of its own series takes about 22 bytes.
const (
	maxBatchSamples   = 20_000
	maxBatchAnnounced = 1 << 20 // bytes of label text, before compression
	maxBatchRich      = 4_000   // native histograms and exemplars
	// An agent's batch is cut by its samples alone, since its parts must be the same when it is sent again, and what is announced
	// with it may then differ.
	maxAgentBatchSamples = 5_000
)

// staleBits is Prometheus' staleness marker: one NaN out of many.
const staleBits = 0x7ff0000000000002

// IsStale reports whether v is Prometheus' staleness marker.
func IsStale(v float64) bool { return math.Float64bits(v) == staleBits }

// StaleNaN returns Prometheus' staleness marker, for receivers that know themselves when a series ends.
func StaleNaN() float64 { return math.Float64frombits(staleBits) }

// Metrics gathers the samples of one request. It belongs to one goroutine; get one from Core.Metrics and Close it.
type Metrics struct {
	// Labels is the label set for the next Begin.
	Labels series.Labels
	// Shard gives the shard hash of a series being announced; series.TargetHash unless the receiver knows better.
	Shard func(*series.Labels) uint64
	// Flushed, when set, is called after a batch was published.
	Flushed func()

	core      *Core
	req       *Request
	table     *series.Table
	nowSec    uint32
	batch     model.Metrics
	ref       series.Ref
	open      bool
	multi     bool
	announced int
	announce  func(model.Series)
	// The shard of each run, histogram and exemplar, when there is more than one shard.
	runShards, histShards, exemplarShards []uint8
	// stages process the samples; drop is why those of the current series go no further. The other three are what stages said once.
	stages  MetricStages
	dropAll string
	drop    string
	key     uint64
	every   bool
	each    bool
	// seen counts what came in since the last flush, for an agent's batch.
	seen     int
	families map[string]struct{}
}

var metricsPool = sync.Pool{New: func() any {
	b := &Metrics{families: map[string]struct{}{}}
	b.announce = b.addSeries
	return b
}}

// Metrics returns a builder for req.
func (c *Core) Metrics(req *Request) *Metrics {
	b := metricsPool.Get().(*Metrics)
	b.core, b.req = c, req
	b.table = c.Index.Tenant(req.Tenant)
	b.nowSec = uint32(req.ReceivedAt.Unix())
	b.Shard = series.TargetHash
	b.drop, b.dropAll, b.key, b.every, b.each = "", "", 0, false, false
	if req.stages != nil {
		if b.stages = req.stages.Metrics(); b.stages != nil {
			b.key, b.every, b.each = b.stages.Key(), b.stages.EverySeries(), b.stages.EverySample()
		}
	}
	return b
}

// Close takes the builder back; what was not flushed is dropped, and its series will be announced again.
func (b *Metrics) Close() {
	b.table.Forget(b.batch.Announced)
	b.reset()
	clear(b.families)
	b.core, b.req, b.table, b.Shard, b.Flushed, b.stages = nil, nil, nil, nil, nil, nil
	if cap(b.batch.Values) <= 4*maxBatchSamples {
		metricsPool.Put(b)
	}
}

func (b *Metrics) reset() {
	m := &b.batch
	clear(m.Announced)
	clear(m.Metadata)
	clear(m.Histograms)
	clear(m.Exemplars)
	*m = model.Metrics{
		MetricIDs: m.MetricIDs[:0], SeriesIDs: m.SeriesIDs[:0], Counts: m.Counts[:0], TimesMS: m.TimesMS[:0], Values: m.Values[:0],
		Stale: m.Stale[:0], Announced: m.Announced[:0], Metadata: m.Metadata[:0], Histograms: m.Histograms[:0],
		Exemplars: m.Exemplars[:0],
	}
	b.announced, b.open, b.multi, b.seen = 0, false, false, 0
	b.runShards, b.histShards, b.exemplarShards = b.runShards[:0], b.histShards[:0], b.exemplarShards[:0]
}

func (b *Metrics) addSeries(s model.Series) {
	b.batch.Announced = append(b.batch.Announced, s)
	b.announced += len(s.Name) + 32
	for i := range s.Labels {
		b.announced += len(s.Labels[i].Name) + len(s.Labels[i].Value) + 6
	}
}

// Begin starts the series that b.Labels names; what follows belongs to it. It returns why the series is refused, or "".
func (b *Metrics) Begin() string {
	var reason string
	b.open = false
	if b.stages != nil {
		b.drop = b.dropAll
		if b.drop == "" {
			b.drop = b.stages.Series(&b.Labels)
		}
		if b.drop != "" {
			b.ref = series.Ref{ID: b.Labels.Hash()}
			return ""
		}
		if ref, ok := b.table.Known(&b.Labels, b.nowSec); ok {
			b.ref = ref
			return ""
		}
		b.stages.Fresh(&b.Labels)
	}
	b.ref, reason = b.table.Resolve(&b.Labels, b.nowSec, b.Shard, b.announce)
	return reason
}

// Drop makes all series from now on go no further, for the reason that Request.Resource gave; "" ends that.
func (b *Metrics) Drop(reason string) { b.dropAll = reason }

// RawKey returns the key of labels that a sender writes as raw, for Prefetch, BeginKey and Remember.
func (b *Metrics) RawKey(raw []byte) uint64 {
	if k := b.table.RawKey(raw) ^ b.key; k != 0 {
		return k
	}
	return 1
}

// Prefetch prepares for BeginKey with each of keys.
func (b *Metrics) Prefetch(keys []uint64) { b.table.Prefetch(keys) }

// BeginKey is Begin for a series by the key of its raw labels, without reading them. It returns false when the labels must be read;
// Remember spares that the next time.
func (b *Metrics) BeginKey(key uint64) bool {
	if b.every {
		return false
	}
	ref, ok := b.table.ResolveKey(key, b.nowSec)
	if ok {
		b.open, b.ref, b.drop = false, ref, ""
	}
	return ok
}

// Remember says that key is that of the labels of the series that Begin started.
func (b *Metrics) Remember(key uint64) {
	if b.drop == "" && !b.every {
		b.table.Remember(key, b.ref, b.nowSec)
	}
}

// ID returns the identity of the series that Begin started.
func (b *Metrics) ID() uint64 { return b.ref.ID }

// dropped reports whether an item of the current series goes no further, and counts it.
func (b *Metrics) dropped() bool {
	if b.drop == "" {
		return false
	}
	b.req.Drop(model.SignalMetrics, b.drop, 1)
	return true
}

// refused reports whether a stage wants a sample to go no further, and counts it.
func (b *Metrics) refused(ms int64, v float64) bool {
	reason := b.stages.Sample(ms, v)
	if reason != "" {
		b.req.Drop(model.SignalMetrics, reason, 1)
	}
	return reason != ""
}

// Sample adds a sample of the series and returns true, or counts it as refused when its time is out of bounds.
func (b *Metrics) Sample(ms int64, v float64) bool {
	b.seen++
	if ms > b.req.Window.MaxMS || ms < b.req.Window.MinMS {
		b.req.Reject(model.SignalMetrics, b.req.Window.Reason(ms), 1)
		return false
	}
	if b.dropped() || b.each && b.refused(ms, v) {
		return true
	}
	m := &b.batch
	if b.open {
		m.Counts[len(m.Counts)-1]++
		b.multi = true
	} else {
		b.open = true
		m.MetricIDs = append(m.MetricIDs, b.ref.MetricID)
		m.SeriesIDs = append(m.SeriesIDs, b.ref.ID)
		m.Counts = append(m.Counts, 1)
		if b.core.Shards > 1 {
			b.runShards = append(b.runShards, b.ref.Shard)
		}
	}
	if v != v && IsStale(v) {
		m.Stale = append(m.Stale, uint32(len(m.Values)))
		v = 0
	}
	m.TimesMS = append(m.TimesMS, ms)
	m.Values = append(m.Values, v)
	return true
}

// Histogram is Sample for a native histogram.
func (b *Metrics) Histogram(h model.HistogramSample) bool {
	b.seen++
	if reason := b.req.Window.Reason(h.TimeMS); reason != "" {
		b.req.Reject(model.SignalMetrics, reason, 1)
		return false
	}
	if b.dropped() || b.each && b.refused(h.TimeMS, math.NaN()) {
		return true
	}
	h.MetricID, h.SeriesID = b.ref.MetricID, b.ref.ID
	b.batch.Histograms = append(b.batch.Histograms, h)
	b.histShards = append(b.histShards, b.ref.Shard)
	return true
}

// Exemplar is Sample for an exemplar.
func (b *Metrics) Exemplar(e model.Exemplar) bool {
	b.seen++
	if b.dropped() {
		return true
	}
	if reason := b.req.Window.Reason(e.TimeMS); reason != "" {
		b.req.Reject(model.SignalMetrics, reason, 1)
		return false
	}
	if b.stages != nil {
		b.stages.Exemplar(&e)
	}
	e.MetricID, e.SeriesID = b.ref.MetricID, b.ref.ID
	b.batch.Exemplars = append(b.batch.Exemplars, e)
	b.exemplarShards = append(b.exemplarShards, b.ref.Shard)
	return true
}

// maxFamilies bounds the metadata of one request.
const maxFamilies = 20_000

// Metadata adds what is known of a metric family, once a request.
func (b *Metrics) Metadata(md model.MetricMetadata) {
	if _, ok := b.families[md.Family]; ok || len(b.families) >= maxFamilies {
		return
	}
	b.families[md.Family] = struct{}{}
	b.announced += len(md.Family) + len(md.Help) + len(md.Original) + 32
	b.batch.Metadata = append(b.batch.Metadata, md)
}

// HasFamily reports whether Metadata was called for a family already.
func (b *Metrics) HasFamily(family string) bool {
	_, ok := b.families[family]
	return ok
}

// Split publishes what was gathered when it fills a message. Call it between series.
func (b *Metrics) Split(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	n := len(b.batch.Values)
	rich := len(b.batch.Histograms) + len(b.batch.Exemplars)
	if b.req.AgentID != "" {
		if b.seen < maxAgentBatchSamples {
			return nil
		}
	} else if n < maxBatchSamples && (b.stages == nil || b.stages.Waiting() < maxBatchSamples) && b.announced < maxBatchAnnounced && rich < maxBatchRich {
		return nil
	}
	return b.Flush(ctx)
}

// Flush publishes what was gathered, if anything. After an error the series of the batch are announced again.
func (b *Metrics) Flush(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	m := &b.batch
	if m.Len() == 0 && len(m.Announced) == 0 && len(m.Metadata) == 0 {
		if b.seen > 0 {
			b.req.skipPart(model.SignalMetrics, b.core.Shards)
		}
	} else if err := b.publish(ctx); err != nil {
		b.table.Forget(m.Announced)
		b.reset()
		if b.stages != nil {
			b.stages.Failed()
		}
		return err
	}
	b.req.accepted += m.Len()
	b.reset()
	if b.stages != nil {
		b.stages.Published()
	}
	if b.Flushed != nil {
		b.Flushed()
	}
	return nil
}

func (b *Metrics) publish(ctx context.Context) error {
	if b.core.Shards > 1 {
		return b.publishShards(ctx)
	}
	m := &b.batch
	m.Header = b.req.Header(model.SignalMetrics)
	counts := m.Counts
	if !b.multi {
		m.Counts = nil
	}
	err := b.core.Sink.PublishMetrics(ctx, b.req, m)
	m.Counts = counts
	return err
}

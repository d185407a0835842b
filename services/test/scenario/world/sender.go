package world

import (
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// The senders by the names that the ledger gives them: an agent on each host, one that scrapes what has an endpoint, and the collector
// that services push to.
const (
	agentPrefix = "agent:"
	scraper     = "remote_write"
	pusher      = "otlp_grpc"
	announceMS  = 3_600_000
)

// Intervals of the senders, as is usual of them.
const (
	agentMS  = 15_000
	scrapeMS = 15_000
	pushMS   = 10_000
)

func cutAgent(sender string) (host string, ok bool) { return strings.CutPrefix(sender, agentPrefix) }

// gauge is a series with what it reads.
type gauge struct {
	series      model.Series
	meta        model.MetricMetadata
	read        func() float64
	announcedMS int64
	gone        bool
}

// senders keeps what is between the world and its messages.
type senders struct {
	silent, spooled map[string]bool
	held            map[string][]Message
	hostSeries      map[*host][]*gauge
	edgeSeries      map[*edge][]*gauge
	partSeries      map[*part][]*gauge
	described       map[string]int64
	spans           []laterSpan
	lines           []*line
}

func newSenders(*World) senders {
	return senders{
		silent: map[string]bool{}, spooled: map[string]bool{}, held: map[string][]Message{}, hostSeries: map[*host][]*gauge{},
		edgeSeries: map[*edge][]*gauge{}, partSeries: map[*part][]*gauge{}, described: map[string]int64{},
	}
}

func (s *senders) reset() {
	clear(s.silent)
	clear(s.spooled)
}

func (w *World) header(source, protocol string) model.Header {
	return model.Header{Origin: model.Origin{Tenant: model.DefaultTenant, Source: source, Protocol: protocol}}
}

// push lets a message arrive up to spreadMS from now.
func (w *World) push(m Message, spreadMS int64) {
	m.ArriveMS = w.nowMS + 30 + w.look.Int64N(spreadMS)
	if w.look.IntN(200) == 0 { // Now and then the network takes its time.
		m.ArriveMS += 3000 + w.look.Int64N(12_000)
	}
	w.pending = append(w.pending, m)
}

// deliver sends a message of a sender, unless that is silent; what is spooled waits.
func (w *World) deliver(source string, m Message) {
	switch {
	case w.senders.silent[source]:
	case w.senders.spooled[source]:
		w.senders.held[source] = append(w.senders.held[source], m)
	default:
		for _, h := range w.senders.held[source] {
			w.push(h, 4000)
		}
		delete(w.senders.held, source)
		w.push(m, 2500)
	}
}

// due says whether a sender with an interval sends in this step; phase spreads the senders over the interval.
func (w *World) due(everyMS int64, phase int) bool {
	n := everyMS / StepMS
	return (w.nowMS/StepMS+int64(phase))%n == 0
}

// send emits the telemetry of the step.
func (w *World) send() {
	for k, h := range w.hosts {
		if !h.hidden && h.up && w.due(agentMS, k) {
			b := w.batch(agentPrefix+h.name, "otlp_http")
			b.take(w, w.hostGauges(h), h.skewMS)
			b.done(w)
		}
	}
	if w.due(scrapeMS, 1) {
		w.scrape()
	}
	if w.due(pushMS, 0) {
		w.pushServices()
	}
	w.traces()
	w.flushSpans()
	if !w.spec.Sends.NoLogs {
		w.background()
		w.flushLines()
	}
}

// scrape reads the endpoints of what is no service, the mesh and the probes.
func (w *World) scrape() {
	b := w.batch(scraper, "remote_write")
	for _, p := range w.parts {
		if p.Kind == Outside || p.Blind {
			continue
		}
		b.take(w, w.partGauges(p), 0)
		if p.Kind == Service {
			continue
		}
		for _, i := range p.instances {
			if i.gone {
				continue
			}
			all := w.instanceGauges(i)
			if i.up {
				b.take(w, all, 0)
			} else {
				b.take(w, all[:1], 0) // The first one is up.
				b.stale(w, all[1:])
			}
		}
	}
	if w.spec.Sends.Mesh {
		for _, e := range w.sorted {
			if !e.from.Blind && e.from.Kind == Service {
				b.take(w, w.edgeGauges(e), 0)
			}
		}
	}
	b.done(w)
}

// pushServices sends what the services measure of themselves.
func (w *World) pushServices() {
	b := w.batch(pusher, "otlp_grpc")
	for _, p := range w.parts {
		if p.Kind != Service || p.Blind {
			continue
		}
		for _, i := range p.instances {
			if i.up && !i.gone {
				b.take(w, w.instanceGauges(i), i.host.skewMS)
			}
		}
	}
	b.done(w)
}

// batch collects the samples of one message.
type batch struct {
	source string
	m      *model.Metrics
}

func (w *World) batch(source, protocol string) *batch {
	return &batch{source: source, m: &model.Metrics{Header: w.header(source, protocol)}}
}

// take reads series at about now, by a clock that is off by skew.
func (b *batch) take(w *World, all []*gauge, skewMS int64) {
	at := w.nowMS - w.look.Int64N(200) + skewMS
	for _, g := range all {
		g.gone = false
		b.add(w, g, at, g.read(), false)
	}
}

// stale marks series as ended, once.
func (b *batch) stale(w *World, all []*gauge) {
	for _, g := range all {
		if !g.gone && g.announcedMS > 0 {
			g.gone = true
			b.add(w, g, w.nowMS, 0, true)
		}
	}
}

func (b *batch) add(w *World, g *gauge, at int64, v float64, stale bool) {
	m := b.m
	if stale {
		m.Stale = append(m.Stale, uint32(len(m.TimesMS)))
	}
	m.MetricIDs, m.SeriesIDs = append(m.MetricIDs, g.series.MetricID), append(m.SeriesIDs, g.series.ID)
	m.TimesMS, m.Values = append(m.TimesMS, at), append(m.Values, v)
	if g.announcedMS == 0 || w.nowMS-g.announcedMS >= announceMS {
		g.announcedMS = w.nowMS
		m.Announced = append(m.Announced, g.series)
		if f := b.source + "\xff" + g.meta.Family; !w.spec.Sends.NoTypes && w.nowMS-w.senders.described[f] >= announceMS {
			w.senders.described[f] = w.nowMS
			m.Metadata = append(m.Metadata, g.meta)
		}
	}
}

func (b *batch) done(w *World) {
	if len(b.m.SeriesIDs) > 0 {
		w.deliver(b.source, Message{Metrics: b.m})
	}
}

// catalog makes the series of one resource.
type catalog struct {
	w     *World
	base  []model.Label
	shard uint64
	out   []*gauge
}

func (w *World) catalog(labels ...string) *catalog {
	c := &catalog{w: w, base: pairs(labels)}
	c.shard = model.ResourceHash(c.base)
	return c
}

func pairs(kv []string) []model.Label {
	var out []model.Label
	for k := 0; k+1 < len(kv); k += 2 {
		out = append(out, model.Label{Name: kv[k], Value: kv[k+1]})
	}
	return out
}

// add makes a series; family is the name without the suffix of a histogram.
func (c *catalog) add(name, family, kind, unit string, read func() float64, labels ...string) {
	all := append(slices.Clone(c.base), pairs(labels)...)
	slices.SortFunc(all, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	id := model.ResourceHash(append(slices.Clone(all), model.Label{Name: model.LabelName, Value: name}))
	c.out = append(c.out, &gauge{
		series: model.Series{ID: id, MetricID: model.MetricID(name), Name: name, Labels: all, ShardHash: c.shard},
		meta:   model.MetricMetadata{Family: family, Type: kind, Unit: unit}, read: read,
	})
}

func (c *catalog) counter(name, unit string, read func() float64, labels ...string) {
	c.add(name, strings.TrimSuffix(name, "_total"), "counter", unit, read, labels...)
}

// gauge is a measurement, with noise in proportion.
func (c *catalog) gauge(name, unit string, noise float64, read func() float64, labels ...string) {
	if n := c.w.spec.Sends.Noise; n > 0 {
		noise *= n
	}
	rng := c.w.look
	c.add(name, name, "gauge", unit, func() float64 { return max(0, read()*(1+noise*rng.NormFloat64())) }, labels...)
}

// exact is a gauge without noise.
func (c *catalog) exact(name, unit string, read func() float64, labels ...string) {
	c.add(name, name, "gauge", unit, read, labels...)
}

// times is the count and the sum of a histogram; buckets are left out, since nobody here reads them.
func (c *catalog) times(family string, count, sum func() float64, labels ...string) {
	c.add(family+"_count", family, "histogram", "s", count, labels...)
	if sum != nil {
		c.add(family+"_sum", family, "histogram", "s", sum, labels...)
	}
}

package datadog

import (
	"context"
	"math"

	"github.com/faultline-io/faultline/services/gateway/exphist"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// The agent's sketch has bins at powers of gamma; key k is about gamma^(k-bias). From github.com/DataDog/datadog-agent,
// pkg/util/quantile/config.go: eps 1/128, the least value 1e-9.
const (
	sketchEps = 1.0 / 128
	sketchMin = 1e-9
	// maxKey marks infinity.
	maxKey = 1<<15 - 1
	// maxBins bounds one sketch; the agent stops at 4096.
	maxBins = 8192
)

var (
	sketchLogGamma = math.Log1p(2 * sketchEps)
	sketchBias     = 1 - int(math.Floor(math.Log(sketchMin)/sketchLogGamma))
)

// binValue returns the value in the middle of bin k: the agent rounds to the nearest power.
func binValue(k int64) float64 {
	switch {
	case k == 0:
		return 0
	case k < 0:
		return -binValue(-k)
	}
	return math.Exp(float64(int(k)-sketchBias) * sketchLogGamma)
}

// Sketches publishes a SketchPayload of the agent as native histograms.
func (r *Receiver) Sketches(ctx context.Context, req *intake.Request, body []byte) error {
	w, end := r.begin(req)
	defer end()
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.sketch(m.Data); err != nil {
			return malformed("sketches", err)
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return malformed("sketches", m.Err())
	}
	return w.b.Flush(ctx)
}

func (w *writer) sketch(data []byte) error {
	w.reset()
	var metric string
	points := 0
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			metric = m.String()
		case m.Is(2, wire.Bytes):
			w.add(labelHost, m.String())
		case m.Is(4, wire.Bytes):
			w.tag(m.String())
		case m.Is(7, wire.Bytes):
			points++
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if points == 0 || !w.open(metric, kindGauge, points) {
		return nil
	}
	w.describe(metric, "histogram", "")
	m = wire.Read(data)
	for m.Next() {
		if m.Is(7, wire.Bytes) {
			if err := w.dogsketch(m.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

// dogsketch adds one point: ts=1, cnt=2, min=3, max=4, avg=5, sum=6, k=7, n=8.
func (w *writer) dogsketch(data []byte) error {
	var sec int64
	var sum float64
	var keys []int64
	var counts []uint64
	tooMany := false
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch {
		case m.Is(1, wire.Varint):
			sec = m.Int()
		case m.Is(6, wire.Fixed64):
			sum = m.Float()
		case m.Field == 7:
			err = m.Uvarints(func(v uint64) {
				if tooMany = tooMany || len(keys) >= maxBins; !tooMany {
					keys = append(keys, wire.Zigzag(v))
				}
			})
		case m.Field == 8:
			err = m.Uvarints(func(v uint64) {
				if tooMany = tooMany || len(counts) >= maxBins; !tooMany {
					counts = append(counts, v)
				}
			})
		}
		if err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if tooMany || len(keys) != len(counts) || math.IsNaN(sum) || math.IsInf(sum, 0) || sec > math.MaxInt32*1000 {
		w.req.Reject(model.SignalMetrics, limits.InvalidData, 1)
		return nil
	}
	w.histogram(sec, histogramOf(keys, counts, sum))
	return nil
}

// histogramOf builds a histogram of the bins. Its count is what they add up to: readers expect the two to agree.
func histogramOf(keys []int64, counts []uint64, sum float64) *exphist.Histogram {
	h := &exphist.Histogram{}
	n := 0.0
	for i, k := range keys {
		if k >= maxKey || k <= -maxKey || counts[i] == 0 {
			continue // Infinite values have no place in a histogram, as in Prometheus.
		}
		h.Bucket(binValue(k), float64(counts[i]))
		n += float64(counts[i])
	}
	h.Totals(n, sum)
	return h
}

func (w *writer) histogram(sec int64, h *exphist.Histogram) {
	ms := sec * 1000
	if sec <= 0 {
		ms = w.req.ReceivedAt.UnixMilli()
	}
	if reason := w.req.Window.Reason(ms); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	total, reason := w.tx.AddHistogram(w.b.ID(), ms, h)
	if reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	w.b.Histogram(total.Sample(ms))
}

package detect_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

const (
	stepMS = int64(15_000)
	begin  = int64(1_760_000_400_000) // Some day, on a whole step.
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
)

// gen makes the values of one series: t counts steps.
type gen func(t int, r *rand.Rand) float64

// ar is noise that remembers: around level with a spread, correlated from step to step by phi.
func ar(level, spread, phi float64) gen {
	x := 0.0
	return func(_ int, r *rand.Rand) float64 {
		x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
		return level + spread*x
	}
}

// daily adds a wave over the day to noise.
func daily(level, wave, spread float64) gen {
	n := ar(0, spread, 0.5)
	return func(t int, r *rand.Rand) float64 {
		return level + wave*math.Sin(2*math.Pi*float64(int64(t)*stepMS%day)/float64(day)) + n(t, r)
	}
}

// spiky is calm with heavy tails.
func spiky(level, spread float64) gen {
	return func(_ int, r *rand.Rand) float64 {
		return level + spread*math.Exp(1.2*r.NormFloat64())
	}
}

// events counts a Poisson process: a counter.
func events(perSec float64) gen {
	sum := 0.0
	return func(_ int, r *rand.Rand) float64 {
		mean := perSec * float64(stepMS) / 1000
		if mean > 50 {
			sum += math.Round(math.Max(0, mean+math.Sqrt(mean)*r.NormFloat64()))
			return sum
		}
		k := 0.0
		for p := r.ExpFloat64(); p < mean; p += r.ExpFloat64() {
			k++
		}
		sum += k
		return sum
	}
}

// job is busy for ten minutes each hour.
func job(idle, busy, spread float64) gen {
	return func(t int, r *rand.Rand) float64 {
		if int64(t)*stepMS%hour < 10*minute {
			return busy + spread*r.NormFloat64()
		}
		return idle + spread*r.NormFloat64()
	}
}

// sawtooth grows and falls, as memory with a collector does.
func sawtooth(low, high float64, steps int) gen {
	return func(t int, r *rand.Rand) float64 {
		return low + (high-low)*float64(t%steps)/float64(steps) + 0.02*(high-low)*r.NormFloat64()
	}
}

func constant(v float64) gen { return func(int, *rand.Rand) float64 { return v } }

// world is a set of series with their generators, stepped together.
type world struct {
	series []model.Series
	gens   []gen
	rands  []*rand.Rand
	meta   []model.MetricMetadata
	edit   func(i, t int, v float64) (float64, bool) // Changes a value; false leaves it out.
	order  *eventtime.Order
	d      *detect.Detector
	seq    uint64
	t      int
	all    []model.Finding // Every state of every finding.
}

func newWorld(cfg detect.Config) *world {
	return &world{order: eventtime.NewOrder(eventtime.DefaultLimits()), d: detect.New(cfg)}
}

func (w *world) add(name, typ, unit string, g gen, labels ...model.Label) int {
	s := model.Series{Name: name, Labels: labels}
	key := name
	for _, l := range labels {
		key += l.Name + l.Value
	}
	s.ID = model.Hash64(key)
	e := model.EntityOf(name, labels)
	s.ShardHash = model.Hash64(e.String())
	w.series, w.gens = append(w.series, s), append(w.gens, g)
	w.rands = append(w.rands, rand.New(rand.NewPCG(s.ID, uint64(len(w.series)))))
	w.meta = append(w.meta, model.MetricMetadata{Family: name, Type: typ, Unit: unit})
	w.d.Describe(w.meta[len(w.meta)-1])
	return len(w.series) - 1
}

// run steps the world for some time.
func (w *world) run(forMS int64) {
	m := &model.Metrics{}
	for range forMS / stepMS {
		m.SeriesIDs, m.TimesMS, m.Values, m.Announced = m.SeriesIDs[:0], m.TimesMS[:0], m.Values[:0], nil
		now := begin + int64(w.t)*stepMS
		if w.t%240 == 0 {
			m.Announced = w.series
		}
		for i := range w.series {
			v, ok := w.gens[i](w.t, w.rands[i]), true
			if w.edit != nil {
				v, ok = w.edit(i, w.t, v)
			}
			if ok {
				m.SeriesIDs, m.TimesMS, m.Values = append(m.SeriesIDs, w.series[i].ID), append(m.TimesMS, now+int64(w.series[i].ShardHash%15)*700), append(m.Values, v)
			}
		}
		w.order.Batch(m, w.d)
		w.seq++
		if err := w.order.Mark(eventtime.Mark{Seq: w.seq, AtMS: now + 25_000, WatermarkMS: now + 12_000}, w.d); err != nil {
			panic("BUG: " + err.Error())
		}
		w.all = append(w.all, w.d.Findings()...)
		w.t++
	}
}

// now is the event time that was reached.
func (w *world) now() int64 { return begin + int64(w.t)*stepMS }

// opened returns the first state of each finding since a time.
func (w *world) opened(sinceMS int64) []model.Finding {
	seen := map[uint64]bool{}
	var out []model.Finding
	for _, f := range w.all {
		if !seen[f.ID] && f.SeenMS >= sinceMS {
			out = append(out, f)
		}
		seen[f.ID] = true
	}
	return out
}

func host(n int) model.Label        { return model.Label{Name: "host_name", Value: fmt.Sprint("h", n)} }
func label(n, v string) model.Label { return model.Label{Name: n, Value: v} }

// addHost adds the series of a quiet host.
func (w *world) addHost(n int) {
	h := host(n)
	for c := range 4 {
		cpu := label("cpu", fmt.Sprint(c))
		w.add("system_cpu_utilization_ratio", "gauge", "1", ar(0.2, 0.05, 0.7), cpu, h, label("state", "user"))
		w.add("system_cpu_utilization_ratio", "gauge", "1", ar(0.75, 0.05, 0.7), cpu, h, label("state", "idle"))
	}
	w.add("system_memory_usage_bytes", "gauge", "By", sawtooth(2e9, 3e9, 700), h, label("state", "used"))
	w.add("system_memory_utilization_ratio", "gauge", "1", daily(0.5, 0.1, 0.01), h, label("state", "used"))
	w.add("system_filesystem_utilization_ratio", "gauge", "1", constant(1), h, label("mountpoint", "/snap/core"))
	w.add("system_filesystem_utilization_ratio", "gauge", "1", func(t int, r *rand.Rand) float64 { return 0.4 + 1e-6*float64(t) }, h, label("mountpoint", "/"))
	for _, dir := range []string{"read", "write"} {
		w.add("system_disk_io_bytes_total", "counter", "By", sumOf(spiky(2e5, 3e5)), h, label("direction", dir))
		w.add("system_disk_operations_total", "counter", "", events(40), h, label("direction", dir))
		w.add("system_network_io_bytes_total", "counter", "By", sumOf(spiky(1e6, 5e5)), h, label("direction", dir))
		w.add("system_network_errors_total", "counter", "", events(0.001), h, label("direction", dir))
	}
	w.add("system_cpu_load_1m", "gauge", "", job(0.5, 3, 0.1), h)
	w.add("system_process_count", "gauge", "", func(t int, r *rand.Rand) float64 { return 210 + float64(r.IntN(4)) }, h)
	w.add("system_context_switches_total", "counter", "", events(900), h)
	w.add("system_tcp_connections", "gauge", "", daily(80, 40, 4), h)
	w.add("http_server_request_duration_seconds_sum", "histogram", "s", sumOf(ar(0.9, 0.1, 0.3)), h)
	w.add("http_server_request_duration_seconds_count", "histogram", "s", events(10), h)
	w.add("http_server_request_duration_seconds_bucket", "histogram", "s", events(10), h, label("le", "1"))
	w.add("queue_length", "gauge", "", func(t int, r *rand.Rand) float64 { return math.Floor(math.Max(0, 2*r.NormFloat64())) }, h)
	w.add("up", "gauge", "", constant(1), h)
}

// sumOf makes a counter out of rates.
func sumOf(g gen) gen {
	sum := 0.0
	return func(t int, r *rand.Rand) float64 {
		sum += math.Max(0, g(t, r)) * float64(stepMS) / 1000
		return sum
	}
}

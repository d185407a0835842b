package detect_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// input is one message of the stream: a batch or a mark.
type input struct {
	batch *model.Metrics
	mark  *eventtime.Mark
}

// recorded makes some hours of an unruly fleet: batches arrive late and jittered, some after their mark, hosts fail in turn and one falls silent.
func recorded(hours int) (in []input, series map[uint64]model.Series) {
	w := newWorld(detect.Default())
	for h := range 5 {
		w.addHost(h)
	}
	for i := range 5 {
		w.add("http_requests_errors_total", "counter", "", events(0.2), label("service_name", "shop"), label("service_instance_id", fmt.Sprint("shop-", i)))
		w.add("request_latency_seconds", "gauge", "s", ar(0.1, 0.01, 0.4), label("service_name", "shop"), label("service_instance_id", fmt.Sprint("shop-", i)))
	}
	series = map[uint64]model.Series{}
	byHost := map[uint64][]int{}
	for i, s := range w.series {
		series[s.ID] = s
		byHost[s.ShardHash] = append(byHost[s.ShardHash], i)
	}
	hosts := make([]uint64, 0, len(byHost))
	for h := range byHost {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	type arrival struct {
		at int64
		in input
	}
	var all []arrival
	rng := rand.New(rand.NewPCG(3, 5))
	clock := eventtime.NewClock(eventtime.DefaultClockConfig(), eventtime.Mark{})
	steps := hours * 240
	for t := range steps {
		now := begin + int64(t)*stepMS
		for n, h := range hosts {
			m := &model.Metrics{Header: model.Header{Origin: model.Origin{Source: fmt.Sprint("agent", h)}}}
			for _, i := range byHost[h] {
				v := w.gens[i](t, w.rands[i])
				m.Announced = append(m.Announced, w.series[i])
				m.SeriesIDs, m.TimesMS, m.Values = append(m.SeriesIDs, w.series[i].ID), append(m.TimesMS, now), append(m.Values, disturbed(w.series[i].Name, n, t, steps, v))
			}
			if n == 3 && t > steps/2 && t < steps/2+80 {
				continue // Silent.
			}
			delay := rng.Int64N(8_000)
			if rng.IntN(50) == 0 {
				delay += rng.Int64N(90_000)
			}
			all = append(all, arrival{now + delay, input{batch: m}})
		}
	}
	for at := begin; at < begin+int64(steps)*stepMS+300_000; at += 5_000 {
		all = append(all, arrival{at, input{mark: &eventtime.Mark{AtMS: at}}})
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	for _, a := range all {
		if a.in.batch != nil {
			clock.Batch(a.in.batch)
			in = append(in, a.in)
			continue
		}
		k := clock.Tick(a.at)
		in = append(in, input{mark: &k})
	}
	return in, series
}

// disturbed is the value with what goes wrong: one host after the other is slow, one peer is unlike the others.
func disturbed(name string, host, t, steps int, v float64) float64 {
	part := steps / 8
	if t/part == host && t%part > part/2 {
		switch name {
		case "queue_length":
			return v + 80
		case "system_cpu_load_1m":
			return v + 9
		case "request_latency_seconds":
			return 1.7 * v
		case "up":
			return 0
		}
	}
	return v
}

// machine is a correlator's shards of order and detector.
type machine struct {
	orders    []*eventtime.Order
	detectors []*detect.Detector
	cfg       detect.Config
	series    map[uint64]model.Series
	out       strings.Builder
	n         int
}

func newMachine(shards int, cfg detect.Config, series map[uint64]model.Series) *machine {
	m := &machine{cfg: cfg, series: series}
	for range shards {
		m.orders, m.detectors = append(m.orders, eventtime.NewOrder(eventtime.DefaultLimits())), append(m.detectors, detect.New(cfg))
	}
	return m
}

func (m *machine) take(t *testing.T, x input) {
	if x.batch != nil {
		for i, o := range m.orders {
			o.Batch(m.part(x.batch, i), m.detectors[i])
		}
		return
	}
	var found []model.Finding
	for i, o := range m.orders {
		if err := o.Mark(*x.mark, m.detectors[i]); err != nil {
			t.Fatal(err)
		}
		found = append(found, m.detectors[i].Findings()...)
	}
	slices.SortStableFunc(found, func(a, b model.Finding) int {
		return cmp.Or(cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID))
	})
	for _, f := range found {
		m.n++
		fmt.Fprintf(&m.out, "%d %+v\n", x.mark.Seq, f)
	}
}

func (m *machine) part(b *model.Metrics, shard int) *model.Metrics {
	if len(m.orders) == 1 {
		return b
	}
	out := &model.Metrics{Header: b.Header}
	for _, s := range b.Announced {
		if model.Shard(s.ShardHash, len(m.orders)) == shard {
			out.Announced = append(out.Announced, s)
		}
	}
	for i, id := range b.SeriesIDs {
		if model.Shard(m.series[id].ShardHash, len(m.orders)) == shard {
			out.SeriesIDs, out.TimesMS, out.Values = append(out.SeriesIDs, id), append(out.TimesMS, b.TimesMS[i]), append(out.Values, b.Values[i])
		}
	}
	return out
}

// restart puts all shards through their snapshots.
func (m *machine) restart(t *testing.T) {
	t.Helper()
	for i := range m.orders {
		state := m.detectors[i].Snapshot()
		d, err := detect.Restore(state, m.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if again := d.Snapshot(); !bytes.Equal(again, state) {
			t.Fatalf("a snapshot of %d bytes comes back as another of %d", len(state), len(again))
		}
		o, _, err := eventtime.Restore(m.orders[i].Snapshot(0), eventtime.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		m.orders[i], m.detectors[i] = o, d
	}
}

// Findings are the same byte by byte however the telemetry arrived, on how many shards, and with restarts at any moment.
func TestReplayEquality(t *testing.T) {
	in, series := recorded(8)
	alone := detect.Default()
	alone.Peers = false // The one judgement that shards see less of.
	run := func(shards int, cfg detect.Config, in []input, restarts int) *machine {
		m := newMachine(shards, cfg, series)
		rng := rand.New(rand.NewPCG(uint64(restarts), 1))
		for _, x := range in {
			m.take(t, x)
			if restarts > 0 && rng.IntN(len(in)) < restarts {
				m.restart(t)
			}
		}
		return m
	}
	first := run(1, detect.Default(), in, 0)
	want := first.out.String()
	byKind := map[string]int{}
	for _, k := range []string{"shift", "limit", "peer", "silence"} {
		byKind[k] = strings.Count(want, "Kind:"+k)
	}
	t.Logf("%d inputs, %d states of findings %v, %d late", len(in), first.n, byKind, first.detectors[0].Counts().Late)
	if byKind["shift"] == 0 || byKind["limit"] == 0 || byKind["peer"] == 0 || byKind["silence"] == 0 || first.detectors[0].Counts().Late == 0 {
		t.Fatal("the recording does not have what the test is about")
	}
	same := func(name, want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: findings differ at %q", name, firstDifference(want, got))
		}
	}
	same("shuffled between marks", want, run(1, detect.Default(), shuffled(in), 0).out.String())
	same("restarted", want, run(1, detect.Default(), in, 25).out.String())
	wantAlone := run(1, alone, in, 0).out.String()
	same("four shards", wantAlone, run(4, alone, in, 0).out.String())
	same("four shards, restarted and shuffled", wantAlone, run(4, alone, shuffled(in), 25).out.String())
	if wantAlone == want {
		t.Error("peers make no difference, so nothing is shown of them")
	}
}

func shuffled(in []input) []input {
	rng := rand.New(rand.NewPCG(7, 7))
	out := slices.Clone(in)
	from := 0
	for i := range out {
		if out[i].mark != nil {
			part := out[from:i]
			rng.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
			from = i + 1
		}
	}
	return out
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return x[i] + "\n" + y[min(i, len(y)-1)]
		}
	}
	return "the end"
}

package world

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// threeInARow is a world of three in a row, with a database that two share.
func threeInARow() Spec {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	return Spec{
		Hosts: []HostSpec{{Name: "a", Cores: 4, Memory: 8 << 30, Disk: 10 << 30, IOPS: 500, Used: 0.3}, {Name: "b", Cores: 2, Memory: 8 << 30, Disk: 10 << 30, IOPS: 500, Used: 0.3}},
		Parts: []PartSpec{
			{Name: "entry", Kind: Service, Hosts: []string{"a"}, Threads: 20, Backlog: 50, Cores: 2, Memory: 1e8, Limit: 1e9, Timeout: time.Second, Retries: 1, Ops: []OpSpec{
				{Name: "get", CPU: ms(2), Calls: []CallSpec{{Part: "middle", Op: "do", Times: 1}}, Steps: []string{"begin {id}", "end"}},
			}},
			{Name: "middle", Kind: Service, Hosts: []string{"a"}, Threads: 10, Backlog: 50, Cores: 2, Memory: 1e8, Limit: 1e9, Timeout: time.Second, Ops: []OpSpec{
				{Name: "do", CPU: ms(5), Calls: []CallSpec{{Part: "db", Op: "read", Times: 2}}},
			}},
			{Name: "db", Kind: Database, Hosts: []string{"b"}, Threads: 20, Backlog: 100, Cores: 2, Memory: 1e9, Limit: 4e9, Ops: []OpSpec{{Name: "read", CPU: ms(4), IO: 1}}},
		},
		Loads: []LoadSpec{{Part: "entry", Op: "get", Rate: 40}},
		Sends: Telemetry{Traces: 0.1, Mesh: true},
	}
}

var noon = time.Date(2026, 9, 8, 12, 0, 0, 0, time.UTC)

func run(t *testing.T, spec Spec, plan []Action, d time.Duration, each func(w *World, at time.Duration)) *World {
	t.Helper()
	w, err := New(spec, plan, noon, 10*time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	for w.NowMS() < noon.Add(d).UnixMilli() {
		w.Step()
		if each != nil {
			each(w, time.Duration(w.NowMS()-noon.UnixMilli())*time.Millisecond)
		}
	}
	return w
}

func flowOf(w *World, name string) Flow {
	for _, f := range w.Flows() {
		if f.Part == name {
			return f
		}
	}
	return Flow{}
}

// TestSaturationSpreadsUp gives the database more than it can do: it must saturate, its callers must wait and fail, and all of it must end with
// the cause.
func TestSaturationSpreadsUp(t *testing.T) {
	plan := []Action{{At: 5 * time.Minute, For: 5 * time.Minute, Do: Slow{Target: Target{Part: "db"}, Factor: 12}}}
	var calm, bad Flow
	w := run(t, threeInARow(), plan, 20*time.Minute, func(w *World, at time.Duration) {
		switch at {
		case 4 * time.Minute:
			calm = flowOf(w, "entry")
		case 9 * time.Minute:
			bad = flowOf(w, "entry")
			if h := w.host("b"); h.busy < 0.95 {
				t.Errorf("the machine of the database is at %.0f %%", 100*h.busy)
			}
			if own := w.part("middle").instances[0]; own.demand > 0.5 {
				t.Errorf("the victim uses %v cores", own.demand)
			}
		}
	})
	if calm.Seconds > 0.05 || calm.Failing > 0.001 {
		t.Errorf("calm: %+v", calm)
	}
	if bad.Seconds < 10*calm.Seconds || bad.Failing < 0.2 {
		t.Errorf("under load: %+v", bad)
	}
	if after := flowOf(w, "entry"); after.Failing > 0.001 || after.Seconds > 1.5*calm.Seconds {
		t.Errorf("after it: %+v", after)
	}
}

// TestRetriesMultiplyLoad lets a callee fail and counts what it is asked for.
func TestRetriesMultiplyLoad(t *testing.T) {
	plan := []Action{{At: time.Minute, Do: Fail{Target: Target{Part: "middle"}, Share: 1}}}
	var before float64
	w := run(t, threeInARow(), plan, 3*time.Minute, func(w *World, at time.Duration) {
		if at == 55*time.Second {
			before = flowOf(w, "middle").Rate
		}
	})
	if f := flowOf(w, "middle").Rate; f < 1.8*before || f > 2.3*before {
		t.Errorf("%.1f/s before, %.1f/s with one retry each", before, f)
	}
	if f := flowOf(w, "db").Rate; f > 1 {
		t.Errorf("what fails at once goes on to the database %.1f times a second", f)
	}
}

func TestMemoryLeakKills(t *testing.T) {
	plan := []Action{{At: 0, Do: Leak{Target: Target{Part: "middle"}, What: "memory", Rate: 2e6}}}
	w := run(t, threeInARow(), plan, 20*time.Minute, nil)
	i := w.part("middle").instances[0]
	if i.restarts < 1 || w.host("a").oomKills < 1 {
		t.Errorf("%v restarts, %v kills", i.restarts, w.host("a").oomKills)
	}
}

func TestRolledOutInTurn(t *testing.T) {
	spec := threeInARow()
	spec.Parts[1].Hosts = []string{"a", "b"}
	plan := []Action{
		{At: time.Minute, Do: Change{Part: "middle", Kind: "deploy", Version: "2", Rolling: 30 * time.Second}},
		{At: time.Minute, Do: Slow{Target: Target{Part: "middle", Version: "2"}, Factor: 5}},
	}
	worst := 0.0
	w := run(t, spec, plan, 5*time.Minute, func(w *World, _ time.Duration) { worst = max(worst, flowOf(w, "entry").Failing) })
	for _, i := range w.part("middle").instances {
		if i.version != "2" || i.slow[0] != 5 || !i.up {
			t.Errorf("%s has version %s, factor %v, up %v", i.name, i.version, i.slow[0], i.up)
		}
	}
	if worst > 0.01 {
		t.Errorf("a planned restart failed %.1f %% of the requests", 100*worst)
	}
}

// digest adds up everything that a run sends.
func digest(t *testing.T, seed uint64, rename func(string) string) (sum uint64, samples, spans, lines int) {
	spec := threeInARow()
	spec.Sends.Name = rename
	plan := []Action{{At: time.Minute, Do: Crash{Target: Target{Part: "db"}}}, {At: 2 * time.Minute, Do: Change{Part: "entry", Kind: "deploy", Version: "9", Rolling: time.Second}}}
	w, err := New(spec, plan, noon, 10*time.Minute, seed)
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	for w.NowMS() < noon.Add(5*time.Minute).UnixMilli() {
		last := int64(math.MinInt64)
		for _, m := range w.Step() {
			if m.ArriveMS < last || m.ArriveMS > w.NowMS() {
				t.Fatalf("arrives at %d after %d, now %d", m.ArriveMS, last, w.NowMS())
			}
			last = m.ArriveMS
			switch {
			case m.Metrics != nil:
				samples += len(m.Metrics.Values)
				fmt.Fprint(h, *m.Metrics)
			case m.Spans != nil:
				spans += m.Spans.Len()
				fmt.Fprint(h, *m.Spans)
			case m.Logs != nil:
				lines += m.Logs.Len()
				fmt.Fprint(h, *m.Logs)
			case m.Changes != nil:
				fmt.Fprint(h, *m.Changes)
			}
		}
	}
	return h.Sum64(), samples, spans, lines
}

func TestSameSeedSameBytes(t *testing.T) {
	a, samples, spans, lines := digest(t, 1, nil)
	if samples < 1000 || spans < 1000 || lines < 100 {
		t.Errorf("%d samples, %d spans, %d lines", samples, spans, lines)
	}
	if b, _, _, _ := digest(t, 1, nil); a != b {
		t.Error("the same seed gave other bytes")
	}
	if b, _, _, _ := digest(t, 2, nil); a == b {
		t.Error("another seed gave the same bytes")
	}
	if b, n, m, k := digest(t, 1, func(s string) string { return "x" + s }); a == b || n != samples || m != spans || k != lines {
		t.Error("renamed, more has changed than names")
	}
}

func TestSpansAreTrees(t *testing.T) {
	w, err := New(threeInARow(), nil, noon, time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	ids, parents := map[string]string{}, map[string]string{}
	for range 200 {
		for _, m := range w.Step() {
			if m.Spans == nil {
				continue
			}
			for _, s := range m.Spans.Spans {
				ids[s.SpanID], parents[s.SpanID] = s.TraceID, s.ParentSpanID
				if len(s.TraceID) != 16 || len(s.SpanID) != 8 || s.DurationNS <= 0 || s.StartNS+s.DurationNS > w.NowMS()*1e6 {
					t.Fatalf("%+v at %d", s, w.NowMS())
				}
			}
		}
	}
	for id, parent := range parents {
		if trace, ok := ids[parent]; parent != "" && (!ok || trace != ids[id]) {
			t.Fatalf("%x has parent %x, which is not in its trace", id, parent)
		}
	}
}

func TestWaiting(t *testing.T) {
	// One server is M/M/1, whose waiting time is ρ/(1−ρ) service times, exactly.
	for _, rho := range []float64{0.1, 0.5, 0.9} {
		if got, want := waiting(1, rho), rho/(1-rho); math.Abs(got-want) > 1e-9 {
			t.Errorf("M/M/1 at %v: %v, want %v", rho, got, want)
		}
	}
	// Two servers at 80 %: Erlang C gives 1.778 service times; the approximation is within a few per cent.
	if got := waiting(2, 0.8); math.Abs(got-1.778) > 0.1 {
		t.Errorf("M/M/2 at 0.8: %v", got)
	}
	if tries, final := attempts(0.5, 2); tries != 1.75 || final != 0.125 {
		t.Errorf("%v %v", tries, final)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, mean := range []float64{0.3, 7, 200} {
		sum := 0.0
		for range 20_000 {
			sum += poisson(rng, mean)
		}
		if got := sum / 20_000; math.Abs(got-mean) > 4*math.Sqrt(mean/20_000) {
			t.Errorf("Poisson of %v has mean %v", mean, got)
		}
	}
}

// BenchmarkHour is a simulated hour with all of its telemetry.
func BenchmarkHour(b *testing.B) {
	for range b.N {
		w, err := New(threeInARow(), nil, noon, 0, 1)
		if err != nil {
			b.Fatal(err)
		}
		for w.NowMS() < noon.Add(time.Hour).UnixMilli() {
			w.Step()
		}
	}
}

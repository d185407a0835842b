package spanstage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/model"
)

func TestExpectedCall(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	const series = "operation_expected_call_availability expected=cart operation=GET /cart/{id} service=web"
	n := 0
	// request makes one request a second; with calls, a share of them calls the cart.
	second := func(at int, calls bool) {
		n++
		spans := shop(n, float64(at*1000), 0)
		if !calls {
			spans = spans[:1]
		}
		r.Spans(batchOf(spans...))
	}
	for at := range 60 {
		second(at, true)
	}
	r.to(40)
	r.expect(t, map[string]float64{series: none}) // Thirty of the past are not known yet.
	r.to(60)
	r.expect(t, map[string]float64{series: 1})
	for at := 60; at < 80; at++ {
		second(at, at%2 == 0)
	}
	r.to(70)
	r.expect(t, map[string]float64{series: 0.5})
	// For so long that this is what it does now, it is not expected any more.
	for at := 80; at < 4000; at++ {
		second(at, false)
		if at%100 == 99 {
			r.to(int64(at) - 20)
		}
	}
	r.expect(t, map[string]float64{series: none})
}

func TestBoundsAndTheEndOfSeries(t *testing.T) {
	cfg := Default()
	cfg.MaxOperations, cfg.MaxServices, cfg.IdleMS, cfg.MaxSpansPerTrace = 3, 2, 60_000, 10
	r := newDriver(cfg)
	r.to(0)
	for i := range 10 {
		name := fmt.Sprintf("op%c", 'a'+i)
		r.Spans(batchOf(sp{i, 1, 0, "a", name, kindServer, 1000, 10, false, nil, ""}, sp{100 + i, 1, 0, "s" + name, name, kindServer, 1000, 10, false, nil, ""}))
	}
	for i := range 15 {
		r.Spans(batchOf(sp{500, 1 + i, min(i, 1), "a", "big", kindServer * uint8(1-min(i, 1)), 2000, 10, false, nil, ""}))
	}
	r.to(10)
	r.expect(t, map[string]float64{
		"operation_requests_per_second operation=opa service=a":   0.1,
		"operation_requests_per_second operation=other service=a": 0.8,
		"service_requests_per_second service=other":               0.9,
	})
	if c := r.Counts(); c.Cut != 5 {
		t.Errorf("%+v", c)
	}
	r.to(70)
	r.expect(t, map[string]float64{"operation_requests_per_second operation=opa service=a": 0})
	r.to(80)
	if k := "operation_duration_seconds operation=opa quantile=0.95 service=a"; !r.stale[k] {
		t.Errorf("the series did not end: %v", r.told)
	}
	r.to(90)
	if len(r.told) > 0 {
		t.Errorf("told after the end: %v", r.told)
	}
}

func TestTooManyTraces(t *testing.T) {
	cfg := Default()
	cfg.MaxTraces, cfg.MaxSpans = 10, 1000
	r := newDriver(cfg)
	r.to(0)
	for i := range 40 {
		r.Spans(batchOf(sp{i, 1, 99, "a", "x", kindServer, float64(20_000 + i), 1, false, nil, ""}))
	}
	if c := r.Counts(); c.Refused != 20 {
		t.Errorf("%+v", c)
	}
	r.to(5)
	if spans, _ := r.Waiting(); r.Counts().Hurried != 10 || spans != 10 {
		t.Errorf("%d wait, %+v", spans, r.Counts())
	}
}

func TestOperationNames(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := operation(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	f("GET /api/v1/users/123", "GET /api/v1/users/*")
	f("GET /users/{id}", "GET /users/{id}")
	f("/x/550e8400-e29b-41d4-a716-446655440000/y", "/x/*/y")
	f("GET /q?a=1&b=2", "GET /q")
	f("hipster.Cart/GetCart", "hipster.Cart/GetCart")
	f("s3.PutObject oauth2", "s3.PutObject oauth2")
	f("", "")
	f("task-deadbeef01 run 7", "task-deadbeef01 run *")
}

func TestSketch(t *testing.T) {
	var s, other sketch
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v := int64(1e6 * (1 + r.ExpFloat64()*40))
		s.add(v)
		if v%2 == 0 {
			other.add(v)
		}
	}
	if got := s.quantile(0.5); got < 0.0277*0.97 || got > 0.0287*1.03 { // 1 + 40 ln 2 ms
		t.Errorf("median %v", got)
	}
	n := s.n
	s.merge(&other)
	if s.n != n+other.n || s.quantile(0.5) < 0.027 || s.quantile(0.5) > 0.030 {
		t.Errorf("merged: %d, %v", s.n, s.quantile(0.5))
	}
	for _, v := range []int64{0, 1, 15, 16, 17, 31, 32, 1000, 1e9, 1 << 62} {
		if lo, hi := bounds(bucket(v)); float64(v) < lo || float64(v) >= hi {
			t.Errorf("%d is not in its bucket [%v, %v)", v, lo, hi)
		}
	}
}

// arrival is when a batch of the generated hour comes: before which mark.
type arrival struct {
	step  int
	batch *model.Spans
}

// traffic generates spans of some services for a number of seconds, in small batches with the mark before which they come. Some come late, twice or
// without their parents.
func traffic(seconds int) []arrival {
	r := rand.New(rand.NewPCG(3, 4))
	var out []arrival
	for i := range seconds * 4 {
		at := float64(i*250) + r.Float64()*200
		spans := shop(i, at, float64(r.IntN(3))*40)
		for j := range spans {
			spans[j].dur *= 0.5 + r.Float64()
			spans[j].failed = r.IntN(20) == 0
			spans[j].instance = fmt.Sprint(spans[j].service, r.IntN(3))
			spans[j].name += []string{"", "", " two", fmt.Sprint(" x", r.IntN(90))}[r.IntN(4)]
		}
		for len(spans) > 0 {
			n := 1 + r.IntN(len(spans))
			step := int(at/5000) + 1
			switch r.IntN(30) {
			case 0:
				step += r.IntN(4)
			case 1:
				out = append(out, arrival{step + r.IntN(2), batchOf(spans[:n]...)})
			case 2:
				spans = spans[n:]
				continue
			}
			out = append(out, arrival{step, batchOf(spans[:n]...)})
			spans = spans[n:]
		}
	}
	return out
}

// play runs traffic, shuffled between marks and restarted as seed says, and returns all that was told.
func play(t testing.TB, all []arrival, seed uint64, restarts bool) string {
	r := rand.New(rand.NewPCG(seed, 9))
	cfg := Default()
	cfg.MaxOperations = 8
	d := newDriver(cfg)
	d.step(begin)
	last := 0
	for _, a := range all {
		last = max(last, a.step)
	}
	byStep := make([][]*model.Spans, last+2)
	for _, a := range all {
		byStep[a.step] = append(byStep[a.step], a.batch)
	}
	for step := 1; step < len(byStep)+8; step++ {
		if step < len(byStep) {
			batches := byStep[step]
			r.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
			for i, b := range batches {
				d.Spans(b)
				if restarts && i == len(batches)/2 && r.IntN(5) == 0 {
					data := d.Snapshot()
					again, err := Restore(data, cfg)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(again.Snapshot(), data) {
						t.Fatal("a snapshot does not come back")
					}
					d.Stage = again
				}
			}
		}
		d.step(begin + int64(step)*5000)
	}
	return d.log.String()
}

func TestReplayEquality(t *testing.T) {
	all := traffic(300)
	want := play(t, all, 1, false)
	if len(want) < 100_000 {
		t.Fatalf("only %d bytes told", len(want))
	}
	for seed := range uint64(4) {
		if got := play(t, all, seed+2, seed%2 == 0); got != want {
			t.Errorf("seed %d differs", seed)
		}
	}
}

func TestSnapshotRefusals(t *testing.T) {
	d := newDriver(Default())
	d.to(0)
	d.Spans(batchOf(shop(1, 5000, 0)...))
	d.step(begin + 5000)
	good := d.Snapshot()
	for n := range good {
		if _, err := Restore(good[:n], Default()); !errors.Is(err, snapshot.ErrUnusable) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// Whatever the bytes are, Restore refuses them or gives a stage that works and comes back as the same bytes.
func FuzzRestore(f *testing.F) {
	d := newDriver(Default())
	d.to(0)
	for i := range 40 {
		d.Spans(batchOf(shop(i, float64(i)*200, 0)...))
	}
	d.to(5)
	good := d.Snapshot()
	f.Add(good[:len(good)-4])
	d.to(30)
	good = d.Snapshot()
	f.Add(good[:len(good)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Restore(snapshot.Seal(bytes.Clone(body)), Default())
		if err != nil {
			return
		}
		once := s.Snapshot()
		again, err := Restore(once, Default())
		if err != nil || !bytes.Equal(again.Snapshot(), once) {
			t.Fatalf("a snapshot does not come back: %v", err)
		}
		d := &driver{Stage: s, seq: s.mark.Seq}
		d.Spans(batchOf(shop(7, 5000, 0)...))
		d.step(s.mark.WatermarkMS)
		d.step(s.mark.WatermarkMS + 20_000)
	})
}

// BenchmarkSpan is what a span costs with its share of marks, 2,000 a second.
func BenchmarkSpan(b *testing.B) {
	const perMark = 2000 * 5
	batches := make([]*model.Spans, 0, 64)
	for i := range 64 {
		var spans []sp
		for j := range perMark / 5 / 4 {
			spans = append(spans, shop(i*1000+j, float64(j)*9, 0)...)
		}
		batches = append(batches, batchOf(spans...))
	}
	d := newDriver(Default())
	s := d.Stage
	drop := func(model.Derived) {}
	edge := func(model.Edge, int64) {}
	b.ReportAllocs()
	at, seq, n := begin, uint64(0), 0
	for b.Loop() {
		// One iteration is a quarter of a mark's spans; times move with the marks.
		batch := batches[n%len(batches)]
		for i := range batch.Spans {
			batch.Spans[i].StartNS = at*1e6 + int64(i%5)*1e6
		}
		s.Spans(batch)
		if n++; n%4 == 0 {
			seq++
			at += 5000
			s.Mark(markAt(seq, at-26_000), drop, edge)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(batches[0].Spans)), "ns/span")
}

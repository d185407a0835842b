package logstage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// arrival is when a batch comes: before which mark.
type arrival struct {
	step  int
	batch *model.Logs
}

// chatter generates lines of some services for a number of seconds in small batches, with new kinds of lines, names that vary, and requests whose
// last line stays away after a while.
func chatter(seconds int) []arrival {
	r := rand.New(rand.NewPCG(3, 4))
	var out []arrival
	for at := range seconds {
		var b []line
		for _, service := range []string{"a", "b", "host:c"} {
			trace := 0
			if service == "b" {
				trace = at + 1
			}
			when := func() float64 { return float64(at) + r.Float64() }
			b = append(b, line{service, float64(at) + 0.1, 9, fmt.Sprintf("request %d began", at), trace}, line{service, float64(at) + 0.2, 0, fmt.Sprintf("read %d rows in %d ms", at, at%9), trace})
			if at < seconds/2 || r.IntN(3) == 0 {
				b = append(b, line{service, float64(at) + 0.4, 9, fmt.Sprintf("request %d done", at), trace})
			}
			if at < seconds/2 {
				b = append(b, line{service, float64(at) + 0.6, 9, "heartbeat sent", 0})
			}
			if r.IntN(40) == 0 {
				b = append(b, line{service, when(), 13, "session opened for user " + string(rune('a'+r.IntN(20))) + "xy", trace})
			}
			if r.IntN(60) == 0 {
				b = append(b, line{service, when(), 17, strings.Repeat("oops ", r.IntN(9)) + string(rune('a'+r.IntN(26))) + "qz", trace})
			}
		}
		for len(b) > 0 {
			n := 1 + r.IntN(len(b))
			step := at/5 + 1
			switch r.IntN(40) {
			case 0:
				step += r.IntN(4)
			case 1:
				out = append(out, arrival{step, batchOf(b[:n]...)})
			}
			out = append(out, arrival{step, batchOf(b[:n]...)})
			b = b[n:]
		}
	}
	return out
}

// play runs arrivals, shuffled between marks and restarted as seed says, and returns all that was told.
func play(t testing.TB, all []arrival, seed uint64, restarts bool) string {
	r := rand.New(rand.NewPCG(seed, 9))
	cfg := Default()
	cfg.SettleMS, cfg.MaxSeries = 60_000, 8
	d := newDriver(cfg)
	last := 0
	for _, a := range all {
		last = max(last, a.step)
	}
	byStep := make([][]*model.Logs, last+2)
	for _, a := range all {
		byStep[a.step] = append(byStep[a.step], a.batch)
	}
	for step := 1; step < len(byStep); step++ {
		batches := byStep[step]
		r.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
		for i, b := range batches {
			d.Logs(b)
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
		d.step(begin + int64(step)*5000 - 8000)
	}
	return d.log.String()
}

func TestReplayEquality(t *testing.T) {
	all := chatter(900)
	want := play(t, all, 1, false)
	for _, s := range []string{detectorNew, detectorFollower, detectorGone} {
		if !strings.Contains(want, s) {
			t.Errorf("nothing found by %s", s)
		}
	}
	for seed := range uint64(4) {
		got := play(t, all, seed+2, seed%2 == 0)
		if got == want {
			continue
		}
		a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("seed %d differs at line %d:\n%s\n%s", seed, i, a[i], b[i])
				break
			}
		}
	}
}

func TestSnapshotRefusals(t *testing.T) {
	d := newDriver(Default())
	talk(d, "a", 0, 20)
	good := d.Snapshot()
	for n := 0; n < len(good); n += 3 {
		if _, err := Restore(good[:n], Default()); !errors.Is(err, snapshot.ErrUnusable) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// Whatever the bytes are, Restore refuses them or gives a stage that works and comes back as the same bytes.
func FuzzRestore(f *testing.F) {
	d := newDriver(Default())
	f.Add(bytesOf(d))
	d.Logs(batchOf(line{"a", 1, 9, "request 1 began", 3}))
	f.Add(bytesOf(d))
	job(d, 1, 70, func(int) bool { return true })
	f.Add(bytesOf(d))
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
		s.Logs(batchOf(line{"a", 75, 9, "request 1 began", 3}, line{"b", 75, 17, "oops", 0}, line{"b", 75, 17, "order 7 received", 0}))
		for i := range int64(3) {
			s.Mark(eventtime.Mark{Seq: s.mark.Seq + 1, WatermarkMS: s.mark.WatermarkMS + i*8000}, func(model.Derived) {})
		}
	})
}

func bytesOf(d *driver) []byte {
	b := d.Snapshot()
	return b[:len(b)-4]
}

// BenchmarkLine is what a line with a known shape costs with its share of marks: 20,000 a second of 50 services with 40 kinds of lines each, one in
// four with a trace id.
func BenchmarkLine(b *testing.B) {
	const perMark, size = 100_000, 1000
	var batches []*model.Logs
	for i := range perMark / size {
		m := &model.Logs{}
		for j := range 50 {
			attrs := []model.Label{{Name: "service.name", Value: fmt.Sprint("s", j)}}
			m.Resources = append(m.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: fmt.Sprint("s", j)})
		}
		for j := range size {
			body := strings.Repeat("w ", (i*7+j)%40+1) + fmt.Sprint("took ", j, " ms")
			m.ResourceIdx = append(m.ResourceIdx, uint32(j%50))
			m.Bodies = append(m.Bodies, body)
			m.ShapeHash = append(m.ShapeHash, logshape.Hash(body))
			m.Severity = append(m.Severity, 9)
			m.TimesNS = append(m.TimesNS, 0)
			trace := ""
			if j%4 == 0 {
				trace = fmt.Sprintf("%016d", (i*size+j)/16)
			}
			m.TraceIDs = append(m.TraceIDs, trace)
		}
		batches = append(batches, m)
	}
	s := New(Default())
	at, seq, n := begin, uint64(1), 0
	s.Mark(eventtime.Mark{Seq: 1, WatermarkMS: begin - 26_000}, func(model.Derived) {})
	round := func() {
		batch := batches[n%len(batches)]
		for i := range batch.TimesNS {
			batch.TimesNS[i] = at*1e6 + int64(i)*1e6
		}
		s.Logs(batch)
		if n++; n%len(batches) == 0 {
			seq++
			at += 5000
			s.Mark(eventtime.Mark{Seq: seq, WatermarkMS: at - 26_000}, func(model.Derived) {})
		}
	}
	for range 10 * len(batches) {
		round()
	}
	n = 0
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*size), "ns/line")
}

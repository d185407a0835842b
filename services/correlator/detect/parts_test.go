package detect

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// Probabilities of scores are those of the distribution where there is data, never grow with the score, and beyond the data stay on the careful side.
func TestTail(t *testing.T) {
	logs := newLogs()
	for name, draw := range map[string]func(*rand.Rand) float64{
		"normal":      func(r *rand.Rand) float64 { return math.Abs(r.NormFloat64()) },
		"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() },
		"lognormal":   func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) },
	} {
		r := rand.New(rand.NewPCG(1, 9))
		var x tail
		for range 5000 {
			x.add(bin(draw(r)), tailMost)
		}
		const n = 2_000_000
		var truth [tailBins]float64
		for range n {
			truth[bin(draw(r))]++
		}
		above := 0.0
		last := 0.0
		for b := tailBins - 1; b > 4; b-- {
			above += truth[b] / n
			p := x.p(binFloor(b), logs)
			if p < last {
				t.Errorf("%s: p falls to %g at %g", name, p, binFloor(b))
			}
			last = p
			if above > 3e-6 && (p < above/6 || above > 0.005 && p > 2*above) {
				t.Errorf("%s: p(%g) = %g, true is %g", name, binFloor(b), p, above)
			}
		}
	}
}

func TestBin(t *testing.T) {
	for i := 1; i < tailBins; i++ {
		if got := bin(binFloor(i) * 1.0001); got != i {
			t.Errorf("bin %d: %d", i, got)
		}
	}
	for _, z := range []float64{0, -1, math.NaN(), 0.1} {
		if bin(z) != 0 {
			t.Errorf("%g is in bin %d", z, bin(z))
		}
	}
	if bin(1e9) != tailBins-1 || bin(math.Inf(1)) != tailBins-1 {
		t.Error("beyond the last bin")
	}
}

// feed gives a detector samples of one series, with a mark after each.
func feed(d *Detector, src *model.Series, fromMS, stepMS int64, values ...float64) {
	for i, v := range values {
		ms := fromMS + int64(i)*stepMS
		d.Sample(src, eventtime.Point{TimeMS: ms, Value: v})
		d.Advance(eventtime.Mark{Seq: d.mark.Seq + 1, AtMS: ms, WatermarkMS: ms})
	}
}

func one(name string) *model.Series {
	return &model.Series{ID: model.Hash64(name), Name: name, ShardHash: 7, Labels: []model.Label{{Name: "service_name", Value: "shop"}}}
}

const someDay = int64(1_760_000_400_000)

func TestCounter(t *testing.T) {
	d := New(Default())
	src := one("things_total")
	feed(d, src, someDay, 10_000, 100, 200, 300, 50, 150)
	w := d.Windows(func(model.Entity) bool { return true }, 0)
	if len(w) != 1 || len(w[0].Values) != 4 || w[0].Values[0] != 10 || w[0].Values[2] != 5 || w[0].Values[3] != 10 || w[0].Signal.Unit != "1/s" {
		t.Errorf("%+v", w)
	}
	// After a staleness marker there is nothing to compare the next sample with.
	d.Sample(src, eventtime.Point{TimeMS: someDay + 50_000, Stale: true})
	feed(d, src, someDay+60_000, 10_000, 1e6)
	if again := d.Windows(func(model.Entity) bool { return true }, someDay+50_000); len(again) != 0 {
		t.Errorf("%+v", again)
	}
}

// What no name and no metadata tell, the data do: whole numbers that only grow are counts, a level that rises for some minutes is none.
func TestUnknownKind(t *testing.T) {
	d := New(Default())
	count, level := one("n3k9x"), one("n4zz1")
	var counts, levels []float64
	for i := range 60 {
		counts = append(counts, float64(1000+3*i))
		levels = append(levels, 0.4+0.001*float64(i))
	}
	feed(d, count, someDay, 15_000, counts...)
	feed(d, level, someDay, 15_000, levels...)
	if !d.series[count.ID].counts() || d.series[level.ID].counts() {
		t.Errorf("count %v, level %v", d.series[count.ID].typ.kind, d.series[level.ID].typ.kind)
	}
	feed(d, count, someDay+60*15_000, 15_000, 1150, 1149)
	if d.series[count.ID].counts() {
		t.Error("what falls a little is no counter")
	}
}

// Sum and count of a histogram become a mean, whichever comes first; buckets are counted and not watched.
func TestMean(t *testing.T) {
	for _, sumFirst := range []bool{true, false} {
		d := New(Default())
		d.Describe(model.MetricMetadata{Family: "took_seconds", Type: "histogram", Unit: "s"})
		sum, count := one("took_seconds_sum"), one("took_seconds_count")
		d.Sample(one("took_seconds_bucket"), eventtime.Point{TimeMS: someDay, Value: 1})
		for i := range int64(5) {
			a, b := eventtime.Point{TimeMS: someDay + i*60_000, Value: float64(i) * 6}, eventtime.Point{TimeMS: someDay + i*60_000, Value: float64(i) * 120}
			if sumFirst {
				d.Sample(sum, a)
				d.Sample(count, b)
			} else {
				d.Sample(count, b)
				d.Sample(sum, a)
			}
			d.Advance(eventtime.Mark{Seq: uint64(i) + 1, WatermarkMS: a.TimeMS})
		}
		for _, w := range d.Windows(func(model.Entity) bool { return true }, 0) {
			want, unit := 0.05, "s"
			if w.Signal.Name == count.Name {
				want, unit = 2, "1/s"
			}
			if len(w.Values) != 4 || math.Abs(w.Values[3]-want) > 1e-6 || w.Signal.Unit != unit {
				t.Errorf("%s: %v %s", w.Signal.Name, w.Values, w.Signal.Unit)
			}
		}
		if c := d.Counts(); c.Buckets != 1 || c.Series != 2 {
			t.Errorf("%+v", c)
		}
	}
}

// A wave over the day is learnt: what is usual at noon is news at midnight.
func TestSeason(t *testing.T) {
	d := New(Default())
	src := one("visitors")
	r := rand.New(rand.NewPCG(1, 2))
	at := func(i int) float64 {
		return 1000 + 800*math.Sin(2*math.Pi*float64(i%288)/288) + 10*r.NormFloat64()
	}
	var v []float64
	for i := range 288 * 8 {
		v = append(v, at(i))
	}
	feed(d, src, someDay, 300_000, v...)
	s := d.series[src.ID]
	if s.season == nil || !s.season.active {
		t.Fatal("the profile is not in use")
	}
	d.Findings()
	n := int64(len(v))
	night := make([]float64, 12)
	for i := range night {
		night[i] = at(72) // The height of the wave, at the foot of it.
	}
	for i := range int64(216) {
		feed(d, src, someDay+(n+i)*300_000, 300_000, at(int(i)))
	}
	if f := d.Findings(); len(f) > 0 {
		t.Errorf("on a usual day: %s", f[0].Text)
	}
	feed(d, src, someDay+(n+216)*300_000, 300_000, night...)
	f := d.Findings()
	if len(f) == 0 || f[0].Direction != 1 || f[0].Expected > 600 || f[0].HistoryMS < 8*dayMS {
		t.Errorf("%+v", f)
	}
}

// A slow rise that no single hour shows is found as a drift, once there was a quiet week.
func TestDrift(t *testing.T) {
	cfg := Default()
	d := New(cfg)
	src := one("pool_in_use")
	r := rand.New(rand.NewPCG(4, 2))
	for i := range 12 * 24 * 16 {
		v := 100 + 5*r.NormFloat64()
		if i > 12*24*9 {
			v += float64(i-12*24*9) * 0.03
		}
		feed(d, src, someDay+int64(i)*300_000, 300_000, v)
		for _, f := range d.Findings() {
			if i <= 12*24*9 {
				t.Errorf("before the rise: %s", f.Text)
			}
			if f.Direction != 1 {
				t.Errorf("%+v", f)
			}
			t.Logf("%d hours after its begin: %s %s", (i-12*24*9)/12, f.Detector, f.Text)
			if f.Kind == model.FindingDrift {
				return
			}
		}
	}
	t.Error("the drift was not found")
}

// History teaches as much as living through it: after three days of it the first hour is judged, and opens nothing itself.
func TestLearn(t *testing.T) {
	d := New(Default())
	src := one("waiting_seconds")
	r := rand.New(rand.NewPCG(6, 2))
	var old []eventtime.Point
	for i := range int64(3 * 5760) {
		old = append(old, eventtime.Point{TimeMS: someDay - 3*dayMS + i*15_000, Value: 0.2 + 0.01*r.NormFloat64()})
	}
	half := len(old) / 2
	d.Learn(src, old[half:])
	d.Learn(src, old[:half])
	if f := d.Findings(); len(f) != 0 {
		t.Fatalf("history opened %s", f[0].Text)
	}
	feed(d, src, someDay, 15_000, 0.2, 0.21, 0.19)
	feed(d, src, someDay+45_000, 15_000, 0.9, 0.95, 0.9)
	f := d.Findings()
	if len(f) != 1 || f[0].HistoryMS < 3*dayMS-hourMS || f[0].Kind != model.FindingShift {
		t.Fatalf("%+v", f)
	}
}

func TestFeedback(t *testing.T) {
	shop := model.Entity{Kind: model.KindService, Name: "shop"}
	calm, off := make([]float64, 200), []float64{2.2, 2.2, 2.2, 2.2}
	r := rand.New(rand.NewPCG(6, 3))
	for i := range calm {
		calm[i] = 1 + 0.05*r.NormFloat64()
	}
	found := func(say func(d *Detector)) int {
		d := New(Default())
		src := one("ratio_of_things")
		feed(d, src, someDay, 15_000, calm...)
		say(d)
		restored, err := Restore(d.Snapshot(), Default())
		if err != nil {
			t.Fatal(err)
		}
		feed(restored, src, someDay+200*15_000, 15_000, off...)
		return len(restored.Findings())
	}
	if n := found(func(*Detector) {}); n != 1 {
		t.Errorf("%d findings without feedback", n)
	}
	if n := found(func(d *Detector) { d.Feedback(shop, "ratio_of_things", model.FeedbackMute, 0) }); n != 0 {
		t.Errorf("%d findings of a muted signal", n)
	}
	if n := found(func(d *Detector) { d.Feedback(shop, "", model.FeedbackMute, someDay+100*15_000) }); n != 1 {
		t.Errorf("%d findings after a mute ended", n)
	}
	if n := found(func(d *Detector) {
		d.Feedback(shop, "ratio_of_things", model.FeedbackMute, 0)
		d.Revoke(shop, "ratio_of_things")
	}); n != 1 {
		t.Errorf("%d findings after a mute was taken back", n)
	}
	if n := found(func(d *Detector) {
		for range 4 {
			d.Feedback(shop, "ratio_of_things", model.FeedbackReject, 0)
		}
	}); n != 0 {
		t.Errorf("%d findings after four rejections", n)
	}
}

// Bounds hold, and what is beyond is counted.
func TestBounds(t *testing.T) {
	cfg := Default()
	cfg.MaxSeries, cfg.MaxSeriesPerEntity, cfg.MaxFamilies = 5, 3, 2
	d := New(cfg)
	for i := range 10 {
		s := one("m" + string(rune('a'+i)))
		if i >= 5 {
			s.Labels = []model.Label{{Name: "service_name", Value: "other"}}
			s.ShardHash = 8
		}
		d.Describe(model.MetricMetadata{Family: s.Name, Type: "gauge"})
		d.Sample(s, eventtime.Point{TimeMS: someDay, Value: 1})
	}
	c := d.Counts()
	if c.Series != 5 || c.Unwatched != 5 || len(d.families) != 2 {
		t.Errorf("%+v, %d families", c, len(d.families))
	}
	d.Gone(one("ma"))
	d.Sample(one("mz"), eventtime.Point{TimeMS: someDay + 1, Value: 1})
	if c := d.Counts(); c.Series != 5 {
		t.Errorf("%+v after one went and one came", c)
	}
}

func someDetector() *Detector {
	d := New(Default())
	d.Describe(model.MetricMetadata{Family: "took_seconds", Type: "histogram", Unit: "s"})
	feed(d, one("took_seconds_sum"), someDay, 15_000, 1, 2, 3)
	feed(d, one("took_seconds_count"), someDay, 15_000, 1, 2)
	feed(d, one("took_seconds_bucket"), someDay, 15_000, 1)
	for i := range 70 {
		feed(d, one("some"), someDay+int64(i)*15_000, 15_000, float64(i%5))
	}
	feed(d, one("some"), someDay+70*15_000, 15_000, 900, 900, 900)
	d.Feedback(model.Entity{Kind: model.KindHost, Name: "h"}, "x", model.FeedbackReject, 0)
	return d
}

func TestSnapshotRefusals(t *testing.T) {
	good := someDetector().Snapshot()
	if d, err := Restore(good, Default()); err != nil || !bytes.Equal(d.Snapshot(), good) {
		t.Fatal(err)
	}
	for n := 0; n < len(good); n += 7 {
		if _, err := Restore(good[:n], Default()); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		bad := bytes.Clone(good)
		bad[n] ^= 0x40
		if _, err := Restore(bad, Default()); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d changed: %v", n, err)
		}
	}
	next := bytes.Clone(good[:len(good)-4])
	next[0]++
	if _, err := Restore(seal(next), Default()); !errors.Is(err, ErrSnapshot) {
		t.Errorf("another version: %v", err)
	}
}

// Whatever the bytes are, Restore refuses them or gives a state that works and comes back as the same bytes.
func FuzzRestore(f *testing.F) {
	good := someDetector().Snapshot()
	f.Add(good[:len(good)-4])
	empty := New(Default()).Snapshot()
	f.Add(empty[:len(empty)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Restore(seal(bytes.Clone(body)), Default())
		if err != nil {
			return
		}
		once := d.Snapshot()
		again, err := Restore(once, Default())
		if err != nil || !bytes.Equal(again.Snapshot(), once) {
			t.Fatalf("a snapshot does not come back: %v", err)
		}
		feed(again, one("some"), someDay+99*15_000, 15_000, 1, 2, 3)
		again.Findings()
		again.Windows(func(model.Entity) bool { return true }, 0)
	})
}

// FuzzSamples takes any values at any intervals; nothing may panic, and no finding may have a figure that is no number.
func FuzzSamples(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 4, 255, 0, 9}, uint16(15))
	f.Fuzz(func(t *testing.T, data []byte, every uint16) {
		d := New(Default())
		gauge, counter := one("g"), one("c_total")
		ms := someDay
		values := []float64{0, 1, -1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300, math.Inf(1), math.NaN()}
		for i, b := range data {
			ms += int64(every)*1000 + int64(b)
			v := float64(b)
			if b > 240 {
				v = values[int(b)%len(values)]
			}
			feed(d, gauge, ms, 1, v)
			feed(d, counter, ms, 1, v*float64(i))
			for _, x := range d.Findings() {
				for _, n := range []float64{x.Score, x.PValue, x.Confidence} {
					if math.IsNaN(n) || math.IsInf(n, 0) {
						t.Fatalf("%+v", x)
					}
				}
			}
		}
		if _, err := Restore(d.Snapshot(), Default()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMedians(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 1000 {
		var a [keptScores]float32
		for i := range a {
			a[i] = float32(r.IntN(7))
		}
		sorted := slices.Sorted(slices.Values(a[:]))
		if got := median5(&a); got != float64(sorted[2]) {
			t.Fatalf("the middle of %v is not %g", a, got)
		}
		three := slices.Sorted(slices.Values(a[:3]))
		if got := median3(a[0], a[1], a[2]); got != float64(three[1]) {
			t.Fatalf("the middle of %v is not %g", a[:3], got)
		}
	}
}

// The state of a series is bounded by design: 600 bytes and the ring of an hour.
func TestSize(t *testing.T) {
	if got := unsafe.Sizeof(series{}) - unsafe.Sizeof(ring{}); got > 600 {
		t.Errorf("%d bytes beside the ring", got)
	}
	if got := unsafe.Sizeof(ring{}); got > 360 {
		t.Errorf("the ring has %d bytes", got)
	}
	if got := unsafe.Sizeof(season{}); got > 320 {
		t.Errorf("a profile has %d bytes", got)
	}
}

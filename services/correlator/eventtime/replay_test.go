package eventtime

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/faultline-io/faultline/services/model"
)

// input is what a run takes: batches and marks in one order.
type input struct {
	batch *model.Metrics
	mark  *Mark
}

// live is the recorded stream: batches cut into small pieces in order of arrival, ticks turned into marks by one clock.
func live(d *day, seed uint64) []input {
	rng := rand.New(rand.NewPCG(seed, 11))
	clock := NewClock(DefaultClockConfig(), Mark{})
	var in []input
	for _, m := range d.messages {
		if m.batch == nil {
			k := clock.Tick(m.arriveMS)
			in = append(in, input{mark: &k})
			continue
		}
		clock.Batch(m.batch)
		for from := 0; from < len(m.batch.SeriesIDs); {
			to := min(from+1+rng.IntN(6), len(m.batch.SeriesIDs))
			piece := slice(m.batch, from, to)
			if from == 0 {
				piece.Announced = m.batch.Announced
			}
			in = append(in, input{batch: piece})
			from = to
		}
	}
	return in
}

func slice(m *model.Metrics, from, to int) *model.Metrics {
	return &model.Metrics{
		Header: m.Header, SeriesIDs: m.SeriesIDs[from:to], MetricIDs: m.MetricIDs[from:to],
		TimesMS: m.TimesMS[from:to], Values: m.Values[from:to],
	}
}

// stored is the replay from tables: blocks of two hours by series and time as one batch each, without what is in aside, and the
// recorded marks, each after the block that it needs.
func stored(d *day, marks []Mark, aside map[asideKey]Reason) []input {
	const block = 2 * 3_600_000
	blocks := map[int64]*model.Metrics{}
	for _, r := range d.rows {
		if _, ok := aside[asideKey{r.id, r.timeMS, math.Float64bits(r.value)}]; ok {
			continue
		}
		b := blocks[r.timeMS/block]
		if b == nil {
			b = &model.Metrics{}
			blocks[r.timeMS/block] = b
		}
		if n := len(b.SeriesIDs); n > 0 && b.SeriesIDs[n-1] == r.id {
			b.Counts[n-1]++
		} else {
			b.SeriesIDs, b.Counts = append(b.SeriesIDs, r.id), append(b.Counts, 1)
			b.Announced = append(b.Announced, d.series[r.id])
		}
		b.TimesMS, b.Values = append(b.TimesMS, r.timeMS), append(b.Values, r.value)
	}
	var in []input
	next := dayStart/block - 1
	for i := range marks {
		for ; next <= marks[i].WatermarkMS/block; next++ {
			if b := blocks[next]; b != nil {
				in = append(in, input{batch: b})
			}
		}
		in = append(in, input{mark: &marks[i]})
	}
	return in
}

func marksOf(in []input) []Mark {
	var all []Mark
	for _, x := range in {
		if x.mark != nil {
			all = append(all, *x.mark)
		}
	}
	return all
}

// lag is how far the watermark is behind the tick over the day, less its first two minutes.
func lag(in []input) (mean, worst int64) {
	n := int64(0)
	for _, k := range marksOf(in) {
		if k.AtMS > dayStart+120_000 && k.AtMS < dayStart+dayMS {
			n++
			mean += k.AtMS - k.WatermarkMS
			worst = max(worst, k.AtMS-k.WatermarkMS)
		}
	}
	return mean / n, worst
}

// machine is the whole correlator of the trial: shards of order and detector, and the merge.
type machine struct {
	orders    []*Order
	detectors []*trivial
	merge     *Merge
	out       bytes.Buffer
	count     int
	err       error
	// ownClocks, a negative control, gives every shard the watermark of what it sees itself.
	ownClocks []*Clock
}

func newMachine(shards int) *machine {
	m := &machine{merge: NewMerge(shards, 100, 0)}
	for i := range shards {
		m.orders = append(m.orders, NewOrder(DefaultLimits()))
		m.detectors = append(m.detectors, newTrivial(func(k Mark, f []Finding) { m.report(i, k, f) }))
	}
	return m
}

func (m *machine) report(shard int, k Mark, found []Finding) {
	out, err := m.merge.Add(shard, k.Seq, found)
	if err != nil && m.err == nil {
		m.err = err
	}
	for _, f := range out {
		m.count++
		fmt.Fprintf(&m.out, "%d %x %s\n", f.OnsetMS, f.ID, f.Data)
	}
}

func (m *machine) take(d *day, x input) {
	n := len(m.orders)
	for i, o := range m.orders {
		if x.mark != nil {
			k := *x.mark
			if m.ownClocks != nil {
				k = m.ownClocks[i].Tick(k.AtMS)
			}
			if err := o.Mark(k, m.detectors[i]); err != nil && m.err == nil {
				m.err = err
			}
			continue
		}
		part := x.batch
		if n > 1 {
			part = partOf(d, x.batch, i, n)
		}
		if m.ownClocks != nil {
			m.ownClocks[i].Batch(part)
		}
		o.Batch(part, m.detectors[i])
	}
}

// partOf is what the gateway publishes to one shard of a batch.
func partOf(d *day, m *model.Metrics, shard, n int) *model.Metrics {
	out := &model.Metrics{Header: m.Header}
	for _, a := range m.Announced {
		if model.Shard(a.ShardHash, n) == shard {
			out.Announced = append(out.Announced, a)
		}
	}
	at := 0
	for i, id := range m.SeriesIDs {
		c := 1
		if len(m.Counts) > 0 {
			c = int(m.Counts[i])
		}
		if model.Shard(d.series[id].ShardHash, n) == shard {
			out.SeriesIDs, out.Counts = append(out.SeriesIDs, id), append(out.Counts, uint32(c))
			out.TimesMS, out.Values = append(out.TimesMS, m.TimesMS[at:at+c]...), append(out.Values, m.Values[at:at+c]...)
		}
		at += c
	}
	return out
}

func (m *machine) run(t testing.TB, d *day, in []input) string {
	t.Helper()
	for _, x := range in {
		m.take(d, x)
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	return m.out.String()
}

// runWithCrashes snapshots at random points, goes on for a while, and starts again from the snapshot, twelve times. What the
// merge gave out stays: it has the findings of the repeated part already.
func runWithCrashes(t *testing.T, d *day, in []input, shards int, seed uint64) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 13))
	m := newMachine(shards)
	at := 0
	for range 12 {
		stop := min(at+rng.IntN(len(in)/8), len(in))
		for ; at < stop; at++ {
			m.take(d, in[at])
		}
		orders, states := make([][]byte, shards), make([][]byte, shards)
		for i := range shards {
			orders[i], states[i] = m.orders[i].Snapshot(uint64(at)), m.detectors[i].save()
		}
		for lost := min(at+rng.IntN(20_000), len(in)); at < lost; at++ {
			m.take(d, in[at])
		}
		merge, err := RestoreMerge(m.merge.Snapshot(), 100)
		if err != nil {
			t.Fatal(err)
		}
		m.merge = merge
		for i := range shards {
			o, position, err := Restore(orders[i], DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if again := o.Snapshot(position); !bytes.Equal(again, orders[i]) {
				t.Fatalf("a restored snapshot has %d other bytes than the %d it came from", len(again), len(orders[i]))
			}
			at, m.orders[i] = int(position), o
			if err := m.detectors[i].load(states[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m.run(t, d, in[at:])
}

// The third trial: one day, live, replayed from tables, on one shard and on four, and restarted in the middle, gives the same
// findings byte by byte. What breaks that is shown to break it.
func TestReplayEquality(t *testing.T) {
	d := theDay()
	in := live(d, 1)
	first := newMachine(1)
	want := first.run(t, d, in)
	aside := first.detectors[0].aside
	o := first.orders[0]
	t.Logf("%d inputs, %d rows, %d findings, %d late, %d series", len(in), len(d.rows), first.count, o.SetAside(Late), o.Series())
	mean, worst := lag(in)
	t.Logf("the watermark is %d ms behind the tick, at most %d", mean, worst)
	lateOf := 0
	for k := range aside {
		if d.series[k.id].ShardHash == seriesOf(behindHost, 0).ShardHash {
			lateOf++
		}
	}
	t.Logf("%d of the late samples are of the host whose clock is behind", lateOf)
	if first.count < 500 || o.SetAside(Late) < 5000 || o.SetAside(Unannounced)+o.SetAside(TooFarAhead)+o.SetAside(Unwatched) > 0 {
		t.Fatalf("%d findings, set aside %v: the day is not what it should be", first.count, o.aside)
	}
	same := func(name, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: findings differ: %s", name, difference(want, got))
		}
	}
	differ := func(name, got string) {
		t.Helper()
		if got == want {
			t.Errorf("%s: findings are the same, so the test shows nothing", name)
			return
		}
		t.Logf("%s: %s", name, difference(want, got))
	}
	for seed := uint64(2); seed <= 3; seed++ {
		same(fmt.Sprint("other pieces ", seed), newMachine(1).run(t, d, live(d, seed)))
	}
	same("shuffled between marks", newMachine(1).run(t, d, shuffled(in, 5)))
	same("from tables", newMachine(1).run(t, d, stored(d, marksOf(in), aside)))
	four := newMachine(4)
	same("four shards", four.run(t, d, in))
	all := map[asideKey]Reason{}
	for _, x := range four.detectors {
		maps.Copy(all, x.aside)
	}
	if !maps.Equal(all, aside) {
		t.Errorf("four shards set %d samples aside, one %d", len(all), len(aside))
	}
	same("from tables, four shards", newMachine(4).run(t, d, stored(d, marksOf(in), aside)))
	for seed := uint64(1); seed <= 4; seed++ {
		same(fmt.Sprint("restarted, seed ", seed), runWithCrashes(t, d, in, 1+3*int(seed%2), seed))
	}

	differ("no watermark", arrival(d, in))
	differ("from tables, without the list of what was set aside", newMachine(1).run(t, d, stored(d, marksOf(in), nil)))
	own := newMachine(4)
	for range 4 {
		own.ownClocks = append(own.ownClocks, NewClock(DefaultClockConfig(), Mark{}))
	}
	differ("four shards, each with a clock of its own", own.run(t, d, in))
}

// shuffled puts the batches between two marks in another order; announcements travel with their batches.
func shuffled(in []input, seed uint64) []input {
	rng := rand.New(rand.NewPCG(seed, 17))
	out := append([]input(nil), in...)
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

// arrival is the detector without this package: it takes samples as they come.
func arrival(d *day, in []input) string {
	m := &machine{merge: NewMerge(1, 100, 0)}
	det := newTrivial(func(k Mark, f []Finding) { m.report(0, k, f) })
	for _, x := range in {
		if x.mark != nil {
			det.Advance(*x.mark)
			continue
		}
		for i, id := range x.batch.SeriesIDs {
			s := d.series[id]
			det.Sample(&s, Point{TimeMS: x.batch.TimesMS[i], Value: x.batch.Values[i]})
		}
	}
	return m.out.String()
}

// difference tells how two lists of findings differ.
func difference(want, got string) string {
	lines := func(s string) map[string]bool {
		set := map[string]bool{}
		for l := range bytes.SplitSeq([]byte(s), []byte("\n")) {
			set[string(l)] = len(l) > 0
		}
		delete(set, "")
		return set
	}
	a, b := lines(want), lines(got)
	missing, more := 0, 0
	for l := range a {
		if !b[l] {
			missing++
		}
	}
	for l := range b {
		if !a[l] {
			more++
		}
	}
	return fmt.Sprintf("of %d findings %d are missing or not the same, %d are other ones", len(a), missing, more)
}

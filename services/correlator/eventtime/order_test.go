package eventtime

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/model"
)

// recorder is a Sink that writes down what it gets.
type recorder struct{ lines []string }

func (r *recorder) Sample(s *model.Series, p Point) {
	r.lines = append(r.lines, fmt.Sprintf("%s %d %v %v", s.Name, p.TimeMS, p.Value, p.Stale))
}

func (r *recorder) Aside(id uint64, p Point, why Reason) {
	r.lines = append(r.lines, fmt.Sprintf("aside %d %d %d", id, p.TimeMS, why))
}
func (r *recorder) Gone(s *model.Series) { r.lines = append(r.lines, "gone "+s.Name) }
func (r *recorder) Advance(k Mark)       { r.lines = append(r.lines, fmt.Sprint("mark ", k.Seq)) }

func (r *recorder) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.lines, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(r.lines, "\n"), strings.Join(lines, "\n"))
	}
	r.lines = nil
}

func series(id, entity uint64) model.Series {
	return model.Series{ID: id, ShardHash: entity, Name: fmt.Sprint("s", id)}
}

func batch(id uint64, times ...int64) *model.Metrics {
	m := &model.Metrics{SeriesIDs: []uint64{id}, Counts: []uint32{uint32(len(times))}, TimesMS: times}
	for range times {
		m.Values = append(m.Values, float64(id))
	}
	return m
}

func announce(m *model.Metrics, all ...model.Series) *model.Metrics {
	m.Announced = all
	return m
}

func TestOrder(t *testing.T) {
	r, o := &recorder{}, NewOrder(Limits{MaxSeries: 3, MaxSeriesPerEntity: 2, MaxHeld: 3, IdleMS: 1000})
	mark := func(seq uint64, w int64) {
		t.Helper()
		if err := o.Mark(Mark{Seq: seq, AtMS: w, WatermarkMS: w}, r); err != nil {
			t.Fatal(err)
		}
	}
	o.Batch(announce(batch(1, 30, 10), series(1, 5)), r)
	o.Batch(batch(1, 20), r)
	o.Batch(batch(9, 10), r)
	mark(1, 20)
	r.want(t, "aside 9 10 2", "s1 10 1 false", "s1 20 1 false", "mark 1")
	o.Batch(batch(1, 20, 15, 30), r) // Twice; late; twice.
	r.want(t, "aside 1 15 0")
	mark(1, 50) // Delivered again.
	r.want(t)
	if err := o.Mark(Mark{Seq: 4}, r); err == nil {
		t.Error("a gap of marks is taken")
	}
	m := batch(1, 40, 41)
	m.Stale = []uint32{1}
	m.Values[1] = 0
	o.Batch(m, r)
	o.Batch(batch(1, 42, 39), r) // Of five three are held.
	r.want(t, "aside 1 42 1", "aside 1 41 1")
	// Two more of one entity: the second does not fit; one of another does; a fifth is beyond all.
	o.Batch(announce(batch(3, 45), series(3, 5)), r)
	o.Batch(announce(batch(2, 45), series(2, 5)), r)
	o.Batch(announce(batch(4, 45), series(4, 1)), r)
	mark(2, 50)
	r.want(t, "aside 3 45 3", "s4 45 4 false", "s1 30 1 false", "s1 39 1 false", "s1 40 1 false", "s2 45 2 false", "mark 2")
	o.Batch(announce(batch(6, 60), series(6, 6)), r)
	o.Batch(batch(4, 5000), r)
	r.want(t, "aside 6 60 3")
	mark(3, 1041)
	r.want(t, "gone s1", "mark 3")
	mark(4, 1100)
	r.want(t, "gone s4", "gone s2", "mark 4") // What waits of s4 stays.
	mark(5, 6000)
	r.want(t, "s4 5000 4 false", "mark 5")
	if o.Series() != 1 || o.SetAside(TooFarAhead) != 2 || o.SetAside(Late) != 1 {
		t.Errorf("%d series, set aside %v", o.Series(), o.aside)
	}
}

// Of two values with one time the same one is taken, in whichever order they came.
func TestSameTime(t *testing.T) {
	points := []Point{{1, 2, false}, {1, math.NaN(), false}, {1, 0, true}, {1, -1, false}}
	for i := range points {
		s := &slot{}
		for j := range points {
			s.hold(points[(i+j)%len(points)], 8)
		}
		if len(s.held) != 1 || s.held[0].Value != 2 {
			t.Errorf("from %d: %v", i, s.held)
		}
	}
}

func TestMerge(t *testing.T) {
	f := func(onset int64, id uint64) Finding { return Finding{OnsetMS: onset, ID: id, Data: []byte{byte(id)}} }
	ids := func(l []Finding) (s string) {
		for _, x := range l {
			s += fmt.Sprint(x.ID, " ")
		}
		return s
	}
	g := NewMerge(2, 3, 10)
	steps := []struct {
		shard int
		mark  uint64
		found []Finding
		want  string
		fails bool
	}{
		{0, 11, []Finding{f(5, 2), f(3, 9)}, "", false},
		{0, 12, []Finding{f(1, 1)}, "", false},
		{0, 14, nil, "", true}, // A mark is missing.
		{0, 13, nil, "", false},
		{0, 14, nil, "", true}, // Too far ahead.
		{1, 11, []Finding{f(5, 1)}, "9 1 2 ", false},
		{1, 11, []Finding{f(5, 1)}, "", false}, // Said again after a restart.
		{1, 12, nil, "1 ", false},
		{2, 13, nil, "", true},
		{1, 13, []Finding{f(9, 9)}, "9 ", false},
	}
	for i, s := range steps {
		restored, err := RestoreMerge(g.Snapshot(), 3)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(restored.Snapshot(), g.Snapshot()) {
			t.Fatal("a restored merge has another snapshot")
		}
		g = restored
		got, err := g.Add(s.shard, s.mark, s.found)
		if ids(got) != s.want || (err != nil) != s.fails {
			t.Errorf("step %d: %q %v", i, ids(got), err)
		}
	}
}

package logstage

import (
	"bytes"
	"math"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
)

func counts(ids ...uint64) []Count {
	var c []Count
	for _, id := range ids {
		c = AddCount(c, id)
	}
	return c
}

func TestSequences(t *testing.T) {
	var q Sequences
	ms := int64(0)
	see := func(ids ...uint64) Judgement {
		ms += 1000
		c := counts(ids...)
		j := q.Judge(c, ms)
		q.Learn(c, ms, j)
		return j
	}
	for i := range 400 {
		q.fresh = 0
		ids := []uint64{1, 2, 3, 4}
		for range i % 6 { // Retries, as many as they like.
			ids = append(ids, 2)
		}
		if i%50 == 7 {
			ids = append(ids, 9) // Something rare.
		}
		if j := see(ids...); j.Unusual && i > 100 {
			t.Errorf("%d: %+v", i, j)
		}
	}
	if j := see(1, 2, 3, 4); j.Unusual || j.Distance != 0 || j.PValue != 1 {
		t.Errorf("a known one: %+v", j)
	}
	if j := q.Judge(counts(1, 2, 2, 2, 2, 2, 2, 2, 3, 4), ms); j.Unusual { // One retry more.
		t.Errorf("nearly a known one: %+v", j)
	}
	odd := counts(1, 1, 1, 1, 5, 6, 7)
	if j := q.Judge(odd, ms); !j.Unusual || j.PValue > 0.003 {
		t.Errorf("another one: %+v", j)
	}
	// It stays unusual for half an hour, however often it comes.
	for range 5 {
		if j := see(1, 1, 1, 1, 5, 6, 7); !j.Unusual {
			t.Errorf("again: %+v", j)
		}
	}
	if j := q.Judge(odd, ms+2*probationMS); j.Unusual {
		t.Errorf("after an hour: %+v", j)
	}
	w := snapshot.NewWriter('q', 1)
	q.write(w)
	data := w.Bytes()
	r, err := snapshot.Open(data, 'q', 1)
	if err != nil {
		t.Fatal(err)
	}
	var again Sequences
	again.read(r)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	w = snapshot.NewWriter('q', 1)
	again.write(w)
	if !bytes.Equal(w.Bytes(), data) {
		t.Error("a snapshot does not come back")
	}
	q.forget(2)
	if j := q.Judge(counts(1, 2, 3, 4), ms); j.Distance == 0 {
		t.Error("forms with a forgotten template")
	}
}

func TestSequencesWithoutForm(t *testing.T) {
	var q Sequences
	x := uint64(1)
	unusual := 0
	for i := range 3000 {
		q.fresh = 0
		var ids []uint64
		for range 20 {
			x = mix(x + 0x9e3779b97f4a7c15)
			ids = append(ids, x%40+1)
		}
		c := counts(ids...)
		j := q.Judge(c, int64(i))
		q.Learn(c, int64(i), j)
		if j.Unusual {
			unusual++
		}
	}
	if len(q.vectors) > maxVectors || unusual > 30 {
		t.Errorf("%d forms, %d unusual", len(q.vectors), unusual)
	}
}

func TestBinomialTail(t *testing.T) {
	f := func(k, n int, p, want float64) {
		t.Helper()
		if got := binomialTail(k, n, p); math.Abs(got-want) > 1e-4*max(want, 1e-3) {
			t.Errorf("P(X ≥ %d), n %d, p %v: %v, want %v", k, n, p, got, want)
		}
	}
	f(0, 10, 0.5, 1)
	f(10, 10, 0.5, 1.0/1024)
	f(1, 3, 0.1, 1-0.729)
	f(11, 10, 0.5, 0)
	f(2, 5, 0, 0)
	if got := binomialTail(1<<30, 1<<31, 0.4); got != 0 {
		t.Errorf("many trials: %v", got)
	}
	if a, b := binomialTail(60, 1000, 0.05), binomialTail(60, 1001, 0.05); math.Abs(a-b) > 0.01 {
		t.Errorf("exact %v, approximate %v", a, b)
	}
	if z := spreads(0.0013499); math.Abs(z-3) > 0.001 {
		t.Errorf("three spreads: %v", z)
	}
}

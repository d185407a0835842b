package logstage

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
)

// Count is how often a template occurs in a sequence.
type Count struct {
	ID uint64
	N  uint32
}

// Figures of what is unusual.
const (
	// unusualP is how many sequences of a quiet time may be called unusual: one in 500, or, as long as fewer than 500 are known, those that are
	// beyond all of them. The detector judges the share of unusual ones over time, so this one need not be small.
	unusualP = 0.002
	// fewestSequences must be known before any is called unusual.
	fewestSequences = 30
	// maxVectors bounds the different sequences that are remembered; requests of one service come in tens of forms, and those that come
	// in thousands have no form. The ones seen longest ago go.
	maxVectors = 256
	// maxCounts bounds the templates of one sequence, MaxKnown those of all sequences of an entity.
	maxCounts, maxKnown = 64, 4096
	// maxFresh bounds the new forms that are learned in a window: each is compared with all.
	maxFresh = 64
	// probationMS is how long a form that was unusual stays so, however often it comes.
	probationMS = 1_800_000
)

// Sequences knows of which lines the requests of an entity consist, as the count of each template in a trace, and tells how unusual one is. A
// sequence is as far from normal as from the nearest known one, counts taken by their logarithm, so that a line more among many is
// little and a line where there was none is much. How far is far, the known ones say of each other: each that was seen once is as far
// from the others as the next one may be. A second measure is how often sequences have a template that none had before.
//
// A known sequence costs a hash and one look-up, a new one a comparison with up to 256. No goroutine safety.
//
// Source: the count vectors and distances of Landauer, Skopik and Wurzenberger, A Critical Review of Common Log Data Sets Used for Evaluation of
// Sequence-based Anomaly Detection Techniques, FSE 2024; differs: logarithms instead of counts or weights, and a threshold by leave-one-out
// rank (conformal) instead of the one that is best on the labels.
type Sequences struct {
	vectors []vector
	byHash  map[uint64]int
	// seen is how many sequences there were; tail counts the distances of forms seen once that were forgotten, by quarter.
	seen uint64
	tail [64]uint32
	// in has for each template in how many sequences it was, singles how many were in one only.
	in      map[uint64]uint32
	singles uint64
	fresh   int
	// all and unusual count the sequences of a window.
	all, unusual uint32
}

// vector is a form of sequences.
type vector struct {
	hash   uint64
	counts []Count
	logs   []float64
	times  uint64
	// nearest is the distance to the nearest other form, arrived what it was when this one came.
	nearest, arrived float64
	lastMS           int64
	// unusualMS is until when it is on probation.
	unusualMS int64
}

// Judgement is what is said of a sequence.
type Judgement struct {
	// Distance is how far the nearest known sequence is; 0 for a known one.
	Distance float64
	// PValue is the share of quiet sequences that would look as unusual, in (0,1].
	PValue  float64
	Unusual bool
}

// Judge says how unusual a sequence is at a moment. Counts are sorted by id, each id once.
func (q *Sequences) Judge(seq []Count, ms int64) Judgement {
	if len(seq) == 0 || q.seen < fewestSequences {
		return Judgement{PValue: 1}
	}
	if i, ok := q.byHash[hashCounts(seq)]; ok {
		return Judgement{PValue: 1, Unusual: q.vectors[i].unusualMS > ms}
	}
	d := math.Inf(1)
	logs := logsOf(seq)
	for i := range q.vectors {
		d = min(d, distance(seq, logs, &q.vectors[i], d))
	}
	j := Judgement{Distance: d, PValue: 1}
	if d > q.spacing() {
		j.PValue = q.rank(d)
	}
	if q.hasNew(seq) {
		j.PValue = min(j.PValue, float64(q.singles+1)/float64(q.seen+1))
	}
	j.Unusual = j.PValue <= max(unusualP, 1/float64(q.seen+1))
	return j
}

// spacing returns the least distance between two known forms that came more than once. What is nearer to a known one than that is a variation of it,
// as one more retry is, even when nothing else is known to vary.
func (q *Sequences) spacing() float64 {
	least := farthest
	for i := range q.vectors {
		if v := &q.vectors[i]; v.times > 1 {
			least = min(least, v.nearest)
		}
	}
	if least == farthest {
		return 0
	}
	return least
}

// rank returns the share of known sequences that are at least as far from the others, the new one counted in.
func (q *Sequences) rank(d float64) float64 {
	n := uint64(1)
	full := len(q.vectors) >= maxVectors
	for i := range q.vectors {
		v := &q.vectors[i]
		// While all forms are remembered each is compared with all others, as the new one is. When they are too many, one that stays for a
		// while has met more of them than the new one, and only its own coming is like for like.
		if v.times == 1 && (v.nearest >= d || full && v.arrived >= d) {
			n++
		}
	}
	for i := tailPlace(d) + 1; i < len(q.tail); i++ {
		n += uint64(q.tail[i])
	}
	return float64(n) / float64(q.seen+1)
}

func tailPlace(d float64) int { return int(min(d*4, 63)) }

func (q *Sequences) hasNew(seq []Count) bool {
	return len(q.in) < maxKnown && slices.ContainsFunc(seq, func(c Count) bool { return q.in[c.ID] == 0 })
}

// Learn adds a sequence to what is known.
func (q *Sequences) Learn(seq []Count, ms int64, j Judgement) {
	if len(seq) == 0 {
		return
	}
	q.seen++
	if q.byHash == nil {
		q.byHash, q.in = map[uint64]int{}, map[uint64]uint32{}
	}
	for _, c := range seq {
		switch n := q.in[c.ID]; {
		case n == 0 && len(q.in) >= maxKnown:
			continue
		case n == 0:
			q.singles++
		case n == 1:
			q.singles--
		}
		if q.in[c.ID] < math.MaxUint32 {
			q.in[c.ID]++
		}
	}
	hash := hashCounts(seq)
	if i, ok := q.byHash[hash]; ok {
		q.vectors[i].times++
		q.vectors[i].lastMS = max(q.vectors[i].lastMS, ms)
		return
	}
	if q.fresh++; q.fresh > maxFresh {
		return
	}
	if len(q.vectors) >= maxVectors {
		q.evict()
	}
	v := vector{hash: hash, counts: slices.Clone(seq), logs: logsOf(seq), times: 1, nearest: farthest, lastMS: ms}
	if j.Unusual {
		v.unusualMS = ms + probationMS
	}
	for i := range q.vectors {
		u := &q.vectors[i]
		d := distance(seq, v.logs, u, math.Inf(1))
		v.nearest, u.nearest = min(v.nearest, d), min(u.nearest, d)
	}
	v.arrived = v.nearest
	q.byHash[hash] = len(q.vectors)
	q.vectors = append(q.vectors, v)
}

// farthest stands for the distance of a form that is alone; it is finite, since snapshots are.
const farthest = 1e9

// evict forgets the form that was seen longest ago; that it was there is kept in the tail.
func (q *Sequences) evict() {
	oldest := 0
	for i := range q.vectors {
		a, b := &q.vectors[i], &q.vectors[oldest]
		if cmp.Or(cmp.Compare(a.lastMS, b.lastMS), cmp.Compare(a.hash, b.hash)) < 0 {
			oldest = i
		}
	}
	if v := &q.vectors[oldest]; v.times == 1 {
		q.tail[tailPlace(v.arrived)]++
	}
	q.remove(func(v *vector) bool { return v == &q.vectors[oldest] })
}

func (q *Sequences) remove(gone func(*vector) bool) {
	kept := make([]vector, 0, len(q.vectors))
	clear(q.byHash)
	for i := range q.vectors {
		if !gone(&q.vectors[i]) {
			q.byHash[q.vectors[i].hash] = len(kept)
			kept = append(kept, q.vectors[i])
		}
	}
	q.vectors = kept
}

// forget drops a template that has become part of another, and the forms that have it.
func (q *Sequences) forget(id uint64) {
	if n := q.in[id]; n > 0 {
		if n == 1 {
			q.singles--
		}
		delete(q.in, id)
	}
	has := func(v *vector) bool { return slices.ContainsFunc(v.counts, func(c Count) bool { return c.ID == id }) }
	if slices.ContainsFunc(q.vectors, func(v vector) bool { return has(&v) }) {
		q.remove(has)
	}
}

// Window ends a window: new forms may be learned again.
func (q *Sequences) Window() { q.all, q.unusual, q.fresh = 0, 0, 0 }

// end judges and learns a sequence that is over.
func (q *Sequences) end(seq []Count, ms int64) {
	j := q.Judge(seq, ms)
	q.Learn(seq, ms, j)
	q.all++
	if j.Unusual {
		q.unusual++
	}
}

func logsOf(seq []Count) []float64 {
	out := make([]float64, len(seq))
	for i, c := range seq {
		out[i] = math.Log1p(float64(c.N))
	}
	return out
}

// distance returns the sum of the differences of logarithms, or something beyond limit as soon as it is.
func distance(seq []Count, logs []float64, v *vector, limit float64) float64 {
	d := 0.0
	i, j := 0, 0
	for (i < len(seq) || j < len(v.counts)) && d <= limit {
		switch {
		case j == len(v.counts) || i < len(seq) && seq[i].ID < v.counts[j].ID:
			d += logs[i]
			i++
		case i == len(seq) || v.counts[j].ID < seq[i].ID:
			d += v.logs[j]
			j++
		default:
			d += math.Abs(logs[i] - v.logs[j])
			i++
			j++
		}
	}
	return d
}

func hashCounts(seq []Count) uint64 {
	h := uint64(len(seq))
	for _, c := range seq {
		h = mix(h ^ c.ID)
		h = mix(h + uint64(c.N))
	}
	return h
}

// AddCount counts a template in a sequence, which stays sorted. What is beyond the bound of one sequence is not counted.
func AddCount(seq []Count, id uint64) []Count {
	at, found := slices.BinarySearchFunc(seq, id, func(c Count, id uint64) int { return cmp.Compare(c.ID, id) })
	if found {
		if seq[at].N < math.MaxUint32 {
			seq[at].N++
		}
		return seq
	}
	if len(seq) >= maxCounts {
		return seq
	}
	return slices.Insert(seq, at, Count{id, 1})
}

func writeCounts(w *snapshot.Writer, seq []Count) {
	w.Uint(uint64(len(seq)))
	for _, c := range seq {
		w.Fixed(c.ID)
		w.Uint(uint64(c.N))
	}
}

func readCounts(r *snapshot.Reader) []Count {
	n := r.Count(9)
	if n > maxCounts {
		r.Fail("a sequence that is too long")
		return nil
	}
	var seq []Count
	for i := range n {
		c := Count{r.Fixed(), r.Uint32()}
		if i > 0 && seq[i-1].ID >= c.ID || c.N == 0 {
			r.Fail("counts are not in order")
			return nil
		}
		seq = append(seq, c)
	}
	return seq
}

func (q *Sequences) write(w *snapshot.Writer) {
	w.Uint(q.seen)
	w.Uint(uint64(q.fresh))
	w.Uint(uint64(q.all))
	w.Uint(uint64(q.unusual))
	for _, n := range q.tail {
		w.Uint(uint64(n))
	}
	ids := make([]uint64, 0, len(q.in))
	for id := range q.in {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	w.Uint(uint64(len(ids)))
	for _, id := range ids {
		w.Fixed(id)
		w.Uint(uint64(q.in[id]))
	}
	w.Uint(uint64(len(q.vectors)))
	for i := range q.vectors {
		v := &q.vectors[i]
		writeCounts(w, v.counts)
		w.Uint(v.times)
		w.Float(v.nearest)
		w.Float(v.arrived)
		w.Int(v.lastMS)
		w.Int(v.unusualMS)
	}
}

func (q *Sequences) read(r *snapshot.Reader) {
	q.seen, q.fresh, q.all, q.unusual = r.Uint(), int(r.Uint32()), r.Uint32(), r.Uint32()
	for i := range q.tail {
		q.tail[i] = r.Uint32()
	}
	n := r.Count(9)
	q.byHash, q.in = map[uint64]int{}, make(map[uint64]uint32, n)
	for range n {
		id := r.Fixed()
		c := r.Uint32()
		if c == 0 || q.in[id] > 0 {
			r.Fail("templates of sequences")
			return
		}
		q.in[id] = c
		if c == 1 {
			q.singles++
		}
	}
	for range r.Count(12) {
		v := vector{counts: readCounts(r), times: r.Uint(), nearest: r.Float(), arrived: r.Float(), lastMS: r.Int(), unusualMS: r.Int()}
		v.hash, v.logs = hashCounts(v.counts), logsOf(v.counts)
		if _, twice := q.byHash[v.hash]; twice || len(v.counts) == 0 || len(q.vectors) >= maxVectors {
			r.Fail("forms of sequences")
		}
		if r.Err() != nil {
			return
		}
		q.byHash[v.hash] = len(q.vectors)
		q.vectors = append(q.vectors, v)
	}
}

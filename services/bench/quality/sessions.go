package quality

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/logstage"
	"github.com/faultline-io/faultline/services/model"
)

// SessionCase are sessions of log events: some that are normal and may be learned from, and some of both kinds to be told apart.
type SessionCase struct {
	Name                    string
	Train, Normal, Abnormal [][]string
}

// SessionScore says how well abnormal sessions were told from normal ones, all in [0,1].
type SessionScore struct {
	Name  string
	Train int
	// Precision, Recall and F1 are of one pass over the test part; HeldOut says that its normal part was taken from the training part.
	Precision, Recall, F1 Interval
	Normal, Abnormal      int
	FalseAlarms           int
	HeldOut               bool
	// Online is F1 with everything learned that is seen, normal or not, as the product does: an abnormal kind of session is unusual for half
	// an hour and normal after.
	Online float64
	// Simple is F1 of calling every count vector unusual that the training part does not have; NewType of every event type.
	Simple, NewType float64
	NSPerSession    float64
}

// heldOut is the share of the training part that is kept for testing when a case has no normal sessions to test on.
const heldOut = 3

// Sessions lets the product's model of sequences (logstage.Sequences, that the correlator has for each service) learn the training part and judge the
// others. Only the order of sessions within a part is chosen here; names of events become numbers by their hash.
func Sessions(c SessionCase, r Renamer) SessionScore {
	train, normal := number(c.Train, r), number(c.Normal, r)
	abnormal := number(c.Abnormal, r)
	s := SessionScore{Name: r.Name(c.Name)}
	if len(normal) == 0 {
		// The order of the file may say something; a test on its end would not be fair.
		rng := rand.New(rand.NewPCG(1, 2))
		rng.Shuffle(len(train), func(i, j int) { train[i], train[j] = train[j], train[i] })
		n := len(train) / heldOut
		train, normal, s.HeldOut = train[n:], train[:n], true
	}
	s.Train, s.Normal, s.Abnormal = len(train), len(normal), len(abnormal)
	frozen := trained(train)
	start := time.Now()
	hits, alarms := judge(frozen, abnormal), judge(frozen, normal)
	s.NSPerSession = float64(time.Since(start).Nanoseconds()) / float64(len(normal)+len(abnormal))
	for _, a := range alarms {
		if a {
			s.FalseAlarms++
		}
	}
	s.Precision, s.Recall, s.F1 = prf(hits, alarms)
	s.Online = online(trained(train), normal, abnormal)
	vectors, types := map[string]bool{}, map[uint64]bool{}
	for _, t := range train {
		vectors[vectorKey(t)] = true
		for _, x := range t {
			types[x.ID] = true
		}
	}
	s.Simple = plainF1(abnormal, normal, func(t []logstage.Count) bool { return !vectors[vectorKey(t)] })
	s.NewType = plainF1(abnormal, normal, func(t []logstage.Count) bool {
		return slices.ContainsFunc(t, func(x logstage.Count) bool { return !types[x.ID] })
	})
	return s
}

// number turns events into counts of ids.
func number(sessions [][]string, r Renamer) [][]logstage.Count {
	out := make([][]logstage.Count, len(sessions))
	for i, s := range sessions {
		for _, e := range s {
			out[i] = logstage.AddCount(out[i], model.Hash64(r.Name(e)))
		}
	}
	return out
}

// stepMS is the time from session to session; the model's memory is in hours.
const stepMS = 1000

func trained(train [][]logstage.Count) *logstage.Sequences {
	q := &logstage.Sequences{}
	for i, t := range train {
		ms := int64(i+1) * stepMS
		q.Learn(t, ms, q.Judge(t, ms))
		q.Window()
	}
	return q
}

func judge(q *logstage.Sequences, sessions [][]logstage.Count) []bool {
	const later = 1 << 50 // Long after the training, so that no form is on probation.
	out := make([]bool, len(sessions))
	for i, s := range sessions {
		out[i] = q.Judge(s, later).Unusual
	}
	return out
}

// online judges and learns both parts, mixed evenly.
func online(q *logstage.Sequences, normal, abnormal [][]logstage.Count) float64 {
	type item struct {
		counts   []logstage.Count
		abnormal bool
	}
	var all []item
	for _, n := range normal {
		all = append(all, item{n, false})
	}
	for _, a := range abnormal {
		all = append(all, item{a, true})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var hits, alarms []bool
	ms := int64(1 << 50)
	for _, x := range all {
		ms += stepMS
		j := q.Judge(x.counts, ms)
		q.Learn(x.counts, ms, j)
		q.Window()
		if x.abnormal {
			hits = append(hits, j.Unusual)
		} else {
			alarms = append(alarms, j.Unusual)
		}
	}
	_, _, f1 := f1Of(hits, alarms)
	return f1
}

func vectorKey(t []logstage.Count) string {
	var b []byte
	for _, x := range t {
		b = append(b, string(rune(x.N))...)
		for i := range 8 {
			b = append(b, byte(x.ID>>(8*i)))
		}
	}
	return string(b)
}

func plainF1(abnormal, normal [][]logstage.Count, unusual func([]logstage.Count) bool) float64 {
	apply := func(sessions [][]logstage.Count) []bool {
		out := make([]bool, len(sessions))
		for i, s := range sessions {
			out[i] = unusual(s)
		}
		return out
	}
	_, _, f1 := f1Of(apply(abnormal), apply(normal))
	return f1
}

func f1Of(hits, alarms []bool) (p, r, f1 float64) {
	tp, fp := 0.0, 0.0
	for _, h := range hits {
		if h {
			tp++
		}
	}
	for _, a := range alarms {
		if a {
			fp++
		}
	}
	if tp == 0 {
		return 0, 0, 0
	}
	p, r = tp/(tp+fp), tp/float64(len(hits))
	return p, r, 2 * p * r / (p + r)
}

// prf returns precision, recall and F1 with bootstrap intervals over sessions, normal and abnormal ones resampled apart.
func prf(hits, alarms []bool) (p, r, f Interval) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(v []bool) []bool {
		out := make([]bool, len(v))
		for i := range out {
			out[i] = v[rng.IntN(len(v))]
		}
		return out
	}
	const times = 200
	var ps, rs, fs []float64
	for range times {
		a, b, c := f1Of(draw(hits), draw(alarms))
		ps, rs, fs = append(ps, a), append(rs, b), append(fs, c)
	}
	of := func(mean float64, v []float64) Interval {
		slices.Sort(v)
		return Interval{Mean: mean, Low: v[times*25/1000], High: v[times*975/1000-1], N: len(hits) + len(alarms)}
	}
	a, b, c := f1Of(hits, alarms)
	return of(a, ps), of(b, rs), of(c, fs)
}

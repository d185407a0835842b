package quality

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// AnomalyCase is one entity with its signals as they came, row by row, and what was wrong when.
type AnomalyCase struct {
	Set, Name string
	TimesMS   []int64
	Signals   []string
	// Values has one row for each time and a value for each signal; NaN is missing.
	Values [][]float64
	// Windows are the true anomalies as first and last row, in order.
	Windows [][2]int
	// Judged is the first row that counts; those before are for learning.
	Judged int
}

// AnomalyRun is what the product's detector made of a case.
type AnomalyRun struct {
	// Scores are the surprise of each row, over all signals of the entity: -log10 of the smallest probability after correction for their number.
	Scores []float64
	// Opened are the rows at which a finding became known, each once.
	Opened []int
	// By says which detector opened each, with the row before it.
	By []string
	// NSPerSample is the time of ordering and detection.
	NSPerSample float64
}

// RunDetector lets the product's detector judge a case: each row is a batch that goes through the product's clock and order, a mark after each, as it
// would have come. It sees no labels and no names of sets.
func RunDetector(c AnomalyCase, r Renamer, cfg detect.Config) AnomalyRun {
	d := detect.New(cfg)
	order := eventtime.NewOrder(eventtime.DefaultLimits())
	clock := eventtime.NewClock(eventtime.DefaultClockConfig(), eventtime.Mark{})
	all := make([]model.Series, len(c.Signals))
	batch := &model.Metrics{Header: model.Header{Origin: model.Origin{Source: "case"}}}
	for i, name := range c.Signals {
		labels := []model.Label{{Name: "service_name", Value: r.Name(c.Name)}}
		name = r.Name(name)
		all[i] = model.Series{ID: model.Hash64(c.Name + name), Name: name, Labels: labels, ShardHash: model.Hash64(c.Name)}
	}
	batch.Announced = all
	var out AnomalyRun
	seen := map[uint64]bool{}
	start, samples := time.Now(), 0
	for row, ms := range c.TimesMS {
		ms = r.Time(ms)
		batch.SeriesIDs, batch.TimesMS, batch.Values = batch.SeriesIDs[:0], batch.TimesMS[:0], batch.Values[:0]
		for i, v := range c.Values[row] {
			if !math.IsNaN(v) {
				batch.SeriesIDs, batch.TimesMS, batch.Values = append(batch.SeriesIDs, all[i].ID), append(batch.TimesMS, ms), append(batch.Values, v)
				samples++
			}
		}
		clock.Batch(batch)
		order.Batch(batch, d)
		batch.Announced = nil
		// The platform hears itself too, so that a slow sender does not stop the clock.
		clock.Hear("platform", ms+25_000)
		if err := order.Mark(clock.Tick(ms+25_000), d); err != nil {
			panic("BUG: " + err.Error())
		}
		out.Scores = append(out.Scores, entityScore(d, all))
		for _, f := range d.Findings() {
			if !seen[f.ID] {
				seen[f.ID] = true
				out.Opened = append(out.Opened, row)
				out.By = append(out.By, fmt.Sprintf("%d:%s", row, f.Detector))
			}
		}
	}
	out.NSPerSample = float64(time.Since(start).Nanoseconds()) / float64(max(samples, 1))
	out.Opened = slices.Compact(out.Opened)
	return out
}

// entityScore joins the surprises of an entity's signals as the detector's decision does: the smallest of p·m/k over the k-th smallest.
func entityScore(d *detect.Detector, all []model.Series) float64 {
	s := make([]float64, 0, len(all))
	for i := range all {
		if v, _, ok := d.Score(all[i].ID); ok {
			s = append(s, v)
		}
	}
	slices.Sort(s)
	slices.Reverse(s)
	best := 0.0
	for k, v := range s {
		best = max(best, v-math.Log10(float64(len(s))/float64(k+1)))
	}
	return best
}

// EventScore says how a run did on continuous data.
type EventScore struct {
	// Events are the true ones, Found those with a finding between their first row and their end.
	Events, Found int
	// DelayMinutes are those of the found ones, from the first row.
	DelayMinutes []float64
	// False are findings outside of all windows; those that come within half an hour after one are neither.
	False int
	Days  float64
	// AP is the average precision of the scores of single rows, Base that of chance.
	AP, Base float64
}

// graceMS after a window a finding is neither right nor wrong: the labels are no better than that.
const graceMS = 30 * 60_000

// ScoreEvents compares a run with the truth.
func ScoreEvents(c AnomalyCase, run AnomalyRun) EventScore {
	var s EventScore
	s.Days = float64(c.TimesMS[len(c.TimesMS)-1]-c.TimesMS[c.Judged]) / 86_400_000
	truth := make([]bool, len(c.TimesMS))
	for _, w := range c.Windows {
		s.Events++
		for i := w[0]; i <= w[1]; i++ {
			truth[i] = true
		}
		at, _ := slices.BinarySearch(run.Opened, w[0])
		if at < len(run.Opened) && run.Opened[at] <= w[1] {
			s.Found++
			s.DelayMinutes = append(s.DelayMinutes, float64(c.TimesMS[run.Opened[at]]-c.TimesMS[w[0]])/60_000)
		}
	}
	for _, row := range run.Opened {
		if row < c.Judged {
			continue
		}
		near := slices.ContainsFunc(c.Windows, func(w [2]int) bool {
			return row >= w[0] && c.TimesMS[row] <= c.TimesMS[w[1]]+graceMS
		})
		if !near {
			s.False++
		}
	}
	s.AP, s.Base = averagePrecision(run.Scores[c.Judged:], truth[c.Judged:])
	return s
}

// averagePrecision is the area under precision and recall as a sum over the ranks of true rows; rows with one score share their rank.
func averagePrecision(scores []float64, truth []bool) (ap, base float64) {
	idx := make([]int, len(scores))
	positives := 0
	for i := range idx {
		idx[i] = i
		if truth[i] {
			positives++
		}
	}
	if positives == 0 {
		return 0, 0
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	hits, seen := 0, 0
	for i := 0; i < len(idx); {
		j, more := i, 0
		for ; j < len(idx) && scores[idx[j]] == scores[idx[i]]; j++ {
			if truth[idx[j]] {
				more++
			}
		}
		seen, hits = j, hits+more
		ap += float64(more) / float64(positives) * float64(hits) / float64(seen)
		i = j
	}
	return ap, float64(positives) / float64(len(scores))
}

// String writes the short form for progress.
func (s EventScore) String() string {
	return fmt.Sprintf("%d of %d events, %.2f false a day", s.Found, s.Events, float64(s.False)/math.Max(s.Days, 1e-9))
}

// Package backtest replays stored telemetry through the brain, much faster than real time, and says which incidents and pages there would
// have been. The brain is the live one, with the same settings but for those that are asked for; what it finds goes nowhere but into the result.
//
// Samples come from the tables, what was derived from spans and logs among them as the series that they were stored as. What the live run had
// set aside as late counts here, unless the tables say that it was.
package backtest

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Steps of a replay. A slice is what is read at once, about sliceSeries series for an hour: 10 million samples at 15 s, 160 MB. Blocks of
// stored samples span up to two hours, so that shorter slices read the same blocks again.
const (
	sliceMS     = 3_600_000
	sliceSeries = 40_000
	minSliceMS  = 5 * 60_000
	markMS      = 5_000
	// latenessMS is how far the watermark of a live run is behind the clock about; it decides nothing but the time of detection that is shown.
	latenessMS = 26_000
)

// Source is where telemetry is read.
type Source interface {
	// Series returns all series that had samples in a time, at most limit. Errors: errs.Exhausted when there are more.
	Series(ctx context.Context, tenant model.TenantID, fromMS, toMS int64, limit int) ([]model.Series, []model.MetricMetadata, error)
	// Samples calls f with the samples of each of these series from fromMS up to and without toMS, in order of time, each time once.
	// Times and values may be used until f returns.
	Samples(ctx context.Context, tenant model.TenantID, series []model.Series, fromMS, toMS int64, f func(at int, times []int64, values []float64)) error
	// Changes returns what was changed in a time.
	Changes(ctx context.Context, tenant model.TenantID, fromMS, toMS int64) ([]model.Change, error)
}

// Request says what to replay.
type Request struct {
	ID     string         `json:"id"`
	Tenant model.TenantID `json:"tenant"`
	FromMS int64          `json:"from_ms"`
	ToMS   int64          `json:"to_ms"`
	// WarmupMS is how much before FromMS is replayed to learn from; what is found there does not count.
	WarmupMS int64 `json:"warmup_ms"`
	// Sensitivity is 1 for the live settings; 2 finds about twice as many, 0.5 half.
	Sensitivity float64   `json:"sensitivity"`
	AskedBy     string    `json:"asked_by"`
	AskedAt     time.Time `json:"asked_at"`
}

// Bounds of a request.
const (
	maxRange  = 31 * 24 * time.Hour
	maxSeries = 200_000
)

// Check returns why a request cannot be done: errs.Invalid.
func (r *Request) Check() error {
	switch span := time.Duration(r.ToMS-r.FromMS) * time.Millisecond; {
	case span <= 0:
		return errs.New(errs.Invalid, "the end of a backtest must be after its start")
	case span > maxRange:
		return errs.WithHint(errs.Invalid, "replay parts of it", "a backtest covers at most %s", maxRange)
	case r.WarmupMS < 0 || time.Duration(r.WarmupMS)*time.Millisecond > maxRange:
		return errs.New(errs.Invalid, "the time to learn from must be between 0 and %s", maxRange)
	case r.Sensitivity < 0.1 || r.Sensitivity > 10:
		return errs.New(errs.Invalid, "sensitivity %g: it must be from 0.1 to 10, 1 is as live", r.Sensitivity)
	}
	return nil
}

// Result is what there would have been.
type Result struct {
	Request Request `json:"request"`
	// Series and Samples are what was replayed.
	Series  int    `json:"series"`
	Samples uint64 `json:"samples"`
	// Findings counts by detector; Pages are incidents that would have paged.
	Findings  map[string]int    `json:"findings"`
	Pages     int               `json:"pages"`
	Incidents []*model.Incident `json:"incidents"`
	Took      time.Duration     `json:"took_ns"`
	// Speed is how many seconds of telemetry were replayed a second.
	Speed float64 `json:"speed"`
}

// Progress says how far a replay is: from 0 to 1.
type Progress func(share float64)

// Run replays. Errors: errs.Invalid for the request, errs.Exhausted for too many series, those of the source.
func Run(ctx context.Context, src Source, cfg brain.Config, req Request, progress Progress) (*Result, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	began := time.Now()
	from := req.FromMS - req.WarmupMS
	series, meta, err := src.Series(ctx, req.Tenant, from, req.ToMS, maxSeries)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(series, func(a, b model.Series) int { return cmp.Compare(a.ID, b.ID) })
	r := replay{brain: brain.New(cfg.Sensitive(req.Sensitivity)), src: src, req: req, series: series, announced: make([]bool, len(series))}
	r.result = &Result{Request: req, Series: len(series), Findings: map[string]int{}}
	r.brain.Metrics(&model.Metrics{Metadata: meta})
	if r.changes, err = src.Changes(ctx, req.Tenant, from, req.ToMS); err != nil {
		return nil, err
	}
	sort.SliceStable(r.changes, func(i, j int) bool { return r.changes[i].TimeNS < r.changes[j].TimeNS })
	step := int64(sliceMS)
	for step > minSliceMS && step*int64(len(series)) > sliceMS*sliceSeries {
		step /= 2
	}
	step -= step % markMS
	for at := from; at < req.ToMS; at += step {
		end := min(at+step, req.ToMS)
		if err := r.slice(ctx, at, end); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(float64(end-from) / float64(req.ToMS-from))
		}
	}
	r.result.Took = time.Since(began)
	r.result.Speed = float64(req.ToMS-from) / 1000 / max(r.result.Took.Seconds(), 1e-3)
	return r.finish(), nil
}

// replay is one run.
type replay struct {
	brain     *brain.Brain
	src       Source
	req       Request
	series    []model.Series
	announced []bool
	changes   []model.Change
	seq       uint64
	incidents map[string]*model.Incident
	result    *Result
}

// batchSamples is about how many samples one batch has.
const batchSamples = 50_000

// slice feeds a slice of time and makes its marks.
func (r *replay) slice(ctx context.Context, fromMS, toMS int64) error {
	b := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: r.req.Tenant, Source: "backtest"}}}
	flush := func() {
		r.brain.Metrics(b)
		r.result.Samples += uint64(len(b.Values))
		b = &model.Metrics{Header: b.Header}
	}
	err := r.src.Samples(ctx, r.req.Tenant, r.series, fromMS, toMS, func(at int, times []int64, values []float64) {
		s := &r.series[at]
		if !r.announced[at] {
			r.announced[at] = true
			b.Announced = append(b.Announced, *s)
		}
		b.SeriesIDs, b.MetricIDs, b.Counts = append(b.SeriesIDs, s.ID), append(b.MetricIDs, s.MetricID), append(b.Counts, uint32(len(times)))
		for i, v := range values {
			if isStale(v) {
				b.Stale = append(b.Stale, uint32(len(b.TimesMS)))
				v = 0
			}
			b.TimesMS, b.Values = append(b.TimesMS, times[i]), append(b.Values, v)
		}
		if len(b.Values) >= batchSamples {
			flush()
		}
	})
	if err != nil {
		return err
	}
	flush()
	for at := fromMS + markMS; at <= toMS; at += markMS {
		r.takeChanges(at)
		r.seq++
		out, err := r.brain.Mark(eventtime.Mark{Seq: r.seq, AtMS: at + latenessMS, WatermarkMS: at})
		if err != nil {
			return err
		}
		r.note(out)
	}
	return ctx.Err()
}

// takeChanges hands on what was changed before a moment.
func (r *replay) takeChanges(ms int64) {
	n := sort.Search(len(r.changes), func(i int) bool { return r.changes[i].TimeNS/1_000_000 > ms })
	if n > 0 {
		r.brain.Changes(&model.Changes{Changes: r.changes[:n]})
		r.changes = r.changes[n:]
	}
}

func (r *replay) note(out brain.Output) {
	for i := range out.Findings {
		if f := &out.Findings[i]; f.EndMS == 0 && f.OnsetMS >= r.req.FromMS && f.SeenMS == out.Mark.WatermarkMS {
			r.result.Findings[f.Detector]++
		}
	}
	if r.incidents == nil {
		r.incidents = map[string]*model.Incident{}
	}
	for _, in := range out.Incidents {
		if in.DetectedMS >= r.req.FromMS {
			r.incidents[in.ID] = in
		}
	}
}

func (r *replay) finish() *Result {
	for _, in := range r.incidents {
		if in.State == model.IncidentMerged {
			continue
		}
		if in.PagedMS != 0 {
			r.result.Pages++
		}
		r.result.Incidents = append(r.result.Incidents, in)
	}
	slices.SortFunc(r.result.Incidents, func(a, b *model.Incident) int {
		if a.DetectedMS != b.DetectedMS {
			return cmp.Compare(a.DetectedMS, b.DetectedMS)
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return r.result
}

package forecastsapi

import (
	"math"

	"github.com/faultline-io/faultline/services/internal/store"
)

// ForecastScore says how a forecast compares with what came.
type ForecastScore struct {
	// Of a load.
	Hours   int      `json:"hours" doc:"Of a load: hours that have come since"`
	MAE     *float64 `json:"mae,omitempty" doc:"Of a load: mean error of the median, in its unit"`
	MASE    *float64 `json:"mase,omitempty" doc:"Of a load: mae beside the mean difference to the same hour of the day before; below 1 is better than yesterday"`
	Cover80 *float64 `json:"cover80,omitempty" doc:"Of a load: share of the hours within the interval of 80 %"`
	Cover95 *float64 `json:"cover95,omitempty"`
	// Of an exhaustion.
	Outcome    string   `json:"outcome,omitempty" enum:"open,within,early,late,never_said,not_yet_reached" doc:"Of an exhaustion: within: reached within the interval; early and late: reached before or after it; never_said: reached, and no date had been given; not_yet_reached: the interval is over and the limit is not reached; open: the time has not come"`
	ErrorHours *float64 `json:"error_hours,omitempty" doc:"Of an exhaustion that was reached: the date given less the date it was"`
}

// Outcomes of exhaustion.
const (
	outcomeOpen   = "open"
	outcomeWithin = "within"
	outcomeEarly  = "early"
	outcomeLate   = "late"
	outcomeUnsaid = "never_said"
	outcomeNotYet = "not_yet_reached"
)

const hourMS = int64(3_600_000)

// scoreOf compares a forecast with what came, which is in ascending order of time.
func scoreOf(r *store.ForecastRow, came []store.ActualRow, nowMS int64) ForecastScore {
	if r.Kind == store.ForecastLoad {
		return scoreLoad(r, came)
	}
	return scoreExhaustion(r, came, nowMS)
}

func scoreLoad(r *store.ForecastRow, came []store.ActualRow) ForecastScore {
	at := make(map[int64]int, len(r.TimesMS))
	for i, ms := range r.TimesMS {
		at[ms] = i
	}
	var s ForecastScore
	mae, c80, c95 := 0.0, 0.0, 0.0
	for _, a := range came {
		i, ok := at[a.TimeMS]
		if !ok {
			continue
		}
		s.Hours++
		mae += math.Abs(a.Value - r.Median[i])
		if a.Value >= r.Low80[i] && a.Value <= r.High80[i] {
			c80++
		}
		if a.Value >= r.Low95[i] && a.Value <= r.High95[i] {
			c95++
		}
	}
	if s.Hours == 0 {
		return s
	}
	n := float64(s.Hours)
	mae, c80, c95 = mae/n, c80/n, c95/n
	s.MAE, s.Cover80, s.Cover95 = &mae, &c80, &c95
	if r.Scale > 0 {
		mase := mae / r.Scale
		s.MASE = &mase
	}
	return s
}

func scoreExhaustion(r *store.ForecastRow, came []store.ActualRow, nowMS int64) ForecastScore {
	falling := r.Level > r.Limit
	reached := int64(0)
	for _, a := range came {
		// An hour counts when it began after the forecast was made.
		if a.TimeMS < r.MadeMS {
			continue
		}
		if falling && a.Value <= r.Limit || !falling && a.Value >= r.Limit {
			reached = a.TimeMS
			break
		}
	}
	s := ForecastScore{Outcome: outcomeOpen}
	switch {
	case r.Unit() == "s" || r.State == "reached":
		return s // What says itself when it ends is not to be scored, nor what had ended.
	case reached > 0 && r.ReachMS == 0:
		s.Outcome = outcomeUnsaid
	case reached > 0:
		off := float64(r.ReachMS-reached) / float64(hourMS)
		s.ErrorHours = &off
		switch {
		// What came is known by the hour.
		case reached+hourMS < r.EarliestMS:
			s.Outcome = outcomeEarly
		case r.LatestMS > 0 && reached > r.LatestMS:
			s.Outcome = outcomeLate
		default:
			s.Outcome = outcomeWithin
		}
	case r.LatestMS > 0 && nowMS > r.LatestMS+hourMS:
		s.Outcome = outcomeNotYet
	}
	return s
}

// ForecastSummary adds scores up.
type ForecastSummary struct {
	Resource  string   `json:"resource"`
	Forecasts int      `json:"forecasts"`
	Hours     int      `json:"hours" doc:"Of loads: hours that were compared"`
	MASE      *float64 `json:"mase,omitempty" doc:"Of loads: mean over the forecasts"`
	Cover80   *float64 `json:"cover80,omitempty"`
	Cover95   *float64 `json:"cover95,omitempty"`
	Open      int      `json:"open" doc:"Of exhaustions, as outcome"`
	Within    int      `json:"within"`
	Early     int      `json:"early"`
	Late      int      `json:"late"`
	Unsaid    int      `json:"never_said"`
	NotYet    int      `json:"not_yet_reached"`
}

// summing gathers scores.
type summing struct {
	s             ForecastSummary
	mase          []float64
	in80, in95, n float64
}

func (u *summing) add(r *store.ForecastRow, s ForecastScore) {
	u.s.Forecasts++
	if r.Kind == store.ForecastLoad {
		if s.Hours == 0 {
			return
		}
		u.s.Hours += s.Hours
		u.n += float64(s.Hours)
		u.in80 += *s.Cover80 * float64(s.Hours)
		u.in95 += *s.Cover95 * float64(s.Hours)
		if s.MASE != nil {
			u.mase = append(u.mase, *s.MASE)
		}
		return
	}
	switch s.Outcome {
	case outcomeWithin:
		u.s.Within++
	case outcomeEarly:
		u.s.Early++
	case outcomeLate:
		u.s.Late++
	case outcomeUnsaid:
		u.s.Unsaid++
	case outcomeNotYet:
		u.s.NotYet++
	default:
		u.s.Open++
	}
}

func (u *summing) summary(resource string) ForecastSummary {
	s := u.s
	s.Resource = resource
	if u.n > 0 {
		c80, c95 := u.in80/u.n, u.in95/u.n
		s.Cover80, s.Cover95 = &c80, &c95
	}
	if len(u.mase) > 0 {
		m := 0.0
		for _, v := range u.mase {
			m += v / float64(len(u.mase))
		}
		s.MASE = &m
	}
	return s
}

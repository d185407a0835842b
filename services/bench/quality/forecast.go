package quality

import (
	"math"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/forecast"
)

// ForecastCase is a series with what came after it.
type ForecastCase struct {
	Name, Group string
	StartMS     int64
	StepMS      int64
	// Period is the season that errors are measured by, 1 for none.
	Period       int
	Past, Future []float64
}

// ForecastScore are the usual measures of forecasts (Makridakis et al. 2020).
type ForecastScore struct {
	// SMAPE is in percent, MASE and Pinball in mean errors of the seasonal naive forecast on the past, MSIS is that of 95 %.
	SMAPE, MASE, Pinball, MSIS float64
	// Cover80 and Cover95 are shares of the values within the intervals.
	Cover80, Cover95 float64
	// NaiveSMAPE and NaiveMASE are those of repeating the last season.
	NaiveSMAPE, NaiveMASE float64
	// MSE and MAE are in the units of the values.
	MSE, MAE float64
	Seconds  float64
}

// Forecast lets the product forecast a case and scores it.
func Forecast(c ForecastCase) (ForecastScore, bool) {
	start := time.Now()
	got, ok := forecast.Ahead(forecast.Grid{StartMS: c.StartMS, StepMS: c.StepMS, Values: c.Past}, forecast.Config{Horizon: len(c.Future), Seasons: forecast.Seasons(c.StepMS)})
	if !ok {
		return ForecastScore{}, false
	}
	s := ForecastScore{Seconds: time.Since(start).Seconds()}
	scale := naiveError(c.Past, c.Period)
	n := float64(len(c.Future))
	for k, v := range c.Future {
		m := got.Median[k]
		naive := c.Past[len(c.Past)-c.Period+k%c.Period]
		s.SMAPE += smape(v, m) / n
		s.NaiveSMAPE += smape(v, naive) / n
		s.MASE += math.Abs(v-m) / scale / n
		s.NaiveMASE += math.Abs(v-naive) / scale / n
		s.MSE += (v - m) * (v - m) / n
		s.MAE += math.Abs(v-m) / n
		s.Cover80 += within(v, got.Low80[k], got.High80[k]) / n
		s.Cover95 += within(v, got.Low95[k], got.High95[k]) / n
		for _, q := range []struct{ q, v float64 }{{.025, got.Low95[k]}, {.1, got.Low80[k]}, {.5, m}, {.9, got.High80[k]}, {.975, got.High95[k]}} {
			s.Pinball += 2 * max(q.q*(v-q.v), (q.q-1)*(v-q.v)) / scale / n / 5
		}
		s.MSIS += (got.High95[k] - got.Low95[k] + 2/.05*(max(got.Low95[k]-v, 0)+max(v-got.High95[k], 0))) / scale / n
	}
	return s, true
}

func naiveError(y []float64, m int) float64 {
	sum := 0.0
	for i := m; i < len(y); i++ {
		sum += math.Abs(y[i] - y[i-m])
	}
	return sum / float64(len(y)-m)
}

func smape(a, b float64) float64 {
	if a == b {
		return 0
	}
	return 200 * math.Abs(a-b) / (math.Abs(a) + math.Abs(b))
}

func within(v, low, high float64) float64 {
	if v >= low && v <= high {
		return 1
	}
	return 0
}

// CrossingScore says how a date of exhaustion was foretold.
type CrossingScore struct {
	LeadHours float64
	// State is what was said; the errors are in hours, of the date and of those that a line through the last day and through all of the
	// past give.
	State                      forecast.State
	Error, DayError, LineError float64
	// Within says that the true date lies in the interval of 80 %.
	Within bool
}

// Crossings makes stocks of a case: its values, where none is negative, flow in and nothing flows out. At a moment with so many hours to go the
// product is asked when the level will be reached that is then reached.
func Crossings(c ForecastCase, leadHours []int) []CrossingScore {
	if c.StepMS != 3_600_000 || slices.Min(c.Past) < 0 {
		return nil
	}
	all := append(slices.Clone(c.Past), c.Future...)
	stock, times := make([]float64, len(all)), make([]int64, len(all))
	sum := 0.0
	for i, v := range all {
		sum += v
		stock[i], times[i] = sum, c.StartMS+int64(i)*c.StepMS
	}
	var out []CrossingScore
	for _, lead := range leadHours {
		now := len(all) - 1 - lead
		limit := stock[len(all)-1]
		if now < 24*14 || limit <= stock[now] {
			continue
		}
		// The first moment at which it is reached, for flows that end.
		truth := slices.IndexFunc(stock, func(v float64) bool { return v >= limit })
		e := forecast.Exhaust(forecast.Stock{TimesMS: times[:now+1], Values: stock[:now+1], Limit: limit, NowMS: times[now]})
		s := CrossingScore{LeadHours: float64(truth - now), State: e.State}
		hours := func(ms int64) float64 { return float64(ms-times[truth]) / 3_600_000 }
		if e.State == forecast.StateTrend {
			s.Error = math.Abs(hours(e.ReachMS))
			// A date of an hour means some time in that hour.
			s.Within = hours(e.EarliestMS) <= 1 && (e.LatestMS == 0 || hours(e.LatestMS) >= -1)
		}
		s.DayError = lineError(stock, now, 24, limit, truth)
		s.LineError = lineError(stock, now, now, limit, truth)
		out = append(out, s)
	}
	return out
}

// lineError returns by how many hours the line through the last steps misses the truth, at most ten times the lead.
func lineError(stock []float64, now, steps int, limit float64, truth int) float64 {
	slope := (stock[now] - stock[now-steps]) / float64(steps)
	lead := float64(truth - now)
	if slope <= 0 {
		return 10 * lead
	}
	return min(math.Abs((limit-stock[now])/slope-lead), 10*lead)
}

package suite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// forecasts scores forecasts of loads and of dates at which something runs out.
func forecasts() Suite {
	s := Suite{
		Name: "forecast", Short: "loads and dates of exhaustion on M4 and ETT",
		Source: "github.com/Mcompetitions/M4-methods, folder Dataset (Hourly and Weekly, train and test); github.com/zhouhaoyi/ETDataset (ETTh1.csv)",
	}
	s.Run = func(ctx context.Context, o Options) (*Report, error) {
		rename := quality.NewRenamer(o.Rename)
		cases, err := adapters.M4(o.Dir, rename)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		more, err := adapters.ETT(o.Dir, rename)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		r := &Report{
			Suite: s.Name, Values: map[string]float64{},
			Columns: []string{"set", "n", "sMAPE", "MASE [95 %]", "naive sMAPE", "naive MASE", "pinball", "MSIS", "in 80 %", "in 95 %", "MSE", "MAE", "ms each"},
		}
		groups := byGroup(append(cases, more...))
		for _, g := range groups {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			addForecasts(r, g, o.Progress)
		}
		addCrossings(r, groups)
		r.Notes = append(r.Notes,
			"Published, M4 hourly, sMAPE / MASE: seasonal naive 13.91/1.193, Theta 18.14/2.455, damped 19.27/2.956, best (Doornik) 8.91/.801; MSIS: ETS 17.5, ARIMA 7.5, ES-RNN 7.9.",
			"Published, M4 weekly, sMAPE / MASE: naive 9.16/2.777; the best are near 6.6 and 2.1.",
			"ETTh1, 96 hours ahead, standardised, MSE / MAE: last value 1.299/.716, seasonal naive .513/.434.",
			"Dates: the values of hourly series flow into a stock; the error is that of the date, beside the line through the last day and through all of the past.")
		return r, nil
	}
	return s
}

type caseGroup struct {
	name  string
	cases []quality.ForecastCase
}

func byGroup(cases []quality.ForecastCase) []caseGroup {
	var out []caseGroup
	for _, c := range cases {
		i := slices.IndexFunc(out, func(g caseGroup) bool { return g.name == c.Group })
		if i < 0 {
			i, out = len(out), append(out, caseGroup{name: c.Group})
		}
		out[i].cases = append(out[i].cases, c)
	}
	return out
}

func addForecasts(r *Report, g caseGroup, progress func(string)) {
	var mase []float64
	var sum quality.ForecastScore
	for i, c := range g.cases {
		s, ok := quality.Forecast(c)
		if !ok {
			continue
		}
		mase = append(mase, s.MASE)
		sum.SMAPE += s.SMAPE
		sum.NaiveSMAPE += s.NaiveSMAPE
		sum.NaiveMASE += s.NaiveMASE
		sum.Pinball += s.Pinball
		sum.MSIS += s.MSIS
		sum.Cover80 += s.Cover80
		sum.Cover95 += s.Cover95
		sum.MSE += s.MSE
		sum.MAE += s.MAE
		sum.Seconds += s.Seconds
		if progress != nil && i%200 == 199 {
			progress(fmt.Sprintf("%s: %d of %d", g.name, i+1, len(g.cases)))
		}
	}
	n := float64(len(mase))
	if n == 0 {
		return
	}
	m := quality.Bootstrap(mase)
	r.Add(g.name, len(mase), sum.SMAPE/n, m.String(), sum.NaiveSMAPE/n, sum.NaiveMASE/n, sum.Pinball/n, sum.MSIS/n, sum.Cover80/n, sum.Cover95/n, sum.MSE/n, sum.MAE/n,
		fmt.Sprintf("%.1f", 1000*sum.Seconds/n))
	for name, v := range map[string]float64{
		"smape": sum.SMAPE, "mase": m.Mean * n, "pinball": sum.Pinball, "msis": sum.MSIS, "cover80": sum.Cover80, "cover95": sum.Cover95, "mse": sum.MSE, "mae": sum.MAE,
		"seconds": sum.Seconds, "naive_smape": sum.NaiveSMAPE, "naive_mase": sum.NaiveMASE,
	} {
		r.Values[g.name+"_"+name] = v / n
	}
}

// addCrossings notes how dates were foretold a day, three days and a week ahead.
func addCrossings(r *Report, groups []caseGroup) {
	for _, lead := range []int{24, 72, 168} {
		var errors, day, line []float64
		n, said, within := 0, 0, 0
		for _, g := range groups {
			for i, c := range g.cases {
				if c.Period != 24 || c.StepMS != 3_600_000 || i > 0 && c.Name == g.cases[i-1].Name {
					continue // One stock for each series.
				}
				for _, s := range quality.Crossings(c, []int{lead}) {
					n++
					day, line = append(day, s.DayError), append(line, s.LineError)
					if s.State != forecast.StateTrend {
						continue
					}
					said++
					errors = append(errors, s.Error)
					if s.Within {
						within++
					}
				}
			}
		}
		if said == 0 {
			continue
		}
		share := float64(within) / float64(said)
		r.Values[fmt.Sprintf("crossing_%dh_median_error", lead)] = middle(errors)
		r.Values[fmt.Sprintf("crossing_%dh_within", lead)] = share
		r.Values[fmt.Sprintf("crossing_%dh_said", lead)] = float64(said) / float64(n)
		r.Notes = append(r.Notes, fmt.Sprintf("Date %3d h ahead: %d stocks, a date for %.1f %%, median error %.1f h, mean %s h, in the interval of 80 %%: %.1f %%; line through the last day: median %.1f h, through all: %.1f h",
			lead, n, 100*float64(said)/float64(n), middle(errors), quality.Bootstrap(errors), 100*share, middle(day), middle(line)))
	}
}

func middle(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

package store

import "github.com/faultline-io/faultline/services/model"

// Kinds of forecasts.
const (
	ForecastExhaustion = "exhaustion"
	ForecastLoad       = "load"
)

// ForecastRow is one forecast as it was made.
type ForecastRow struct {
	model.Forecast
	Tenant model.TenantID
	// TargetID names what is forecast: the same for all forecasts of one stock or load.
	TargetID uint64
	// Resource is the kind of what runs out (disk, memory, certificate …) or is loaded (requests, cpu …).
	Resource string
	// State is that of package forecast for exhaustion, "forecast" for a load.
	State string
	// Level is where it stands, PerHour how it changes, with its interval of 80 %.
	Level, PerHour, PerHourLow, PerHourHigh float64
	SinceMS                                 int64
	// StepMS is the distance of the times of a load; the first is the end of the past.
	StepMS int64
	// Scale is the mean error of the same hour of the day before, which errors of a load are measured by.
	Scale float64
}

// Unit returns the unit of the values.
func (r *ForecastRow) Unit() string { return r.Signal.Unit }

// ActualRow is what came of a target in an hour.
type ActualRow struct {
	Tenant   model.TenantID
	TargetID uint64
	TimeMS   int64
	Value    float64
}

// StateForecast is the state of a load's forecast.
const StateForecast = "forecast"

// ValueAt returns the value of a band of r at a time, between the middles of its steps by a line; ok is false where the forecast does not reach.
func ValueAt(r *ForecastRow, band []float64, ms int64) (v float64, ok bool) {
	if len(r.TimesMS) == 0 || len(band) != len(r.TimesMS) || r.StepMS <= 0 {
		return 0, false
	}
	x := float64(ms-r.TimesMS[0])/float64(r.StepMS) - .5
	n := float64(len(band))
	if x < -.5 || x > n {
		return 0, false
	}
	x = min(max(x, 0), n-1)
	i := int(x)
	if i+1 >= len(band) {
		return band[i], true
	}
	return band[i] + (band[i+1]-band[i])*(x-float64(i)), true
}

// PeakUntil returns the largest value of a band of r between two times; ok is false where the forecast does not reach so far.
func PeakUntil(r *ForecastRow, band []float64, fromMS, untilMS int64) (v float64, ok bool) {
	n := len(r.TimesMS)
	// Two steps may be missing at the end: the past of a forecast ends with a whole hour, and forecasts are an hour old before the next.
	if n == 0 || len(band) != n || r.TimesMS[n-1]+3*r.StepMS < untilMS {
		return 0, false
	}
	for i, ms := range r.TimesMS {
		if ms+r.StepMS > fromMS && ms < untilMS && (!ok || band[i] > v) {
			v, ok = band[i], true
		}
	}
	return v, ok
}

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

// ActualRow is what came of a target in an hour.
type ActualRow struct {
	Tenant   model.TenantID
	TargetID uint64
	TimeMS   int64
	Value    float64
}

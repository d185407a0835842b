package gateway

import (
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/internal/logshape"
)

// NewIntake returns the intake by itself, without receivers, for a part that makes telemetry of its own, as rules do: the same limits,
// batches and counts as for what comes from outside. Deps.Auth and Deps.Rejections are not used.
func NewIntake(cfg Config, deps Deps) (*intake.Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	l := cfg.Limits
	return &intake.Core{
		Limits: l, Sink: &busSink{publisher: deps.Publisher, measures: &measures{set: deps.Metrics}}, Rejected: limits.NewRejections(), Index: series.NewIndex(&l),
		Shards: cfg.Shards, Clock: deps.Clock, Log: deps.Log, Shape: logshape.Hash,
	}, nil
}

// Package datadog turns what the Datadog Agent and its API clients send into samples: series of version 1 (JSON) and 2 (protobuf and
// JSON), sketches of distributions, and service checks; and their events into changes. Protobuf is read in place.
//
// Gauges and rates are samples as they are. A count is a difference over the agent's interval; it is added to a running total under its
// name with _total, since that is what PromQL expects of a counter. A sketch becomes a native histogram, also a running total, whose buckets
// are 2.2 % wide where the sketch's are 1.6 %: quantiles keep the error of both, count and sum are exact.
package datadog

import (
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/naming"
	"github.com/faultline-io/faultline/services/gateway/totals"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles the payloads. It is safe for several goroutines.
type Receiver struct {
	core   *intake.Core
	totals *totals.Totals
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core, totals: totals.New()} }

// Kinds of series, by their numbers in the protocol.
const (
	kindUnspecified = 0
	kindCount       = 1
	kindRate        = 2
	kindGauge       = 3
)

// noValue is the value of a tag that is a word alone; VictoriaMetrics gives it the same.
const noValue = "no_label_value"

// labelHost is the label of the host.
const labelHost = "host"

// writer writes the series of one request.
type writer struct {
	b     *intake.Metrics
	req   *intake.Request
	tx    *totals.Tx
	names naming.Arena
}

// begin returns a writer of a request, and what ends it.
func (r *Receiver) begin(req *intake.Request) (*writer, func()) {
	w := &writer{b: r.core.Metrics(req), req: req, tx: r.totals.Begin(req.Tenant, uint32(req.ReceivedAt.Unix()))}
	w.b.Flushed = w.tx.Commit
	return w, func() {
		w.b.Close()
		w.tx.End()
	}
}

// reset begins the labels of a series.
func (w *writer) reset() {
	w.names.Reset()
	w.b.Labels.Reset()
}

// add adds a label unless the set has one of its name: a tag may come several times, and the first of it stands.
func (w *writer) add(name, value string) {
	name = w.names.Label(name)
	if name == "" || value == "" || w.b.Labels.Get(name) != "" {
		return
	}
	w.b.Labels.Add(name, value)
}

// tag adds a tag of the form name:value.
func (w *writer) tag(t string) {
	name, value, ok := strings.Cut(t, ":")
	if !ok {
		value = noValue
	}
	w.add(name, value)
}

// open starts the series whose labels were added, under its name, and returns whether it may be; n items of it are refused otherwise.
func (w *writer) open(metric string, kind, n int) bool {
	name := w.names.Metric(metric)
	if name == "" {
		w.req.Reject(model.SignalMetrics, limits.MissingName, n)
		return false
	}
	if kind == kindCount && !strings.HasSuffix(name, "_total") {
		name = w.names.Append(name, "_total")
	}
	w.b.Labels.Set(model.LabelName, name)
	if reason := w.b.Begin(); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, n)
		return false
	}
	return true
}

// describe says once what a metric is, under which name it was sent.
func (w *writer) describe(metric, kind, unit string) {
	family := w.b.Labels.Get(model.LabelName)
	if w.b.HasFamily(family) {
		return
	}
	w.b.Metadata(model.MetricMetadata{Family: strings.Clone(family), Original: strings.Clone(intake.Valid(metric)), Type: kind, Unit: strings.Clone(intake.Valid(unit))})
}

// kindNames are the types of metrics by kind.
var kindNames = [...]string{kindUnspecified: "gauge", kindCount: "counter", kindRate: "gauge", kindGauge: "gauge"}

// point adds a point of the open series; sec is 0 for now.
func (w *writer) point(kind int, sec float64, v float64) {
	ms := int64(sec * 1000)
	if sec <= 0 {
		ms = w.req.ReceivedAt.UnixMilli()
	}
	if kind != kindCount {
		w.b.Sample(ms, v)
		return
	}
	if reason := w.req.Window.Reason(ms); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	total, reason := w.tx.Add(w.b.ID(), ms, v)
	if reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	w.b.Sample(ms, total)
}

func malformed(what string, err error) error {
	if errs.KindOf(err) != errs.Internal {
		return err
	}
	return errs.New(errs.Invalid, "read %s: %v", what, err)
}

package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// FromJSON turns an OTLP/JSON export request of a signal into protobuf. Errors: errs.Invalid.
//
// OTLP/JSON is protobuf's JSON with one exception: trace and span ids are hexadecimal. Protobuf's decoder reads them as base64.
// Hexadecimal digits are base64 digits too, and 32 or 16 of them are whole groups of four, so that encoding what was read gives
// back what was written.
func FromJSON(signal model.Signal, body []byte) ([]byte, error) {
	var msg proto.Message
	switch signal {
	case model.SignalMetrics:
		msg = &colmetrics.ExportMetricsServiceRequest{}
	case model.SignalLogs:
		msg = &collogs.ExportLogsServiceRequest{}
	case model.SignalSpans:
		msg = &coltrace.ExportTraceServiceRequest{}
	default:
		return nil, errs.New(errs.Invalid, "no OTLP signal %q", signal)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, msg); err != nil {
		return nil, errs.New(errs.Invalid, "otlp json: %w", err)
	}
	if err := fixIDs(msg); err != nil {
		return nil, errs.New(errs.Invalid, "otlp json: %w", err)
	}
	out, err := proto.Marshal(msg)
	if err != nil {
		return nil, errs.New(errs.Invalid, "otlp json: %w", err)
	}
	return out, nil
}

func fixIDs(msg proto.Message) error {
	f := idFixer{}
	switch x := msg.(type) {
	case *collogs.ExportLogsServiceRequest:
		for _, rl := range x.GetResourceLogs() {
			for _, sl := range rl.GetScopeLogs() {
				for _, r := range sl.GetLogRecords() {
					f.trace(&r.TraceId)
					f.span(&r.SpanId)
				}
			}
		}
	case *coltrace.ExportTraceServiceRequest:
		for _, rs := range x.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					f.trace(&s.TraceId)
					f.span(&s.SpanId)
					f.span(&s.ParentSpanId)
					for _, l := range s.GetLinks() {
						f.trace(&l.TraceId)
						f.span(&l.SpanId)
					}
				}
			}
		}
	case *colmetrics.ExportMetricsServiceRequest:
		for _, rm := range x.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, m := range sm.GetMetrics() {
					f.metric(m)
				}
			}
		}
	}
	return f.err
}

type idFixer struct{ err error }

func (f *idFixer) trace(id *[]byte) { f.fix(id, 16) }
func (f *idFixer) span(id *[]byte)  { f.fix(id, 8) }

// fix turns what base64 made of size bytes in hexadecimal back into them.
func (f *idFixer) fix(id *[]byte, size int) {
	if len(*id) == 0 || f.err != nil {
		return
	}
	if len(*id) != size*2*3/4 {
		f.err = fmt.Errorf("an id does not have %d hexadecimal digits", 2*size)
		return
	}
	text := base64.StdEncoding.EncodeToString(*id)
	out, err := hex.DecodeString(text)
	if err != nil {
		f.err = fmt.Errorf("id %q is not hexadecimal", text)
		return
	}
	*id = out
}

func (f *idFixer) exemplars(es []*metricspb.Exemplar) {
	for _, e := range es {
		f.trace(&e.TraceId)
		f.span(&e.SpanId)
	}
}

func (f *idFixer) metric(m *metricspb.Metric) {
	for _, p := range m.GetGauge().GetDataPoints() {
		f.exemplars(p.GetExemplars())
	}
	for _, p := range m.GetSum().GetDataPoints() {
		f.exemplars(p.GetExemplars())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		f.exemplars(p.GetExemplars())
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		f.exemplars(p.GetExemplars())
	}
}

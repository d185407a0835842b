package otlp

import (
	"context"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Logs publishes the ExportLogsServiceRequest in body. What is refused is counted in req; a malformed message is errs.Invalid.
// body may be reused afterwards.
func (r *Receiver) Logs(ctx context.Context, req *intake.Request, body []byte) error {
	b := r.core.Logs(req)
	defer b.Close()
	w := logWalk{core: r.core, b: b, req: req}
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.resourceLogs(ctx, m.Data); err != nil {
			return malformed("logs", err)
		}
	}
	if m.Err() != nil {
		return malformed("logs", m.Err())
	}
	return b.Flush(ctx)
}

// malformed gives an error of the walk its kind; errors of the sink have theirs.
func malformed(what string, err error) error {
	if errs.KindOf(err) == errs.Internal {
		return errs.New(errs.Invalid, "otlp %s message: %w", what, err)
	}
	return err
}

type logWalk struct {
	core  *intake.Core
	b     *intake.Logs
	req   *intake.Request
	rec   intake.Record
	attrs []model.Label
}

func (w *logWalk) resourceLogs(ctx context.Context, data []byte) error {
	attrs, err := resourceAttributes(data, w.core, w.req, model.SignalLogs)
	if err != nil {
		return err
	}
	w.b.SetResource(attrs)
	m := wire.Read(data)
	for m.Next() {
		if !m.Is(2, wire.Bytes) {
			continue
		}
		f := wire.Read(m.Data)
		for f.Next() {
			if !f.Is(2, wire.Bytes) {
				continue
			}
			if err := w.record(f.Data); err != nil {
				return err
			}
			if err := w.b.Split(ctx); err != nil {
				return err
			}
		}
		if f.Err() != nil {
			return f.Err()
		}
	}
	return m.Err()
}

// resourceAttributes reads the resource (field 1) of a Resource{Logs,Spans,Metrics}.
func resourceAttributes(data []byte, core *intake.Core, req *intake.Request, signal model.Signal) ([]model.Label, error) {
	var attrs []model.Label
	m := wire.Read(data)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		f := wire.Read(m.Data)
		for f.Next() {
			if !f.Is(1, wire.Bytes) {
				continue
			}
			a, err := attribute(f.Data)
			if err != nil {
				return nil, err
			}
			attrs = append(attrs, a)
		}
		if f.Err() != nil {
			return nil, f.Err()
		}
	}
	return trimAttributes(attrs, core, req, signal), m.Err()
}

// trimAttributes cuts what is beyond the limits, and counts it.
func trimAttributes(attrs []model.Label, core *intake.Core, req *intake.Request, signal model.Signal) []model.Label {
	if n := core.Limits.MaxAttributes; len(attrs) > n {
		attrs = attrs[:n]
		req.Note(signal, limits.AttributesDropped, 1)
	}
	for i := range attrs {
		if n := core.Limits.MaxAttributeBytes; len(attrs[i].Value) > n {
			attrs[i].Value = intake.Cut(attrs[i].Value, n)
			req.Note(signal, limits.Truncated, 1)
		}
	}
	return attrs
}

func (w *logWalk) record(data []byte) error {
	w.rec = intake.Record{}
	w.attrs = w.attrs[:0]
	severityText := ""
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch m.Field {
		case 1:
			w.rec.TimeNS = int64(m.Num)
		case 2:
			w.rec.Severity = uint8(min(m.Num, 24))
		case 3:
			severityText = m.String()
		case 5:
			w.rec.Body, err = anyValue(m.Data)
		case 6:
			var a model.Label
			a, err = attribute(m.Data)
			w.attrs = append(w.attrs, a)
		case 9:
			w.rec.TraceID = w.id(m.Data, 16)
		case 10:
			w.rec.SpanID = w.id(m.Data, 8)
		case 11:
			w.rec.ObservedNS = int64(m.Num)
		case 12:
			if len(m.Data) > 0 {
				w.attrs = append(w.attrs, model.Label{Name: "event.name", Value: intake.Valid(m.String())})
			}
		}
		if err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if w.rec.Severity == 0 && severityText != "" {
		w.rec.Severity = intake.SeverityOf(severityText)
	}
	w.rec.Attributes = w.attrs
	w.b.Add(&w.rec)
	return nil
}

// id returns a trace or span id without copying it, or "" for one that is absent, zero or of the wrong length.
func (w *logWalk) id(b []byte, size int) string {
	if len(b) == 0 || zeroID(b) {
		return ""
	}
	if len(b) != size {
		w.req.Note(model.SignalLogs, limits.InvalidID, 1)
		return ""
	}
	return wire.String(b)
}

func zeroID(b []byte) bool { return strings.Trim(wire.String(b), "\x00") == "" }

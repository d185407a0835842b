package otlp

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one span; what is beyond is cut off and counted.
const (
	maxSpanEvents = 128
	maxSpanLinks  = 128
)

// Traces publishes the ExportTraceServiceRequest in body. What is refused is counted in req; a malformed message is
// errs.Invalid. body may be reused afterwards.
func (r *Receiver) Traces(ctx context.Context, req *intake.Request, body []byte) error {
	w := spanWalk{core: r.core, b: r.core.Spans(req), req: req}
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.resourceSpans(ctx, m.Data); err != nil {
			return malformed("traces", err)
		}
	}
	if m.Err() != nil {
		return malformed("traces", m.Err())
	}
	return w.b.Flush(ctx)
}

type spanWalk struct {
	core         *intake.Core
	b            *intake.Spans
	req          *intake.Request
	scopeName    string
	scopeVersion string
}

func (w *spanWalk) resourceSpans(ctx context.Context, data []byte) error {
	attrs, err := resourceAttributes(data, w.core, w.req, model.SignalSpans)
	if err != nil {
		return err
	}
	w.b.SetResource(attrs)
	m := wire.Read(data)
	for m.Next() {
		if !m.Is(2, wire.Bytes) {
			continue
		}
		if err := w.scopeSpans(ctx, m.Data); err != nil {
			return err
		}
	}
	return m.Err()
}

func (w *spanWalk) scopeSpans(ctx context.Context, data []byte) error {
	w.scopeName, w.scopeVersion = "", ""
	m := wire.Read(data)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		f := wire.Read(m.Data)
		for f.Next() {
			switch {
			case f.Is(1, wire.Bytes):
				w.scopeName = w.text(f.Data)
			case f.Is(2, wire.Bytes):
				w.scopeVersion = w.text(f.Data)
			}
		}
		if f.Err() != nil {
			return f.Err()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	m = wire.Read(data)
	for m.Next() {
		if !m.Is(2, wire.Bytes) {
			continue
		}
		if err := w.span(m.Data); err != nil {
			return err
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	return nil
}

// text returns b as valid text of bounded length, without a copy where it is.
func (w *spanWalk) text(b []byte) string {
	s := wire.String(b)
	if n := w.core.Limits.MaxAttributeBytes; len(s) > n {
		s = intake.Cut(s, n)
		w.req.Note(model.SignalSpans, limits.Truncated, 1)
	}
	return intake.Valid(s)
}

func (w *spanWalk) span(data []byte) error {
	s := model.Span{ScopeName: w.scopeName, ScopeVersion: w.scopeVersion}
	var endNS int64
	badID := false
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch m.Field {
		case 1:
			s.TraceID, badID = w.id(m.Data, 16, badID)
		case 2:
			s.SpanID, badID = w.id(m.Data, 8, badID)
		case 3:
			s.TraceState = w.text(m.Data)
		case 4:
			s.ParentSpanID, badID = w.id(m.Data, 8, badID)
		case 5:
			s.Name = w.text(m.Data)
		case 6:
			if m.Num <= 5 {
				s.Kind = uint8(m.Num)
			}
		case 7:
			s.StartNS = int64(m.Num)
		case 8:
			endNS = int64(m.Num)
		case 9:
			err = appendAttribute(&s.Attributes, m.Data)
		case 11:
			err = w.event(&s, m.Data)
		case 13:
			err = w.link(&s, m.Data)
		case 15:
			err = w.status(&s, m.Data)
		}
		if err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if badID || s.TraceID == "" || s.SpanID == "" {
		w.req.Reject(model.SignalSpans, limits.InvalidID, 1)
		return nil
	}
	if reason := w.req.Window.Reason(s.StartNS / int64(time.Millisecond)); reason != "" {
		w.req.Reject(model.SignalSpans, reason, 1)
		return nil
	}
	s.DurationNS = max(endNS-s.StartNS, 0)
	s.Attributes = trimAttributes(s.Attributes, w.core, w.req, model.SignalSpans)
	w.b.Add(s, len(data))
	return nil
}

// id returns an id of the right length, "" for one of zeros, and whether this or an earlier one is of a wrong length.
func (w *spanWalk) id(b []byte, size int, bad bool) (string, bool) {
	if len(b) == 0 || len(b) == size && zeroID(b) {
		return "", bad
	}
	if len(b) != size {
		return "", true
	}
	return wire.String(b), bad
}

func appendAttribute(dst *[]model.Label, data []byte) error {
	a, err := attribute(data)
	*dst = append(*dst, a)
	return err
}

func (w *spanWalk) event(s *model.Span, data []byte) error {
	if len(s.Events) >= maxSpanEvents {
		w.req.Note(model.SignalSpans, limits.Truncated, 1)
		return nil
	}
	var e model.SpanEvent
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Fixed64):
			e.TimeNS = int64(m.Num)
		case m.Is(2, wire.Bytes):
			e.Name = w.text(m.Data)
		case m.Is(3, wire.Bytes):
			if err := appendAttribute(&e.Attributes, m.Data); err != nil {
				return err
			}
		}
	}
	e.Attributes = trimAttributes(e.Attributes, w.core, w.req, model.SignalSpans)
	s.Events = append(s.Events, e)
	return m.Err()
}

func (w *spanWalk) link(s *model.Span, data []byte) error {
	if len(s.Links) >= maxSpanLinks {
		w.req.Note(model.SignalSpans, limits.Truncated, 1)
		return nil
	}
	var l model.SpanLink
	bad := false
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			l.TraceID, bad = w.id(m.Data, 16, bad)
		case m.Is(2, wire.Bytes):
			l.SpanID, bad = w.id(m.Data, 8, bad)
		case m.Is(4, wire.Bytes):
			if err := appendAttribute(&l.Attributes, m.Data); err != nil {
				return err
			}
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if bad || l.TraceID == "" || l.SpanID == "" {
		w.req.Note(model.SignalSpans, limits.InvalidID, 1)
		return nil
	}
	l.Attributes = trimAttributes(l.Attributes, w.core, w.req, model.SignalSpans)
	s.Links = append(s.Links, l)
	return nil
}

func (w *spanWalk) status(s *model.Span, data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(2, wire.Bytes):
			s.StatusMessage = w.text(m.Data)
		case m.Is(3, wire.Varint):
			if m.Num <= 2 {
				s.StatusCode = uint8(m.Num)
			}
		}
	}
	return m.Err()
}

package bus

import (
	"google.golang.org/protobuf/proto"

	telemetryv1 "github.com/faultline-io/faultline/proto/gen/faultline/telemetry/v1"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// EncodeSpans returns s as a sealed telemetry.v1.SpansBatch. The header is not part of it: it travels beside the data.
//
// Errors: errs.Invalid for ids of a wrong length, resources that do not exist, or more than 1,048,576 spans. s is not kept.
func EncodeSpans(s *model.Spans) ([]byte, error) {
	if err := checkSpans(s); err != nil {
		return nil, err
	}
	p := &telemetryv1.SpansBatch{Resources: make([]*telemetryv1.Resource, len(s.Resources)), Spans: make([]*telemetryv1.Span, len(s.Spans))}
	for i := range s.Resources {
		r := &s.Resources[i]
		p.Resources[i] = &telemetryv1.Resource{Id: r.ID, Attributes: validLabels(r.Attributes), Service: validUTF8(r.Service), Host: validUTF8(r.Host)}
	}
	back := make([]telemetryv1.Span, len(s.Spans))
	for i := range s.Spans {
		fillSpan(&back[i], &s.Spans[i])
		p.Spans[i] = &back[i]
	}
	buf := bodyPool.Get().(*[]byte)
	defer func() { *buf = (*buf)[:0]; bodyPool.Put(buf) }()
	body, err := (proto.MarshalOptions{}).MarshalAppend((*buf)[:0], p)
	if err != nil {
		return nil, errs.New(errs.Invalid, "encode spans batch: %w", err)
	}
	*buf = body
	return seal(nil, body), nil
}

func fillSpan(p *telemetryv1.Span, s *model.Span) {
	p.ResourceIdx, p.TraceId, p.SpanId, p.ParentSpanId = s.ResourceIdx, []byte(s.TraceID), []byte(s.SpanID), []byte(s.ParentSpanID)
	p.TraceState, p.Name, p.Kind = validUTF8(s.TraceState), validUTF8(s.Name), uint32(s.Kind)
	p.StartNs, p.DurationNs = uint64(s.StartNS), uint64(s.DurationNS)
	p.StatusCode, p.StatusMessage = uint32(s.StatusCode), validUTF8(s.StatusMessage)
	p.ScopeName, p.ScopeVersion = validUTF8(s.ScopeName), validUTF8(s.ScopeVersion)
	p.Attributes = validLabels(s.Attributes)
	for i := range s.Events {
		e := &s.Events[i]
		p.Events = append(p.Events, &telemetryv1.SpanEvent{TimeNs: uint64(e.TimeNS), Name: validUTF8(e.Name), Attributes: validLabels(e.Attributes)})
	}
	for i := range s.Links {
		l := &s.Links[i]
		p.Links = append(p.Links, &telemetryv1.SpanLink{TraceId: []byte(l.TraceID), SpanId: []byte(l.SpanID), Attributes: validLabels(l.Attributes)})
	}
}

// validLabels is labelsToProto for labels that need not be UTF-8.
func validLabels(ls []model.Label) []*telemetryv1.Label {
	if len(ls) == 0 {
		return nil
	}
	out := labelsToProto(ls)
	for _, l := range out {
		l.Name, l.Value = validUTF8(l.Name), validUTF8(l.Value)
	}
	return out
}

// checkSpans refuses a batch that the store could not take.
func checkSpans(s *model.Spans) error {
	if len(s.Spans) > maxRecords {
		return errs.New(errs.Invalid, "spans batch has %d spans, more than %d", len(s.Spans), maxRecords)
	}
	if len(s.Resources) > maxResources {
		return errs.New(errs.Invalid, "spans batch has %d resources, more than %d", len(s.Resources), maxResources)
	}
	for i := range s.Spans {
		sp := &s.Spans[i]
		if uint64(sp.ResourceIdx) >= uint64(len(s.Resources)) {
			return errs.New(errs.Invalid, "span refers to resource %d of %d", sp.ResourceIdx, len(s.Resources))
		}
		if len(sp.TraceID) != traceIDBytes || len(sp.SpanID) != spanIDBytes || len(sp.ParentSpanID) != 0 && len(sp.ParentSpanID) != spanIDBytes {
			return errs.New(errs.Invalid, "span has ids of %d, %d and %d bytes, not 16, 8 and 8", len(sp.TraceID), len(sp.SpanID), len(sp.ParentSpanID))
		}
		for j := range sp.Links {
			if l := &sp.Links[j]; len(l.TraceID) != traceIDBytes || len(l.SpanID) != spanIDBytes {
				return errs.New(errs.Invalid, "span link has ids of %d and %d bytes, not 16 and 8", len(l.TraceID), len(l.SpanID))
			}
		}
		if sp.DurationNS < 0 {
			return errs.New(errs.Invalid, "span ends before it starts")
		}
	}
	return nil
}

// DecodeSpans opens a batch of EncodeSpans into s, replacing its contents and keeping its header. Bytes from anywhere are safe: they
// give errs.Invalid, and memory stays within a small multiple of the opened body.
func DecodeSpans(data []byte, s *model.Spans) error {
	body, err := open(data)
	if err != nil {
		return err
	}
	var p telemetryv1.SpansBatch
	if err := proto.Unmarshal(body, &p); err != nil {
		return errs.New(errs.Invalid, "decode spans batch: %w", err)
	}
	*s = model.Spans{Header: s.Header, Resources: make([]model.Resource, len(p.Resources)), Spans: make([]model.Span, len(p.Spans))}
	for i, r := range p.Resources {
		s.Resources[i] = model.Resource{ID: r.Id, Attributes: labelsFromProto(r.Attributes), Service: r.Service, Host: r.Host}
	}
	for i, sp := range p.Spans {
		s.Spans[i] = spanFromProto(sp)
	}
	return checkSpans(s)
}

func spanFromProto(p *telemetryv1.Span) model.Span {
	s := model.Span{
		ResourceIdx: p.ResourceIdx, TraceID: string(p.TraceId), SpanID: string(p.SpanId), ParentSpanID: string(p.ParentSpanId),
		TraceState: p.TraceState, Name: p.Name, Kind: uint8(p.Kind), StartNS: int64(p.StartNs), DurationNS: int64(p.DurationNs),
		StatusCode: uint8(p.StatusCode), StatusMessage: p.StatusMessage, ScopeName: p.ScopeName, ScopeVersion: p.ScopeVersion,
		Attributes: labelsFromProto(p.Attributes),
	}
	for _, e := range p.Events {
		s.Events = append(s.Events, model.SpanEvent{TimeNS: int64(e.TimeNs), Name: e.Name, Attributes: labelsFromProto(e.Attributes)})
	}
	for _, l := range p.Links {
		s.Links = append(s.Links, model.SpanLink{TraceID: string(l.TraceId), SpanID: string(l.SpanId), Attributes: labelsFromProto(l.Attributes)})
	}
	return s
}

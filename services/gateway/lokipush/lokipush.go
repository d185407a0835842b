// Package lokipush turns Loki push requests, protobuf and JSON, into batches of logs. The labels of a stream are its resource,
// structured metadata are attributes of the record. Lines are not copied: they alias the request until the batch is encoded.
package lokipush

import (
	"context"
	"math"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles push requests. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// Push publishes the logproto.PushRequest in body. What is refused is counted in req; a malformed message is errs.Invalid. body
// may be reused afterwards.
func (r *Receiver) Push(ctx context.Context, req *intake.Request, body []byte) error {
	b := r.core.Logs(req)
	defer b.Close()
	p := pusher{b: b, core: r.core, req: req}
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := p.stream(ctx, m.Data); err != nil {
			return malformed(err)
		}
	}
	if m.Err() != nil {
		return malformed(m.Err())
	}
	return b.Flush(ctx)
}

// malformed gives an error of the walk its kind; errors of the sink have theirs.
func malformed(err error) error {
	if errs.KindOf(err) == errs.Internal {
		return errs.New(errs.Invalid, "loki push: %w", err)
	}
	return err
}

// pusher walks one request.
type pusher struct {
	b    *intake.Logs
	core *intake.Core
	req  *intake.Request
	// level is the severity that the labels of the current stream give, 0 when they do not.
	level uint8
	rec   intake.Record
	attrs []model.Label
}

// stream walks one Stream: labels (1), entries (2).
func (p *pusher) stream(ctx context.Context, data []byte) error {
	labels := ""
	m := wire.Read(data)
	for m.Next() {
		if m.Is(1, wire.Bytes) {
			labels = m.String()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	set, err := parseLabels(labels)
	if err != nil {
		return err
	}
	p.setStream(set)
	m = wire.Read(data)
	for m.Next() {
		if !m.Is(2, wire.Bytes) {
			continue
		}
		if err := p.entry(m.Data); err != nil {
			return err
		}
		if err := p.b.Split(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setStream makes the labels of a stream the resource of what follows. The level is not part of what sent the line.
func (p *pusher) setStream(labels []model.Label) {
	p.level = 0
	attrs := labels[:0]
	for _, l := range labels {
		if isLevel(l.Name) {
			if s := intake.SeverityOf(l.Value); s != 0 {
				p.level = s
				continue
			}
		}
		attrs = append(attrs, model.Label{Name: intake.Valid(l.Name), Value: intake.Valid(l.Value)})
	}
	if n := p.core.Limits.MaxAttributes; len(attrs) > n {
		attrs = attrs[:n]
		p.req.Note(model.SignalLogs, limits.AttributesDropped, 1)
	}
	for i := range attrs {
		attrs[i].Value = intake.Cut(attrs[i].Value, p.core.Limits.MaxLabelValueBytes)
	}
	p.b.SetResource(attrs)
}

func isLevel(name string) bool {
	switch name {
	case "level", "detected_level", "severity", "severity_text", "lvl":
		return true
	}
	return false
}

// entry reads one Entry: timestamp (1), line (2), structured metadata (3).
func (p *pusher) entry(data []byte) error {
	p.rec = intake.Record{}
	p.attrs = p.attrs[:0]
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			ns, err := timestamp(m.Data)
			if err != nil {
				return err
			}
			p.rec.TimeNS = ns
		case m.Is(2, wire.Bytes):
			p.rec.Body = m.String()
		case m.Is(3, wire.Bytes):
			name, value, err := pair(m.Data)
			if err != nil {
				return err
			}
			p.metadata(name, value)
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	p.add()
	return nil
}

// metadata adds one pair of structured metadata to the record; ids and the level have their own columns.
func (p *pusher) metadata(name, value string) {
	switch {
	case isLevel(name):
		if s := intake.SeverityOf(value); s != 0 {
			p.rec.Severity = s
			return
		}
	case (name == "trace_id" || name == "traceID") && len(value) == 32:
		if id, ok := hexID(value); ok {
			p.rec.TraceID = id
			return
		}
	case (name == "span_id" || name == "spanID") && len(value) == 16:
		if id, ok := hexID(value); ok {
			p.rec.SpanID = id
			return
		}
	}
	p.attrs = append(p.attrs, model.Label{Name: intake.Valid(name), Value: intake.Valid(value)})
}

func (p *pusher) add() {
	if p.rec.Severity == 0 {
		p.rec.Severity = p.level
	}
	if p.rec.Severity == 0 {
		p.rec.Severity = intake.GuessSeverity(p.rec.Body)
	}
	p.rec.Attributes = p.attrs
	p.b.Add(&p.rec)
}

func timestamp(data []byte) (int64, error) {
	var sec, nanos int64
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Varint):
			sec = m.Int()
		case m.Is(2, wire.Varint):
			nanos = int64(int32(m.Num))
		}
	}
	const maxSec = math.MaxInt64/1_000_000_000 - 1
	if sec > maxSec || sec < -maxSec {
		return 0, wire.ErrMalformed
	}
	return sec*1_000_000_000 + nanos, m.Err()
}

func pair(data []byte) (name, value string, err error) {
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			name = m.String()
		case m.Is(2, wire.Bytes):
			value = m.String()
		}
	}
	return name, value, m.Err()
}

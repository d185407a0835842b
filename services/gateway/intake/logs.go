package intake

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one batch of logs. Text compresses at least threefold, as a rule much better; what does not is cut again by the sink.
const (
	maxBatchRecords  = 20_000
	maxBatchLogBytes = 1 << 20
	// An agent's batch is cut by what came in, since its parts must be the same when it is sent again, and what the pipeline makes of
	// it may then differ. Half of the above leaves room for what a stage adds.
	maxAgentBatchLogBytes = 512 << 10
	// scanSlack is how much of a line beyond its limit the pipeline sees, so that a secret across the cut is recognized.
	scanSlack = 4 << 10
)

// Record is one log record as a receiver hands it over. Its strings may alias the request's buffer.
type Record struct {
	TimeNS     int64
	ObservedNS int64
	Severity   uint8
	Body       string
	TraceID    string
	SpanID     string
	// Attributes are copied into the batch; the slice may be reused.
	Attributes []model.Label
}

// Logs gathers the records of one request. It belongs to one goroutine; get one from Core.Logs and Close it.
type Logs struct {
	core  *Core
	req   *Request
	batch model.Logs
	res   model.Resource
	idx   int // of res in the batch, -1 when it is not there yet
	attrs []model.Label
	bytes int
	// Of what came in since the last flush, for an agent's batch.
	seen, seenBytes int
	// drop is why the records of the resource go no further; rec and recAttrs are the record while stages work on it.
	drop     string
	rec      Record
	recAttrs []model.Label
	// Whether a record of the batch has one: a column that none has is left out.
	anyAttrs, anyTrace bool
}

var logsPool = sync.Pool{New: func() any { return &Logs{} }}

// Logs returns a builder for req.
func (c *Core) Logs(req *Request) *Logs {
	b := logsPool.Get().(*Logs)
	b.core, b.req = c, req
	b.SetResource(nil)
	return b
}

// Close takes the builder back; what was not flushed is dropped.
func (b *Logs) Close() {
	b.reset()
	b.core, b.req, b.res = nil, nil, model.Resource{}
	b.rec = Record{}
	clear(b.recAttrs[:cap(b.recAttrs)])
	if cap(b.batch.Bodies) <= 2*maxBatchRecords && cap(b.attrs) <= 1<<18 {
		logsPool.Put(b)
	}
}

func (b *Logs) reset() {
	l := &b.batch
	clear(l.Bodies)
	clear(l.Attributes)
	clear(l.TraceIDs)
	clear(l.SpanIDs)
	clear(l.Resources)
	clear(b.attrs)
	b.attrs = b.attrs[:0]
	b.seen, b.seenBytes = 0, 0
	*l = model.Logs{
		Resources: l.Resources[:0], ResourceIdx: l.ResourceIdx[:0], TimesNS: l.TimesNS[:0], ObservedNS: l.ObservedNS[:0],
		Severity: l.Severity[:0], ShapeHash: l.ShapeHash[:0], Bodies: l.Bodies[:0], Attributes: l.Attributes[:0],
		TraceIDs: l.TraceIDs[:0], SpanIDs: l.SpanIDs[:0],
	}
	b.idx, b.bytes, b.anyAttrs, b.anyTrace = -1, 0, false, false
}

// SetResource names the resource of the records that follow. attrs is kept until the builder is closed.
func (b *Logs) SetResource(attrs []model.Label) {
	attrs, b.drop = b.req.Resource(model.SignalLogs, attrs)
	b.res = NewResource(attrs)
	b.idx = -1
}

// NewResource resolves a resource.
func NewResource(attrs []model.Label) model.Resource {
	return model.Resource{
		ID: model.ResourceHash(attrs), Attributes: attrs,
		Service: model.ResolveService(attrs), Host: model.ResolveHost(attrs),
	}
}

// Add adds a record, or counts it as refused when its time is out of bounds.
func (b *Logs) Add(r *Record) bool {
	b.seen++
	b.seenBytes += len(r.Body) + 40
	for i := range r.Attributes {
		b.seenBytes += len(r.Attributes[i].Name) + len(r.Attributes[i].Value)
	}
	if b.req.stages != nil {
		if reason := b.process(r); reason != "" {
			b.req.Drop(model.SignalLogs, reason, 1)
			return true
		}
		r = &b.rec
	}
	at := r.TimeNS
	if at == 0 {
		at = r.ObservedNS
	}
	if at == 0 {
		at = b.req.ReceivedAt.UnixNano()
	}
	if reason := b.req.Window.Reason(at / int64(time.Millisecond)); reason != "" {
		b.req.Reject(model.SignalLogs, reason, 1)
		return false
	}
	l := &b.batch
	if b.idx < 0 {
		b.idx = b.addResource()
	}
	body := b.line(r.Body)
	l.ResourceIdx = append(l.ResourceIdx, uint32(b.idx))
	l.TimesNS = append(l.TimesNS, at)
	l.ObservedNS = append(l.ObservedNS, r.ObservedNS)
	l.Severity = append(l.Severity, r.Severity)
	l.ShapeHash = append(l.ShapeHash, b.core.Shape(body))
	l.Bodies = append(l.Bodies, body)
	l.Attributes = append(l.Attributes, b.attributes(r.Attributes))
	l.TraceIDs = append(l.TraceIDs, r.TraceID)
	l.SpanIDs = append(l.SpanIDs, r.SpanID)
	b.anyTrace = b.anyTrace || r.TraceID != "" || r.SpanID != ""
	b.bytes += len(body) + 40
	return true
}

// process takes a copy of the record through the stages.
func (b *Logs) process(r *Record) string {
	if b.drop != "" {
		return b.drop
	}
	b.rec = *r
	b.recAttrs = append(b.recAttrs[:0], r.Attributes...)
	b.rec.Attributes = b.recAttrs
	b.rec.Body = Valid(Cut(b.rec.Body, b.core.Limits.MaxLineBytes+scanSlack)) // what is parsed out of it is valid then, too
	reason := b.req.stages.Log(&b.rec, &b.res)
	if cap(b.rec.Attributes) > cap(b.recAttrs) {
		b.recAttrs = b.rec.Attributes
	}
	return reason
}

func (b *Logs) addResource() int {
	for i := range b.batch.Resources {
		if b.batch.Resources[i].ID == b.res.ID {
			return i
		}
	}
	b.batch.Resources = append(b.batch.Resources, b.res)
	for i := range b.res.Attributes {
		b.bytes += len(b.res.Attributes[i].Name) + len(b.res.Attributes[i].Value)
	}
	return len(b.batch.Resources) - 1
}

// line cuts a body that is too long, at a rune, and replaces bytes that are not UTF-8.
func (b *Logs) line(s string) string {
	if limit := b.core.Limits.MaxLineBytes; len(s) > limit {
		s = Cut(s, limit)
		b.req.Note(model.SignalLogs, limits.Truncated, 1)
	}
	return Valid(s)
}

func (b *Logs) attributes(attrs []model.Label) []model.Label {
	if len(attrs) == 0 {
		return nil
	}
	if limit := b.core.Limits.MaxAttributes; len(attrs) > limit {
		attrs = attrs[:limit]
		b.req.Note(model.SignalLogs, limits.AttributesDropped, 1)
	}
	start := len(b.attrs)
	b.attrs = append(b.attrs, attrs...)
	out := b.attrs[start:len(b.attrs):len(b.attrs)]
	for i := range out {
		if len(out[i].Value) > b.core.Limits.MaxAttributeBytes {
			out[i].Value = Cut(out[i].Value, b.core.Limits.MaxAttributeBytes)
			b.req.Note(model.SignalLogs, limits.Truncated, 1)
		}
		b.bytes += len(out[i].Name) + len(out[i].Value)
	}
	b.anyAttrs = true
	return out
}

// Cut returns the first limit bytes of s, or a few less so that no rune is torn.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for i := 0; i < utf8.UTFMax && limit > 0 && !utf8.RuneStart(s[limit]); i++ {
		limit--
	}
	return s[:limit]
}

// Valid returns s with everything that is not UTF-8 replaced; valid text is returned as it is.
func Valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Split publishes what was gathered when it fills a message.
func (b *Logs) Split(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	if b.req.AgentID != "" {
		if b.seen < maxBatchRecords && b.seenBytes < maxAgentBatchLogBytes {
			return nil
		}
	} else if len(b.batch.TimesNS) < maxBatchRecords && b.bytes < maxBatchLogBytes {
		return nil
	}
	return b.Flush(ctx)
}

// Flush publishes what was gathered, if anything.
func (b *Logs) Flush(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	n := b.batch.Len()
	if n == 0 {
		if b.seen > 0 {
			b.req.skipPart(model.SignalLogs, b.core.Shards)
		}
		b.reset()
		return nil
	}
	l := b.batch
	if !b.anyAttrs {
		l.Attributes = nil
	}
	if !b.anyTrace {
		l.TraceIDs, l.SpanIDs = nil, nil
	}
	err := b.publish(ctx, &l)
	b.reset()
	if err != nil {
		return err
	}
	b.req.accepted += n
	return nil
}

func (b *Logs) publish(ctx context.Context, l *model.Logs) error {
	if b.core.Shards > 1 {
		return b.publishShards(ctx, l)
	}
	l.Header = b.req.Header(model.SignalLogs)
	return b.core.Sink.PublishLogs(ctx, b.req, l)
}

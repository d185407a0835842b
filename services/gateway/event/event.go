// Package event turns events of named fields, as most log shippers send them, into log records: which field is the time, which the
// message, the level, the ids of a trace, what names the sender, and what is left over. Nested JSON is flattened with dots.
// It knows no wire protocol. It copies every value once into a buffer that is used again after each publication, so that a receiver
// may reuse its own at once; names and resources are looked up, not allocated.
package event

import (
	"context"
	"strings"
	"sync"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Options say what a sender says about its fields; the zero value guesses all of it.
type Options struct {
	// Time and Message name the fields that hold them, the first that is there wins; nil takes the names in general use.
	Time    []string
	Message []string
	// Resource names fields that identify the sender, besides those that always do.
	Resource []string
}

// Writer gathers the events of one request. It belongs to one goroutine; get one from New and Close it.
type Writer struct {
	core *intake.Core
	req  *intake.Request
	logs *intake.Logs
	opts Options

	names     map[string]*field
	resources map[string]known
	current   string // the key of the resource that logs has
	text      arena
	flat      flattener

	rec   intake.Record
	best  [roles]pick
	attrs []model.Label
	res   []pick
	key   []byte
	// badTime is set when the field that must hold the time holds something else.
	badTime bool
	// fallback is the severity of a message that says nothing of it.
	fallback uint8
}

// pick is the value chosen for a role so far: a lower rank is better.
type pick struct {
	rank  uint8
	canon string
	name  string
	value string
}

// Bounds of what a Writer remembers while it waits for its next request: senders choose names and resources.
const (
	maxNames     = 4096
	maxResources = 512
	maxNameBytes = 256
)

var pool = sync.Pool{New: func() any {
	w := &Writer{names: map[string]*field{}, resources: map[string]known{}}
	w.flat.init(w)
	return w
}}

// New returns a writer of req's events.
func New(core *intake.Core, req *intake.Request, opts Options) *Writer {
	w := pool.Get().(*Writer)
	w.core, w.req, w.logs, w.opts = core, req, core.Logs(req), opts
	if opts.Time != nil || opts.Message != nil || opts.Resource != nil {
		clear(w.names) // what the fields mean is this request's own
	}
	w.current = "\x00none"
	w.Begin()
	return w
}

// Close takes the writer back; what was not flushed is dropped.
func (w *Writer) Close() {
	w.logs.Close()
	w.text.reset()
	if w.opts.Time != nil || w.opts.Message != nil || w.opts.Resource != nil || len(w.names) > maxNames {
		clear(w.names)
	}
	clear(w.attrs[:cap(w.attrs)])
	clear(w.res[:cap(w.res)])
	w.best = [roles]pick{}
	w.rec = intake.Record{}
	w.core, w.req, w.logs, w.opts = nil, nil, nil, Options{}
	pool.Put(w)
}

// Begin starts an event.
func (w *Writer) Begin() {
	w.rec = intake.Record{}
	w.attrs, w.res = w.attrs[:0], w.res[:0]
	for i := range w.best {
		w.best[i] = pick{rank: none}
	}
	w.badTime, w.fallback = false, 0
}

// none is the rank of what is not there.
const none = 255

// SetTime gives the event its time in nanoseconds; it wins over any field.
func (w *Writer) SetTime(ns int64) {
	w.rec.TimeNS = ns
	w.best[roleTime].rank = 0
}

// SetSeverity gives the event OpenTelemetry's severity number; it wins over any field.
func (w *Writer) SetSeverity(n uint8) {
	w.rec.Severity = n
	w.best[roleLevel].rank = 0
}

// DefaultSeverity gives the event a severity where neither a field nor the message has one.
func (w *Writer) DefaultSeverity(n uint8) { w.fallback = n }

// HasMessage reports whether a field is the message.
func (w *Writer) HasMessage() bool { return w.best[roleMessage].rank != none }

// SetBody gives the event its message; it wins over any field.
func (w *Writer) SetBody(text []byte) {
	w.rec.Body = w.text.copy(text)
	w.best[roleMessage].rank = 0
}

// BadTime reports whether the field that was said to hold the time, or @timestamp, does not hold one.
func (w *Writer) BadTime() bool { return w.badTime }

// SetResource names what sent the event: name is one of OpenTelemetry's. It wins over fields.
func (w *Writer) SetResource(name string, value []byte) {
	if len(value) > 0 {
		w.identify(&field{text: name, role: roleResource, canon: name}, w.text.copy(value))
	}
}

// DefaultResource is SetResource where no field of the event says so.
func (w *Writer) DefaultResource(name string, value []byte) {
	if len(value) == 0 {
		return
	}
	for i := range w.res {
		if w.res[i].canon == name {
			return
		}
	}
	w.identify(&field{text: name, role: roleResource, canon: name, rank: none - 1}, w.text.copy(value))
}

// SetAttribute adds an attribute as it is.
func (w *Writer) SetAttribute(name string, value []byte) {
	if len(value) > 0 {
		w.attribute(name, w.text.copy(value))
	}
}

func (w *Writer) attribute(name, value string) {
	w.attrs = append(w.attrs, model.Label{Name: name, Value: intake.Valid(value)})
}

// Set adds a field. number says that value is a number and not text. Both are copied.
func (w *Writer) Set(name, value []byte, number bool) {
	if len(value) == 0 {
		return
	}
	f := w.field(name)
	text := w.text.copy(value)
	switch f.role {
	case roleTime:
		ns, ok := ParseTime(text)
		if !ok || f.rank > 0 && ns < oldestGuess {
			w.badTime = w.badTime || f.rank == 0 || f.text == "@timestamp"
			w.attribute(f.text, text)
			return
		}
		if w.choose(f, text) {
			w.rec.TimeNS = ns
		}
	case roleMessage:
		if w.choose(f, text) {
			w.rec.Body = text
		}
	case roleLevel:
		s := levelOf(text, number)
		if s == 0 {
			w.attribute(f.text, text)
			return
		}
		if w.choose(f, text) {
			w.rec.Severity = s
		}
	case roleTrace, roleSpan:
		w.setID(f, text)
	case roleResource:
		w.identify(f, text)
	default:
		w.attribute(f.text, text)
	}
}

// oldestGuess is the year 2000: a field that may hold the time and has less was a duration or a number of something else.
const oldestGuess = 946_684_800_000_000_000

// choose decides between a field and the best of its role before it; the one that loses becomes an attribute.
func (w *Writer) choose(f *field, value string) bool {
	b := &w.best[f.role]
	if f.rank >= b.rank {
		w.attribute(f.text, value)
		return false
	}
	if b.name != "" {
		w.attribute(b.name, b.value)
	}
	*b = pick{rank: f.rank, name: f.text, value: value}
	return true
}

func (w *Writer) setID(f *field, text string) {
	size := 16
	if f.role == roleSpan {
		size = 8
	}
	id, ok := w.text.hex(text, size)
	if !ok || !w.choose(f, text) {
		if !ok {
			w.attribute(f.text, text)
		}
		return
	}
	if f.role == roleSpan {
		w.rec.SpanID = id
	} else {
		w.rec.TraceID = id
	}
}

// identify adds a field to what names the sender.
func (w *Writer) identify(f *field, value string) {
	p := pick{rank: f.rank, canon: f.canon, name: f.text, value: intake.Valid(value)}
	for i := range w.res {
		b := &w.res[i]
		if b.canon != f.canon {
			continue
		}
		if f.rank < b.rank {
			*b, p = p, *b
		}
		if p.value != b.value && p.rank != none-1 {
			w.attribute(p.name, p.value)
		}
		return
	}
	if len(w.res) >= w.core.Limits.MaxAttributes {
		w.req.Note(model.SignalLogs, limits.AttributesDropped, 1)
		return
	}
	p.value = intake.Cut(p.value, w.core.Limits.MaxLabelValueBytes)
	w.res = append(w.res, p)
}

// End finishes the event; raw is its message when no field is. It returns false when the event is refused, which is counted.
func (w *Writer) End(ctx context.Context, raw []byte) (bool, error) {
	if w.best[roleMessage].rank == none {
		w.rec.Body = w.text.copy(raw)
	}
	if w.rec.Severity == 0 {
		if w.rec.Severity = intake.GuessSeverity(w.rec.Body); w.rec.Severity == 0 {
			w.rec.Severity = w.fallback
		}
	}
	w.rec.Attributes = w.attrs
	w.useResource()
	ok := w.logs.Add(&w.rec)
	w.Begin()
	if err := w.logs.Split(ctx); err != nil {
		return ok, err
	}
	if w.logs.Pending() == 0 {
		w.text.reset()
	}
	return ok, nil
}

// Pending returns how many events wait to be published.
func (w *Writer) Pending() int { return w.logs.Pending() }

// Flush publishes what waits.
func (w *Writer) Flush(ctx context.Context) error {
	err := w.logs.Flush(ctx)
	w.text.reset()
	return err
}

// known is a resource that was resolved before.
type known struct {
	key string
	res model.Resource
}

// useResource makes the resource of the event that of the record, from those known where it is one of them.
func (w *Writer) useResource() {
	w.key = w.key[:0]
	for i := range w.res {
		w.key = model.AppendIdentity(w.key, w.res[i].canon, w.res[i].value)
	}
	if string(w.key) == w.current {
		return
	}
	k, ok := w.resources[string(w.key)]
	if !ok {
		if len(w.resources) >= maxResources {
			clear(w.resources)
		}
		attrs := make([]model.Label, 0, len(w.res))
		for i := range w.res {
			attrs = append(attrs, model.Label{Name: strings.Clone(w.res[i].canon), Value: strings.Clone(w.res[i].value)})
		}
		k = known{string(w.key), intake.NewResource(attrs)}
		w.resources[k.key] = k
	}
	w.logs.UseResource(k.res)
	w.current = k.key
}

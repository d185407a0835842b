// Package logs follows what the host writes: text files through rotation and truncation, container logs, and the journal. It joins
// the lines of one event, reads severity and time cheaply, and hands batches on together with the positions they end at, so that
// whoever stores a batch stores its positions in the same step and a restart neither loses nor repeats a line.
//
// Files are polled once a second with fstat on open descriptors, about a microsecond each; inotify would wake the agent for every
// single write of a busy log and still need the polling for network file systems and lost events.
package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// Source is where records come from; its records share one resource. Sources are compared by address.
type Source struct {
	// Resource are the attributes beside those of the host; Record those that every record has.
	Resource telemetry.Attrs
	Record   telemetry.Attrs
}

// Marker names a position that is stored with the records up to it.
type Marker interface {
	// MarkName returns the name of the position, MarkValue its value when everything before offset is stored.
	MarkName() string
	MarkValue(offset int64) string
}

// Entry is one log record.
type Entry struct {
	Source     *Source
	TimeNS     int64
	ObservedNS int64
	Severity   Severity
	Body       string
	Attrs      telemetry.Attrs
	EventName  string
	// Marker and Offset are the position behind this record; a nil Marker has none.
	Marker Marker
	Offset int64
}

// Store takes an encoded batch (OTLP logs, not compressed) of records together with the positions it ends at.
type Store func(items int, payload []byte, marks map[string]string) error

const (
	// flushBytes and flushRecords bound a batch; a megabyte of text is about what a receiver handles in one go.
	flushBytes   = 512 << 10
	flushRecords = 4000
	// flushInterval is how long a record waits for others.
	flushInterval = time.Second
)

// The names of marks that are no positions.
const (
	markStarted = "started" // when the first batch was stored
	markAlive   = "alive"   // when the last one was
)

// Batcher collects entries into batches. It is safe for concurrent use; Put blocks while a full batch is being stored, which is the
// back-pressure for the readers.
type Batcher struct {
	host    telemetry.Attrs
	version string
	store   Store
	log     *slog.Logger

	// mu guards everything below.
	mu      sync.Mutex
	groups  map[*Source]*logspb.ScopeLogs
	order   []*Source
	records int
	bytes   int
	marks   map[string]markAt
	named   map[string]string
	scratch []byte
	lost    uint64
	now     func() time.Time
}

// markAt is the last position of a name in the batch.
type markAt struct {
	marker Marker
	offset int64
}

// NewBatcher returns a Batcher that puts the host's attributes in front of every source's.
func NewBatcher(host telemetry.Attrs, version string, store Store, log *slog.Logger, now func() time.Time) *Batcher {
	return &Batcher{host: host, version: version, store: store, log: log, now: now,
		groups: map[*Source]*logspb.ScopeLogs{}, marks: map[string]markAt{}, named: map[string]string{}}
}

// Run stores what has been waiting for a second, until ctx ends, and then the rest.
func (b *Batcher) Run(ctx context.Context) error {
	t := time.NewTicker(flushInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			b.Flush()
		}
	}
}

// Put adds a record.
func (b *Batcher) Put(e *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[e.Source]
	if g == nil {
		g = &logspb.ScopeLogs{Scope: &commonpb.InstrumentationScope{Name: "faultline.agent", Version: b.version}}
		b.groups[e.Source] = g
		b.order = append(b.order, e.Source)
	}
	attrs := e.Source.Record
	if len(e.Attrs) > 0 {
		attrs = telemetry.With(attrs, e.Attrs...)
	}
	g.LogRecords = append(g.LogRecords, &logspb.LogRecord{
		TimeUnixNano: uint64(e.TimeNS), ObservedTimeUnixNano: uint64(e.ObservedNS),
		SeverityNumber: logspb.SeverityNumber(e.Severity), SeverityText: e.Severity.Text(),
		Body: telemetry.StrValue(e.Body), Attributes: attrs, EventName: e.EventName,
	})
	if e.Marker != nil {
		b.marks[e.Marker.MarkName()] = markAt{e.Marker, e.Offset}
	}
	b.records++
	b.bytes += len(e.Body) + 64
	if b.records >= flushRecords || b.bytes >= flushBytes {
		b.flush()
	}
}

// Forget removes a stored position with the next batch.
func (b *Batcher) Forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.marks, name)
	b.named[name] = ""
}

// Flush stores what is waiting.
func (b *Batcher) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

// Lost returns the number of records that the store did not take.
func (b *Batcher) Lost() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// flush stores the batch. The caller holds mu.
func (b *Batcher) flush() {
	if b.records == 0 {
		return
	}
	data := &logspb.LogsData{}
	for _, src := range b.order {
		data.ResourceLogs = append(data.ResourceLogs, &logspb.ResourceLogs{
			Resource:  &resourcepb.Resource{Attributes: telemetry.With(b.host, src.Resource...)},
			ScopeLogs: []*logspb.ScopeLogs{b.groups[src]},
		})
	}
	now := b.now().UTC().Format(time.RFC3339)
	marks := b.named
	marks[markAlive] = now
	for name, m := range b.marks {
		marks[name] = m.marker.MarkValue(m.offset)
	}
	payload, err := proto.MarshalOptions{}.MarshalAppend(b.scratch[:0], data)
	if err == nil {
		err = b.store(b.records, payload, marks)
	}
	if err != nil {
		b.lost += uint64(b.records)
		b.log.Error("log records were lost", slog.Int("records", b.records), slog.String("error", err.Error()))
	}
	if cap(payload) <= 2*flushBytes {
		b.scratch = payload[:0]
	}
	clear(b.groups)
	clear(b.marks)
	b.named = map[string]string{}
	b.order, b.records, b.bytes = b.order[:0], 0, 0
}

package model

// TenantID names a tenant. It comes from the ingest key alone; the default tenant is 1.
type TenantID uint32

// DefaultTenant is the tenant of a fresh installation and of every sender on loopback.
const DefaultTenant TenantID = 1

// Signal is a kind of telemetry; it names bus subjects, ledger rows and retention settings.
type Signal string

// The signals.
const (
	SignalMetrics Signal = "metrics"
	SignalLogs    Signal = "logs"
	SignalSpans   Signal = "spans"
	SignalChanges Signal = "changes"
)

// Label is one name and value of a series or a resource.
type Label struct {
	Name  string
	Value string
}

// Origin says who sent a batch; the ledger counts by it.
type Origin struct {
	Tenant TenantID
	// Source names the sender: "agent:<host.id>", or the protocol for senders without a name ("remote_write", "otlp_grpc", …).
	Source string
	// Protocol is the wire: otlp_http, otlp_grpc, remote_write, remote_write_v2, loki, scrape.
	Protocol string
	// AgentID and BatchSeq identify a batch of our own agent, for delivery exactly once; AgentID is empty for everybody else.
	AgentID  string
	BatchSeq uint64
	// BatchPart counts the parts of a batch that had to be cut to fit a message, from 0; BatchParts is how many there are.
	BatchPart  uint16
	BatchParts uint16
}

// Header is what every batch carries besides its columns.
type Header struct {
	Origin
	// ReceivedAtMS is when the gateway received the batch, in Unix milliseconds.
	ReceivedAtMS int64
}

// Metrics is one batch of metrics by column. Samples of one series are adjacent.
//
// Run i covers Counts[i] consecutive entries of TimesMS and Values and belongs to series SeriesIDs[i] of metric MetricIDs[i];
// an empty Counts means one sample for each run.
type Metrics struct {
	Header
	MetricIDs []uint32
	SeriesIDs []uint64
	Counts    []uint32
	TimesMS   []int64
	Values    []float64
	// Stale lists indexes into TimesMS whose sample is a staleness marker; the value there is 0 and means nothing.
	Stale []uint32
	// Announced are series that the gateway has not announced within the last hour.
	Announced []Series
	// Metadata describes metric families seen in this batch.
	Metadata   []MetricMetadata
	Histograms []HistogramSample
	Exemplars  []Exemplar
}

// Len returns the number of items that the ledger counts: samples, histogram samples and exemplars.
func (m *Metrics) Len() int { return len(m.Values) + len(m.Histograms) + len(m.Exemplars) }

// Series is the identity of one time series.
type Series struct {
	ID       uint64
	MetricID uint32
	// Name is the metric name (__name__); Labels are the others, sorted by name.
	Name   string
	Labels []Label
	// ShardHash is the hash of the resource or target the series belongs to (ResourceHash).
	ShardHash uint64
}

// MetricMetadata describes one metric family.
type MetricMetadata struct {
	// Family is the name under PromQL; Original is the sender's name, where it differs.
	Family   string
	Original string
	// Type is one of counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown.
	Type string
	Unit string
	Help string
}

// HistogramSample is one sample of a native histogram (exponential or with custom buckets), as in Prometheus' data model.
type HistogramSample struct {
	MetricID      uint32
	SeriesID      uint64
	TimeMS        int64
	Stale         bool
	Schema        int32
	ZeroThreshold float64
	ZeroCount     float64
	Count         float64
	Sum           float64
	// Spans are pairs (offset, length) flattened; Buckets are absolute counts in span order.
	PositiveSpans   []int32
	PositiveBuckets []float64
	NegativeSpans   []int32
	NegativeBuckets []float64
	CustomValues    []float64
	// Float tells a float histogram from an integer one; ResetHint is Prometheus' counter reset hint (0 unknown, 1 reset, 2 none, 3 gauge).
	Float     bool
	ResetHint uint8
}

// Exemplar is one exemplar of a series.
type Exemplar struct {
	MetricID uint32
	SeriesID uint64
	TimeMS   int64
	Value    float64
	Labels   []Label
}

// Resource is a set of OpenTelemetry resource attributes, shared by many rows of a batch.
type Resource struct {
	// ID is ResourceHash(Attributes).
	ID         uint64
	Attributes []Label
	// Service and Host are resolved from the attributes by ResolveService and ResolveHost; empty when they say nothing.
	Service string
	Host    string
}

// Logs is one batch of log records by column. All slices but Resources and Attributes have one entry a record.
type Logs struct {
	Header
	Resources []Resource
	// ResourceIdx points into Resources.
	ResourceIdx []uint32
	TimesNS     []int64
	// ObservedNS is when the record was observed; 0 when the sender did not say.
	ObservedNS []int64
	// Severity is OpenTelemetry's severity number, 0 (unspecified) to 24.
	Severity []uint8
	// ShapeHash is the hash of the masked tokens of the body (package logshape).
	ShapeHash []uint64
	Bodies    []string
	// Attributes of a record; nil entries are fine, and a nil slice means that no record has any.
	Attributes [][]Label
	// TraceIDs and SpanIDs are raw bytes (16 and 8) or empty; nil slices mean that no record has any.
	TraceIDs []string
	SpanIDs  []string
}

// Len returns the number of records.
func (l *Logs) Len() int { return len(l.TimesNS) }

// Spans is one batch of spans; rows rather than columns, since spans are few and wide.
type Spans struct {
	Header
	Resources []Resource
	Spans     []Span
}

// Len returns the number of spans.
func (s *Spans) Len() int { return len(s.Spans) }

// Span is one span as OpenTelemetry defines it.
type Span struct {
	ResourceIdx   uint32
	TraceID       string // 16 raw bytes
	SpanID        string // 8 raw bytes
	ParentSpanID  string // 8 raw bytes, or empty
	TraceState    string
	Name          string
	Kind          uint8 // OpenTelemetry's SpanKind, 0 to 5
	StartNS       int64
	DurationNS    int64
	StatusCode    uint8 // 0 unset, 1 ok, 2 error
	StatusMessage string
	ScopeName     string
	ScopeVersion  string
	Attributes    []Label
	Events        []SpanEvent
	Links         []SpanLink
}

// SpanEvent is one event of a span.
type SpanEvent struct {
	TimeNS     int64
	Name       string
	Attributes []Label
}

// SpanLink points from a span to another.
type SpanLink struct {
	TraceID    string
	SpanID     string
	Attributes []Label
}

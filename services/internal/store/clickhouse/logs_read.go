package clickhouse

import (
	"context"
	"slices"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/model"
)

// LogReader reads log records. It is safe for concurrent use.
type LogReader struct {
	db *DB
}

// NewLogReader returns a reader of db.
func NewLogReader(db *DB) *LogReader { return &LogReader{db: db} }

// LogFilter says which records a question is about; empty fields do not filter.
type LogFilter struct {
	Tenant model.TenantID
	// StartNS and EndNS bound the event time, both inclusive.
	StartNS, EndNS int64
	Query          logquery.Query
	Services       []string
	Hosts          []string
	SeverityMin    uint8
	// Levels is a set of severity groups, bit by group; 0 is all.
	Levels uint8
	// ResourceIDs are the resources that may have sent; nil is all.
	ResourceIDs []uint64
	// TraceID is 16 raw bytes.
	TraceID string
}

// LogRow is one record as stored.
type LogRow struct {
	TimeNS     int64
	ObservedNS int64
	// ID is the hash of everything in the record but its time; records that are equal share it.
	ID         uint64
	ResourceID uint64
	Service    string
	Host       string
	Severity   uint8
	Shape      uint64
	Body       string
	Attributes map[string]string
	TraceID    string // 16 raw bytes, zeros for none
	SpanID     string
}

// LogCursor is a place in the order of records: time, then ID, then the number of equal records that were given already.
type LogCursor struct {
	TimeNS int64  `json:"t"`
	ID     uint64 `json:"i"`
	Same   int    `json:"s"`
	// Whole says that every record of TimeNS was given.
	Whole bool `json:"w,omitempty"`
}

// LogSearch asks for one page.
type LogSearch struct {
	LogFilter
	Limit int
	After *LogCursor
	// Forward reads oldest first.
	Forward bool
	// Budget is how long to go on looking into further time; the page is then as it is, and Next goes on from there. 0 means no limit.
	Budget time.Duration
}

// LogPage is one page of records.
type LogPage struct {
	Rows []LogRow
	// Next continues behind the page; nil when there is nothing more.
	Next *LogCursor
	// SearchedNS is how far the search came when its budget was used up, 0 otherwise.
	SearchedNS int64
	Stats      ReadStats
}

// ReadStats is what a query cost the store.
type ReadStats struct {
	Rows  uint64
	Bytes uint64
}

func (s *ReadStats) progress(_ context.Context, p proto.Progress) error {
	s.Rows += p.Rows
	s.Bytes += p.Bytes
	return nil
}

// rowID is the tie-breaker of records of one time. It is computed where it is asked for, for the few rows of a page: a stored
// random id would cost a fifth of the whole table.
const rowID = "cityHash64(resource_id, service, host, severity, body, toString(attributes), trace_id, span_id, observed_ts)"

const selectLogs = `
SELECT
    toUnixTimestamp64Nano(ts) AS time_ns,
    toUnixTimestamp64Nano(observed_ts) AS observed_ns,
    ` + rowID + ` AS id,
    resource_id,
    CAST(service, 'String') AS service_name,
    CAST(host, 'String') AS host_name,
    severity,
    shape_hash,
    body,
    attributes,
    trace_id,
    span_id
FROM logs
WHERE /*condition*/
ORDER BY /*order*/
LIMIT {limit:UInt64}`

// timeBounds bounds ts by {start} and {end}. The sort key has the ten minutes of ts, which the engine does not derive from ts by itself.
const timeBounds = `ts >= fromUnixTimestamp64Nano({start:Int64})
  AND ts <= fromUnixTimestamp64Nano({end:Int64})
  AND toStartOfTenMinutes(ts) >= toStartOfTenMinutes(fromUnixTimestamp64Nano({start:Int64}))
  AND toStartOfTenMinutes(ts) <= toStartOfTenMinutes(fromUnixTimestamp64Nano({end:Int64}))`

func hexOf(raw string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2*len(raw))
	for i := range len(raw) {
		b = append(b, digits[raw[i]>>4], digits[raw[i]&15])
	}
	return string(b)
}

// logBlock is one block of a result of selectLogs.
type logBlock struct {
	times, observed proto.ColInt64
	ids, resources  proto.ColUInt64
	services, hosts proto.ColStr
	severities      proto.ColUInt8
	shapes          proto.ColUInt64
	bodies          proto.ColStr
	attributes      *proto.ColMap[string, string]
	traces, spans   proto.ColFixedStr
}

func newLogBlock() *logBlock {
	return &logBlock{
		attributes: proto.NewMap[string, string](new(proto.ColStr).LowCardinality(), new(proto.ColStr)),
		traces:     proto.ColFixedStr{Size: 16}, spans: proto.ColFixedStr{Size: 8},
	}
}

func (c *logBlock) results() proto.Results {
	return proto.Results{
		{Name: "time_ns", Data: &c.times}, {Name: "observed_ns", Data: &c.observed}, {Name: "id", Data: &c.ids}, {Name: "resource_id", Data: &c.resources},
		{Name: "service_name", Data: &c.services}, {Name: "host_name", Data: &c.hosts}, {Name: "severity", Data: &c.severities},
		{Name: "shape_hash", Data: &c.shapes}, {Name: "body", Data: &c.bodies}, {Name: "attributes", Data: c.attributes},
		{Name: "trace_id", Data: &c.traces}, {Name: "span_id", Data: &c.spans},
	}
}

func (c *logBlock) row(i int) LogRow {
	return LogRow{
		TimeNS: c.times[i], ObservedNS: c.observed[i], ID: c.ids[i], ResourceID: c.resources[i], Service: c.services.Row(i), Host: c.hosts.Row(i),
		Severity: c.severities[i], Shape: c.shapes[i], Body: c.bodies.Row(i), Attributes: c.attributes.Row(i),
		TraceID: string(c.traces.Row(i)), SpanID: string(c.spans.Row(i)),
	}
}

// selectRows runs selectLogs with an ORDER BY of this package's constants.
func (r *LogReader) selectRows(ctx context.Context, f *LogFilter, order, more string, extra params, limit int, stats *ReadStats) ([]LogRow, error) {
	where, p, err := r.condition(ctx, f)
	if err != nil {
		return nil, err
	}
	p = append(p, extra...)
	p.uint("limit", uint64(limit))
	block := newLogBlock()
	var out []LogRow
	body := strings.Replace(selectLogs, "/*condition*/", where+more, 1)
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(body, "/*order*/", order, 1), Parameters: p, Result: block.results(), OnProgress: stats.progress,
	}, func(rows int) error {
		for i := range rows {
			out = append(out, block.row(i))
		}
		return nil
	})
	return out, err
}

// sortLogs puts rows into the order of pages: by time in the direction of reading, then by ID.
func sortLogs(rows []LogRow, forward bool) {
	slices.SortFunc(rows, func(a, b LogRow) int {
		if a.TimeNS != b.TimeNS {
			if (a.TimeNS < b.TimeNS) == forward {
				return -1
			}
			return 1
		}
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
}

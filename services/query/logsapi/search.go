package logsapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
)

// searchBudget is how long one page may go on looking through time that has nothing; the asker then gets what there is and a cursor.
const searchBudget = 15 * time.Second

// Record is one log record.
type Record struct {
	ID           string            `json:"id" doc:"Names the record within an answer"`
	Time         string            `json:"time" format:"date-time"`
	TimeNS       int64             `json:"time_ns"`
	Severity     uint8             `json:"severity" doc:"OpenTelemetry's severity number, 0 when the sender did not say"`
	SeverityText string            `json:"severity_text" enum:"unset,trace,debug,info,warn,error,fatal"`
	Service      string            `json:"service"`
	Host         string            `json:"host"`
	Body         string            `json:"body"`
	Attributes   map[string]string `json:"attributes"`
	Resource     map[string]string `json:"resource"`
	TraceID      string            `json:"trace_id"`
	SpanID       string            `json:"span_id"`
	Shape        string            `json:"shape" doc:"What kind of line it is: equal for lines that differ in numbers and names only"`
}

// Stats says what a question cost.
type Stats struct {
	RowsRead  uint64  `json:"rows_read"`
	BytesRead uint64  `json:"bytes_read"`
	ElapsedMS float64 `json:"elapsed_ms"`
}

type searchInput struct {
	Filter
	Limit     int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor    string `query:"cursor" doc:"next_cursor of the page before"`
	Direction string `query:"direction" enum:"backward,forward" default:"backward" doc:"backward is newest first"`
}

// LogPage is one page of records.
type LogPage struct {
	Items      []Record `json:"items"`
	NextCursor string   `json:"next_cursor,omitempty"`
	Stats      Stats    `json:"stats"`
	Warnings   []string `json:"warnings"`
}

type searchOutput struct {
	Body LogPage
}

// place is the key of a cursor: where the page ended, and the bounds that relative times meant on the first page.
type place struct {
	After clickhouse.LogCursor `json:"a"`
	Start int64                `json:"f"`
	End   int64                `json:"e"`
}

func (h *handlers) search(ctx context.Context, in *searchInput) (*searchOutput, error) {
	began := time.Now()
	f, err := in.resolve(ctx, h.now())
	if err != nil {
		return nil, err
	}
	q := clickhouse.LogSearch{Limit: paging.Limit(in.Limit), Forward: in.Direction == "forward", Budget: searchBudget}
	hash := in.hash(q.Forward)
	p, more, err := paging.Decode[place](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	if more {
		f.StartNS, f.EndNS, q.After = p.Start, p.End, &p.After
	}
	q.LogFilter = f
	page, err := h.reader.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &searchOutput{Body: LogPage{Warnings: []string{}}}
	if out.Body.Items, err = h.records(ctx, f.Tenant, page.Rows); err != nil {
		return nil, err
	}
	if page.Next != nil {
		if out.Body.NextCursor, err = paging.Encode(hash, place{After: *page.Next, Start: f.StartNS, End: f.EndNS}); err != nil {
			return nil, err
		}
	}
	if page.SearchedNS != 0 {
		out.Body.Warnings = append(out.Body.Warnings, fmt.Sprintf("the search stopped after %s at %s; next_cursor goes on from there", searchBudget, formatNS(page.SearchedNS)))
	}
	out.Body.Stats = Stats{RowsRead: page.Stats.Rows, BytesRead: page.Stats.Bytes, ElapsedMS: float64(time.Since(began).Microseconds()) / 1000}
	return out, nil
}

// records turns rows into answers, with the attributes of their resources.
func (h *handlers) records(ctx context.Context, tenant model.TenantID, rows []clickhouse.LogRow) ([]Record, error) {
	ids := make([]uint64, 0, 8)
	seen := map[uint64]bool{}
	for i := range rows {
		if id := rows[i].ResourceID; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	resources, err := h.db.Resources(ctx, tenant, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(rows))
	names := map[string]int{}
	for i := range rows {
		r := &rows[i]
		id := strconv.FormatInt(r.TimeNS, 36) + "-" + strconv.FormatUint(r.ID, 36)
		if names[id]++; names[id] > 1 {
			id += "-" + strconv.Itoa(names[id]) // records that are equal
		}
		out[i] = Record{
			ID: id, Time: formatNS(r.TimeNS), TimeNS: r.TimeNS, Severity: r.Severity, SeverityText: severityText(r.Severity), Service: r.Service, Host: r.Host,
			Body: r.Body, Attributes: notNil(r.Attributes), Resource: notNil(resources[r.ResourceID]), TraceID: hexID(r.TraceID), SpanID: hexID(r.SpanID),
			Shape: shapeText(r.Shape),
		}
	}
	return out, nil
}

func formatNS(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func shapeText(h uint64) string { return fmt.Sprintf("%016x", h) }

// hexID returns an id in hexadecimal digits, "" for one of zeros.
func hexID(raw string) string {
	for i := range len(raw) {
		if raw[i] != 0 {
			return hex.EncodeToString([]byte(raw))
		}
	}
	return ""
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

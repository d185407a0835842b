package clickhouse

import (
	"context"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// AlertFilter says which events of alerts to read, newest first. Empty texts do not filter.
type AlertFilter struct {
	Tenant model.TenantID
	// StartMS and EndMS bound the time of the event, both included.
	StartMS, EndMS int64
	Name           string
	Status         string
	Source         string
	// Fingerprint is that of the label set; 0 does not filter.
	Fingerprint uint64
	// LabelNames and LabelValues are labels that an alert must have.
	LabelNames, LabelValues []string
	// After is where the page before ended; nil is the first page.
	After *AlertCursor
	Limit int
}

// AlertCursor is the key of an event.
type AlertCursor struct {
	TimeMS      int64  `json:"t"`
	Fingerprint uint64 `json:"f"`
	Status      string `json:"s"`
}

// Rows that were written twice are one after merges, and LIMIT BY makes them one before.
const selectAlerts = `
SELECT
    toUnixTimestamp64Milli(ts)          AS ts_ms,
    fingerprint,
    CAST(status, 'String')              AS status_text,
    CAST(name, 'String')                AS name_text,
    toUnixTimestamp64Milli(starts_at)   AS starts_ms,
    toUnixTimestamp64Milli(ends_at)     AS ends_ms,
    labels,
    annotations,
    CAST(source, 'String')              AS source_text,
    generator_url,
    toUnixTimestamp64Milli(recorded_at) AS recorded_ms
FROM alerts
WHERE tenant_id = {tenant:UInt32}
  AND ts BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
  AND ({name:String} = '' OR name = {name:String})
  AND ({status:String} = '' OR status = {status:String})
  AND ({source:String} = '' OR source = {source:String})
  AND ({fingerprint:UInt64} = 0 OR fingerprint = {fingerprint:UInt64})
  AND arrayAll((n, v) -> labels[n] = v, {label_names:Array(String)}, {label_values:Array(String)})
  AND ({first:UInt8} = 1 OR (ts_ms, fingerprint, status_text) < ({after_ms:Int64}, {after_fingerprint:UInt64}, {after_status:String}))
ORDER BY ts DESC, fingerprint DESC, status_text DESC, recorded_at DESC
LIMIT 1 BY ts, fingerprint, status_text
LIMIT {limit:UInt64}`

// Alerts returns events of alerts, newest first.
func (d *DB) Alerts(ctx context.Context, f AlertFilter) ([]store.AlertRow, error) {
	var p params
	p.uint("tenant", uint64(f.Tenant))
	p.int("start", f.StartMS)
	p.int("end", f.EndMS)
	p.str("name", f.Name)
	p.str("status", f.Status)
	p.str("source", f.Source)
	p.uint("fingerprint", f.Fingerprint)
	p.strs("label_names", f.LabelNames)
	p.strs("label_values", f.LabelValues)
	after, first := f.After, uint64(0)
	if after == nil {
		after, first = &AlertCursor{}, 1
	}
	p.uint("first", first)
	p.int("after_ms", after.TimeMS)
	p.uint("after_fingerprint", after.Fingerprint)
	p.str("after_status", after.Status)
	p.uint("limit", uint64(f.Limit))
	var ts, starts, ends, recorded proto.ColInt64
	var fingerprints proto.ColUInt64
	var status, name, source, link proto.ColStr
	labels, annotations := newTextMap(), newTextMap()
	var out []store.AlertRow
	err := d.read(ctx, f.Tenant, chgo.Query{
		Body: selectAlerts, Parameters: p,
		Result: proto.Results{
			{Name: "ts_ms", Data: &ts}, {Name: "fingerprint", Data: &fingerprints}, {Name: "status_text", Data: &status}, {Name: "name_text", Data: &name},
			{Name: "starts_ms", Data: &starts}, {Name: "ends_ms", Data: &ends}, {Name: "labels", Data: labels}, {Name: "annotations", Data: annotations},
			{Name: "source_text", Data: &source}, {Name: "generator_url", Data: &link}, {Name: "recorded_ms", Data: &recorded},
		},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, store.AlertRow{
				Tenant: f.Tenant, TimeMS: ts[i], Fingerprint: fingerprints[i], Name: name.Row(i), Status: status.Row(i), StartsAtMS: starts[i], EndsAtMS: ends[i],
				Labels: labels.Row(i), Annotations: annotations.Row(i), Source: source.Row(i), GeneratorURL: link.Row(i), RecordedAtMS: recorded[i],
			})
		}
		return nil
	})
	return out, err
}

// AlertTime turns Unix milliseconds of an AlertRow into a time; 0 is the zero time.
func AlertTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

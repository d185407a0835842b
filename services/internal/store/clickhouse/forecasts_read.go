package clickhouse

import (
	"context"
	"slices"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// ForecastFilter says which forecasts are wanted. Empty fields ask for nothing.
type ForecastFilter struct {
	Tenant model.TenantID
	// FromMS and ToMS bound when it was made, both included.
	FromMS, ToMS int64
	TargetID     uint64
	Kind         string
	Resource     string
	State        string
	EntityKind   string
	Entity       string
	Metric       string
	// ReachBeforeMS keeps those whose date is before it.
	ReachBeforeMS int64
	// LabelNames and LabelValues are labels that it must have.
	LabelNames, LabelValues []string
	// Thin keeps, of a history, one forecast for each target and six hours.
	Thin bool
}

// ForecastCursor is a place in the order of the latest forecasts: by date, those without one last, then by target.
type ForecastCursor struct {
	ReachMS int64  `json:"r"`
	Target  uint64 `json:"t"`
}

// farMS stands for no date in the order.
const farMS = int64(1) << 52

const forecastColumns = `
    target_id,
    toUnixTimestamp64Milli(made_at)     AS made_ms,
    CAST(kind, 'String')                AS kind_text,
    CAST(resource, 'String')            AS resource_text,
    CAST(entity_kind, 'String')         AS entity_kind_text,
    entity,
    CAST(metric, 'String')              AS metric_text,
    labels,
    CAST(unit, 'String')                AS unit_text,
    CAST(state, 'String')               AS state_text,
    limit_value,
    level,
    per_hour,
    per_hour_low,
    per_hour_high,
    toUnixTimestamp64Milli(since_at)    AS since_ms,
    toUnixTimestamp64Milli(reach_at)    AS reach_ms,
    toUnixTimestamp64Milli(earliest_at) AS earliest_ms,
    toUnixTimestamp64Milli(latest_at)   AS latest_ms,
    toUnixTimestamp64Milli(start_at)    AS start_ms,
    step_ms,
    median,
    low80,
    high80,
    low95,
    high95,
    CAST(method, 'String')              AS method_text,
    error,
    scale,
    confidence,
    advice`

// forecastConditions hold for both statements below.
const forecastConditions = `tenant_id = {tenant:UInt32}
      AND made_at BETWEEN fromUnixTimestamp64Milli({from:Int64}) AND fromUnixTimestamp64Milli({to:Int64})
      AND ({target:UInt64} = 0 OR target_id = {target:UInt64})
      AND ({kind:String} = '' OR kind = {kind:String})
      AND ({resource:String} = '' OR resource = {resource:String})
      AND ({entity_kind:String} = '' OR entity_kind = {entity_kind:String})
      AND ({entity:String} = '' OR entity = {entity:String})
      AND ({metric:String} = '' OR metric = {metric:String})
      AND arrayAll((n, v) -> labels[n] = v, {label_names:Array(String)}, {label_values:Array(String)})`

// The latest of each target is looked for first: whether it meets a condition on what it says must not bring back an older one that did.
const selectLatestForecasts = `
SELECT` + forecastColumns + `
FROM
(
    SELECT *
    FROM forecasts
    WHERE ` + forecastConditions + `
    ORDER BY target_id, made_at DESC
    LIMIT 1 BY target_id
)
WHERE ({state:String} = '' OR state = {state:String})
  AND ({before:Int64} = 0 OR (reach_ms > 0 AND reach_ms < {before:Int64}))
  AND (if(reach_ms = 0, {far:Int64}, reach_ms), target_id) > ({after_ms:Int64}, {after_target:UInt64})
ORDER BY if(reach_ms = 0, {far:Int64}, reach_ms), target_id
LIMIT {limit:UInt64}`

const selectForecastHistory = `
SELECT` + forecastColumns + `
FROM forecasts
WHERE ` + forecastConditions + `
  AND ({state:String} = '' OR state = {state:String})
ORDER BY made_at DESC, target_id
LIMIT 1 BY target_id, if({thin:UInt8} = 1, toUnixTimestamp(made_at) DIV 21600, toUnixTimestamp64Milli(made_at))
LIMIT {limit:UInt64}`

// ForecastReader reads forecasts. It is safe for concurrent use.
type ForecastReader struct {
	db *DB
}

// NewForecastReader returns a reader of db.
func NewForecastReader(db *DB) *ForecastReader { return &ForecastReader{db: db} }

func (f *ForecastFilter) params() params {
	var p params
	p.uint("tenant", uint64(f.Tenant))
	p.int("from", f.FromMS)
	p.int("to", f.ToMS)
	p.uint("target", f.TargetID)
	p.str("kind", f.Kind)
	p.str("resource", f.Resource)
	p.str("state", f.State)
	p.str("entity_kind", f.EntityKind)
	p.str("entity", f.Entity)
	p.str("metric", f.Metric)
	p.strs("label_names", f.LabelNames)
	p.strs("label_values", f.LabelValues)
	return p
}

// Latest returns the last forecast of each target, those with the earliest date first, and where the next page begins; nil is the end.
func (r *ForecastReader) Latest(ctx context.Context, f ForecastFilter, after *ForecastCursor, limit int) ([]store.ForecastRow, *ForecastCursor, error) {
	if after == nil {
		after = &ForecastCursor{ReachMS: -1}
	}
	p := f.params()
	p.int("before", f.ReachBeforeMS)
	p.int("far", farMS)
	p.int("after_ms", after.ReachMS)
	p.uint("after_target", after.Target)
	p.uint("limit", uint64(limit)+1)
	out, err := r.rows(ctx, f.Tenant, selectLatestForecasts, p)
	if err != nil || len(out) <= limit {
		return out, nil, err
	}
	out = out[:limit]
	last := &out[limit-1]
	next := &ForecastCursor{ReachMS: last.ReachMS, Target: last.TargetID}
	if next.ReachMS == 0 {
		next.ReachMS = farMS
	}
	return out, next, nil
}

// History returns forecasts as they were made, the latest first.
func (r *ForecastReader) History(ctx context.Context, f ForecastFilter, limit int) ([]store.ForecastRow, error) {
	p := f.params()
	thin := uint64(0)
	if f.Thin {
		thin = 1
	}
	p.uint("thin", thin)
	p.uint("limit", uint64(limit))
	return r.rows(ctx, f.Tenant, selectForecastHistory, p)
}

const selectActuals = `
SELECT target_id, toInt64(toUnixTimestamp(ts)) * 1000 AS ms, value
FROM forecast_actuals FINAL
WHERE tenant_id = {tenant:UInt32}
  AND target_id IN {targets:Array(UInt64)}
  AND ts BETWEEN toDateTime({from:Int64}) AND toDateTime({to:Int64})
ORDER BY target_id, ts
LIMIT {limit:UInt64}`

// maxActuals bounds one answer: a page of targets over two weeks of hours.
const maxActuals = 500 * 24 * 14

// Actuals returns what came of targets between two times, both included, by target and time.
func (r *ForecastReader) Actuals(ctx context.Context, tenant model.TenantID, targets []uint64, fromMS, toMS int64) ([]store.ActualRow, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	var p params
	p.uint("tenant", uint64(tenant))
	p.uint64s("targets", targets)
	p.int("from", max(fromMS/1000, 0))
	p.int("to", max(toMS/1000, 0))
	p.uint("limit", maxActuals)
	var ids proto.ColUInt64
	var times proto.ColInt64
	var values proto.ColFloat64
	var out []store.ActualRow
	q := chgo.Query{Body: selectActuals, Parameters: p, Result: proto.Results{{Name: "target_id", Data: &ids}, {Name: "ms", Data: &times}, {Name: "value", Data: &values}}}
	err := r.db.read(ctx, tenant, q, func(n int) error {
		for i := range n {
			out = append(out, store.ActualRow{Tenant: tenant, TargetID: ids[i], TimeMS: times[i], Value: values[i]})
		}
		return nil
	})
	return out, err
}

// rows runs one of the statements over forecasts.
func (r *ForecastReader) rows(ctx context.Context, tenant model.TenantID, text string, p params) ([]store.ForecastRow, error) {
	var targets proto.ColUInt64
	var made, since, reach, earliest, latest, start proto.ColInt64
	var kind, resource, entityKind, entity, metric, unit, state, method, advice proto.ColStr
	var limit, level, perHour, perHourLow, perHourHigh, errorOf, scale proto.ColFloat64
	var steps proto.ColUInt32
	var confidence proto.ColFloat32
	labels := newTextMap()
	bands := make([]*proto.ColArr[float32], 5)
	for i := range bands {
		bands[i] = proto.NewArray[float32](new(proto.ColFloat32))
	}
	result := proto.Results{
		{Name: "target_id", Data: &targets}, {Name: "made_ms", Data: &made}, {Name: "kind_text", Data: &kind}, {Name: "resource_text", Data: &resource},
		{Name: "entity_kind_text", Data: &entityKind}, {Name: "entity", Data: &entity}, {Name: "metric_text", Data: &metric}, {Name: "labels", Data: labels},
		{Name: "unit_text", Data: &unit}, {Name: "state_text", Data: &state}, {Name: "limit_value", Data: &limit}, {Name: "level", Data: &level},
		{Name: "per_hour", Data: &perHour}, {Name: "per_hour_low", Data: &perHourLow}, {Name: "per_hour_high", Data: &perHourHigh}, {Name: "since_ms", Data: &since},
		{Name: "reach_ms", Data: &reach}, {Name: "earliest_ms", Data: &earliest}, {Name: "latest_ms", Data: &latest}, {Name: "start_ms", Data: &start},
		{Name: "step_ms", Data: &steps}, {Name: "median", Data: bands[0]}, {Name: "low80", Data: bands[1]}, {Name: "high80", Data: bands[2]}, {Name: "low95", Data: bands[3]},
		{Name: "high95", Data: bands[4]}, {Name: "method_text", Data: &method}, {Name: "error", Data: &errorOf}, {Name: "scale", Data: &scale},
		{Name: "confidence", Data: &confidence}, {Name: "advice", Data: &advice},
	}
	var out []store.ForecastRow
	err := r.db.read(ctx, tenant, chgo.Query{Body: text, Parameters: p, Result: result}, func(n int) error {
		for i := range n {
			row := store.ForecastRow{
				Tenant: tenant, TargetID: targets[i], Resource: resource.Row(i), State: state.Row(i), Level: level[i], PerHour: perHour[i],
				PerHourLow: perHourLow[i], PerHourHigh: perHourHigh[i], SinceMS: since[i], StepMS: int64(steps[i]), Scale: scale[i],
			}
			row.Forecast = model.Forecast{
				Entity: model.Entity{Kind: model.EntityKind(entityKind.Row(i)), Name: entity.Row(i)}, MadeMS: made[i], Kind: kind.Row(i),
				Signal: model.SignalRef{Name: metric.Row(i), Unit: unit.Row(i), Labels: sortedLabels(labels.Row(i))},
				Limit:  limit[i], ReachMS: reach[i], EarliestMS: earliest[i], LatestMS: latest[i], Method: method.Row(i), Error: errorOf[i],
				Confidence: float64(confidence[i]), Advice: advice.Row(i),
				Median: doubles(bands[0].Row(i)), Low80: doubles(bands[1].Row(i)), High80: doubles(bands[2].Row(i)), Low95: doubles(bands[3].Row(i)), High95: doubles(bands[4].Row(i)),
			}
			for k := range row.Median {
				row.TimesMS = append(row.TimesMS, start[i]+int64(k)*row.StepMS)
			}
			out = append(out, row)
		}
		return nil
	})
	return out, err
}

func doubles(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func sortedLabels(m map[string]string) []model.Label {
	out := make([]model.Label, 0, len(m))
	for k, v := range m {
		out = append(out, model.Label{Name: k, Value: v})
	}
	slices.SortFunc(out, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// HistoryQuery asks for the past of series in steps, out of the rollups and what is not in them yet.
type HistoryQuery struct {
	Tenant  model.TenantID
	Metrics []uint32
	// IDs are the series, at most maxInlineIDs of them.
	IDs []uint64
	// FromMS is included, ToMS is not. Steps are whole multiples of StepMS since 1970.
	FromMS, ToMS int64
	// StepMS is five minutes or a multiple of it.
	StepMS int64
}

// History is the past of one series in steps that have samples, ascending.
type History struct {
	SeriesID uint64
	// TimesMS are the beginnings of the steps.
	TimesMS                     []int64
	Min, Max, Mean, First, Last []float64
}

// selectHistory reads the rollup of a table and adds what was not packed yet. A bucket that is being packed may be in both for a moment: its
// mean is then weighted twice, and the others are what they are.
const selectHistory = `
SELECT
    series_id,
    groupArray(step_at) AS times,
    CAST(groupArray(low), 'Array(Float64)') AS lows,
    CAST(groupArray(high), 'Array(Float64)') AS highs,
    CAST(groupArray(average), 'Array(Float64)') AS averages,
    CAST(groupArray(earliest), 'Array(Float64)') AS firsts,
    CAST(groupArray(newest), 'Array(Float64)') AS lasts
FROM
(
    SELECT
        series_id,
        step_at,
        min(low)              AS low,
        max(high)             AS high,
        sum(total) / sum(n)   AS average,
        argMin(first, source) AS earliest,
        argMax(last, source)  AS newest
    FROM
    (
        SELECT
            series_id,
            intDiv(toInt64(toUnixTimestamp(ts)) * 1000, {step:Int64}) * {step:Int64} AS step_at,
            min(t.min) AS low,
            max(t.max) AS high,
            sum(t.sum) AS total,
            toFloat64(sum(t.count)) AS n,
            argMin(f, ts) AS first,
            argMax(l, ts) AS last,
            toUInt8(0) AS source
        FROM
        (
            SELECT
                series_id,
                ts,
                min(r.min) AS min,
                max(r.max) AS max,
                sum(r.sum) AS sum,
                sum(r.count) AS count,
                argMinMerge(r.first) AS f,
                argMaxMerge(r.last) AS l
            FROM /*table*/ AS r
            WHERE tenant_id = {tenant:UInt32}
              AND metric_id IN {metrics:Array(UInt32)}
              AND series_id IN {ids:Array(UInt64)}
              AND ts >= toDateTime(intDiv({from:Int64}, 1000))
              AND ts < toDateTime(intDiv({to:Int64}, 1000))
            GROUP BY series_id, ts
        ) AS t
        GROUP BY series_id, step_at
        UNION ALL
        SELECT series_id, step_at, min(value), max(value), sum(value), toFloat64(count()), argMin(value, ts), argMax(value, ts), toUInt8(1)
        FROM
        (
            SELECT series_id, ts, value, intDiv(toUnixTimestamp64Milli(ts), {step:Int64}) * {step:Int64} AS step_at
            FROM samples_recent
            WHERE tenant_id = {tenant:UInt32}
              AND metric_id IN {metrics:Array(UInt32)}
              AND series_id IN {ids:Array(UInt64)}
              AND ts >= fromUnixTimestamp64Milli({from:Int64})
              AND ts < fromUnixTimestamp64Milli({to:Int64})
              AND NOT stale
            UNION ALL
            SELECT series_id, ts, value, intDiv(toUnixTimestamp64Milli(ts), {step:Int64}) * {step:Int64}
            FROM samples_packing
            WHERE tenant_id = {tenant:UInt32}
              AND metric_id IN {metrics:Array(UInt32)}
              AND series_id IN {ids:Array(UInt64)}
              AND ts >= fromUnixTimestamp64Milli({from:Int64})
              AND ts < fromUnixTimestamp64Milli({to:Int64})
              AND NOT stale
        )
        GROUP BY series_id, step_at
    )
    GROUP BY series_id, step_at
    ORDER BY series_id, step_at
)
GROUP BY series_id
ORDER BY series_id
LIMIT {limit:UInt64}`

// Tables of rollups and their steps.
const (
	rollup5m     = "samples_5m"
	rollup1h     = "samples_1h"
	rollupHourMS = 60 * 60 * 1000
)

// History calls f with the past of each series that has any; f may keep it.
func (r *MetricReader) History(ctx context.Context, q HistoryQuery, f func(History)) error {
	if len(q.IDs) == 0 {
		return nil
	}
	table := rollup5m
	if q.StepMS%rollupHourMS == 0 {
		table = rollup1h
	}
	var p params
	p.uint("tenant", uint64(q.Tenant))
	p.uint32s("metrics", q.Metrics)
	p.uint64s("ids", q.IDs)
	p.int("from", q.FromMS)
	p.int("to", q.ToMS)
	p.int("step", q.StepMS)
	p.uint("limit", uint64(len(q.IDs)))
	var ids proto.ColUInt64
	times := proto.NewArray[int64](new(proto.ColInt64))
	columns := make([]*proto.ColArr[float64], 5)
	for i := range columns {
		columns[i] = proto.NewArray[float64](new(proto.ColFloat64))
	}
	result := proto.Results{
		{Name: "series_id", Data: &ids}, {Name: "times", Data: times}, {Name: "lows", Data: columns[0]}, {Name: "highs", Data: columns[1]},
		{Name: "averages", Data: columns[2]}, {Name: "firsts", Data: columns[3]}, {Name: "lasts", Data: columns[4]},
	}
	query := chgo.Query{Body: strings.Replace(selectHistory, "/*table*/", table, 1), Parameters: p, Result: result}
	return r.db.read(ctx, q.Tenant, query, func(n int) error {
		for i := range n {
			f(History{
				SeriesID: ids[i], TimesMS: times.Row(i), Min: columns[0].Row(i), Max: columns[1].Row(i), Mean: columns[2].Row(i),
				First: columns[3].Row(i), Last: columns[4].Row(i),
			})
		}
		return nil
	})
}

package clickhouse

import (
	"context"
	"math"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// Count is a name and how often it was seen.
type Count struct {
	Name string
	N    uint64
}

// SeriesStats says what the series of a tenant are made of.
type SeriesStats struct {
	Series, LabelPairs uint64
	FirstMS, LastMS    int64
	// The largest first: series by metric, values by label, bytes of values by label, and series by label pair ("job=api").
	ByMetric, ByLabel, BytesByLabel, ByPair []Count
}

const selectSeriesTotals = `
SELECT
    uniqExact(metric_id, series_id) AS series,
    toInt64(toUnixTimestamp(min(first_seen))) AS first,
    toInt64(toUnixTimestamp(max(last_seen))) AS last
FROM series
WHERE tenant_id = {tenant:UInt32}
  AND last_seen >= toDateTime({since:UInt32})`

const selectSeriesByMetric = `
SELECT CAST(name, 'String') AS what, uniqExact(series_id) AS n
FROM series
WHERE tenant_id = {tenant:UInt32}
  AND last_seen >= toDateTime({since:UInt32})
GROUP BY what
ORDER BY n DESC, what
LIMIT {limit:UInt64}`

// labelPairs are all pairs of labels, the metric's name among them, each with its number of series.
const labelPairs = `
    SELECT pair.1 AS label, pair.2 AS label_value, uniqExact(metric_id, series_id) AS series
    FROM series
    ARRAY JOIN arrayPushBack(arrayZip(CAST(mapKeys(labels), 'Array(String)'), mapValues(labels)), ('__name__', CAST(name, 'String'))) AS pair
    WHERE tenant_id = {tenant:UInt32}
      AND last_seen >= toDateTime({since:UInt32})
    GROUP BY label, label_value`

const selectPairTotal = `
SELECT '' AS what, count() AS n
FROM (` + labelPairs + `)
LIMIT {limit:UInt64}`

const selectSeriesByLabel = `
SELECT label AS what, count() AS n
FROM (` + labelPairs + `)
GROUP BY what
ORDER BY n DESC, what
LIMIT {limit:UInt64}`

const selectBytesByLabel = `
SELECT label AS what, sum(length(label_value)) AS n
FROM (` + labelPairs + `)
GROUP BY what
ORDER BY n DESC, what
LIMIT {limit:UInt64}`

const selectSeriesByPair = `
SELECT concat(label, '=', label_value) AS what, series AS n
FROM (` + labelPairs + `)
ORDER BY n DESC, what
LIMIT {limit:UInt64}`

// SeriesStats returns statistics of the series that were announced at or after since (less an hour), with at most limit entries in each
// list. It reads all of those series several times: a page for people, not for a loop.
func (r *MetricReader) SeriesStats(ctx context.Context, tenant model.TenantID, since time.Time, limit int) (SeriesStats, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.uint("since", uint64(min(max(since.Add(-announceEvery).Unix(), 0), math.MaxUint32)))
	var out SeriesStats
	var n proto.ColUInt64
	var first, last proto.ColInt64
	q := chgo.Query{Body: selectSeriesTotals, Parameters: p, Result: proto.Results{{Name: "series", Data: &n}, {Name: "first", Data: &first}, {Name: "last", Data: &last}}}
	err := r.db.read(ctx, tenant, q, func(int) error {
		out.Series, out.FirstMS, out.LastMS = n[0], first[0]*1000, last[0]*1000
		return nil
	})
	if err != nil {
		return out, err
	}
	p.uint("limit", uint64(limit))
	total, err := r.counts(ctx, tenant, selectPairTotal, p)
	if err != nil {
		return out, err
	}
	for _, c := range total {
		out.LabelPairs = c.N
	}
	for text, to := range map[string]*[]Count{
		selectSeriesByMetric: &out.ByMetric, selectSeriesByLabel: &out.ByLabel, selectBytesByLabel: &out.BytesByLabel, selectSeriesByPair: &out.ByPair,
	} {
		if *to, err = r.counts(ctx, tenant, text, p); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (r *MetricReader) counts(ctx context.Context, tenant model.TenantID, text string, p params) ([]Count, error) {
	var what proto.ColStr
	var n proto.ColUInt64
	out := []Count{}
	q := chgo.Query{Body: text, Parameters: p, Result: proto.Results{{Name: "what", Data: &what}, {Name: "n", Data: &n}}}
	err := r.db.read(ctx, tenant, q, func(rows int) error {
		for i := range rows {
			out = append(out, Count{Name: what.Row(i), N: n[i]})
		}
		return nil
	})
	return out, err
}

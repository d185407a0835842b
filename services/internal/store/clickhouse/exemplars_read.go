package clickhouse

import (
	"context"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

const selectExemplars = `
SELECT
    series_id,
    toUnixTimestamp64Milli(ts) AS ms,
    value,
    formatRow('RowBinary', labels) AS pairs
FROM exemplars
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND ts BETWEEN fromUnixTimestamp64Milli({min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})
ORDER BY ts DESC
LIMIT {limit:UInt64}`

// Exemplars returns the newest exemplars of q, at most limit, the newest first. One that was sent twice comes twice.
func (r *MetricReader) Exemplars(ctx context.Context, q SampleQuery, limit int) ([]model.Exemplar, error) {
	var ids proto.ColUInt64
	var times proto.ColInt64
	var values proto.ColFloat64
	var pairs proto.ColStr
	var out []model.Exemplar
	query := q.statement(selectExemplars)
	p := params(query.Parameters)
	p.uint("limit", uint64(limit))
	query.Parameters = p
	query.Result = proto.Results{{Name: "series_id", Data: &ids}, {Name: "ms", Data: &times}, {Name: "value", Data: &values}, {Name: "pairs", Data: &pairs}}
	err := r.db.read(ctx, q.Tenant, query, func(rows int) error {
		for i := range rows {
			e := model.Exemplar{SeriesID: ids[i], TimeMS: times[i], Value: values[i]}
			row := SeriesRow{Labels: strings.Clone(pairs.Row(i))}
			if err := row.ForEachLabel(func(name, value string) { e.Labels = append(e.Labels, model.Label{Name: name, Value: value}) }); err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

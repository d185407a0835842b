package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// SeverityGroups is the number of OpenTelemetry's severity groups and one for "not said", which is group 0.
const SeverityGroups = 7

const countLogs = `
SELECT
    toUInt32(intDiv(toUnixTimestamp64Nano(ts) - {origin:Int64}, {step:Int64})) AS bucket,
    toUInt8(least(intDiv(toUInt16(severity) + 3, 4), 6)) AS level,
    count() AS n
FROM logs
WHERE /*condition*/
GROUP BY bucket, level
LIMIT 100000`

// Count returns the number of records by severity group and bucket of stepNS from originNS, which is at or before the filter's start;
// buckets is their number.
func (r *LogReader) Count(ctx context.Context, f LogFilter, originNS, stepNS int64, buckets int) (counts [SeverityGroups][]uint64, err error) {
	for i := range counts {
		counts[i] = make([]uint64, buckets)
	}
	where, p, err := r.condition(ctx, &f)
	if err != nil {
		return counts, err
	}
	p.int("origin", originNS)
	p.int("step", stepNS)
	var bucket proto.ColUInt32
	var level proto.ColUInt8
	var n proto.ColUInt64
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(countLogs, "/*condition*/", where, 1), Parameters: p,
		Result: proto.Results{{Name: "bucket", Data: &bucket}, {Name: "level", Data: &level}, {Name: "n", Data: &n}},
	}, func(rows int) error {
		for i := range rows {
			if int(bucket[i]) < buckets && level[i] < SeverityGroups {
				counts[level[i]][bucket[i]] += n[i]
			}
		}
		return nil
	})
	return counts, err
}

const countFacets = `
SELECT
    CAST(service, 'String') AS service_name,
    CAST(host, 'String') AS host_name,
    toUInt8(least(intDiv(toUInt16(severity) + 3, 4), 6)) AS level,
    count() AS n
FROM logs
WHERE /*condition*/
GROUP BY service, host, level
ORDER BY n DESC
LIMIT 50000`

// LogFacets are numbers of records by value.
type LogFacets struct {
	Service map[string]uint64
	Host    map[string]uint64
	Level   [SeverityGroups]uint64
	// Cut says that there were more combinations than are counted, so that rare values may be missing.
	Cut bool
}

// Facets counts the records of f by service, host and severity group.
func (r *LogReader) Facets(ctx context.Context, f LogFilter) (*LogFacets, error) {
	out := &LogFacets{Service: map[string]uint64{}, Host: map[string]uint64{}}
	where, p, err := r.condition(ctx, &f)
	if err != nil {
		return nil, err
	}
	var service, host proto.ColStr
	var level proto.ColUInt8
	var n proto.ColUInt64
	total := 0
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(countFacets, "/*condition*/", where, 1), Parameters: p,
		Result: proto.Results{{Name: "service_name", Data: &service}, {Name: "host_name", Data: &host}, {Name: "level", Data: &level}, {Name: "n", Data: &n}},
	}, func(rows int) error {
		total += rows
		for i := range rows {
			out.Service[service.Row(i)] += n[i]
			out.Host[host.Row(i)] += n[i]
			out.Level[min(level[i], SeverityGroups-1)] += n[i]
		}
		return nil
	})
	out.Cut = total == 50000
	return out, err
}

const selectResources = `
SELECT
    resource_id,
    CAST(anyLast(attributes), 'Map(String, String)') AS pairs
FROM resources
WHERE tenant_id = {tenant:UInt32}
  AND resource_id IN {ids:Array(UInt64)}
GROUP BY resource_id
LIMIT 10000`

// Resources returns the attributes of resources by their ids; unknown ids are left out.
func (d *DB) Resources(ctx context.Context, tenant model.TenantID, ids []uint64) (map[uint64]map[string]string, error) {
	out := make(map[uint64]map[string]string, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var p params
	p.uint("tenant", uint64(tenant))
	p.uint64s("ids", ids)
	var id proto.ColUInt64
	pairs := proto.NewMap[string, string](new(proto.ColStr), new(proto.ColStr))
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectResources, Parameters: p, Result: proto.Results{{Name: "resource_id", Data: &id}, {Name: "pairs", Data: pairs}},
	}, func(rows int) error {
		for i := range rows {
			out[id[i]] = pairs.Row(i)
		}
		return nil
	})
	return out, err
}

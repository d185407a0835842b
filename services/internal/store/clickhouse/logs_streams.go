package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/model"
)

// MaxLogResources bounds the resources that one question may be about (max_streams): their attributes are read into memory.
const MaxLogResources = 50_000

// LogStream is what one resource sent at one severity.
type LogStream struct {
	ResourceID    uint64
	Service, Host string
	// Level is the severity group.
	Level uint8
	// Bucket is the number of the step, for volumes over time.
	Bucket       uint32
	Lines, Bytes uint64
}

const selectVolume = `
SELECT
    resource_id,
    CAST(service, 'String') AS service_name,
    CAST(host, 'String') AS host_name,
    level,
    toUInt32(if({step:Int64} = 0, 0, intDiv(toInt64(toUnixTimestamp(ts)) - {start:Int64}, {step:Int64}))) AS bucket,
    sum(lines) AS n,
    sum(size_bytes) AS size
FROM log_volume
WHERE tenant_id = {tenant:UInt32}
  AND ts >= toDateTime({start:Int64})
  AND ts <= toDateTime({end:Int64})
  AND ({all:UInt8} OR resource_id IN {ids:Array(UInt64)})
GROUP BY resource_id, service, host, level, bucket
LIMIT {limit:UInt64}`

// Streams returns what was sent from start to end, in Unix seconds of whole minutes, by stream and step; a step of 0 is the whole. ids
// nil is everything. Errors: errs.Exhausted naming the limit for more rows than limit.
func (r *LogReader) Streams(ctx context.Context, tenant model.TenantID, startS, endS, stepS int64, ids []uint64, limit int) ([]LogStream, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", max(startS-startS%60, 0))
	p.int("end", max(endS, 0))
	p.int("step", stepS)
	all := uint64(0)
	if ids == nil {
		all = 1
	}
	p.uint("all", all)
	p.uint64s("ids", ids)
	p.uint("limit", uint64(limit)+1)
	var id, n, size proto.ColUInt64
	var service, host proto.ColStr
	var level proto.ColUInt8
	var bucket proto.ColUInt32
	var out []LogStream
	err := r.db.read(ctx, tenant, chgo.Query{
		Body: selectVolume, Parameters: p,
		Result: proto.Results{
			{Name: "resource_id", Data: &id}, {Name: "service_name", Data: &service}, {Name: "host_name", Data: &host}, {Name: "level", Data: &level},
			{Name: "bucket", Data: &bucket}, {Name: "n", Data: &n}, {Name: "size", Data: &size},
		},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, LogStream{ResourceID: id[i], Service: service.Row(i), Host: host.Row(i), Level: level[i], Bucket: bucket[i], Lines: n[i], Bytes: size[i]})
		}
		return nil
	})
	if err == nil && len(out) > limit {
		err = errs.WithHint(errs.Exhausted, "shorten the range, increase the step, or add matchers", "more than %d streams (max_streams)", limit)
	}
	return out, err
}

const selectLogResources = `
SELECT
    resource_id,
    CAST(anyLast(service), 'String') AS service_name,
    CAST(anyLast(host), 'String') AS host_name,
    CAST(anyLast(attributes), 'Map(String, String)') AS pairs
FROM resources
WHERE tenant_id = {tenant:UInt32}/*more*/
GROUP BY resource_id
LIMIT {limit:UInt64}`

// LogResource is a resource with what is resolved of it.
type LogResource struct {
	ID            uint64
	Service, Host string
	Attributes    map[string]string
}

// FindResources returns the resources of a tenant that have every one of values among their attributes or as service or host; it is
// for the caller to look closer. Errors: errs.Exhausted naming the limit.
func (r *LogReader) FindResources(ctx context.Context, tenant model.TenantID, values []string) ([]LogResource, error) {
	s := &sqlCond{}
	for _, v := range values {
		p := s.str(v)
		s.b.WriteString(" AND (service = " + p + " OR host = " + p + " OR has(mapValues(attributes), " + p + "))")
	}
	return r.selectResources(ctx, tenant, s)
}

func (r *LogReader) selectResources(ctx context.Context, tenant model.TenantID, s *sqlCond) ([]LogResource, error) {
	s.p.uint("tenant", uint64(tenant))
	s.p.uint("limit", MaxLogResources+1)
	var id proto.ColUInt64
	var service, host proto.ColStr
	pairs := proto.NewMap[string, string](new(proto.ColStr), new(proto.ColStr))
	var out []LogResource
	err := r.db.read(ctx, tenant, chgo.Query{
		Body: strings.Replace(selectLogResources, "/*more*/", s.b.String(), 1), Parameters: s.p,
		Result: proto.Results{{Name: "resource_id", Data: &id}, {Name: "service_name", Data: &service}, {Name: "host_name", Data: &host}, {Name: "pairs", Data: pairs}},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, LogResource{ID: id[i], Service: service.Row(i), Host: host.Row(i), Attributes: pairs.Row(i)})
		}
		return nil
	})
	if err == nil && len(out) > MaxLogResources {
		err = errs.WithHint(errs.Exhausted, "add a matcher, such as service_name", "the question is about more than %d streams (max_streams)", MaxLogResources)
	}
	return out, err
}

// resourcesWith returns the ids of the resources that meet a condition on a resource attribute.
func (r *LogReader) resourcesWith(ctx context.Context, tenant model.TenantID, c *logquery.Cond) ([]uint64, error) {
	s := &sqlCond{}
	s.b.WriteString(" AND ")
	expr := "attributes[" + s.str(c.Name) + "]"
	if len(c.Pieces) == 2 && c.Pieces[0] == "" && c.Pieces[1] == "" {
		s.b.WriteString("(" + expr + " != '')")
	} else {
		s.like("lower("+expr+")", c.Pieces)
	}
	found, err := r.selectResources(ctx, tenant, s)
	ids := make([]uint64, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	return ids, err
}

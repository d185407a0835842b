package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// InventoryReader reads what is known of hosts and services besides their series. It is safe for concurrent use.
type InventoryReader struct {
	db *DB
}

// NewInventoryReader returns a reader of db.
func NewInventoryReader(db *DB) *InventoryReader { return &InventoryReader{db: db} }

// HostRecord is the newest inventory record of one host.
type HostRecord struct {
	Host       string
	At         time.Time
	Attributes map[string]string
	Resource   map[string]string
}

// agentService is the service of the agent's own records, and inventoryEvent the event among them that describes its host.
const (
	agentService   = "faultline-agent"
	inventoryEvent = "faultline.host.inventory"
)

// The service comes early in the sort key, so this reads the agents' own few records only.
const selectInventory = `
SELECT i.host, i.at, i.newest, r.described
FROM
(
    SELECT host, max(ts) AS at, argMax(attributes, ts) AS newest, argMax(resource_id, ts) AS resource
    FROM logs
    WHERE tenant_id = {tenant:UInt32}
      AND service = {service:String}
      AND ts >= fromUnixTimestamp64Milli({since:Int64})
      AND attributes['event.name'] = {event:String}
      AND ({host:String} = '' OR host = {host:String})
    GROUP BY host
    ORDER BY host
    LIMIT {limit:UInt64}
) AS i
LEFT JOIN
(
    SELECT resource_id, anyLast(attributes) AS described
    FROM resources
    WHERE tenant_id = {tenant:UInt32}
      AND service = {service:String}
    GROUP BY resource_id
) AS r ON r.resource_id = i.resource
ORDER BY i.host`

// Hosts returns the newest inventory record of each host since a time; host "" is all of them.
func (r *InventoryReader) Hosts(ctx context.Context, tenant model.TenantID, host string, since time.Time, limit int) ([]HostRecord, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectInventory,
		ch.Named("tenant", uint32(tenant)), ch.Named("service", agentService), ch.Named("since", since.UnixMilli()),
		ch.Named("event", inventoryEvent), ch.Named("host", host), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []HostRecord
	for rows.Next() {
		var h HostRecord
		if err := rows.Scan(&h.Host, &h.At, &h.Attributes, &h.Resource); err != nil {
			return nil, errs.New(errs.Internal, "scan inventory: %w", err)
		}
		out = append(out, h)
	}
	return out, rowsError(rows.Err())
}

// ServiceRecord is what is known of one service between two times.
type ServiceRecord struct {
	Name     string
	Calls    uint64
	Errors   uint64
	P50      time.Duration
	P95      time.Duration
	LastCall time.Time
}

const selectServiceCalls = `
SELECT
    service,
    sum(calls) AS all_calls,
    sum(errors) AS all_errors,
    quantilesTDigestMerge(0.5, 0.95, 0.99)(duration_ns) AS quantiles,
    max(minute) AS last_minute
FROM span_calls_1m
WHERE tenant_id = {tenant:UInt32}
  AND minute BETWEEN toStartOfMinute(toDateTime({start:Int64})) AND toDateTime({end:Int64})
GROUP BY service
ORDER BY service
LIMIT {limit:UInt64}`

// ServiceCalls returns rates, errors and durations of the services that had calls between start and end.
func (r *InventoryReader) ServiceCalls(ctx context.Context, tenant model.TenantID, start, end time.Time, limit int) ([]ServiceRecord, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectServiceCalls,
		ch.Named("tenant", uint32(tenant)), ch.Named("start", start.Unix()), ch.Named("end", end.Unix()), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []ServiceRecord
	for rows.Next() {
		var s ServiceRecord
		var quantiles []float32
		if err := rows.Scan(&s.Name, &s.Calls, &s.Errors, &quantiles, &s.LastCall); err != nil {
			return nil, errs.New(errs.Internal, "scan services: %w", err)
		}
		if len(quantiles) >= 2 {
			s.P50, s.P95 = time.Duration(quantiles[0]), time.Duration(quantiles[1])
		}
		out = append(out, s)
	}
	return out, rowsError(rows.Err())
}

// ServiceResource sums up the resources of one service: which it sent logs and spans under.
type ServiceResource struct {
	Name      string
	Instances uint64
	LastSeen  time.Time
}

const selectServiceResources = `
SELECT name, count() AS instances, max(seen) AS last
FROM
(
    SELECT resource_id, anyLast(service) AS name, max(last_seen) AS seen
    FROM resources
    WHERE tenant_id = {tenant:UInt32}
    GROUP BY resource_id
)
WHERE name != ''
  AND seen >= toDateTime({since:Int64})
GROUP BY name
ORDER BY name
LIMIT {limit:UInt64}`

// ServiceResources returns the services among the resources seen since a time.
func (r *InventoryReader) ServiceResources(ctx context.Context, tenant model.TenantID, since time.Time, limit int) ([]ServiceResource, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectServiceResources,
		ch.Named("tenant", uint32(tenant)), ch.Named("since", since.Unix()), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []ServiceResource
	for rows.Next() {
		var s ServiceResource
		if err := rows.Scan(&s.Name, &s.Instances, &s.LastSeen); err != nil {
			return nil, errs.New(errs.Internal, "scan services: %w", err)
		}
		out = append(out, s)
	}
	return out, rowsError(rows.Err())
}

const selectLogServices = `
SELECT service, max(ts) AS last
FROM logs
WHERE tenant_id = {tenant:UInt32}
  AND ts BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
  AND service != ''
GROUP BY service
LIMIT {limit:UInt64}`

// LogServices returns when each service last logged between start and end.
func (r *InventoryReader) LogServices(ctx context.Context, tenant model.TenantID, start, end time.Time, limit int) (map[string]time.Time, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectLogServices,
		ch.Named("tenant", uint32(tenant)), ch.Named("start", start.UnixMilli()), ch.Named("end", end.UnixMilli()), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	out := map[string]time.Time{}
	for rows.Next() {
		var name string
		var last time.Time
		if err := rows.Scan(&name, &last); err != nil {
			return nil, errs.New(errs.Internal, "scan services: %w", err)
		}
		out[name] = last
	}
	return out, rowsError(rows.Err())
}

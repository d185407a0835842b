package clickhouse

import (
	"context"
	"sync"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// resourceEverySeconds is how often a resource that keeps sending is stored again, which moves its last_seen.
	resourceEverySeconds = 15 * 60
	// maxSeenResources bounds the memory of what was stored; when it is full it starts anew, which only costs repeated rows.
	maxSeenResources = 100_000
)

type resourceKey struct {
	tenant model.TenantID
	id     uint64
}

// seenResources remembers which resources were stored lately. It is a cache of this process: after a restart everything is stored
// again, and rows of one resource merge.
type seenResources struct {
	// mu guards at, which maps a resource to the second of reception at which it was last stored.
	mu sync.Mutex
	at map[resourceKey]int64
}

// resourceRow is one resource to store; seen is the second of reception.
type resourceRow struct {
	key  resourceKey
	seen int64
	*model.Resource
}

func (s *seenResources) unseenLogs(batches []*model.Logs) []resourceRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []resourceRow
	for _, b := range batches {
		rows = s.unseen(rows, &b.Header, b.Resources)
	}
	return rows
}

func (s *seenResources) unseenSpans(batches []*model.Spans) []resourceRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []resourceRow
	for _, b := range batches {
		rows = s.unseen(rows, &b.Header, b.Resources)
	}
	return rows
}

// unseen appends the resources that were not stored within resourceEverySeconds. The caller holds mu.
func (s *seenResources) unseen(rows []resourceRow, h *model.Header, rs []model.Resource) []resourceRow {
	at := h.ReceivedAtMS / 1000
	for i := range rs {
		k := resourceKey{h.Tenant, rs[i].ID}
		if last, ok := s.at[k]; ok && at-last < resourceEverySeconds {
			continue
		}
		rows = append(rows, resourceRow{key: k, seen: at, Resource: &rs[i]})
	}
	return rows
}

// stored remembers rows once they are in the table.
func (s *seenResources) stored(rows []resourceRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil || len(s.at)+len(rows) > maxSeenResources {
		s.at = make(map[resourceKey]int64, len(rows))
	}
	for i := range rows {
		if rows[i].seen > s.at[rows[i].key] {
			s.at[rows[i].key] = rows[i].seen
		}
	}
}

func (d *DB) insertResources(ctx context.Context, token string, rows []resourceRow) error {
	if len(rows) == 0 {
		return nil
	}
	var tenants proto.ColUInt32
	var ids proto.ColUInt64
	var services, hosts proto.ColStr
	attributes := proto.NewMap[string, string](new(proto.ColStr), new(proto.ColStr))
	var first, last proto.ColDateTime
	for i := range rows {
		r := &rows[i]
		tenants, ids = append(tenants, uint32(r.key.tenant)), append(ids, r.key.id)
		services.Append(r.Service)
		hosts.Append(r.Host)
		attributes.AppendKV(keyValues(r.Attributes))
		first.Data, last.Data = append(first.Data, proto.DateTime(r.seen)), append(last.Data, proto.DateTime(r.seen))
	}
	err := d.insert(ctx, "resources", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "resource_id", Data: ids}, {Name: "service", Data: services}, {Name: "host", Data: hosts},
		// By value: the driver would try, and fail, to read a Map type out of the SimpleAggregateFunction of this column.
		{Name: "attributes", Data: *attributes}, {Name: "first_seen", Data: first}, {Name: "last_seen", Data: last},
	})
	if err == nil {
		d.resources.stored(rows)
	}
	return err
}

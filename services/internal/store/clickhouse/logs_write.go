package clickhouse

import (
	"context"
	"sync"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// InsertLogs stores decoded batches: one INSERT into logs and, where resources have not been stored lately, one into resources,
// each under token and the table's name. Repeating a call with the same token and batches stores nothing twice.
func (d *DB) InsertLogs(ctx context.Context, token string, batches []*model.Logs) error {
	// Resources come first: a record must never be visible without its resource.
	fresh := d.resources.unseenLogs(batches)
	if err := d.insertResources(ctx, token, fresh); err != nil {
		return err
	}
	c := logColumnsPool.Get().(*logColumns)
	defer c.release()
	c.append(batches)
	return d.insert(ctx, "logs", token, c.input(), lateIndexes)
}

// lateIndexes leaves the word index of new parts to the first merge: small parts are scanned faster than their index is made, and
// most of the index's cost is saved, since small parts do not live long.
var lateIndexes = chgo.SettingInt("materialize_skip_indexes_on_insert", 0)

// logColumns is one block of the table logs. The columns are used again, the strings in them are not kept.
type logColumns struct {
	tenant           proto.ColUInt32
	ts, observed     proto.ColDateTime64
	resource, shape  proto.ColUInt64
	service, host    *proto.ColLowCardinality[string]
	severity         proto.ColUInt8
	body, attrValues proto.ColStr
	attrKeys         *proto.ColLowCardinality[string]
	attributes       *proto.ColMap[string, string]
	trace, span      proto.ColFixedStr
}

var logColumnsPool = sync.Pool{New: func() any {
	c := &logColumns{
		service: new(proto.ColStr).LowCardinality(), host: new(proto.ColStr).LowCardinality(), attrKeys: new(proto.ColStr).LowCardinality(),
		trace: proto.ColFixedStr{Size: 16}, span: proto.ColFixedStr{Size: 8},
	}
	c.ts.Precision, c.ts.PrecisionSet = proto.PrecisionNano, true
	c.observed.Precision, c.observed.PrecisionSet = proto.PrecisionNano, true
	c.attributes = proto.NewMap[string, string](c.attrKeys, &c.attrValues)
	return c
}}

// maxPooledBytes is the largest block whose memory is kept for the next one.
const maxPooledBytes = 64 << 20

func (c *logColumns) release() {
	if cap(c.body.Buf) > maxPooledBytes {
		return
	}
	// The dictionaries hold strings that share a decoded batch; without this a pooled block would keep batches alive.
	for _, lc := range []*proto.ColLowCardinality[string]{c.service, c.host, c.attrKeys} {
		clear(lc.Values)
		lc.Reset()
	}
	c.tenant.Reset()
	c.ts.Reset()
	c.observed.Reset()
	c.resource.Reset()
	c.shape.Reset()
	c.severity.Reset()
	c.body.Reset()
	c.attrValues.Reset()
	c.attributes.Offsets.Reset()
	c.trace.Reset()
	c.span.Reset()
	logColumnsPool.Put(c)
}

func (c *logColumns) append(batches []*model.Logs) {
	for _, l := range batches {
		for i := range l.TimesNS {
			r := &l.Resources[l.ResourceIdx[i]]
			c.tenant = append(c.tenant, uint32(l.Tenant))
			c.ts.AppendRaw(proto.DateTime64(l.TimesNS[i]))
			c.resource = append(c.resource, r.ID)
			c.service.Append(r.Service)
			c.host.Append(r.Host)
			c.body.Append(l.Bodies[i])
			var as []model.Label
			if l.Attributes != nil {
				as = l.Attributes[i]
			}
			for j := range as {
				c.attrKeys.Append(as[j].Name)
				c.attrValues.Append(as[j].Value)
			}
			c.attributes.Offsets = append(c.attributes.Offsets, uint64(len(c.attrKeys.Values)))
		}
		for i := range l.TimesNS {
			observed := int64(0)
			if len(l.ObservedNS) > 0 {
				observed = l.ObservedNS[i]
			}
			c.observed.AppendRaw(proto.DateTime64(observed))
		}
		c.severity = append(c.severity, l.Severity...)
		c.shape = append(c.shape, l.ShapeHash...)
		appendFixed(&c.trace, l.TraceIDs, l.Len())
		appendFixed(&c.span, l.SpanIDs, l.Len())
	}
}

// appendFixed appends n ids of the column's size; absent ones are zeros.
func appendFixed(c *proto.ColFixedStr, ids []string, n int) {
	if ids == nil {
		c.Buf = append(c.Buf, make([]byte, n*c.Size)...)
		return
	}
	for _, id := range ids {
		c.Buf = appendID(c.Buf, id, c.Size)
	}
}

func appendID(dst []byte, id string, size int) []byte {
	if len(id) == size {
		return append(dst, id...)
	}
	return append(dst, make([]byte, size)...)
}

func (c *logColumns) input() proto.Input {
	return proto.Input{
		{Name: "tenant_id", Data: &c.tenant}, {Name: "ts", Data: &c.ts}, {Name: "observed_ts", Data: &c.observed}, {Name: "resource_id", Data: &c.resource},
		{Name: "service", Data: c.service}, {Name: "host", Data: c.host}, {Name: "severity", Data: &c.severity}, {Name: "shape_hash", Data: &c.shape},
		{Name: "body", Data: &c.body}, {Name: "attributes", Data: c.attributes}, {Name: "trace_id", Data: &c.trace}, {Name: "span_id", Data: &c.span},
	}
}

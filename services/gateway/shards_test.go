package gateway

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/faultline-io/faultline/services/model"
)

// With several shards everything of one target, of one resource and of one trace goes to one shard, nothing is lost or doubled,
// and what is sent again goes where it went before.
func TestShards(t *testing.T) {
	const shards = 4
	x := newRig(t, func(c *Config, _ *Deps) { c.Shards = shards })
	now := time.Now()
	var req prompb.WriteRequest
	for host := range 20 {
		for s := range 10 {
			samples := []prompb.Sample{{Value: float64(host), Timestamp: now.UnixMilli()}}
			if s%3 == 0 {
				samples = append(samples, prompb.Sample{Value: math.Float64frombits(value.StaleNaN), Timestamp: now.UnixMilli() + 1})
			}
			req.Timeseries = append(req.Timeseries, ts(map[string]string{"__name__": fmt.Sprint("m", s), "instance": fmt.Sprint("host", host)}, samples...))
		}
	}
	for range 3 {
		if code, _, text := post(t, x.url+"/api/v1/write", v1(t, &req)); code != 204 {
			t.Fatalf("%d %s", code, text)
		}
	}
	rows := x.rec.samples()
	stale := 0
	for _, r := range rows {
		if r.stale {
			stale++
		} else if want := r.labels["instance"]; fmt.Sprint("host", r.value) != want {
			t.Fatalf("%v has the value of another series", r)
		}
	}
	if len(rows) != 3*280 || stale != 3*80 {
		t.Errorf("%d samples, %d stale", len(rows), stale)
	}
	home := map[string]int{}
	used := map[int]bool{}
	place := func(what string, shard int) {
		t.Helper()
		if had, ok := home[what]; ok && had != shard {
			t.Errorf("%s is in shards %d and %d", what, had, shard)
		}
		home[what], used[shard] = shard, true
	}
	instance := map[uint64]string{}
	for _, m := range x.rec.metrics {
		for _, s := range m.Announced {
			instance[s.ID] = model.Lookup(s.Labels, "instance")
		}
	}
	for i, m := range x.rec.metrics {
		for _, id := range m.SeriesIDs {
			place(instance[id], x.rec.messages[i].Shard)
		}
	}
	if len(used) != shards {
		t.Errorf("shards %v are used", used)
	}

	var body []byte
	for i := range 20 {
		body = append(body, lokiStream(fmt.Sprintf(`{host="h%d"}`, i), lokiEntry(now.UnixNano(), "a"), lokiEntry(now.UnixNano(), "b"))...)
	}
	x.rec.messages = nil
	if code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", body)); code != 204 {
		t.Fatalf("%d %s", code, text)
	}
	lines := 0
	for i, l := range x.rec.logs {
		lines += l.Len()
		for _, r := range l.ResourceIdx {
			place("log "+l.Resources[r].Host, x.rec.messages[i].Shard)
		}
	}
	if lines != 40 || len(x.rec.logs) != shards {
		t.Errorf("%d lines in %d batches", lines, len(x.rec.logs))
	}

	var spans []*tracepb.Span
	for i := range 40 {
		id := append(make([]byte, 15), byte(1+i/2))
		spans = append(spans, &tracepb.Span{TraceId: id, SpanId: append(make([]byte, 7), byte(1+i)), StartTimeUnixNano: uint64(now.UnixNano())})
	}
	x.rec.messages = nil
	if _, err := coltrace.NewTraceServiceClient(dial(t, x.grpc)).Export(context.Background(), &coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, b := range x.rec.spans {
		n += b.Len()
		for _, s := range b.Spans {
			place("trace "+s.TraceID, x.rec.messages[i].Shard)
		}
	}
	if n != 40 || len(x.rec.spans) < 2 {
		t.Errorf("%d spans in %d batches", n, len(x.rec.spans))
	}
}

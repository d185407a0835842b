package gateway

import (
	"context"
	"encoding/hex"
	"net"
	"testing"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
	"github.com/apache/thrift/lib/go/thrift"
	jaegermodel "github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	thriftjaeger "github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	zipkinhttp "github.com/openzipkin/zipkin-go/reporter/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	ours "github.com/faultline-io/faultline/services/model"
)

// Datadog's own client, over UDP.
func TestDatadogClient(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Receivers.Statsd = "127.0.0.1:0" })
	c, err := statsd.New(x.addrs["gateway-statsd-udp"], statsd.WithNamespace("shop."), statsd.WithTags([]string{"env:prod"}), statsd.WithoutTelemetry())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, err := range []error{
			c.Count("orders", 2, []string{"region:eu"}, 1), c.Gauge("queue", 7, nil, 1), c.Timing("render", 250*time.Millisecond, nil, 1), c.Distribution("size", 10, nil, 1), c.Set("users", "u1", nil, 1),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.SimpleEvent("Deployed", "version\ntwo"); err != nil {
		t.Fatal(err)
	}
	if err := c.SimpleServiceCheck("db", statsd.Warn); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Dial("tcp", x.addrs["gateway-statsd-tcp"])
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if _, err := tcp.Write([]byte("over.tcp:1|c\n")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "flush with all of it", func() bool {
		if err := x.g.statsd.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		rows := x.rec.samples()
		return has(rows, "shop_orders_total", 6, "region", "eu", "env", "prod") && has(rows, "over_tcp_total", 1) && has(rows, "service_check_status", 1, "check", "db")
	})
	rows := x.rec.samples()
	if !has(rows, "shop_queue", 7) || !has(rows, "shop_users", 1) {
		t.Errorf("%+v", rows)
	}
	x.rec.mu.Lock()
	defer x.rec.mu.Unlock()
	counts := map[string]float64{}
	names := map[uint64]string{}
	for _, m := range x.rec.metrics {
		for _, s := range m.Announced {
			names[s.ID] = s.Name
		}
		for _, h := range m.Histograms {
			counts[names[h.SeriesID]] = h.Count
			if names[h.SeriesID] == "shop_render_seconds" && h.Sum != 0.75 {
				t.Errorf("sum %v", h.Sum)
			}
		}
	}
	if counts["shop_render_seconds"] != 3 || counts["shop_size"] != 3 {
		t.Errorf("%v", counts)
	}
	if len(x.rec.changes) != 1 || x.rec.changes[0].Title != "Deployed" || x.rec.changes[0].Text != "version\ntwo" || x.rec.changes[0].Environment != "prod" {
		t.Errorf("%+v", x.rec.changes)
	}
}

// spanNamed waits for a span.
func spanNamed(t *testing.T, x *rig, name string) (ours.Span, ours.Resource) {
	t.Helper()
	var span ours.Span
	var res ours.Resource
	waitFor(t, "span "+name, func() bool {
		x.rec.mu.Lock()
		defer x.rec.mu.Unlock()
		for _, b := range x.rec.spans {
			for _, s := range b.Spans {
				if s.Name == name {
					span, res = s, b.Resources[s.ResourceIdx]
					return true
				}
			}
		}
		return false
	})
	return span, res
}

// OpenZipkin's own client, on the shared listener and on Zipkin's own port.
func TestZipkinClient(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Receivers.Zipkin = "127.0.0.1:0" })
	for name, url := range map[string]string{"shared": x.url + "/zipkin/api/v2/spans", "own": "http://" + x.addrs["gateway-zipkin"] + "/api/v2/spans"} {
		rep := zipkinhttp.NewReporter(url, zipkinhttp.BatchInterval(10*time.Millisecond))
		endpoint, err := zipkin.NewEndpoint("shop", "10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		tracer, err := zipkin.NewTracer(rep, zipkin.WithLocalEndpoint(endpoint))
		if err != nil {
			t.Fatal(err)
		}
		root := tracer.StartSpan(name, zipkin.Kind(model.Server))
		child := tracer.StartSpan(name+" child", zipkin.Parent(root.Context()), zipkin.Kind(model.Client))
		child.Tag("http.status_code", "500")
		child.Tag("error", "boom")
		child.Annotate(time.Now(), "cache miss")
		child.Finish()
		root.Finish()
		a, res := spanNamed(t, x, name)
		b, _ := spanNamed(t, x, name+" child")
		if res.Service != "shop" || a.Kind != 2 || b.Kind != 3 || b.ParentSpanID != a.SpanID || b.TraceID != a.TraceID || b.StatusCode != 2 || len(b.Events) != 1 || b.Events[0].Name != "cache miss" {
			t.Errorf("%s: %+v, %+v of %+v", name, a, b, res)
		}
		if err := rep.Close(); err != nil {
			t.Error(err)
		}
	}
	code, _, text := post(t, x.url+"/zipkin/api/v2/spans", []byte(`[null,{},{"traceId":"zz","id":"1"}]`), typeJSONHeader...)
	if code != 400 || x.rejected("invalid_data") != 3 {
		t.Errorf("%d %s %v", code, text, x.g.Rejections())
	}
}

// Jaeger's protocols, written by its own libraries.
func TestJaegerClients(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) {
		c.Receivers.JaegerHTTP, c.Receivers.JaegerGRPC = "127.0.0.1:0", "127.0.0.1:0"
	})
	start := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	for name, url := range map[string]string{"shared": x.url + "/jaeger/api/traces", "own": "http://" + x.addrs["gateway-jaeger-http"] + "/api/traces?format=jaeger.thrift"} {
		kind := "client"
		b := &thriftjaeger.Batch{Process: &thriftjaeger.Process{ServiceName: "shop"}, Spans: []*thriftjaeger.Span{{
			TraceIdLow: 2, TraceIdHigh: 1, SpanId: 3, ParentSpanId: 4, OperationName: name, StartTime: start.UnixMicro(), Duration: 1500,
			Tags: []*thriftjaeger.Tag{{Key: "span.kind", VType: thriftjaeger.TagType_STRING, VStr: &kind}},
		}}}
		out := thrift.NewTMemoryBuffer()
		if err := b.Write(t.Context(), thrift.NewTBinaryProtocolConf(out, nil)); err != nil {
			t.Fatal(err)
		}
		if code, _, text := post(t, url, out.Bytes(), "Content-Type", "application/x-thrift"); code != 202 {
			t.Errorf("%s: %d %s", name, code, text)
		}
		s, res := spanNamed(t, x, name)
		if res.Service != "shop" || s.Kind != 3 || hex.EncodeToString([]byte(s.TraceID)) != "00000000000000010000000000000002" || s.StartNS != start.UnixNano() || s.DurationNS != 1_500_000 || hex.EncodeToString([]byte(s.ParentSpanID)) != "0000000000000004" {
			t.Errorf("%s: %+v of %+v", name, s, res)
		}
	}
	if code, _, text := post(t, x.url+"/jaeger/api/traces", []byte("garbage")); code != 400 {
		t.Errorf("garbage: %d %s", code, text)
	}
	conn, err := grpc.NewClient(x.addrs["gateway-jaeger-grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = api_v2.NewCollectorServiceClient(conn).PostSpans(t.Context(), &api_v2.PostSpansRequest{Batch: jaegermodel.Batch{
		Process: &jaegermodel.Process{ServiceName: "cart"},
		Spans:   []*jaegermodel.Span{{TraceID: jaegermodel.NewTraceID(1, 2), SpanID: 9, OperationName: "grpc", StartTime: start, Duration: time.Second, Tags: []jaegermodel.KeyValue{jaegermodel.Bool("error", true)}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s, res := spanNamed(t, x, "grpc"); res.Service != "cart" || s.DurationNS != 1e9 || s.StatusCode != 2 {
		t.Errorf("%+v of %+v", s, res)
	}
}

package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// protocol is one way to send items.
type protocol struct {
	// network is tcp or udp for protocols that are not HTTP.
	network string
	headers []string // Name, value, name, value.
	perBody int
	build   func(b *body) []byte
}

const typeProtobuf = "application/x-protobuf"

// protocols are what there is, by name. Bodies have the sizes that usual senders have.
var protocols = map[string]protocol{
	"remote_write": {headers: []string{"Content-Type", typeProtobuf, "Content-Encoding", "snappy"}, perBody: 2000, build: remoteWrite},
	"otlp_metrics": {headers: []string{"Content-Type", typeProtobuf}, perBody: 2000, build: otlpMetrics},
	"influx":       {headers: []string{"Content-Type", "text/plain"}, perBody: 5000, build: influx},
	"datadog":      {headers: []string{"Content-Type", "application/json"}, perBody: 2000, build: datadog},
	"graphite":     {network: "tcp", perBody: 1000, build: graphite},
	"statsd":       {network: "tcp", perBody: 500, build: statsd},
	"otlp_logs":    {headers: []string{"Content-Type", typeProtobuf}, perBody: 2000, build: otlpLogs},
	"loki":         {headers: []string{"Content-Type", "application/json"}, perBody: 2000, build: loki},
	"elastic":      {headers: []string{"Content-Type", "application/x-ndjson"}, perBody: 2000, build: elastic},
	"jsonline":     {headers: []string{"Content-Type", "application/x-ndjson"}, perBody: 2000, build: jsonline},
	"hec":          {headers: []string{"Content-Type", "application/json", "Authorization", "Splunk load"}, perBody: 2000, build: hec},
	"syslog":       {network: "tcp", perBody: 500, build: syslog},
	"otlp_traces":  {headers: []string{"Content-Type", typeProtobuf}, perBody: 1000, build: otlpTraces},
	"zipkin":       {headers: []string{"Content-Type", "application/json"}, perBody: 1000, build: zipkin},
}

func remoteWrite(b *body) []byte {
	req := &prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, 0, b.n)}
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: s.name()}, {Name: "host", Value: s.hostName()}, {Name: "job", Value: "load"}},
			Samples: []prompb.Sample{{Value: s.value, Timestamp: s.ms}},
		})
	}
	raw, err := req.Marshal()
	if err != nil {
		panic(err)
	}
	b.text = len(raw)
	return snappy.Encode(nil, raw)
}

func text(v string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}
}

func attributes(kv ...string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i+1 < len(kv); i += 2 {
		out = append(out, &common.KeyValue{Key: kv[i], Value: text(kv[i+1])})
	}
	return out
}

func marshal(b *body, m proto.Message) []byte {
	raw, err := proto.MarshalOptions{}.MarshalAppend(b.buf[:0], m)
	if err != nil {
		panic(err)
	}
	if b.buf = raw; b.text == 0 {
		b.text = len(raw)
	}
	return raw
}

func otlpMetrics(b *body) []byte {
	req := &colmetrics.ExportMetricsServiceRequest{}
	host := ""
	var scope *metrics.ScopeMetrics
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		if s.hostName() != host {
			host = s.hostName()
			scope = &metrics.ScopeMetrics{}
			req.ResourceMetrics = append(req.ResourceMetrics, &metrics.ResourceMetrics{
				Resource: &resource.Resource{Attributes: attributes("service.name", "load", "host.name", host)}, ScopeMetrics: []*metrics.ScopeMetrics{scope},
			})
		}
		scope.Metrics = append(scope.Metrics, &metrics.Metric{Name: s.name(), Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{
			{TimeUnixNano: uint64(s.ms) * 1e6, Value: &metrics.NumberDataPoint_AsDouble{AsDouble: s.value}},
		}}}})
	}
	return marshal(b, req)
}

func influx(b *body) []byte {
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		b.buf = fmt.Appendf(b.buf, "%s,host=%s,job=load value=%g %d\n", s.name(), s.hostName(), s.value, s.ms*1e6)
	}
	b.text = len(b.buf)
	return b.buf
}

func datadog(b *body) []byte {
	b.buf = append(b.buf, `{"series":[`...)
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.buf = fmt.Appendf(b.buf, `{"metric":%q,"type":3,"points":[{"timestamp":%d,"value":%g}],"resources":[{"name":%q,"type":"host"}],"tags":["job:load"]}`, s.name(), s.ms/1000, s.value, s.hostName())
	}
	b.buf = append(b.buf, "]}"...)
	b.text = len(b.buf)
	return b.buf
}

func graphite(b *body) []byte {
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		b.buf = fmt.Appendf(b.buf, "%s;host=%s;job=load %g %d\n", s.name(), s.hostName(), s.value, s.ms/1000)
	}
	b.text = len(b.buf)
	return b.buf
}

func statsd(b *body) []byte {
	for i := range b.n {
		s := b.gen.sample(b.first + i)
		b.buf = fmt.Appendf(b.buf, "%s:%d|c|#host:%s,job:load\n", s.name(), int(s.value)%10+1, s.hostName())
	}
	b.text = len(b.buf)
	return b.buf
}

// severityNumbers of OpenTelemetry by the levels that are sent.
var severityNumbers = map[string]logs.SeverityNumber{
	"DEBUG": logs.SeverityNumber_SEVERITY_NUMBER_DEBUG, "INFO": logs.SeverityNumber_SEVERITY_NUMBER_INFO,
	"WARN": logs.SeverityNumber_SEVERITY_NUMBER_WARN, "ERROR": logs.SeverityNumber_SEVERITY_NUMBER_ERROR,
}

func otlpLogs(b *body) []byte {
	req := &collogs.ExportLogsServiceRequest{}
	key := ""
	var scope *logs.ScopeLogs
	for i := range b.n {
		r := b.gen.record(b.first + i)
		if k := r.host + r.service; k != key {
			key = k
			scope = &logs.ScopeLogs{}
			req.ResourceLogs = append(req.ResourceLogs, &logs.ResourceLogs{
				Resource: &resource.Resource{Attributes: attributes("service.name", r.service, "host.name", r.host)}, ScopeLogs: []*logs.ScopeLogs{scope},
			})
		}
		b.text += len(r.line)
		scope.LogRecords = append(scope.LogRecords, &logs.LogRecord{
			TimeUnixNano: uint64(r.at.UnixNano()), SeverityNumber: severityNumbers[r.level], SeverityText: r.level, Body: text(string(r.line)),
		})
	}
	return marshal(b, req)
}

func loki(b *body) []byte {
	b.buf = append(b.buf, `{"streams":[`...)
	key := ""
	for i := range b.n {
		r := b.gen.record(b.first + i)
		if k := r.host + r.service; k != key {
			if key != "" {
				b.buf = append(b.buf, "]},"...)
			}
			key = k
			b.buf = fmt.Appendf(b.buf, `{"stream":{"service_name":%q,"host":%q},"values":[`, r.service, r.host)
		} else {
			b.buf = append(b.buf, ',')
		}
		b.buf = fmt.Appendf(b.buf, `["%d",%q]`, r.at.UnixNano(), r.line)
		b.text += len(r.line)
	}
	b.buf = append(b.buf, "]}]}"...)
	return b.buf
}

func elastic(b *body) []byte {
	for i := range b.n {
		r := b.gen.record(b.first + i)
		b.buf = fmt.Appendf(b.buf, "{\"create\":{\"_index\":\"logs-load-default\"}}\n{\"@timestamp\":%q,\"message\":%q,\"log.level\":%q,\"service.name\":%q,\"host.name\":%q}\n",
			r.at.UTC().Format(time.RFC3339Nano), r.line, r.level, r.service, r.host)
		b.text += len(r.line)
	}
	return b.buf
}

func jsonline(b *body) []byte {
	for i := range b.n {
		r := b.gen.record(b.first + i)
		b.buf = fmt.Appendf(b.buf, "{\"_time\":%q,\"_msg\":%q,\"level\":%q,\"service.name\":%q,\"host.name\":%q}\n", r.at.UTC().Format(time.RFC3339Nano), r.line, r.level, r.service, r.host)
		b.text += len(r.line)
	}
	return b.buf
}

func hec(b *body) []byte {
	for i := range b.n {
		r := b.gen.record(b.first + i)
		b.buf = fmt.Appendf(b.buf, "{\"time\":%.3f,\"host\":%q,\"source\":%q,\"event\":%q}\n", float64(r.at.UnixMilli())/1000, r.host, r.service, r.line)
		b.text += len(r.line)
	}
	return b.buf
}

func syslog(b *body) []byte {
	for i := range b.n {
		r := b.gen.record(b.first + i)
		b.out = fmt.Appendf(b.out[:0], "<14>1 %s %s %s 4711 - - %s", r.at.UTC().Format("2006-01-02T15:04:05.000000Z"), r.host, r.service, r.line)
		b.buf = append(strconv.AppendInt(b.buf, int64(len(b.out)), 10), ' ')
		b.buf = append(b.buf, b.out...)
		b.text += len(r.line)
	}
	return b.buf
}

func otlpTraces(b *body) []byte {
	req := &coltrace.ExportTraceServiceRequest{}
	byService := map[string]*trace.ScopeSpans{}
	for i := range b.n {
		s := b.gen.span(b.first + i)
		scope := byService[s.service]
		if scope == nil {
			scope = &trace.ScopeSpans{}
			byService[s.service] = scope
			req.ResourceSpans = append(req.ResourceSpans, &trace.ResourceSpans{
				Resource: &resource.Resource{Attributes: attributes("service.name", s.service, "host.name", hostNames[0])}, ScopeSpans: []*trace.ScopeSpans{scope},
			})
		}
		x := &trace.Span{
			TraceId: append([]byte(nil), s.trace[:]...), SpanId: append([]byte(nil), s.id[:]...), Name: s.name, Kind: trace.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: uint64(s.start), EndTimeUnixNano: uint64(s.start + s.lastsNS),
			Attributes: attributes("http.request.method", "GET", "http.route", "/api/v1/orders/{id}", "http.response.status_code", "200"),
		}
		if !s.root {
			x.ParentSpanId = append([]byte(nil), s.parent[:]...)
		}
		if s.failed {
			x.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
		}
		scope.Spans = append(scope.Spans, x)
	}
	return marshal(b, req)
}

func zipkin(b *body) []byte {
	b.buf = append(b.buf, '[')
	for i := range b.n {
		s := b.gen.span(b.first + i)
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		parent := ""
		if !s.root {
			parent = `"parentId":"` + hex.EncodeToString(s.parent[:]) + `",`
		}
		b.buf = fmt.Appendf(b.buf, `{"traceId":"%x","id":"%x",%s"name":%q,"kind":"SERVER","timestamp":%d,"duration":%d,"localEndpoint":{"serviceName":%q},"tags":{"http.method":"GET","http.path":"/api/v1/orders"}}`,
			s.trace, s.id, parent, s.name, s.start/1000, s.lastsNS/1000, s.service)
	}
	b.buf = append(b.buf, ']')
	b.text = len(b.buf)
	return b.buf
}

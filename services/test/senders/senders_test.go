//go:build linux

package senders

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

// TestSenders has each program send to one server.
func TestSenders(t *testing.T) {
	s := startServer(t, false)
	for _, x := range []struct {
		name string
		test func(*testing.T, *server)
	}{
		{"logger", testLogger}, {"rsyslog", testRsyslog}, {"syslog-ng", testSyslogNG}, {"journal-upload", testJournalUpload}, {"prometheus", testPrometheus},
		{"vmagent", testVMAgent}, {"vmalert", testVMAlert}, {"amtool", testAmtool}, {"collectd", testCollectd}, {"telemetrygen", testTelemetrygen}, {"curl", testCurl},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, s) })
	}
	if l := s.Settled(t); !l.Balanced {
		t.Errorf("%+v", l)
	}
}

// testCollectd sends what collectd measures, and values that we give it, as Graphite.
func testCollectd(t *testing.T, s *server) {
	collectd := find(t, "collectd")
	dir := shortDir(t)
	conf := filepath.Join(dir, "collectd.conf")
	writeFile(t, conf, `
Hostname "web4"
FQDNLookup false
BaseDir "`+dir+`"
PIDFile "`+dir+`/pid"
PluginDir "`+collectd.file("usr/lib/collectd")+`"
TypesDB "`+collectd.file("usr/share/collectd/types.db")+`"
Interval 1
LoadPlugin uptime
# What it measures fills its buffer, which it would else keep for a minute.
LoadPlugin load
LoadPlugin memory
LoadPlugin cpu
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "`+dir+`/sock"
  DeleteSocket true
</Plugin>
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "faultline">
    Host "127.0.0.1"
    Port "`+port(s.graphite)+`"
    Protocol "tcp"
    EscapeCharacter "_"
  </Node>
</Plugin>
`)
	collectd.start(t, "-f", "-C", conf)
	waitFile(t, filepath.Join(dir, "sock"))
	c, err := net.Dial("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "PUTVAL web4/shop/gauge-orders interval=10 %d:41.5\n", time.Now().Unix()); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "the value", func() (bool, string) {
		v, err := s.PromQL(t, "web4_shop_gauge_orders")
		return err == nil && v == 41.5, fmt.Sprint(v, err)
	})
	for _, promql := range []string{`web4_shop_gauge_orders == 41.5`, `web4_uptime_uptime > 0`} {
		if got := s.query(t, promql, 1)[0]; len(got.Metric) != 1 {
			t.Errorf("%v", got.Metric)
		}
	}
}

// testTelemetrygen sends OpenTelemetry's three signals over both transports.
func testTelemetrygen(t *testing.T, s *server) {
	gen := find(t, "telemetrygen")
	for _, f := range []struct {
		name, endpoint string
		args           []string
	}{{"grpc", s.GRPC, nil}, {"http", strings.TrimPrefix(s.OTLPHTTP, "http://"), []string{"--otlp-http"}}} {
		common := append([]string{"--otlp-insecure", "--otlp-endpoint", f.endpoint, "--otlp-attributes", `deployment.environment="test"`}, f.args...)
		gen.run(t, "", append([]string{"logs", "--service", "gen-" + f.name, "--logs", "2", "--body", "telemetrygen over " + f.name, "--severity-text", "Error", "--severity-number", "17", "--rate", "0", "--telemetry-attributes", `order="4711"`}, common...)...)
		for _, l := range s.logs(t, "telemetrygen over "+f.name, 2) {
			l.recent(t)
			if l.Service != "gen-"+f.name || l.Severity != 17 || l.Attributes["order"] != "4711" || l.Resource["deployment.environment"] != "test" {
				t.Errorf("%+v", l)
			}
		}
		gen.run(t, "", append([]string{"metrics", "--service", "gen-" + f.name, "--metrics", "3", "--rate", "0", "--metric-type", "Gauge", "--otlp-metric-name", "gen_" + f.name, "--telemetry-attributes", `shop="s3"`}, common...)...)
		s.query(t, `gen_`+f.name+`{job="gen-`+f.name+`", shop="s3"}`, 1)
		gen.run(t, "", append([]string{"traces", "--service", "gen-" + f.name, "--traces", "2", "--rate", "0", "--child-spans", "2", "--status-code", "Error", "--telemetry-attributes", `shop="s3"`}, common...)...)
		query := `SELECT name, kind, status, count(), uniqExact(trace_id), countIf(parent_span_id != toFixedString('', 8)), anyLast(attributes['shop']) FROM spans WHERE service = 'gen-` + f.name + `' GROUP BY name, kind, status ORDER BY name`
		var rows [][]string
		rig.Eventually(t, "spans", func() (bool, string) {
			var err error
			rows, err = s.SQL(t, query)
			return err == nil && len(rows) == 3 && rows[2][3] == "2", fmt.Sprintf("%v %v", err, rows)
		})
		got := fmt.Sprint(rows)
		if want := "[[lets-go 3 2 2 2 0 s3] [okey-dokey-0 2 2 2 2 2 s3] [okey-dokey-1 2 2 2 2 2 s3]]"; got != want {
			t.Errorf("spans are %s, want %s", got, want)
		}
	}
}

// testCurl sends what the pages of receivers say that curl can send.
func testCurl(t *testing.T, s *server) {
	curl := find(t, "curl")
	send := func(path, contentType, body string, more ...string) {
		t.Helper()
		curl.run(t, body, append([]string{"--silent", "--show-error", "--fail-with-body", "--header", "Content-Type: " + contentType, "--data-binary", "@-", s.URL + path}, more...)...)
	}
	nanos := fmt.Sprint(time.Now().UnixNano())
	send("/insert/jsonline", "application/x-ndjson", `{"_msg":"curl: json line","level":"error","service":"shop","host":"web5","order":4711}`+"\n")
	send("/api/v1/logs/json", "application/json", `[{"message":"curl: any json","severity":"warn","service.name":"shop","nested":{"a":1}}]`)
	send("/loki/api/v1/push", "application/json", `{"streams":[{"stream":{"service_name":"shop","level":"info"},"values":[["`+nanos+`","curl: loki",{"trace_id":"0af7651916cd43dd8448eb211c80319c"}]]}]}`)
	send("/services/collector/event", "application/json", `{"event":"curl: hec","host":"web5","source":"/var/log/x","sourcetype":"st","fields":{"order":"4711"}}`)
	send("/elastic/app/_bulk", "application/x-ndjson", `{"create":{}}`+"\n"+`{"message":"curl: bulk","log.level":"error","service":{"name":"shop"}}`+"\n")
	send("/gelf", "application/json", `{"version":"1.1","host":"web5","short_message":"curl: gelf","level":3,"_order":4711}`)
	send("/datadog/api/v2/logs", "application/json", `[{"message":"curl: datadog","service":"shop","hostname":"web5","ddtags":"env:prod","status":"error"}]`)
	send("/v1/logs", "application/json", `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"`+nanos+`","severityNumber":17,"body":{"stringValue":"curl: otlp"}}]}]}]}`)
	for body, want := range map[string]line{
		"curl: json line": {Service: "shop", Host: "web5", Severity: 17, Attributes: map[string]string{"order": "4711"}},
		"curl: any json":  {Service: "shop", Severity: 13, Attributes: map[string]string{"nested.a": "1"}},
		"curl: loki":      {Service: "shop", Severity: 9},
		"curl: hec":       {Host: "web5", Attributes: map[string]string{"order": "4711"}},
		"curl: bulk":      {Service: "shop", Severity: 17, Attributes: map[string]string{"elastic.index": "app"}},
		"curl: gelf":      {Host: "web5", Severity: 17, Attributes: map[string]string{"order": "4711"}},
		"curl: datadog":   {Service: "shop", Host: "web5", Severity: 17},
		"curl: otlp":      {Service: "shop", Severity: 17},
	} {
		got := s.logs(t, body, 1)[0]
		got.recent(t)
		if want.Service != "" && got.Service != want.Service || got.Host != want.Host || got.Severity != want.Severity || got.Body != body {
			t.Errorf("%+v, want %+v", got, want)
		}
		for k, v := range want.Attributes {
			if got.Attributes[k] != v {
				t.Errorf("%s: %s is %q, want %q", body, k, got.Attributes[k], v)
			}
		}
		if body == "curl: loki" && got.Trace != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%+v", got)
		}
	}
	send("/write?precision=ns", "text/plain", "curl_influx,host=web5 value=1.5,errors=2i "+nanos+"\n")
	s.query(t, `curl_influx_value{host="web5"} == 1.5`, 1)
	s.query(t, `curl_influx_errors{host="web5"} == 2`, 1)
	send("/datadog/api/v2/series", "application/json", `{"series":[{"metric":"curl.datadog","type":3,"points":[{"timestamp":`+fmt.Sprint(time.Now().Unix())+`,"value":2.5}],"tags":["env:prod"],"resources":[{"type":"host","name":"web5"}]}]}`)
	s.query(t, `curl_datadog{env="prod", host="web5"} == 2.5`, 1)
	send("/zipkin/api/v2/spans", "application/json", `[{"traceId":"463ac35c9f6413ad48485a3953bb6124","id":"a2fb4a1d1a96d312","name":"get /","kind":"SERVER","timestamp":`+micros()+`,"duration":1500,"localEndpoint":{"serviceName":"curl-zipkin"},"tags":{"http.path":"/"}}]`)
	var trace struct {
		Spans []struct{ Name, Service string }
	}
	rig.Eventually(t, "the span", func() (bool, string) {
		err := s.JSON(t, "/api/v1/traces/463ac35c9f6413ad48485a3953bb6124", &trace)
		return err == nil && len(trace.Spans) == 1 && trace.Spans[0].Name == "get /" && trace.Spans[0].Service == "curl-zipkin", fmt.Sprintf("%v %+v", err, trace)
	})
	send("/api/v1/changes", "application/json", `{"kind":"deploy","service":"shop","environment":"prod","version":"1.4.2","actor":"ann"}`)
	var changes struct {
		Items []struct{ Kind, Service, Version, Actor string }
	}
	rig.Eventually(t, "the change", func() (bool, string) {
		err := s.JSON(t, "/api/v1/changes?service=shop", &changes)
		return err == nil && len(changes.Items) == 1 && changes.Items[0].Kind == "deploy" && changes.Items[0].Version == "1.4.2" && changes.Items[0].Actor == "ann", fmt.Sprintf("%v %+v", err, changes)
	})
}

package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// rows returns all log records that were published.
func (r *recorder) rows() []intaketest.Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []intaketest.Row
	for _, l := range r.logs {
		out = append(out, intaketest.RowsOf(l)...)
	}
	return out
}

func ask(t *testing.T, method, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// Every path of the protocols for logs takes a message in its own form and answers as its senders expect.
func TestLogPaths(t *testing.T) {
	now := time.Now()
	ns, ms, sec := now.UnixNano(), now.UnixMilli(), now.Unix()
	bulk := fmt.Sprintf("{\"create\":{}}\n{\"@timestamp\":%d,\"message\":\"hi\"}\n", ms)
	otlp := fmt.Sprintf(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":"hi"}}]}]}]}`, ns)
	hec := fmt.Sprintf(`{"time":%d,"event":"hi"}`, sec)
	loki := fmt.Sprintf(`{"streams":[{"stream":{"app":"x"},"values":[["%d","hi"]]}]}`, ns)
	dd := fmt.Sprintf(`[{"message":"hi","timestamp":%d}]`, ms)
	for _, c := range []struct {
		path, body, contentType string
		status                  int
		answer                  string
	}{
		{"/elastic/_bulk", bulk, "application/x-ndjson", 200, `"errors":false`}, {"/elastic/idx/_bulk?filter_path=errors", bulk, "application/x-ndjson", 200, `"_index":"idx"`},
		{"/_bulk", bulk, "application/x-ndjson", 200, `"status":201`}, {"/elastic/a-2026.01.01/_bulk", bulk, "application/json", 200, `"errors":false`},
		{"/insert/jsonline?_msg_field=m&_time_field=t", fmt.Sprintf(`{"m":"hi","t":%d}`, ns), "", 200, ""}, {"/api/v1/logs/json", fmt.Sprintf(`{"text":"hi","time":%d}`, sec), "application/x-www-form-urlencoded", 204, ""},
		{"/services/collector", hec, "", 200, `"code":0`}, {"/services/collector/event", hec, "", 200, `"text":"Success"`}, {"/services/collector/event/1.0?channel=c", hec, "", 200, `"ackId":`},
		{"/splunk/services/collector/event", hec, "", 200, `"code":0`}, {"/services/collector/raw", "hi", "", 200, `"code":0`},
		{"/gelf", `{"version":"1.1","host":"h","short_message":"hi"}`, "", 202, ""}, {"/journald/upload", fmt.Sprintf("__REALTIME_TIMESTAMP=%d\nMESSAGE=hi\n\n", now.UnixMicro()), "application/vnd.fdo.journal", 200, ""},
		{"/datadog/api/v2/logs", dd, "application/json", 202, "{}"}, {"/api/v2/logs", dd, "application/json", 202, "{}"}, {"/datadog/v1/input", dd, "application/json", 200, "{}"}, {"/v1/input/key", "hi", "text/plain", 200, "{}"},
		{"/loki/api/v1/push", loki, "application/json", 204, ""}, {"/api/prom/push", loki, "application/json", 204, ""},
		{"/v1/logs", otlp, "application/json", 200, "{}"}, {"/otlp/v1/logs", otlp, "application/json", 200, "{}"}, {"/api/v1/otlp/v1/logs", otlp, "application/json", 200, "{}"}, {"/opentelemetry/v1/logs", otlp, "application/json", 200, "{}"},
	} {
		x := newRig(t, nil)
		for _, encoding := range []string{"", "gzip"} {
			code, _, text := post(t, x.url+c.path, pack(t, encoding, []byte(c.body)), "Content-Type", c.contentType, "Content-Encoding", encoding)
			if code != c.status || !strings.Contains(text, c.answer) {
				t.Errorf("%s %s: %d %s", c.path, encoding, code, text)
			}
		}
		rows := x.rec.rows()
		if len(rows) != 2 || rows[0].Body != "hi" || rows[0].TimeNS < now.Add(-2*time.Second).UnixNano() || rows[0].TimeNS > now.Add(time.Minute).UnixNano() {
			t.Errorf("%s: %+v", c.path, rows)
		}
	}
}

// A key is taken wherever the protocol has it, and asked for where the sender is not on this machine.
func TestLogKeys(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.RequireKey = true })
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		path   string
		header []string
		want   int
	}{
		{"/elastic/_bulk", []string{"Authorization", "ApiKey " + b64("id:good-key")}, 200}, {"/elastic/_bulk", []string{"Authorization", "ApiKey good-key"}, 200},
		{"/elastic/_bulk", []string{"Authorization", "Basic " + b64("elastic:good-key")}, 200}, {"/elastic/_bulk", []string{"Authorization", "ApiKey " + b64("id:bad")}, 401}, {"/elastic/_bulk", nil, 401},
		{"/services/collector/raw", []string{"Authorization", "Splunk good-key"}, 200}, {"/services/collector/raw?token=good-key", nil, 200}, {"/services/collector/raw", nil, 401},
		{"/datadog/api/v2/logs", []string{"DD-API-KEY", "good-key"}, 202}, {"/v1/input/good-key", nil, 200}, {"/api/v2/logs?api_key=good-key", nil, 202}, {"/api/v2/logs", nil, 401},
		{"/insert/jsonline", []string{"X-Faultline-Key", "good-key"}, 200}, {"/insert/jsonline", nil, 401}, {"/journald/upload", nil, 401}, {"/gelf", nil, 401},
	} {
		body := `{"event":"x","message":"x"}`
		if strings.HasSuffix(c.path, "_bulk") {
			body = "{\"create\":{}}\n{\"message\":\"x\"}\n"
		}
		if code, _, text := post(t, x.url+c.path, []byte(body), c.header...); code != c.want {
			t.Errorf("%s %v: %d %s", c.path, c.header, code, text)
		}
	}
	for _, l := range x.rec.logs {
		if l.Tenant != 7 {
			t.Error(l.Tenant)
		}
	}
	if code, h, text := ask(t, "GET", x.url+"/elastic/"); code != 401 || h.Get("X-Elastic-Product") == "" || !strings.Contains(text, "security_exception") {
		t.Errorf("%d %v %s", code, h, text)
	}
}

func TestElasticHandshake(t *testing.T) {
	x := newRig(t, nil)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/elastic", `"number":"8.`}, {"GET", "/elastic/", "You Know, for Search"}, {"HEAD", "/elastic/", ""}, {"GET", "/elastic/_license?human=false", `"active"`}, {"GET", "/elastic/_xpack", `"ilm"`},
		{"GET", "/elastic/_ilm/policy/filebeat", `"filebeat"`}, {"PUT", "/elastic/_ilm/policy/filebeat", "acknowledged"}, {"HEAD", "/elastic/_index_template/x", ""}, {"PUT", "/elastic/_index_template/x", "acknowledged"},
		{"GET", "/elastic/_data_stream/x", `"x"`}, {"PUT", "/elastic/_data_stream/x", "acknowledged"}, {"GET", "/elastic/_ingest/pipeline/p", `"p"`}, {"GET", "/elastic/_cat/templates/x", "[]"},
		{"GET", "/elastic/_cluster/health", `"green"`}, {"GET", "/elastic/_nodes/http", `"nodes"`}, {"GET", "/elastic/_nodes", `"nodes"`}, {"PUT", "/elastic/_component_template/x", "acknowledged"},
	} {
		code, h, text := ask(t, c.method, x.url+c.path)
		if code != 200 || h.Get("X-Elastic-Product") != "Elasticsearch" || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, text)
		}
	}
	if code, _, _ := ask(t, "GET", x.url+"/"); code != 404 {
		t.Errorf("the root is ours: %d", code)
	}
	code, h, text := post(t, x.url+"/elastic/_bulk", []byte("{\"create\":{}}\n{\"message\":\"x\"}\n"), "Accept", "application/vnd.elasticsearch+json; compatible-with=8")
	if code != 200 || !strings.HasPrefix(h.Get("Content-Type"), "application/vnd.elasticsearch+json") {
		t.Errorf("%d %v %s", code, h, text)
	}
}

func TestLogRefusals(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) {
		c.Limits.MaxBodyBytes, c.Limits.MaxDecodedBytes, c.Limits.MaxInflightBytes = 1<<20, 2<<20, 8<<20
	})
	f := func(name, path string, body []byte, want int, answer string, headers ...string) {
		t.Helper()
		code, _, text := post(t, x.url+path, body, headers...)
		if code != want || !strings.Contains(text, answer) {
			t.Errorf("%s: %d %.300q, want %d", name, code, text, want)
		}
	}
	gz := []string{"Content-Encoding", "gzip"}
	f("broken gzip", "/elastic/_bulk", []byte("garbage"), 400, "illegal_argument_exception", gz...)
	f("cut gzip", "/elastic/_bulk", pack(t, "gzip", []byte(strings.Repeat("{\"create\":{}}\n{\"message\":\"x\"}\n", 1000)))[:60], 400, "gzip body", gz...)
	f("unknown encoding", "/elastic/_bulk", []byte("x"), 415, "media_type", "Content-Encoding", "br")
	f("one endless line", "/insert/jsonline", pack(t, "gzip", make([]byte, 300<<20)), 429, "", gz...)
	f("one endless document", "/elastic/_bulk", append([]byte("{\"create\":{}}\n"), pack(t, "", make([]byte, 30<<20))...), 429, "rejected")
	f("no journal", "/journald/upload", []byte("x"), 415, "vnd.fdo.journal", "Content-Type", "text/plain")
	f("no gelf", "/gelf", []byte("x"), 400, "gelf")
	f("hec too large", "/services/collector/event", make([]byte, 3<<20), 413, "Invalid data format")
	f("page of another site", "/api/v1/logs/json", []byte("{}"), 403, "another site", "Origin", "http://evil.example")
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	f("full bus, elastic", "/elastic/_bulk", []byte("{\"create\":{}}\n{\"message\":\"x\"}\n"), 429, "es_rejected_execution_exception")
	f("full bus, splunk", "/services/collector/event", []byte(`{"event":"x"}`), 503, `"code":9`)
	f("full bus, datadog", "/api/v2/logs", []byte(`[{"message":"x"}]`), 429, "errors")
	f("full bus, json", "/api/v1/logs/json", []byte(`{"message":"x"}`), 429, "full")
	if used := x.g.budget.Used(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func TestSplunkQuestions(t *testing.T) {
	x := newRig(t, nil)
	if code, _, text := ask(t, "GET", x.url+"/services/collector/health/1.0"); code != 200 || !strings.Contains(text, `"code":17`) {
		t.Errorf("%d %s", code, text)
	}
	if code, _, _ := ask(t, "OPTIONS", x.url+"/services/collector/event/1.0"); code != 200 {
		t.Error(code)
	}
	if code, _, text := post(t, x.url+"/services/collector/ack?channel=c", []byte(`{"acks":[0,3]}`)); code != 200 || text != `{"acks":{"0":true,"3":true}}` {
		t.Errorf("%d %s", code, text)
	}
	if code, _, text := post(t, x.url+"/services/collector/ack", []byte(`nonsense`)); code != 400 {
		t.Errorf("%d %s", code, text)
	}
}

// What the pipeline does with secrets it does with those of these protocols, also in what names the sender and in a resource seen before.
func TestLogSecrets(t *testing.T) {
	x := newRig(t, nil)
	const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	for range 2 {
		body := fmt.Sprintf(`{"message":"token %s","service":"%s","note":"%s"}`, secret, secret, secret)
		if code, _, text := post(t, x.url+"/api/v1/logs/json", []byte(body)); code != 204 {
			t.Fatalf("%d %s", code, text)
		}
	}
	rows := x.rec.rows()
	if len(rows) != 2 || strings.Contains(fmt.Sprint(rows), secret) {
		t.Errorf("%+v", rows)
	}
}

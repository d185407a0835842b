package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// waitFor waits until ok holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
		<-tick.C
	}
}

// has reports whether a series has a sample.
func has(rows []sampleRow, name string, value float64, labels ...string) bool {
next:
	for _, r := range rows {
		if r.name != name || r.value != value {
			continue
		}
		for i := 0; i < len(labels); i += 2 {
			if r.labels[labels[i]] != labels[i+1] {
				continue next
			}
		}
		return true
	}
	return false
}

func TestInflux(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().Truncate(time.Second)
	f := func(path, body string, want int, headers ...string) string {
		t.Helper()
		code, h, text := post(t, x.url+path, []byte(body), headers...)
		if code != want || h.Get("X-Influxdb-Version") == "" {
			t.Errorf("%s: %d %s, want %d", path, code, text, want)
		}
		return text
	}
	f("/influx/write?db=telegraf&precision=s", fmt.Sprintf("cpu,host=a\\ b usage_idle=1.5,n=3i,up=t,text=\"some, text\",zero=0 %d", now.Unix()), 204)
	rows := x.rec.samples()
	if r := one(t, rows, "cpu_usage_idle", "host", "a b", "db", "telegraf"); r.value != 1.5 || r.ms != now.UnixMilli() {
		t.Errorf("%+v", r)
	}
	if len(rows) != 4 || one(t, rows, "cpu_n").value != 3 || one(t, rows, "cpu_up").value != 1 || one(t, rows, "cpu_zero").value != 0 {
		t.Errorf("%+v", rows)
	}
	f("/api/v2/write?bucket=b&org=o", fmt.Sprintf("disk.io,dev=sda reads=7u %d\n", now.UnixNano()), 204, "Authorization", "Token good-key", "X-Forwarded-For", "192.0.2.1")
	if r := one(t, x.rec.samples(), "disk_io_reads", "db", "b"); r.ms != now.UnixMilli() {
		t.Errorf("%+v", r)
	}
	code, _, text := post(t, x.url+"/write?db=d", pack(t, "gzip", []byte("mem free=1\nmem free=\nmem used=2")), "Content-Encoding", "gzip")
	if code != 400 || !strings.Contains(text, "line 2") || !has(x.rec.samples(), "mem_used", 2) || !has(x.rec.samples(), "mem_free", 1) {
		t.Errorf("partial: %d %s", code, text)
	}
	f("/write?precision=fortnight", "a b=1", 400)
	f("/write", "a b=1", 401, "X-Forwarded-For", "192.0.2.1")
	f("/write?u=x&p=good-key", "a b=1", 204, "X-Forwarded-For", "192.0.2.1")
	f("/write", "a b=1", 401, "X-Forwarded-For", "192.0.2.1", "Authorization", "Token bad")
	f("/write", strings.Repeat("x", maxInfluxTestLine)+" b=1", 400)
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	f("/write", "a b=1", 429)

	for q, want := range map[string]string{"CREATE DATABASE \"telegraf\"": `{"results":[{"statement_id":0}]}`, "show databases": "faultline", "SELECT 1": "error"} {
		resp, err := http.PostForm(x.url+"/query", map[string][]string{"q": {q}})
		if err != nil {
			t.Fatal(err)
		}
		var text json.RawMessage
		if err := json.NewDecoder(resp.Body).Decode(&text); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s %v", q, text, err)
		}
		resp.Body.Close()
	}
	resp, err := http.Get(x.url + "/influx/ping")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 204 || resp.Header.Get("X-Influxdb-Version") == "" {
		t.Error(resp.Status)
	}
}

const maxInfluxTestLine = 300 << 10

func TestGraphite(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Receivers.Graphite = "127.0.0.1:0" })
	now := time.Now().Truncate(time.Second)
	tcp, err := net.Dial("tcp", x.addrs["gateway-graphite-tcp"])
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.Dial("udp", x.addrs["gateway-graphite-udp"])
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	write := func(c net.Conn, text string) {
		t.Helper()
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(tcp, fmt.Sprintf("servers.web-1.load 1.5 %d\nx;dc=eu;rack=r1 2 -1\nnonsense\nhalf", now.Unix()))
	waitFor(t, "sample over TCP", func() bool { return has(x.rec.samples(), "servers_web_1_load", 1.5) })
	if r := one(t, x.rec.samples(), "servers_web_1_load"); r.ms != now.UnixMilli() {
		t.Errorf("%+v", r)
	}
	waitFor(t, "tags", func() bool { return has(x.rec.samples(), "x", 2, "dc", "eu", "rack", "r1") })
	write(tcp, "way 7 -1\n") // The rest of a line whose sender paused in its middle.
	waitFor(t, "line in two parts", func() bool { return has(x.rec.samples(), "halfway", 7) })
	write(udp, "u.one 1\nu.two 2")
	write(udp, "u.three 3\n")
	waitFor(t, "samples over UDP", func() bool {
		rows := x.rec.samples()
		return has(rows, "u_one", 1) && has(rows, "u_two", 2) && has(rows, "u_three", 3)
	})
	waitFor(t, "count of the bad line", func() bool { return x.rejected("invalid_data") == 1 })

	// A full bus makes a sender over TCP wait; nothing is lost.
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	write(tcp, "patient 1 -1\n")
	write(udp, "impatient 1")
	waitFor(t, "count of the datagram", func() bool { return x.rejected("bus_full") == 1 })
	x.rec.setFail(nil)
	waitFor(t, "sample after the bus came back", func() bool { return has(x.rec.samples(), "patient", 1) })
	write(tcp, "last 1") // Without its end, at the end of the connection.
	_ = tcp.Close()
	waitFor(t, "last line", func() bool { return has(x.rec.samples(), "last", 1) })

	long, err := net.Dial("tcp", x.addrs["gateway-graphite-tcp"])
	if err != nil {
		t.Fatal(err)
	}
	defer long.Close()
	_, _ = long.Write([]byte(strings.Repeat("x", 2*streamChunk))) // Cut off in its middle.
	waitFor(t, "end of a line without end", func() bool { return x.rejected("body_too_large") == 1 })
}

func ddSeries(metric string, kind, sec int, value float64, tags ...string) []byte {
	s := field(nil, 1, field(field(nil, 1, []byte("host")), 2, []byte("web-1")))
	s = field(s, 2, []byte(metric))
	for _, tag := range tags {
		s = field(s, 3, []byte(tag))
	}
	p := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(value))
	p = protowire.AppendVarint(protowire.AppendTag(p, 2, protowire.VarintType), uint64(sec))
	s = field(s, 4, p)
	return field(nil, 1, protowire.AppendVarint(protowire.AppendTag(s, 5, protowire.VarintType), uint64(kind)))
}

func TestDatadog(t *testing.T) {
	x := newRig(t, nil)
	now := int(time.Now().Unix()) - 60
	f := func(path string, body []byte, want int, headers ...string) {
		t.Helper()
		code, _, text := post(t, x.url+"/datadog"+path, body, headers...)
		if code != want || !json.Valid([]byte(text)) {
			t.Errorf("%s: %d %s, want %d", path, code, text, want)
		}
	}
	body := append(ddSeries("system.load.1", 3, now, 0.5, "env:prod", "env:dev", "solo", "host:other"), ddSeries("http.hits", 1, now, 5)...)
	for _, encoding := range []string{"zstd", "gzip"} { // The second time the count is of the past.
		f("/api/v2/series", pack(t, encoding, body), 202, "Content-Type", "application/x-protobuf", "Content-Encoding", encoding)
	}
	f("/api/v2/series", ddSeries("http.hits", 1, now+10, 3), 202)
	rows := x.rec.samples()
	if !has(rows, "system_load_1", 0.5, "host", "web-1", "env", "prod", "solo", "no_label_value") || !has(rows, "http_hits_total", 5) || !has(rows, "http_hits_total", 8) || x.rejected("out_of_order_delta") != 1 {
		t.Errorf("%+v %v", rows, x.g.Rejections())
	}
	f("/api/v2/series", []byte(fmt.Sprintf(`{"series":[{"metric":"j.gauge","type":3,"points":[{"timestamp":%d,"value":7}],"resources":[{"name":"h2","type":"host"}],"tags":["a:b"]}]}`, now)), 202, typeJSONHeader...)
	f("/api/v1/series", []byte(fmt.Sprintf(`{"series":[{"metric":"v1.rate","type":"rate","interval":10,"host":"h1","device":"eth0","points":[[%d,1.5],[%d,2.5]]},{"metric":"v1.count","type":"count","points":[[%d,4]]}]}`, now, now+1, now)), 202, typeJSONHeader...)
	f("/api/v1/check_run", []byte(fmt.Sprintf(`[{"check":"app.ok","host_name":"h1","timestamp":%d,"status":2,"tags":["a:b"]}]`, now)), 202, typeJSONHeader...)
	rows = x.rec.samples()
	if !has(rows, "j_gauge", 7, "host", "h2", "a", "b") || !has(rows, "v1_rate", 2.5, "host", "h1", "device", "eth0") || !has(rows, "v1_count_total", 4) || !has(rows, "service_check_status", 2, "check", "app.ok", "host", "h1") {
		t.Errorf("%+v", rows)
	}
	// Bins 1338 and 1383 of the agent's sketch are 1 and about 2.
	d := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(now))
	d = protowire.AppendFixed64(protowire.AppendTag(d, 6, protowire.Fixed64Type), math.Float64bits(7))
	d = field(field(d, 7, protowire.AppendVarint(protowire.AppendVarint(nil, protowire.EncodeZigZag(1338)), protowire.EncodeZigZag(1383))), 8, []byte{3, 2})
	f("/api/beta/sketches", field(nil, 1, field(field(field(nil, 1, []byte("req.time")), 2, []byte("web-1")), 7, d)), 202)
	h := x.rec.metrics[len(x.rec.metrics)-1].Histograms
	if len(h) != 1 || h[0].Count != 5 || h[0].Sum != 7 || len(h[0].PositiveBuckets) != 2 || h[0].PositiveBuckets[0] != 3 || h[0].TimeMS != int64(now)*1000 {
		t.Errorf("%+v", h)
	}
	f("/api/v1/events", []byte(fmt.Sprintf(`{"title":"Deployed","text":"v2","date_happened":%d,"tags":["service:shop"],"alert_type":"info"}`, now)), 202, typeJSONHeader...)
	f("/intake/", []byte(fmt.Sprintf(`{"internalHostname":"h9","events":{"docker":[{"msg_title":"Restarted","msg_text":"x","timestamp":%d}]}}`, now)), 202, typeJSONHeader...)
	if cs := x.rec.changes; len(cs) != 2 || cs[0].Title != "Deployed" || cs[0].Service != "shop" || cs[1].Host != "h9" || cs[1].TimeNS != int64(now)*1e9 {
		t.Errorf("%+v", cs)
	}
	away := []string{"X-Forwarded-For", "192.0.2.1"}
	f("/api/v2/series", ddSeries("a", 3, now, 1), 403, away...)
	f("/api/v2/series", ddSeries("a", 3, now, 1), 202, append(away, "DD-API-KEY", "good-key")...)
	f("/api/v1/series?api_key=good-key", []byte(`{"series":[]}`), 202, away...)
	f("/api/v1/series", []byte(`{"series":`), 400)
	f("/api/v2/series", []byte("garbage"), 400)
	f("/api/v1/metadata", []byte(`{}`), 202)
	for key, want := range map[string]int{"good-key": 200, "bad": 403} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.url+"/datadog/api/v1/validate", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("DD-API-KEY", key)
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("validate %s: %s", key, resp.Status)
		}
	}
	// What the bus refuses does not count, so that the agent may send it again.
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Unavailable, "no bus") })
	f("/api/v2/series", ddSeries("again", 1, now, 5), 503)
	x.rec.setFail(nil)
	f("/api/v2/series", ddSeries("again", 1, now, 5), 202)
	if r := one(t, x.rec.samples(), "again_total"); r.value != 5 {
		t.Errorf("%+v", r)
	}
}

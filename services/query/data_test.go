package query

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// prom is Prometheus' answer.
type prom[T any] struct {
	Status    string   `json:"status"`
	Data      T        `json:"data"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
}

type promResult struct {
	ResultType string `json:"resultType"`
	Result     []struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
		Values [][2]any          `json:"values"`
	} `json:"result"`
}

// counter returns a series that rises by rate a second, every ten seconds for ten minutes up to now.
func counter(now time.Time, name string, rate float64, kv ...string) testSeries {
	s := testSeries{name: name, labels: labelsOf(kv...)}
	for i := range 61 {
		s.times = append(s.times, now.UnixMilli()-int64(60-i)*10_000)
		s.values = append(s.values, rate*float64(i)*10)
	}
	return s
}

func gauge(now time.Time, name string, value float64, kv ...string) testSeries {
	s := counter(now, name, 0, kv...)
	for i := range s.values {
		s.values[i] = value
	}
	return s
}

func TestPrometheusAPI(t *testing.T) {
	s := start(t)
	now := time.Now().Truncate(time.Second)
	s.insert(t,
		counter(now, "requests_total", 2, "job", "api", "code", "200"),
		counter(now, "requests_total", 1, "job", "api", "code", `5"\xx`),
		gauge(now, "temperature", 21.5, "room", "büro"),
	)
	t.Run("instant", func(t *testing.T) {
		r := get[prom[promResult]](t, s, "/api/v1/query?query="+url.QueryEscape(`sum(rate(requests_total{job=~"a.*"}[5m]))`))
		if r.Status != "success" || r.Data.ResultType != "vector" || len(r.Data.Result) != 1 {
			t.Fatalf("%+v", r)
		}
		if v, err := strconv.ParseFloat(fmt.Sprint(r.Data.Result[0].Value[1]), 64); err != nil || math.Abs(v-3) > 1e-9 {
			t.Errorf("rate %v, want 3", r.Data.Result[0].Value[1])
		}
	})
	t.Run("range", func(t *testing.T) {
		r := get[prom[promResult]](t, s, fmt.Sprintf("/api/v1/query_range?query=temperature&start=%d&end=%d&step=60", now.Unix()-300, now.Unix()))
		if len(r.Data.Result) != 1 || len(r.Data.Result[0].Values) != 6 || r.Data.Result[0].Metric["room"] != "büro" || r.Data.Result[0].Values[0][1] != "21.5" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("posted", func(t *testing.T) {
		a := s.do(t, "/api/v1/query", call{method: http.MethodPost, body: "query=vector(1)", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
		if a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), `"1"`) {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	t.Run("series_and_labels", func(t *testing.T) {
		series := get[prom[[]map[string]string]](t, s, "/api/v1/series?match[]=requests_total&match[]=temperature")
		if len(series.Data) != 3 {
			t.Errorf("series: %+v", series)
		}
		names := get[prom[[]string]](t, s, "/api/v1/labels?match[]=requests_total")
		if fmt.Sprint(names.Data) != "[__name__ code job]" {
			t.Errorf("labels: %v", names.Data)
		}
		values := get[prom[[]string]](t, s, "/api/v1/label/code/values?start="+fmt.Sprint(now.Unix()-60))
		if fmt.Sprintf("%q", values.Data) != `["200" "5\"\\xx"]` {
			t.Errorf("values: %q", values.Data)
		}
		all := get[prom[[]string]](t, s, "/api/v1/label/__name__/values?limit=1")
		if len(all.Data) != 1 || len(all.Warnings) != 1 {
			t.Errorf("limited: %+v", all)
		}
	})
	t.Run("buildinfo", func(t *testing.T) {
		if v := get[prom[map[string]string]](t, s, "/api/v1/status/buildinfo").Data["version"]; v == "" {
			t.Error("no version")
		}
	})
	t.Run("errors", func(t *testing.T) { promErrors(t, s, now) })
}

func promErrors(t *testing.T, s *server, now time.Time) {
	f := func(path string, status int, errorType, text string) {
		t.Helper()
		a := s.do(t, path, call{})
		var r prom[any]
		if err := json.Unmarshal(a.body, &r); err != nil {
			t.Fatalf("%s: %v %s", path, err, a.body)
		}
		if a.StatusCode != status || r.Status != "error" || r.ErrorType != errorType || !strings.Contains(r.Error, text) {
			t.Errorf("%s: %s %s; want %d %s %q", path, a.Status, a.body, status, errorType, text)
		}
	}
	f("/api/v1/query?query=sum(", 400, "bad_data", `invalid parameter "query"`)
	f("/api/v1/query?query=1&time=yesterday", 400, "bad_data", "yesterday")
	f("/api/v1/query?query="+url.QueryEscape(`requests_total * on(job) group_left requests_total`), 422, "execution", "duplicate")
	f("/api/v1/query_range?query=1&start=0&end=100000&step=1", 400, "bad_data", "11,000")
	f("/api/v1/query_range?query=1&start=5&end=1&step=1", 400, "bad_data", "end")
	f("/api/v1/query_range?query=1&start=1&end=2&step=0", 400, "bad_data", "zero")
	f("/api/v1/series", 400, "bad_data", "match[]")
	f("/api/v1/series?match[]="+url.QueryEscape(`{job=~".*"}`), 400, "bad_data", "non-empty")
	f("/api/v1/query?timeout=1ms&query="+url.QueryEscape(`requests_total[10m]`)+"&time="+fmt.Sprint(now.Unix()), 503, "timeout", "")
}

func TestHostsAPI(t *testing.T) {
	s := start(t)
	now := time.Now().Truncate(time.Second)
	host := []string{"host_id", "h1", "host_name", "web-1"}
	with := func(kv ...string) []string { return append(kv, host...) }
	s.insert(t,
		counter(now, "system_cpu_time_seconds_total", 0.75, with("cpu_mode", "idle", "cpu_logical_number", "0")...),
		counter(now, "system_cpu_time_seconds_total", 0.25, with("cpu_mode", "user", "cpu_logical_number", "0")...),
		gauge(now, "system_memory_limit_bytes", 1000, host...),
		gauge(now, "system_memory_linux_available_bytes", 400, host...),
		gauge(now, "system_cpu_logical_count", 1, host...),
		gauge(now, "system_cpu_load_average_1m", 0.5, host...),
		gauge(now, "system_filesystem_limit_bytes", 5000, with("system_filesystem_mountpoint", "/", "system_device", "sda1", "system_filesystem_type", "ext4")...),
		gauge(now, "system_filesystem_utilization_ratio", 0.7, with("system_filesystem_mountpoint", "/", "system_device", "sda1", "system_filesystem_type", "ext4")...),
		counter(now, "system_network_io_bytes_total", 100, with("network_interface_name", "eth0", "network_io_direction", "receive")...),
		gauge(now, "process_memory_usage_bytes", 77, with("process_pid", "42", "process_creation_time", "2026-11-23T00:00:00Z", "process_executable_name", "nginx")...),
		counter(now, "process_cpu_time_seconds_total", 0.1, with("process_pid", "42", "process_creation_time", "2026-11-23T00:00:00Z", "process_executable_name", "nginx")...),
		gauge(now.Add(-70*time.Second), "process_memory_usage_bytes", 1, with("process_pid", "43", "process_creation_time", "2026-11-22T00:00:00Z", "process_executable_name", "gone")...),
	)
	s.inventory(t, now.Add(-10*time.Minute))
	list := get[struct{ Items []Host }](t, s, "/api/v1/hosts")
	if len(list.Items) != 2 {
		t.Fatalf("hosts: %+v", list.Items)
	}
	down, up := list.Items[0], list.Items[1]
	if up.ID != "h1" || up.Name != "web-1" || !up.Up || up.CPURatio == nil || *up.CPURatio < 0.2499 || *up.CPURatio > 0.2501 || up.MemoryRatio == nil || *up.MemoryRatio != 0.6 ||
		*up.DiskRatio != 0.7 || *up.Load1 != 0.5 || *up.NetworkBytesPerSecond < 99 || up.OS != "Debian 12" || up.CPUs != 8 || up.Addresses[0] != "10.0.0.1" || len(up.Sparkline.T) < 50 {
		t.Errorf("host: %+v", up)
	}
	if down.ID != "h0" || down.Up || down.CPURatio != nil {
		t.Errorf("host that is down: %+v", down)
	}
	one := get[HostDetail](t, s, "/api/v1/hosts/h1")
	if len(one.Filesystems) != 1 || one.Filesystems[0].UsedRatio != 0.7 || one.Filesystems[0].TotalBytes != 5000 || len(one.Interfaces) != 1 || one.Interfaces[0].ReceiveBytesPerSecond < 99 ||
		len(one.Disks) != 1 || one.Disks[0].Name != "sda" || one.Attributes["os.kernel.version"] != "6.1" {
		t.Errorf("detail: %+v", one)
	}
	procs := get[struct {
		Items       []Process
		CollectedAt *time.Time `json:"collected_at"`
	}](t, s, "/api/v1/hosts/h1/processes")
	if len(procs.Items) != 1 || procs.Items[0].PID != 42 || procs.Items[0].Name != "nginx" || procs.Items[0].MemoryBytes != 77 || procs.Items[0].CPURatio < 0.09 || procs.CollectedAt == nil {
		t.Errorf("processes: %+v", procs)
	}
	if a := s.do(t, "/api/v1/hosts/unknown", call{}); a.StatusCode != http.StatusNotFound || problemOf(t, a)["hint"] == nil {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// inventory stores the inventory records of two hosts, of which h0 sends no metrics.
func (s *server) inventory(t *testing.T, at time.Time) {
	t.Helper()
	logs := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant}, ReceivedAtMS: at.UnixMilli()}}
	for i, id := range []string{"h0", "h1"} {
		attrs := labelsOf("service.name", "faultline-agent", "host.id", id, "host.name", []string{"db-1", "web-1"}[i], "host.arch", "amd64", "os.description", "Debian 12")
		logs.Resources = append(logs.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: "faultline-agent", Host: id})
		logs.ResourceIdx = append(logs.ResourceIdx, uint32(i))
		logs.TimesNS = append(logs.TimesNS, at.UnixNano())
		logs.ObservedNS = append(logs.ObservedNS, at.UnixNano())
		logs.Severity = append(logs.Severity, 9)
		logs.ShapeHash = append(logs.ShapeHash, 1)
		logs.Bodies = append(logs.Bodies, "host inventory")
		logs.Attributes = append(logs.Attributes, labelsOf("event.name", "faultline.host.inventory", "os.kernel.version", "6.1", "host.cpu.count", "8", "host.memory.bytes", "1000",
			"host.addresses", `[{"interface":"eth0","ip":"10.0.0.1"}]`, "host.disks", `[{"name":"sda","size_bytes":9,"rotational":false}]`, "host.boot_time", "2026-11-01T00:00:00Z"))
	}
	if err := s.db.Admin.InsertLogs(t.Context(), fmt.Sprintf("t%d", lastToken.Add(1)), []*model.Logs{logs}); err != nil {
		t.Fatal(err)
	}
}

func TestLedgerAPI(t *testing.T) {
	s := start(t)
	now := time.Now()
	row := func(seq, accepted, stored, dead uint64) store.LedgerRow {
		return store.LedgerRow{
			Tenant: model.DefaultTenant, Stream: "FAULTLINE_METRICS", Epoch: 1, Seq: seq, ReceivedAtMS: now.UnixMilli() - 1000, Signal: model.SignalMetrics,
			Source: "remote_write", Protocol: "remote_write", Accepted: accepted, Stored: stored, DeadLetter: dead,
		}
	}
	// Three messages are on the bus; the writer has stored two of them.
	for i := range 3 {
		m := &bus.Message{Signal: model.SignalMetrics, Items: 10 * (i + 1), Data: []byte("x"), Header: model.Header{
			Origin: model.Origin{Tenant: model.DefaultTenant, Source: "remote_write", Protocol: "remote_write"}, ReceivedAtMS: now.UnixMilli(),
		}}
		if _, err := s.bus.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := s.bus.Consume(t.Context(), "writer", model.SignalMetrics, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if _, err := consumer.Fetch(t.Context(), 3, 1<<20, 5*time.Second, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := consumer.AckThrough(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Admin.InsertLedger(t.Context(), "l1", []store.LedgerRow{row(1, 10, 10, 0), row(2, 20, 15, 5)}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Admin.InsertRejected(t.Context(), "r1", []store.RejectedRow{{
		Tenant: model.DefaultTenant, MinuteMS: now.UnixMilli(), Signal: model.SignalMetrics, Source: "remote_write", Protocol: "remote_write", Reason: "too_far_in_future", Count: 4,
	}}); err != nil {
		t.Fatal(err)
	}
	var l Ledger
	eventually(t, "an acknowledgement floor of 2", func() bool {
		l = get[Ledger](t, s, "/api/v1/ledger")
		return l.Streams[0].AckFloor == 2
	})
	if len(l.Items) != 1 || !l.Balanced {
		t.Fatalf("%+v", l)
	}
	e := l.Items[0]
	if e.Accepted != 60 || e.Stored != 25 || e.DeadLetter != 5 || e.InStream != 30 || !e.Balanced || len(e.Rejected) != 1 || e.Rejected[0].Count != 4 || e.LastReceivedAt == nil || e.Sent != nil {
		t.Errorf("%+v", e)
	}
	if st := l.Streams[0]; st.PendingMessages != 1 || st.PendingItems != 30 || st.LastSeq != 3 {
		t.Errorf("%+v", st)
	}
	senders := get[struct{ Items []Sender }](t, s, "/api/v1/senders")
	for _, x := range senders.Items {
		if x.Waiting == (x.Protocol == "remote_write") {
			t.Errorf("sender %+v", x)
		}
	}
	t.Run("sequence_missing", func(t *testing.T) {
		if err := consumer.AckThrough(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an acknowledged message without a ledger row", func() bool {
			l := get[Ledger](t, s, "/api/v1/ledger")
			return l.Streams[0].AckFloor == 3 && !l.Balanced
		})
	})
	t.Run("sequence_twice", func(t *testing.T) {
		if err := s.db.Admin.InsertLedger(t.Context(), "l2", []store.LedgerRow{row(3, 30, 30, 0)}); err != nil {
			t.Fatal(err)
		}
		if l := get[Ledger](t, s, "/api/v1/ledger"); !l.Balanced {
			t.Errorf("after the missing row came: %+v", l)
		}
		if err := s.db.Admin.InsertLedger(t.Context(), "l3", []store.LedgerRow{row(3, 30, 30, 0)}); err != nil {
			t.Fatal(err)
		}
		if l := get[Ledger](t, s, "/api/v1/ledger"); l.Balanced {
			t.Error("a sequence that is there twice counts as balanced")
		}
	})
}

func TestDeadLetters(t *testing.T) {
	s := start(t)
	for i := range 3 {
		d := bus.Delivery{Stream: "FAULTLINE_LOGS", Epoch: 1, Seq: uint64(i + 1), Message: bus.Message{
			Signal: model.SignalLogs, Items: 5, Data: []byte("broken"), Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant, Source: "loki", Protocol: "loki"}, ReceivedAtMS: 1795132800000},
		}}
		if err := s.bus.PutDeadLetter(t.Context(), d, "cannot decode"); err != nil {
			t.Fatal(err)
		}
	}
	type page struct {
		Items      []DeadLetter
		NextCursor string `json:"next_cursor"`
	}
	first := get[page](t, s, "/api/v1/dead-letters?limit=2")
	if len(first.Items) != 2 || first.NextCursor == "" || first.Items[0].Reason != "cannot decode" || first.Items[0].SizeBytes != 6 || first.Items[0].Items != 5 {
		t.Fatalf("%+v", first)
	}
	second := get[page](t, s, "/api/v1/dead-letters?limit=2&cursor="+first.NextCursor)
	if len(second.Items) != 1 || second.NextCursor != "" || second.Items[0].Seq == first.Items[1].Seq {
		t.Errorf("%+v", second)
	}
	if a := s.do(t, "/api/v1/dead-letters?cursor=nonsense", call{}); a.StatusCode != http.StatusBadRequest || problemOf(t, a)["code"] != "bad_cursor" {
		t.Errorf("%s %s", a.Status, a.body)
	}
	path := fmt.Sprintf("/api/v1/dead-letters/%d/replay", first.Items[0].Seq)
	replay := call{method: http.MethodPost, header: map[string]string{"Idempotency-Key": "k1"}}
	for range 2 {
		if a := s.do(t, path, replay); a.StatusCode != http.StatusAccepted {
			t.Errorf("%s %s", a.Status, a.body)
		}
	}
	if a := s.do(t, path, call{method: http.MethodPost}); a.StatusCode != http.StatusNotFound {
		t.Errorf("replayed and still there: %s %s", a.Status, a.body)
	}
	state, err := s.bus.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state[1].LastSeq != 1 {
		t.Errorf("the batch is %d times on its stream, want once", state[1].LastSeq)
	}
}

func TestSystemAPI(t *testing.T) {
	s := start(t)
	s.insert(t, gauge(time.Now(), "x", 1))
	kv, err := s.bus.KV(t.Context(), store.StatusBucket)
	if err != nil {
		t.Fatal(err)
	}
	state, _ := json.Marshal(store.DiskState{Path: "/data", TotalBytes: 100, UsedBytes: 85, FreeBytes: 15, UsedRatio: 0.85, State: store.DiskWarn, Message: "The disk of /data is 85 % full."})
	if err := kv.Put(t.Context(), store.DiskStateKey, state); err != nil {
		t.Fatal(err)
	}
	info := get[SystemInfo](t, s, "/api/v1/system")
	if info.Version != "1.2.3" || !info.Engine.Ready || info.Engine.Version == "" || !info.Bus.Ready || info.Bus.StreamMaxBytes == 0 || info.Mode != "all-in-one" {
		t.Errorf("%+v", info)
	}
	if info.Disk.State != "warn" || info.Disk.UsedRatio != 0.85 || len(info.Warnings) != 1 || info.Warnings[0].Code != "disk_filling" {
		t.Errorf("disk %+v, warnings %+v", info.Disk, info.Warnings)
	}
	rows := uint64(0)
	for _, x := range info.Storage {
		if x.Table == "samples_recent" {
			rows = x.Rows
			if x.Signal != "metrics" || x.DiskBytes == 0 {
				t.Errorf("%+v", x)
			}
		}
	}
	if rows != 61 {
		t.Errorf("samples_recent has %d rows, want 61", rows)
	}
}

func TestLogPatterns(t *testing.T) {
	s := start(t)
	now := time.Now().Truncate(time.Minute)
	logs := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "t", Protocol: "t"}, ReceivedAtMS: now.UnixMilli()}, Resources: []model.Resource{{ID: 1, Service: "shop"}}}
	add := func(body string, shape uint64, ago time.Duration, n int) {
		for range n {
			logs.ResourceIdx, logs.TimesNS, logs.ObservedNS = append(logs.ResourceIdx, 0), append(logs.TimesNS, now.Add(-ago).UnixNano()), append(logs.ObservedNS, 0)
			logs.Severity, logs.ShapeHash, logs.Bodies = append(logs.Severity, 17), append(logs.ShapeHash, shape), append(logs.Bodies, body)
		}
	}
	add("steady 1", 11, 5*time.Minute, 4)
	add("steady 2", 11, 15*time.Minute, 4)
	add("gone", 12, 15*time.Minute, 3)
	add("fresh", 13, 2*time.Minute, 5)
	add("rising", 14, 2*time.Minute, 6)
	add("rising", 14, 12*time.Minute, 1)
	if err := s.db.Admin.InsertLogs(t.Context(), fmt.Sprintf("t%d", lastToken.Add(1)), []*model.Logs{logs}); err != nil {
		t.Fatal(err)
	}
	type page struct {
		T     []int64 `json:"t"`
		Items []struct {
			Template string   `json:"template"`
			Lines    int      `json:"lines"`
			Before   int      `json:"lines_before"`
			New      bool     `json:"new"`
			V        []uint64 `json:"v"`
		} `json:"items"`
	}
	for kind, want := range map[string]string{"all": "rising fresh steady 1", "new": "fresh", "gone": "gone", "more": "rising", "less": ""} {
		p := get[page](t, s, fmt.Sprintf("/api/v1/log-patterns?kind=%s&start=%d&end=%d&buckets=10", kind, now.Add(-10*time.Minute).Unix(), now.Unix()))
		var got []string
		for _, i := range p.Items {
			got = append(got, i.Template)
			sum := 0
			for _, v := range i.V {
				sum += int(v)
			}
			if sum != i.Lines || len(i.V) != len(p.T) {
				t.Errorf("%s: %d lines, %v", i.Template, i.Lines, i.V)
			}
		}
		if kind == "all" && len(got) == 3 && got[2] == "steady 2" {
			got[2] = "steady 1" // Either line may be the example.
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	if p := get[page](t, s, "/api/v1/log-patterns?service=other&start=now-20m"); len(p.Items) != 0 {
		t.Errorf("%+v", p)
	}
	if p := get[page](t, s, "/api/v1/log-patterns?q=RISING&start=now-20m"); len(p.Items) != 1 {
		t.Errorf("%+v", p)
	}
}

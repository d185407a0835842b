//go:build linux

package promql_test

import (
	"math"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/faultline-io/faultline/services/test/rig"
)

// write sends a counter that goes stale, a native histogram with integer counts, one with custom buckets, and an exemplar.
func write(t *testing.T, s *rig.Server, start time.Time) {
	t.Helper()
	table := writev2.NewSymbolTable()
	refs := func(kv ...string) []uint32 {
		var out []uint32
		for _, v := range kv {
			out = append(out, table.Symbolize(v))
		}
		return out
	}
	at := func(i int) int64 { return start.UnixMilli() + int64(i)*15_000 }
	counter := writev2.TimeSeries{
		LabelsRefs: refs("__name__", "hits_total", "job", "shop"),
		Exemplars:  []writev2.Exemplar{{LabelsRefs: refs("trace_id", "4bf92f"), Value: 1.5, Timestamp: at(3)}},
	}
	native := writev2.TimeSeries{LabelsRefs: refs("__name__", "latency_seconds", "job", "shop")}
	custom := writev2.TimeSeries{LabelsRefs: refs("__name__", "size_bytes", "job", "shop")}
	for i := range 20 {
		counter.Samples = append(counter.Samples, writev2.Sample{Timestamp: at(i), Value: float64(30 * i)})
		n := uint64(i + 1)
		native.Histograms = append(native.Histograms, writev2.FromIntHistogram(0, at(i), &histogram.Histogram{
			Schema: 1, Count: 4 * n, Sum: 10 * float64(n), ZeroThreshold: 0.001, ZeroCount: n,
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{int64(n), int64(n)},
		}))
		custom.Histograms = append(custom.Histograms, writev2.FromFloatHistogram(0, at(i), &histogram.FloatHistogram{
			Schema: histogram.CustomBucketsSchema, Count: 3 * float64(n), Sum: 12, CustomValues: []float64{1, 10},
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{float64(n), 2 * float64(n)},
		}))
	}
	counter.Samples = append(counter.Samples, writev2.Sample{Timestamp: at(20), Value: math.Float64frombits(value.StaleNaN)})
	req := writev2.Request{Symbols: table.Symbols(), Timeseries: []writev2.TimeSeries{counter, native, custom}}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	status, body, err := post(s, "", "/api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request", b)
	if err != nil || status/100 != 2 {
		t.Fatalf("remote write: %d %s %v", status, body, err)
	}
}

// client is Prometheus' own.
func client(t *testing.T, s *rig.Server, prefix string) apiv1.API {
	t.Helper()
	c, err := api.NewClient(api.Config{
		Address:      s.URL + prefix,
		RoundTripper: commoncfg.NewBasicAuthRoundTripper(commoncfg.NewInlineSecret("admin"), commoncfg.NewInlineSecret(s.Password(t)), http.DefaultTransport),
	})
	if err != nil {
		t.Fatal(err)
	}
	return apiv1.NewAPI(c)
}

func TestClientsOfPrometheus(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	start := time.Now().Add(-10 * time.Minute).Truncate(15 * time.Second)
	write(t, s, start)
	end := start.Add(19 * 15 * time.Second)
	c := client(t, s, "/prometheus")
	query := func(q string, at time.Time) model.Vector {
		t.Helper()
		v, warnings, err := c.Query(t.Context(), q, at)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v %v", q, err, warnings)
		}
		return v.(model.Vector)
	}
	rig.Eventually(t, "what was written can be read", func() (bool, string) {
		v := query("{job=\"shop\"}", end)
		return len(v) == 3, v.String()
	})
	number := func(q string, at time.Time, want float64) {
		t.Helper()
		if v := query(q, at); len(v) != 1 || math.Abs(float64(v[0].Value)-want) > 1e-9*math.Abs(want) {
			t.Errorf("%s: %v, want %v", q, v, want)
		}
	}
	number("rate(hits_total[2m])", end, 2)
	number("hits_total @ "+model.TimeFromUnix(start.Unix()+30).String(), end.Add(time.Hour), 60)
	number("hits_total offset 1m", end, 30*15)
	number("max_over_time(rate(hits_total[1m])[3m:15s])", end, 2)
	number("histogram_count(latency_seconds)", end, 80)
	number("histogram_sum(latency_seconds) / histogram_count(latency_seconds)", end, 2.5)
	number("histogram_quantile(0.5, size_bytes)", end, 3.25)
	number("histogram_count(increase(latency_seconds[2m]))", end, 32)
	number("count_over_time(hits_total[1h])", end.Add(time.Minute), 20)
	if v := query("hits_total", end.Add(16*time.Second)); len(v) != 0 {
		t.Errorf("a stale series is there: %v", v)
	}
	if v := query("latency_seconds", end); len(v) != 1 || v[0].Histogram == nil || v[0].Histogram.Count != 80 || len(v[0].Histogram.Buckets) != 3 {
		t.Errorf("native histogram: %v", v)
	}
	found, err := c.QueryExemplars(t.Context(), "hits_total", start, end)
	if err != nil || len(found) != 1 || len(found[0].Exemplars) != 1 || found[0].Exemplars[0].Labels["trace_id"] != "4bf92f" {
		t.Errorf("exemplars: %+v, %v", found, err)
	}
	if tsdb, err := c.TSDB(t.Context()); err != nil || tsdb.HeadStats.NumSeries < 3 {
		t.Errorf("tsdb: %+v, %v", tsdb, err)
	}
	for name, f := range map[string]func() error{
		"targets": func() error { _, err := c.Targets(t.Context()); return err }, "config": func() error { _, err := c.Config(t.Context()); return err },
		"flags": func() error { _, err := c.Flags(t.Context()); return err }, "runtimeinfo": func() error { _, err := c.Runtimeinfo(t.Context()); return err },
		"buildinfo": func() error { _, err := c.Buildinfo(t.Context()); return err }, "walreplay": func() error { _, err := c.WalReplay(t.Context()); return err },
		"alertmanagers": func() error { _, err := c.AlertManagers(t.Context()); return err },
	} {
		if err := f(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	remoteRead(t, s, start, end)
}

// remoteRead reads as Prometheus does, which takes a stream of chunks, and as older readers do.
func remoteRead(t *testing.T, s *rig.Server, start, end time.Time) {
	t.Helper()
	u, err := url.Parse(s.URL + "/api/v1/read")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := remote.NewReadClient("test", &remote.ClientConfig{
		URL: &commoncfg.URL{URL: u}, Timeout: model.Duration(rig.Limit), ChunkedReadLimit: 50 << 20,
		HTTPClientConfig: commoncfg.HTTPClientConfig{BasicAuth: &commoncfg.BasicAuth{Username: "admin", Password: commoncfg.Secret(s.Password(t))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := &prompb.Query{
		StartTimestampMs: start.UnixMilli(), EndTimestampMs: end.UnixMilli(),
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "job", Value: "shop"}},
	}
	set, err := rc.Read(t.Context(), q, true)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[chunkenc.ValueType]int{}
	for set.Next() {
		for it := set.At().Iterator(nil); ; {
			kind := it.Next()
			if kind == chunkenc.ValNone {
				break
			}
			kinds[kind]++
		}
	}
	if set.Err() != nil || kinds[chunkenc.ValFloat] != 20 || kinds[chunkenc.ValFloatHistogram] != 40 {
		t.Errorf("chunks: %v, %v", kinds, set.Err())
	}
	b, err := (&prompb.ReadRequest{Queries: []*prompb.Query{q}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	status, body, err := post(s, s.Password(t), "/api/v1/read", "application/x-protobuf", b)
	if err != nil || status != http.StatusOK {
		t.Fatalf("read: %d %s %v", status, body, err)
	}
	if body, err = snappy.Decode(nil, body); err != nil {
		t.Fatal(err)
	}
	var answer prompb.ReadResponse
	if err := answer.Unmarshal(body); err != nil || len(answer.Results) != 1 || len(answer.Results[0].Timeseries) != 3 {
		t.Errorf("samples: %+v, %v", answer, err)
	}
}

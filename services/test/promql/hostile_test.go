//go:build linux

package promql_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/faultline-io/faultline/services/test/rig"
)

// many is how many series there are: more than a selector may match.
const many = 20_000

func writeMany(t *testing.T, s *rig.Server) {
	t.Helper()
	var req prompb.WriteRequest
	now := time.Now().UnixMilli()
	for i := range many {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "many"}, {Name: "i", Value: fmt.Sprint(i)}, {Name: "text", Value: strings.Repeat("a", 60)}},
			Samples: []prompb.Sample{{Value: 1, Timestamp: now}},
		})
	}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if status, body, err := post(s, "", "/api/v1/write", "application/x-protobuf", b); err != nil || status/100 != 2 {
		t.Fatalf("write: %d %s %v", status, body, err)
	}
}

// TestHostileQueries asks for too much in every way known, while samples come in: each answer names a limit, the process stays small, and
// what comes in is taken.
func TestHostileQueries(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir(), "--query-max-series=5000", "--query-timeout=10s", "--query-max-memory=512MiB", "--query-max-queued=100", "--query-queue-timeout=1s")
	writeMany(t, s)
	rig.Eventually(t, "the series are there", func() (bool, string) {
		_, b, err := s.Get(t, "/api/v1/status/tsdb")
		return err == nil && strings.Contains(string(b), fmt.Sprintf(`{"name":"many","value":%d}`, many)), fmt.Sprintf("%v %.300s", err, b)
	})
	load := s.StartLoad(t)
	now := fmt.Sprint(time.Now().Unix())
	f := func(name, query string, wants ...string) {
		t.Run(name, func(t *testing.T) {
			status, b, err := s.Get(t, "/api/v1/query?time="+now+"&query="+url.QueryEscape(query))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range wants {
				if strings.Contains(string(b), want) {
					return
				}
			}
			t.Errorf("%d %.400s; want one of %q", status, b, wants)
		})
	}
	limits := []string{"query.max_memory", "query.max_samples", "query.timeout"}
	f("many_series", `sum(many)`, "query.max_series")
	f("every_series", `{__name__=~".+"}`, "query.max_series")
	f("regex_too_large", `many{text=~"((a{100}){100}){100}"}`, "parse error")
	f("regex_that_goes_back", `count(many{text=~"(a+)+b"})`, `"result":[]`)
	f("regex_of_alternatives", `count(many{text=~"(`+strings.Repeat("a|", 3000)+`a)*b"})`, `"result":[]`)
	f("year_of_seconds", `max_over_time(vector(1)[1y:1s])`, append(limits, `"success"`)...)
	f("years_in_years", `max_over_time(max_over_time(vector(1)[1y:1m])[1y:1m])`, limits...)
	f("cross_product", strings.Repeat("sum_over_time(vector(1)[90d:1s]) + ", 20)+"1", append(limits, `"success"`)...)
	f("nested", strings.Repeat("(", 60_000)+"1"+strings.Repeat(")", 60_000), `"success"`, "parse error", "too long", "414", "431")
	f("steps", `vector(1)[100y:1ms]`, append(limits, "maximum", "overflow")...)

	crowd(t, s)
	load.AwaitBatches(t, 50) // what came in meanwhile was taken
	load.Stop()
	if peak := s.PeakRSS(t); peak > 3<<30 {
		t.Errorf("the process has %d MiB", peak>>20)
	} else {
		t.Logf("at most %d MiB, refused batches: %v", peak>>20, load.Refusals())
	}
	if v, err := s.PromQL(t, "vector(1)"); err != nil || v != 1 {
		t.Errorf("afterwards: %v %v", v, err)
	}
}

// crowd asks a thousand times at once.
func crowd(t *testing.T, s *rig.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	password := s.Password(t)
	answers := make(chan string, 1000)
	c := &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}
	var wg sync.WaitGroup
	for range cap(answers) {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/query?query="+url.QueryEscape("count_over_time(vector(1)[1h:1s])"), http.NoBody)
			if err != nil {
				answers <- err.Error()
				return
			}
			req.SetBasicAuth("admin", password)
			resp, err := c.Do(req)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			switch {
			case resp.StatusCode == http.StatusOK:
				answers <- "ok"
			case resp.StatusCode == http.StatusTooManyRequests && strings.Contains(string(b), "query.max_"):
				answers <- "refused"
			default:
				answers <- fmt.Sprintf("%d %.200s", resp.StatusCode, b)
			}
		})
	}
	wg.Wait()
	close(answers)
	counts := map[string]int{}
	for a := range answers {
		counts[a]++
	}
	if counts["ok"] == 0 || counts["ok"]+counts["refused"] != cap(answers) {
		t.Errorf("%v", counts)
	}
	t.Logf("%v", counts)
}

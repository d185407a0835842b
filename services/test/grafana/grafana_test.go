//go:build linux

package grafana

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

// programs are the programs under test, compiled once.
var programs rig.Binaries

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faultline-grafana-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if programs, err = rig.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// traceHex is the trace that is sent.
const traceHex = "0af7651916cd43dd8448eb211c80319c"

// TestReplay sends a trace and metrics to a real server and asks it as Grafana does.
func TestReplay(t *testing.T) {
	s := rig.Start(t, programs, filepath.Join(t.TempDir(), "data"))
	now := time.Now()
	send(t, s.OTLPHTTP+"/v1/traces", fill(traceJSON, now))
	send(t, s.OTLPHTTP+"/v1/metrics", fill(metricsJSON, now))
	send(t, s.URL+"/loki/api/v1/push", fill(logsJSON, now))
	s.Settled(t)
	fillIn := strings.NewReplacer("{{start}}", fmt.Sprint(now.Add(-time.Hour).Unix()), "{{end}}", fmt.Sprint(now.Add(time.Minute).Unix()), "{{now}}", fmt.Sprint(now.Unix()),
		"{{startMicros}}", fmt.Sprint(now.Add(-time.Hour).UnixMicro()), "{{endMicros}}", fmt.Sprint(now.Add(time.Minute).UnixMicro()),
		"{{startNanos}}", fmt.Sprint(now.Add(-time.Hour).UnixNano()), "{{endNanos}}", fmt.Sprint(now.Add(time.Minute).UnixNano()),
		"{{endMillis}}", fmt.Sprint(now.Add(time.Minute).UnixMilli()), "{{trace}}", traceHex,
		"{{startRFC}}", now.Add(-time.Minute).UTC().Format(time.RFC3339), "{{laterRFC}}", now.Add(time.Hour).UTC().Format(time.RFC3339))
	files, err := filepath.Glob(filepath.Join("testdata", "*.replay"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".replay"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			list, err := parse(fillIn.Replace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			kept := map[string]string{}
			for _, x := range list {
				replay(t, s, file, x.filled(kept), kept)
			}
		})
	}
}

// replay makes a request until its answer is as expected, since what was sent shows after a moment only. What the exchange keeps of the
// answer is put into kept.
func replay(t *testing.T, s *rig.Server, file string, x exchange, kept map[string]string) {
	t.Helper()
	rig.Eventually(t, fmt.Sprintf("%s:%d %s %s", file, x.line, x.method, x.path), func() (bool, string) {
		req, err := http.NewRequestWithContext(t.Context(), x.method, s.URL+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range x.headers {
			req.Header.Set(h[0], h[1])
		}
		req.SetBasicAuth("admin", s.Password(t))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return false, err.Error()
		}
		if !slices.Contains(x.statuses, resp.StatusCode) {
			return false, fmt.Sprintf("status %d: %.500s", resp.StatusCode, body)
		}
		for _, text := range x.texts {
			if !strings.Contains(string(body), text) {
				return false, fmt.Sprintf("no %q in %.500s", text, body)
			}
		}
		if len(x.checks)+len(x.keeps) == 0 {
			return true, ""
		}
		var doc any
		if err := json.Unmarshal(body, &doc); err != nil {
			return false, fmt.Sprintf("%v in %.500s", err, body)
		}
		for _, c := range x.checks {
			if !c.holds(doc) {
				return false, fmt.Sprintf("not %s %s %v in %.800s", c.path, c.op, c.want, body)
			}
		}
		for name, path := range x.keeps {
			found := values(doc, path)
			if len(found) != 1 {
				return false, fmt.Sprintf("%d values at %s in %.500s", len(found), path, body)
			}
			kept[name] = fmt.Sprint(found[0])
		}
		return true, ""
	})
}

func send(t *testing.T, address, body string) {
	t.Helper()
	resp, err := http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %s", address, resp.Status, b)
	}
}

// fill puts times into what is sent: NOW is nanoseconds, NOW+x is x milliseconds later.
func fill(text string, now time.Time) string {
	return strings.NewReplacer(
		"NOW+1", fmt.Sprint(now.Add(time.Millisecond).UnixNano()), "NOW+9", fmt.Sprint(now.Add(9*time.Millisecond).UnixNano()), "NOW", fmt.Sprint(now.UnixNano()),
	).Replace(text)
}

const traceJSON = `{"resourceSpans":[
{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"deployment.environment","value":{"stringValue":"prod"}}]},
 "scopeSpans":[{"scope":{"name":"lib"},"spans":[
  {"traceId":"` + traceHex + `","spanId":"00f067aa0ba902b7","name":"GET /cart","kind":2,"startTimeUnixNano":"NOW","endTimeUnixNano":"NOW+9",
   "attributes":[{"key":"http.status_code","value":{"intValue":"500"}}],"status":{"code":2,"message":"boom"}}]}]},
{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"stock"}}]},
 "scopeSpans":[{"scope":{"name":"lib"},"spans":[
  {"traceId":"` + traceHex + `","spanId":"11f067aa0ba902b7","parentSpanId":"00f067aa0ba902b7","name":"reserve","kind":2,"startTimeUnixNano":"NOW+1","endTimeUnixNano":"NOW+9",
   "events":[{"timeUnixNano":"NOW+1","name":"locked"}]}]}]}]}`

const metricsJSON = `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
"scopeMetrics":[{"metrics":[
 {"name":"carts","description":"Open carts","gauge":{"dataPoints":[{"timeUnixNano":"NOW","asDouble":42,"attributes":[{"key":"region","value":{"stringValue":"eu"}}]}]}}]}]}]}`

const logsJSON = `{"streams":[{"stream":{"service_name":"shop","level":"error"},"values":[["NOW","cart is on fire"],
["NOW+1","{\"order\":4711,\"msg\":\"payment refused\"}",{"trace_id":"` + traceHex + `"}]]}]}`

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/procfs"
	"github.com/prometheus/prometheus/prompb"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
)

// cluster is the running shape.
type cluster struct {
	conf, data         string
	gatewayHTTP, otlp  string
	queryHTTP          string
	gateway, query, nc *process
	password           string
	enginePID          func() int
}

var addressInYAML = regexp.MustCompile(`clickhouse://\S+`)

// startCluster makes the configuration as the compose file does, with addresses of this machine, and starts all processes in the
// compose file's order.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{conf: t.TempDir(), data: t.TempDir(), gatewayHTTP: freeAddr(t), otlp: freeAddr(t), queryHTTP: freeAddr(t)}
	for _, d := range []string{"nats", "clickhouse", "migrate", "gateway", "query", "correlator", "agent"} {
		if err := os.Mkdir(filepath.Join(c.conf, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "deploy/docker/init.sh"), c.conf).CombinedOutput(); err != nil {
		t.Fatalf("init.sh: %v: %s", err, out)
	}
	natsAddr := freeAddr(t)
	replaceIn(t, filepath.Join(c.conf, "nats", "nats.conf"), "0.0.0.0:4222", natsAddr, "127.0.0.1:8222", freeAddr(t), `store_dir: /data`, `store_dir: "`+filepath.Join(c.data, "nats")+`"`)
	// The engine has users of its own; here all roles use the one that may do what the gateway needs.
	e := enginetest.StartConfig(t, engine.Config{Dir: filepath.Join(t.TempDir(), "engine")})
	c.enginePID = e.PID
	dsn := e.DSN(engine.RoleMigrator)
	for _, name := range []string{"migrate", "gateway", "query", "correlator"} {
		path := filepath.Join(c.conf, name, "faultline.yaml")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(addressInYAML.ReplaceAllString(string(b), dsn), "@nats:4222", "@"+natsAddr)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(c.conf, "query", "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	c.password = strings.TrimSpace(string(b))
	c.nc = start(t, "natsserver", nil, filepath.Join(c.conf, "nats", "nats.conf"))
	migrate := start(t, "faultline", c.env("migrate"), "migrate")
	select {
	case <-migrate.done:
		if migrate.err != nil {
			t.Fatalf("migrate: %v\n%s", migrate.err, migrate.out)
		}
	case <-time.After(limit):
		t.Fatal("migrate does not end")
	}
	c.startGateway(t)
	c.query = start(t, "faultline-query", append(c.env("query"), "FAULTLINE_HTTP_ADDR="+c.queryHTTP))
	c.query.waitReady(t, c.queryHTTP)
	return c
}

// env is the environment of a process, as in the compose file.
func (c *cluster) env(name string) []string {
	return []string{
		"FAULTLINE_CONFIG=" + filepath.Join(c.conf, name, "faultline.yaml"), "FAULTLINE_DATA_DIR=" + filepath.Join(c.data, name),
		"FAULTLINE_INGEST_KEY_FILE=" + filepath.Join(c.conf, "query", "ingest-key"), "FAULTLINE_ADMIN_PASSWORD_FILE=" + filepath.Join(c.conf, "query", "admin-password"),
		"FAULTLINE_OTLP_GRPC_ADDR=",
	}
}

func (c *cluster) startGateway(t *testing.T) {
	t.Helper()
	c.gateway = start(t, "faultline-gateway", append(c.env("gateway"), "FAULTLINE_HTTP_ADDR="+c.gatewayHTTP, "FAULTLINE_OTLP_HTTP_ADDR="+c.otlp))
	c.gateway.waitReady(t, c.gatewayHTTP)
}

// post sends a body and expects to be thanked.
func post(t *testing.T, target, contentType string, body []byte, header ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("POST %s: %s: %s %v", target, resp.Status, b, err)
	}
}

// get asks the query process and decodes the answer.
func (c *cluster) get(t *testing.T, path string, params url.Values, into any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.queryHTTP+path+"?"+params.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", c.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, b)
	}
	return json.Unmarshal(b, into)
}

// remoteWrite sends one sample of each of n series at a time.
func (c *cluster) remoteWrite(t *testing.T, n int, at time.Time) {
	t.Helper()
	req := &prompb.WriteRequest{}
	for i := range n {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "cluster_test"}, {Name: "i", Value: fmt.Sprint(i)}, {Name: "job", Value: "test"}},
			Samples: []prompb.Sample{{Value: float64(i), Timestamp: at.UnixMilli()}},
		})
	}
	c.write(t, req)
}

// write sends a remote write request.
func (c *cluster) write(t *testing.T, req *prompb.WriteRequest) {
	t.Helper()
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	post(t, "http://"+c.gatewayHTTP+"/api/v1/write", "application/x-protobuf", snappy.Encode(nil, b), "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0")
}

// flood sends 200,000 samples in requests of 2,000, waits until the last is readable, and logs what it cost each process. It returns
// how many it sent.
func (c *cluster) flood(t *testing.T, now time.Time) uint64 {
	t.Helper()
	const requests, series = 100, 2000
	began, before := time.Now(), [3]time.Duration{cpuTime(t, c.gateway.cmd.Process.Pid), cpuTime(t, c.nc.cmd.Process.Pid), cpuTime(t, c.enginePID())}
	for r := range requests {
		req := &prompb.WriteRequest{}
		for i := range series {
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
				Labels:  []prompb.Label{{Name: "__name__", Value: "flood"}, {Name: "i", Value: fmt.Sprint(i)}},
				Samples: []prompb.Sample{{Value: float64(r), Timestamp: now.Add(time.Duration(r-requests) * 100 * time.Millisecond).UnixMilli()}},
			})
		}
		c.write(t, req)
	}
	took := time.Since(began)
	c.promql(t, "sum(count_over_time(flood[1m]))", fmt.Sprint(requests*series), now)
	t.Logf("%d samples in %d requests one after the other: acknowledged in %s, all readable after %s", requests*series, requests, took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	t.Logf("processor time: gateway %s, NATS %s, engine %s (reading included)",
		cpuTime(t, c.gateway.cmd.Process.Pid)-before[0], cpuTime(t, c.nc.cmd.Process.Pid)-before[1], cpuTime(t, c.enginePID())-before[2])
	return requests * series
}

// cpuTime returns the processor time of a process so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(st.CPUTime() * float64(time.Second))
}

// vector is the part of an instant query's answer that is looked at.
type vector struct {
	Data struct {
		Result []struct {
			Value [2]any `json:"value"`
		} `json:"result"`
	} `json:"data"`
}

// promql waits until an instant query answers with one value.
func (c *cluster) promql(t *testing.T, query, want string, at time.Time) {
	t.Helper()
	eventually(t, query, func() error {
		var v vector
		if err := c.get(t, "/api/v1/query", url.Values{"query": {query}, "time": {fmt.Sprintf("%d.%03d", at.Unix(), at.UnixMilli()%1000)}}, &v); err != nil {
			return err
		}
		if len(v.Data.Result) != 1 || v.Data.Result[0].Value[1] != want {
			return fmt.Errorf("got %+v, want %s", v.Data.Result, want)
		}
		return nil
	})
}

const traceID = "5b8efff798038103d269b633813fc60c"

// otlpSend sends a gauge, a log record and a span.
func (c *cluster) otlpSend(t *testing.T, now time.Time) {
	t.Helper()
	const resource = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"web1"}}]}`
	f := func(path, body string) {
		t.Helper()
		body = strings.NewReplacer("RESOURCE", resource, "NOW", fmt.Sprint(now.UnixNano()), "LATER", fmt.Sprint(now.Add(time.Millisecond).UnixNano())).Replace(body)
		post(t, "http://"+c.otlp+path, "application/json", []byte(body))
	}
	f("/v1/metrics", `{"resourceMetrics":[{RESOURCE,"scopeMetrics":[{"metrics":[{"name":"shop.carts","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":"NOW","asDouble":7}]}}]}]}]}`)
	f("/v1/logs", `{"resourceLogs":[{RESOURCE,"scopeLogs":[{"logRecords":[{"timeUnixNano":"NOW","severityNumber":17,"body":{"stringValue":"payment 4711 refused"}}]}]}]}`)
	f("/v1/traces", `{"resourceSpans":[{RESOURCE,"scopeSpans":[{"spans":[{"traceId":"`+traceID+`","spanId":"eee19b7ec3c1b174","name":"GET /cart","kind":2,"startTimeUnixNano":"NOW","endTimeUnixNano":"LATER"}]}]}]}`)
}

// TestProcessesCarryTelemetryToTheReader is the whole way over the role binaries, with a kill -9 of the gateway
// in between; the ledger balances at the end.
func TestProcessesCarryTelemetryToTheReader(t *testing.T) {
	c := startCluster(t)
	now := time.Now()
	c.remoteWrite(t, 2000, now)
	c.otlpSend(t, now)
	sent := time.Now()
	c.promql(t, "count(cluster_test)", "2000", now)
	c.promql(t, "sum(cluster_test)", "1999000", now)
	c.promql(t, `sum({__name__=~"shop_carts.*"})`, "7", now)
	t.Logf("2,000 samples were readable %s after their acknowledgement", time.Since(sent).Round(time.Millisecond))

	window := url.Values{"start": {now.Add(-time.Minute).Format(time.RFC3339Nano)}, "end": {now.Add(time.Minute).Format(time.RFC3339Nano)}}
	eventually(t, "the log record", func() error {
		var page struct {
			Items []struct{ Body, Service, Host string }
		}
		params := url.Values{"query": {"refused"}, "start": window["start"], "end": window["end"]}
		if err := c.get(t, "/api/v1/logs", params, &page); err != nil {
			return err
		}
		if len(page.Items) != 1 || page.Items[0].Body != "payment 4711 refused" || page.Items[0].Service != "shop" {
			return fmt.Errorf("got %+v", page)
		}
		return nil
	})
	eventually(t, "the trace", func() error {
		var trace struct {
			Spans []struct{ Name, Service string }
		}
		if err := c.get(t, "/api/v1/traces/"+traceID, nil, &trace); err != nil {
			return err
		}
		if len(trace.Spans) != 1 || trace.Spans[0].Name != "GET /cart" {
			return fmt.Errorf("got %+v", trace)
		}
		return nil
	})

	flooded := c.flood(t, now)
	// Killed right after an acknowledgement: what was acknowledged is in the stream, and the next gateway stores it.
	later := now.Add(time.Second)
	c.remoteWrite(t, 500, later)
	c.gateway.kill(t)
	c.startGateway(t)
	c.promql(t, "count(cluster_test)", "2000", later)
	between := now.Add(500 * time.Millisecond)
	c.promql(t, fmt.Sprintf("count(timestamp(cluster_test) > %d.%03d)", between.Unix(), between.UnixMilli()%1000), "500", later)

	c.checkLedger(t, window, 2500+flooded)
	c.gateway.stop(t)
	c.query.stop(t)
	c.nc.stop(t)
}

// checkLedger waits until the books of every source balance and nothing is under way.
func (c *cluster) checkLedger(t *testing.T, window url.Values, written uint64) {
	t.Helper()
	eventually(t, "the ledger", func() error {
		var l struct {
			Balanced bool
			Items    []struct {
				Protocol, Signal string
				Accepted, Stored uint64
				DeadLetter       uint64 `json:"dead_letter"`
				InStream         uint64 `json:"in_stream"`
			}
		}
		if err := c.get(t, "/api/v1/ledger", window, &l); err != nil {
			return err
		}
		got := map[string]uint64{}
		for _, i := range l.Items {
			if i.Stored != i.Accepted || i.InStream+i.DeadLetter > 0 {
				return fmt.Errorf("under way: %+v", i)
			}
			got[i.Protocol+" "+i.Signal] += i.Stored
		}
		// Two of OTLP: the gauge, and the target_info that its resource gets.
		want := map[string]uint64{"remote_write metrics": written, "otlp_http metrics": 2, "otlp_http logs": 1, "otlp_http spans": 1}
		for k, n := range want {
			if got[k] != n {
				return fmt.Errorf("%s: stored %d, want %d (all: %v)", k, got[k], n, got)
			}
		}
		if !l.Balanced {
			return fmt.Errorf("does not balance: %+v", l)
		}
		return nil
	})
}

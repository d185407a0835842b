package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

// interval is that of the rules; the grid on which they are evaluated is what must have no gap.
const interval = 2 * time.Second

// The second rule keeps an evaluation busy for long enough to be killed in its middle.
const failoverRules = `
groups:
- name: failover
  interval: 2s
  rules:
  - record: failover:sum
    expr: sum(failover_input) + 0 * sum(count_over_time((vector(1))[10h:500ms]))
  - record: failover:last
    expr: max(failover_input)
  - alert: Goes
    expr: failover_input{i="goes"} > 0
    labels: {severity: page}
  - alert: Stays
    expr: failover_input{i="stays"} > 0
`

// told keeps what was notified.
type told struct {
	mu sync.Mutex
	n  map[string]int // by alert and status
}

func (x *told) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var m struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	_ = json.Unmarshal(b, &m) // What cannot be read is missed below.
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range m.Alerts {
		x.n[a.Labels["alertname"]+" "+a.Status]++
	}
}

func (x *told) count(what string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.n[what]
}

func (x *told) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return fmt.Sprint(x.n)
}

// startCorrelator starts one of those that may lead alerting.
func (c *cluster) startCorrelator(t *testing.T, name, rules, routing string) *process {
	t.Helper()
	addr := freeAddr(t)
	env := append(c.env("correlator"), "FAULTLINE_DATA_DIR="+filepath.Join(c.data, name), "FAULTLINE_HTTP_ADDR="+addr, "FAULTLINE_OTLP_HTTP_ADDR=", "FAULTLINE_RULES_FILES="+rules, "FAULTLINE_ALERTING_CONFIG="+routing)
	p := start(t, "faultline-correlator", env)
	p.waitReady(t, addr)
	return p
}

// leader waits until one of the processes leads and returns its place.
func (c *cluster) leader(t *testing.T, ps []*process) int {
	t.Helper()
	found := -1
	eventually(t, "one leads", func() error {
		var state struct{ Leader string }
		if err := c.get(t, "/api/v1/alerting/state", nil, &state); err != nil {
			return err
		}
		for i, p := range ps {
			if strings.Contains(state.Leader, "/"+strconv.Itoa(p.cmd.Process.Pid)+"/") {
				found = i
				return nil
			}
		}
		return fmt.Errorf("%q leads", state.Leader)
	})
	return found
}

// recorded returns the times in milliseconds at which a series has samples within the last minutes.
func (c *cluster) recorded(t *testing.T, name string) []int64 {
	t.Helper()
	var m struct {
		Data struct {
			Result []struct {
				Values [][2]any `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := c.get(t, "/api/v1/query", url.Values{"query": {name + "[10m]"}}, &m); err != nil {
		t.Logf("%v", err)
		return nil
	}
	var out []int64
	for _, r := range m.Data.Result {
		for _, v := range r.Values {
			s, _ := v[0].(float64)
			out = append(out, int64(s*1000+0.5))
		}
	}
	return out
}

// TestRulesFailover kills the leader of two correlators with kill -9 in the middle of an evaluation, twice: what is recorded has no gap, and
// each alert is told once when it begins and once when it ends.
func TestRulesFailover(t *testing.T) {
	c := startCluster(t)
	got := &told{n: map[string]int{}}
	hook := httptest.NewServer(got)
	defer hook.Close()
	dir := t.TempDir()
	rules, routing := filepath.Join(dir, "rules.yml"), filepath.Join(dir, "alertmanager.yml")
	for name, text := range map[string]string{rules: failoverRules, routing: `
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}
receivers:
- name: hook
  webhook_configs: [{url: '` + hook.URL + `', send_resolved: true}]
`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.input(t, 1, 1)
	ps := []*process{c.startCorrelator(t, "first", rules, routing), c.startCorrelator(t, "second", rules, routing)}
	eventually(t, "both alerts are told", func() error {
		if got.count("Goes firing") != 1 || got.count("Stays firing") != 1 {
			return fmt.Errorf("told %s", got)
		}
		return nil
	})
	for round := range 2 {
		eventually(t, "three samples", func() error {
			if n := len(c.recorded(t, "failover:last")); n < 3*(round+1) {
				return fmt.Errorf("%d samples", n)
			}
			return nil
		})
		at := c.leader(t, ps)
		c.killDuringEvaluation(t, ps[at])
		killed := time.Now()
		c.input(t, 0, 1) // One alert ends while nobody leads.
		next := c.leader(t, []*process{ps[1-at]})
		t.Logf("round %d: process %d took over from %d after %s (%d)", round, 1-at, at, time.Since(killed).Round(100*time.Millisecond), next)
		ps[at] = c.startCorrelator(t, fmt.Sprintf("again%d", round), rules, routing)
	}
	eventually(t, "the end is told", func() error {
		if got.count("Goes resolved") != 1 {
			return fmt.Errorf("told %s", got)
		}
		return nil
	})
	// Time for whatever would be told a second time: both would be due after group_interval, at the next evaluations.
	before := len(c.recorded(t, "failover:last"))
	eventually(t, "five more evaluations", func() error {
		if n := len(c.recorded(t, "failover:last")); n < before+5 {
			return fmt.Errorf("%d samples", n)
		}
		return nil
	})
	if text := got.String(); text != "map[Goes firing:1 Goes resolved:1 Stays firing:1]" {
		t.Errorf("told %s", text)
	}
	for _, name := range []string{"failover:sum", "failover:last"} {
		times := c.recorded(t, name)
		for i := 1; i < len(times); i++ {
			if step := time.Duration(times[i]-times[i-1]) * time.Millisecond; step != interval {
				t.Errorf("%s: %s between samples %d and %d of %d", name, step, i-1, i, len(times))
			}
		}
		t.Logf("%s: %d samples", name, len(times))
	}
}

// input writes what the rules look at.
func (c *cluster) input(t *testing.T, goes, stays float64) {
	t.Helper()
	req := &prompb.WriteRequest{}
	for i, v := range map[string]float64{"goes": goes, "stays": stays} {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "failover_input"}, {Name: "i", Value: i}},
			Samples: []prompb.Sample{{Value: v, Timestamp: time.Now().UnixMilli()}},
		})
	}
	c.write(t, req)
}

// killDuringEvaluation kills a leader a moment after an evaluation began.
func (c *cluster) killDuringEvaluation(t *testing.T, p *process) {
	t.Helper()
	times := c.recorded(t, "failover:last")
	next := time.UnixMilli(times[len(times)-1])
	for !next.After(time.Now()) {
		next = next.Add(interval)
	}
	<-time.After(time.Until(next) + 30*time.Millisecond)
	p.kill(t)
}

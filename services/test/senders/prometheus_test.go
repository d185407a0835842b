//go:build linux

package senders

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

func escape(s string) string { return url.QueryEscape(s) }

// micros is the time in microseconds.
func micros() string { return fmt.Sprint(time.Now().UnixMicro()) }

// testPrometheus has a real Prometheus scrape itself, write to us, raise an alert here and read from us, while we scrape it.
func testPrometheus(t *testing.T, s *server) {
	prometheus := find(t, "prometheus")
	dir := t.TempDir()
	auth := "basic_auth: {username: admin, password: '" + s.Password(t) + "'}"
	writeFile(t, filepath.Join(dir, "rules.yml"), `
groups:
- name: g
  interval: 1s
  rules:
  - alert: PrometheusSaysSo
    expr: vector(7) > 1
    labels: {severity: page}
    annotations: {summary: 'value is {{ $value }}'}
`)
	writeFile(t, filepath.Join(dir, "prometheus.yml"), `
global: {scrape_interval: 1s, external_labels: {cluster: c1}}
rule_files: [rules.yml]
scrape_configs:
- job_name: self
  static_configs: [{targets: ['`+s.target+`'], labels: {team: ops}}]
remote_write:
- url: `+s.URL+`/api/v1/write
  queue_config: {batch_send_deadline: 1s}
  metadata_config: {send_interval: 1s}
remote_read:
- url: `+s.URL+`/api/v1/read
  read_recent: true
  filter_external_labels: false
  `+auth+`
alerting:
  alertmanagers:
  - static_configs: [{targets: ['`+strings.TrimPrefix(s.URL, "http://")+`']}]
`)
	stop := prometheus.start(t, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.target, "--rules.alert.resend-delay=1s", "--log.level=warn")

	// What it wrote.
	up := s.query(t, `up{job="self"} == 1`, 1)[0]
	want := map[string]string{"__name__": "up", "job": "self", "instance": s.target, "team": "ops", "cluster": "c1"}
	for k, v := range want {
		if up.Metric[k] != v {
			t.Errorf("%s is %q, want %q in %v", k, up.Metric[k], v, up.Metric)
		}
	}
	if len(up.Metric) != len(want) {
		t.Errorf("%v has more than %v", up.Metric, want)
	}
	theirs := ask(t, "http://"+s.target+"/api/v1/query?query="+escape(`prometheus_build_info{job="self", cluster=""}`))
	ours := s.query(t, `prometheus_build_info{job="self"}`, 1)[0]
	if len(theirs) != 1 || theirs[0].Metric["version"] == "" || theirs[0].Metric["version"] != ours.Metric["version"] || theirs[0].Metric["goversion"] != ours.Metric["goversion"] {
		t.Errorf("theirs %v, ours %v", theirs, ours)
	}
	s.query(t, `histogram_quantile(0.9, sum by (le) (prometheus_http_request_duration_seconds_bucket{job="self", handler="/metrics"})) > 0`, 1)
	var meta struct {
		Data map[string][]struct{ Type, Help string }
	}
	rig.Eventually(t, "metadata", func() (bool, string) {
		err := s.JSON(t, "/api/v1/metadata?metric=prometheus_http_requests_total", &meta)
		m := meta.Data["prometheus_http_requests_total"]
		return err == nil && len(m) == 1 && m[0].Type == "counter" && m[0].Help == "Counter of HTTP requests.", fmt.Sprintf("%v %+v", err, meta)
	})

	// What we scraped of it.
	scraped := s.query(t, `up{job="scraped", env="test"} == 1`, 1)[0]
	if scraped.Metric["instance"] != s.target {
		t.Errorf("%v", scraped.Metric)
	}
	s.query(t, `prometheus_build_info{job="scraped", env="test", version="`+theirs[0].Metric["version"]+`"}`, 1)

	// What it raised.
	var alerts []struct {
		Labels, Annotations map[string]string
		Status              struct{ State string }
	}
	rig.Eventually(t, "the alert", func() (bool, string) {
		alerts = nil
		err := s.JSON(t, "/api/v2/alerts?filter="+escape(`alertname="PrometheusSaysSo"`), &alerts)
		return err == nil && len(alerts) == 1, fmt.Sprintf("%v %+v", err, alerts)
	})
	if a := alerts[0]; a.Labels["severity"] != "page" || a.Labels["cluster"] != "c1" || a.Annotations["summary"] != "value is 7" || a.Status.State != "active" {
		t.Errorf("%+v", a)
	}

	// What it reads of ours: a series that it has not.
	post(t, s.URL+"/write", "only_here,cluster=c1 value=42")
	rig.Eventually(t, "remote read", func() (bool, string) {
		got := ask(t, "http://"+s.target+"/api/v1/query?query="+escape(`{__name__=~"only_here.*"}`))
		return len(got) == 1 && got[0].Value[1] == "42", fmt.Sprintf("%v", got)
	})

	// It goes: what we scraped of it ends at once.
	stop()
	s.query(t, `up{job="scraped"} == 0`, 1)
	s.query(t, `prometheus_build_info{job="scraped"}`, 0)
}

// testVMAgent has VictoriaMetrics' agent scrape and write to us.
func testVMAgent(t *testing.T, s *server) {
	vmagent := find(t, "vmagent")
	dir, addr := t.TempDir(), address(t)
	writeFile(t, filepath.Join(dir, "scrape.yml"), `
global: {external_labels: {cluster: c2}}
scrape_configs:
- job_name: vmagent
  scrape_interval: 1s
  static_configs: [{targets: ['`+addr+`']}]
`)
	vmagent.start(t, "-httpListenAddr="+addr, "-promscrape.config="+filepath.Join(dir, "scrape.yml"), "-remoteWrite.url="+s.URL+"/api/v1/write", "-remoteWrite.tmpDataPath="+filepath.Join(dir, "data"), "-remoteWrite.flushInterval=1s")
	up := s.query(t, `up{job="vmagent"} == 1`, 1)[0]
	if up.Metric["instance"] != addr || up.Metric["cluster"] != "c2" {
		t.Errorf("%v", up.Metric)
	}
	s.query(t, `vm_app_start_timestamp{job="vmagent", cluster="c2"} > 1700000000`, 1)
	s.query(t, `vm_promscrape_scrapes_total{job="vmagent"} > 0`, 1)
}

// testVMAlert has VictoriaMetrics' evaluator of rules read from us, write what it records, and tell us of alerts.
func testVMAlert(t *testing.T, s *server) {
	vmalert := find(t, "vmalert")
	post(t, s.URL+"/write", "vmalert_input,shop=s1 value=3")
	s.query(t, `{__name__=~"vmalert_input.*"}`, 1)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "rules.yml"), `
groups:
- name: g
  interval: 1s
  rules:
  - record: shop:twice
    expr: 2 * sum by (shop) ({__name__=~"vmalert_input.*"})
  - alert: VMAlertSaysSo
    expr: sum by (shop) ({__name__=~"vmalert_input.*"}) > 2
    labels: {severity: info}
`)
	vmalert.start(t, "-rule="+filepath.Join(dir, "rules.yml"), "-httpListenAddr="+address(t),
		"-datasource.url="+s.URL, "-datasource.basicAuth.username=admin", "-datasource.basicAuth.password="+s.Password(t), "-datasource.lookback=0s",
		"-remoteWrite.url="+s.URL, "-remoteWrite.flushInterval=500ms", "-notifier.url="+s.URL, "-evaluationInterval=1s")
	s.query(t, `shop:twice{shop="s1"} == 6`, 1)
	var alerts []struct{ Labels map[string]string }
	rig.Eventually(t, "the alert", func() (bool, string) {
		alerts = nil
		err := s.JSON(t, "/api/v2/alerts?filter="+escape(`alertname="VMAlertSaysSo"`), &alerts)
		return err == nil && len(alerts) == 1 && alerts[0].Labels["shop"] == "s1" && alerts[0].Labels["severity"] == "info", fmt.Sprintf("%v %+v", err, alerts)
	})
}

// testAmtool raises an alert with Alertmanager's own client, looks at it and silences it.
func testAmtool(t *testing.T, s *server) {
	amtool := find(t, "amtool")
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("admin", s.Password(t))
	call := func(args ...string) string {
		return amtool.run(t, "", append([]string{"--alertmanager.url=" + u.String()}, args...)...)
	}
	call("alert", "add", "alertname=AmtoolSaysSo", "shop=s2", "--annotation=summary=by hand", "--end="+time.Now().Add(time.Hour).Format(time.RFC3339))
	rig.Eventually(t, "amtool finds its alert", func() (bool, string) {
		var list []struct{ Labels, Annotations map[string]string }
		out := call("--output=json", "alert", "query", "alertname=AmtoolSaysSo")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return false, err.Error()
		}
		return len(list) == 1 && list[0].Labels["shop"] == "s2" && list[0].Annotations["summary"] == "by hand", out
	})
	id := strings.TrimSpace(call("silence", "add", "shop=s2", "--comment=planned", "--author=ann", "--duration=1h"))
	rig.Eventually(t, "the alert is silenced", func() (bool, string) {
		var list []struct {
			Status struct {
				SilencedBy []string `json:"silencedBy"`
			}
		}
		if err := s.JSON(t, "/api/v2/alerts?filter="+escape(`alertname="AmtoolSaysSo"`), &list); err != nil {
			return false, err.Error()
		}
		return len(list) == 1 && slices.Contains(list[0].Status.SilencedBy, id), fmt.Sprintf("%+v, want %s", list, id)
	})
	call("silence", "expire", id)
}

// ask asks a Prometheus for a query now; one that does not answer gives nothing.
func ask(t *testing.T, address string) []series {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	var a struct {
		Data struct{ Result []series }
	}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return a.Data.Result
}

// post sends a body and expects to be thanked.
func post(t *testing.T, address, body string) {
	t.Helper()
	resp, err := http.Post(address, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %s", address, resp.Status, b)
	}
}

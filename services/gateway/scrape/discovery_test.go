package scrape

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Targets come from a file and from an HTTP service; one that goes away, or fails, ends its series.
func TestDiscovery(t *testing.T) {
	var failing atomic.Bool
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/http" && failing.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		fmt.Fprintf(w, "# TYPE work counter\n# UNIT work seconds\n# HELP work done\nwork_total{path=%q} 7 # {trace_id=\"abc\"} 1\n# EOF\n", r.URL.Path)
	}))
	t.Cleanup(exporter.Close)
	target := strings.TrimPrefix(exporter.URL, "http://")
	sd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]map[string]any{{"targets": []string{target}, "labels": map[string]string{"__metrics_path__": "/http", "from": "http"}}})
	}))
	t.Cleanup(sd.Close)
	dir := t.TempDir()
	list := filepath.Join(dir, "targets.json")
	writeTargets := func(label string) {
		t.Helper()
		text := fmt.Sprintf(`[{"targets":[%q],"labels":{"__metrics_path__":"/file","from":%q}}]`, target, label)
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeTargets("file")
	file := filepath.Join(dir, "prometheus.yml")
	config := fmt.Sprintf(`
global:
  scrape_interval: 1s
  external_labels: {cluster: c1}
scrape_configs:
  - job_name: file
    file_sd_configs: [{files: [%q]}]
    relabel_configs:
      - {source_labels: [from], target_label: renamed, regex: "(.*)", replacement: "by-$1"}
  - job_name: http
    honor_timestamps: true
    http_sd_configs: [{url: %q}]
`, list, sd.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, file)
	p.wait("work_total", "from=file job=file path=/file renamed=by-file 7 false", "from=http job=http path=/http 7 false", "sample up", "sample scrape_duration_seconds", "sample scrape_samples_scraped")
	failing.Store(true)
	p.wait("from=http job=http path=/http 0 true")
	if !strings.Contains(p.text(), "sample up cluster=c1 from=http job=http 0 false") {
		p.wait("sample up cluster=c1 from=http job=http 0 false")
	}
	failing.Store(false)
	writeTargets("elsewhere")
	p.wait("from=file job=file path=/file renamed=by-file 0 true", "from=elsewhere job=file path=/file renamed=by-elsewhere 7 false")
	p.stop()
	p.wait("stopped")
}

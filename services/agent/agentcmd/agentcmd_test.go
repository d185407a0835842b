package agentcmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/agent"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func write(t *testing.T, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func env(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func flags(m map[string][]string) func(string) []string {
	return func(name string) []string { return m[name] }
}

const goodFile = `
endpoint: https://gateway.example:4318
key: from-file
interval: 15s
top_processes: 7
log_files: [/srv/*.log]
exclude: ["*.tmp"]
journald: false
spool_max_bytes: 10000000
compression: gzip
tags: {env: prod}
`

func TestLayers(t *testing.T) {
	file := write(t, goodFile)
	cfg, err := load(file, options(), env(map[string]string{"FAULTLINE_AGENT_KEY": "from-env", "FAULTLINE_AGENT_INTERVAL": "20s", "FAULTLINE_AGENT_TAG": "a=b,c=d",
		"FAULTLINE_AGENT_JOURNALD": "true"}), flags(map[string][]string{"interval": {"25s"}, "log-file": {"/x.log", "/y.log"}, "spool-max-bytes": {"64MiB"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := agent.Default()
	want.Endpoint, want.Key, want.Interval, want.TopProcesses = "https://gateway.example:4318", "from-env", 25*time.Second, 7
	want.LogFiles, want.Exclude, want.Journald, want.SpoolMaxBytes = []string{"/x.log", "/y.log"}, []string{"*.tmp"}, true, 64<<20
	want.Compression, want.Tags = "gzip", map[string]string{"env": "prod", "a": "b", "c": "d"}
	if d := cmp.Diff(want, cfg); d != "" {
		t.Error(d)
	}
	if cfg.Key != "from-env" {
		t.Error("the variable does not win over the file")
	}
	if _, err := load("", options(), env(nil), flags(map[string][]string{"interval": {"5m"}})); err != nil {
		t.Error("an interval longer than the process interval:", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	f := func(what, file, word string, e map[string]string, fl map[string][]string) {
		t.Helper()
		path := ""
		if file != "" {
			path = write(t, file)
		}
		_, err := load(path, options(), env(e), flags(fl))
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %v does not name %s", what, err, word)
		}
	}
	f("unknown key", "endpont: x\n", "endpont", nil, nil)
	f("bad yaml", "a: [\n", "line", nil, nil)
	f("wrong type", "top_processes: many\n", "many", nil, nil)
	f("bad value", "compression: lz4\n", "compression", nil, nil)
	f("bad variable", "", "FAULTLINE_AGENT_INTERVAL", map[string]string{"FAULTLINE_AGENT_INTERVAL": "soon"}, nil)
	f("bad flag", "", "--spool-max-bytes", nil, map[string][]string{"spool-max-bytes": {"much"}})
	f("bad tag", "", "--tag", nil, map[string][]string{"tag": {"x"}})
	if _, err := load("/does/not/exist.yaml", options(), env(nil), flags(nil)); errs.KindOf(err) != errs.NotFound || errs.HintOf(err) == "" {
		t.Error("missing file:", err)
	}
}

func TestParseSize(t *testing.T) {
	f := func(in string, want int64, ok bool) {
		t.Helper()
		got, err := parseSize(in)
		if (err == nil) != ok || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	f("123", 123, true)
	f("256MiB", 256<<20, true)
	f("1 GB", 1e9, true)
	f("7B", 7, true)
	f("-1", 0, false)
	f("9999999999999GiB", 0, false)
	f("", 0, false)
}

func TestOnceAndVersion(t *testing.T) {
	var out bytes.Buffer
	cmd := Command("v9.8.7")
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--once", "--host-id", "me", "--state-dir", filepath.Join(t.TempDir(), "none")})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Host    map[string]any   `json:"host"`
		Metrics []map[string]any `json:"metrics"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Host["host.id"] != "me" || len(report.Metrics) < 20 {
		t.Errorf("host %v, %d metrics", report.Host, len(report.Metrics))
	}
	out.Reset()
	cmd = Command("v9.8.7")
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--version"})
	if err := cmd.Execute(); err != nil || !strings.Contains(out.String(), "v9.8.7") {
		t.Error(out.String(), err)
	}
}

func configKeys() []string {
	var keys []string
	for f := range reflect.TypeFor[agent.Config]().Fields() {
		keys = append(keys, f.Tag.Get("yaml"))
	}
	return keys
}

// TestEveryKeyHasAFlag holds flags and file together: a setting that is only in one of them is a surprise.
func TestEveryKeyHasAFlag(t *testing.T) {
	byFlag := map[string]bool{}
	for _, o := range options() {
		byFlag[strings.ReplaceAll(o.name, "-", "_")] = true
	}
	plural := map[string]string{"log_files": "log_file", "tags": "tag"}
	for _, key := range configKeys() {
		if p, ok := plural[key]; ok {
			key = p
		}
		if !byFlag[key] {
			t.Errorf("key %s has no flag", key)
		}
	}
}

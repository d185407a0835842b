package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/agent/inventory"
	"github.com/faultline-io/faultline/services/agent/telemetry"
	"github.com/faultline-io/faultline/services/internal/errs"
)

const childEnv = "FAULTLINE_AGENT_TEST_CHILD"

// TestMain lets the test binary be the agent that is killed.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		runChild(spec)
	}
	os.Exit(m.Run())
}

// child is what a test passes to the agent's process.
type child struct {
	Config Config
}

func fastDeps() Deps {
	return Deps{Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Version: "test", MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
		RequestTimeout: time.Second, LogPoll: 20 * time.Millisecond}
}

func runChild(spec string) {
	var c child
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		panic(err)
	}
	a, err := New(c.Config, fastDeps())
	if err == nil {
		err = a.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, "agent ended:", err)
	os.Exit(1)
}

func testConfig(t *testing.T, r *receiver, dir string) Config {
	t.Helper()
	cfg := Default()
	cfg.Endpoint, cfg.StateDir, cfg.HostID = r.srv.URL, filepath.Join(dir, "state"), "host-1"
	cfg.Journald, cfg.ContainerLogs = false, false
	cfg.Interval, cfg.ProcessInterval = time.Second, time.Second
	cfg.LogFiles = []string{filepath.ToSlash(dir) + "/logs/*.log"}
	cfg.SpoolMaxBytes = 64 << 20
	return cfg
}

func startChild(t *testing.T, cfg Config) *exec.Cmd {
	t.Helper()
	spec, err := json.Marshal(child{cfg})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

type logWriter struct {
	t    *testing.T
	path string

	n, rotations int
}

func (w *logWriter) write(count int) {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	for range count {
		w.n++
		fmt.Fprintf(&b, "2026-01-02T03:04:05Z INFO %s request %06d served\n", filepath.Base(w.path), w.n)
	}
	if _, err := f.WriteString(b.String()); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *logWriter) rotate() {
	w.t.Helper()
	w.rotations++ // the older ones stay: what is deleted while the agent is dead nobody can read
	if err := os.Rename(w.path, fmt.Sprint(w.path, ".", w.rotations)); err != nil {
		w.t.Fatal(err)
	}
	w.write(1)
}

// TestKillLosesAndRepeatsNothing kills the agent again and again while a log grows and is rotated and the receiver misbehaves in every
// way it can, and then looks for every line exactly once.
func TestKillLosesAndRepeatsNothing(t *testing.T) {
	dir := t.TempDir()
	r := newReceiver(t)
	r.fail = func(n int, w http.ResponseWriter, accept func()) bool {
		switch n % 7 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			accept() // accepted, and the answer is lost
			panic(http.ErrAbortHandler)
		case 4:
			w.Header().Set("Retry-After", "0.01")
			w.WriteHeader(http.StatusTooManyRequests)
		case 5:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	cfg := testConfig(t, r, dir)
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := &logWriter{t: t, path: filepath.Join(dir, "logs", "app.log")}
	total := func(n int) func() bool {
		return func() bool { return r.items["logs"] >= uint64(n) }
	}
	for round := range 4 {
		cmd := startChild(t, cfg)
		w.write(500)
		r.wait("lines of the round", total(w.n-400))
		if round == 1 {
			w.rotate() // under the agent's eyes
		}
		w.write(500) // some of it is read when the kill comes, some not
		r.wait("some more", total(w.n-900))
		kill(t, cmd)
		w.write(100) // while nobody looks
		if round == 2 {
			w.rotate()
		}
	}
	startChild(t, cfg)
	r.wait("all lines", func() bool {
		n := 0
		for line := range r.lines {
			if strings.Contains(line, " request ") {
				n++
			}
		}
		return n >= w.n
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for line, times := range r.lines {
		if strings.Contains(line, " request ") && times != 1 {
			t.Errorf("%q came %d times", line, times)
		}
	}
	for _, signal := range []string{"logs", "metrics"} {
		if r.sent[signal] != r.items[signal]+r.dropped[signal] {
			t.Errorf("%s: agent says %d items sent, receiver has %d, %d dropped", signal, r.sent[signal], r.items[signal], r.dropped[signal])
		}
	}
}

// TestRun looks at what a running agent delivers and at its graceful stop.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	r := newReceiver(t)
	cfg := testConfig(t, r, dir)
	cfg.Compression = "gzip"
	cfg.Key = "secret-key"
	cfg.Tags = map[string]string{"team": "blue"}
	a, err := New(cfg, fastDeps())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("agent does not become ready")
	}
	second, err := New(cfg, fastDeps())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(ctx); errs.KindOf(err) != errs.Conflict {
		t.Errorf("second agent in the same folder: %v, want a conflict", err)
	}
	r.wait("metrics and inventory", func() bool { return len(r.metrics) >= 4 && r.lines["host inventory of "+a.host.Name] == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	attrs := r.metrics[0].Resource.Attributes
	if telemetry.Lookup(attrs, "host.id") != "host-1" || telemetry.Lookup(attrs, "team") != "blue" || telemetry.Lookup(attrs, "os.type") == "" {
		t.Errorf("resource of metrics: %v", attrs)
	}
	names := map[string]bool{}
	for _, rm := range r.metrics {
		for _, m := range rm.ScopeMetrics[0].Metrics {
			names[m.Name] = true
		}
	}
	for _, want := range []string{"system.cpu.time", "system.memory.usage", "process.cpu.time", "faultline.agent.items.spooled", "faultline.agent.memory.rss"} {
		if !names[want] {
			t.Errorf("metric %s is missing", want)
		}
	}
	rec := r.logs[0].ScopeLogs[0].LogRecords[0]
	if rec.EventName != inventory.EventName || telemetry.Lookup(rec.Attributes, "host.disks") == "" {
		t.Errorf("inventory record: %v", rec)
	}
	if r.sent["metrics"] != r.items["metrics"] {
		t.Errorf("agent says %d points, receiver has %d", r.sent["metrics"], r.items["metrics"])
	}
}

func TestValidate(t *testing.T) {
	f := func(key string, change func(*Config)) {
		t.Helper()
		c := Default()
		change(&c)
		err := c.Validate()
		if errs.KindOf(err) != errs.Invalid || !strings.HasPrefix(err.Error(), key+":") {
			t.Errorf("%s: error %v does not name the key", key, err)
		}
	}
	if c := Default(); c.Validate() != nil {
		t.Fatal("the default is not valid:", c.Validate())
	}
	f("endpoint", func(c *Config) { c.Endpoint = "localhost:4318" })
	f("endpoint", func(c *Config) { c.Endpoint = "http://x/?a=b" })
	f("interval", func(c *Config) { c.Interval = time.Millisecond })
	f("process_interval", func(c *Config) { c.ProcessInterval = 0 })
	f("top_processes", func(c *Config) { c.TopProcesses = -1 })
	f("max_log_files", func(c *Config) { c.MaxLogFiles = 0 })
	f("look_back_bytes", func(c *Config) { c.LookBack = -1 })
	f("spool_max_bytes", func(c *Config) { c.SpoolMaxBytes = 1 })
	f("compression", func(c *Config) { c.Compression = "lz4" })
	f("state_dir", func(c *Config) { c.StateDir = "" })
	f("log_files", func(c *Config) { c.LogFiles = []string{"relative.log"} })
	f("exclude", func(c *Config) { c.Exclude = []string{"[a"} })
}

func TestSecretIsNotShown(t *testing.T) {
	c := Default()
	c.Key = "hunter2"
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, data); strings.Contains(s, "hunter2") {
		t.Error("the key is shown:", s)
	}
}

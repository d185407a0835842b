package scrape

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// sink prints what is published, by the series' names as they were announced.
type sink struct {
	mu    sync.Mutex
	names map[uint64]string
}

func (s *sink) PublishMetrics(_ context.Context, _ *intake.Request, m *model.Metrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range m.Announced {
		text := a.Name
		for _, l := range a.Labels {
			if l.Name != model.LabelInstance {
				text += " " + l.Name + "=" + l.Value
			}
		}
		s.names[a.ID] = text
	}
	stale := map[uint32]bool{}
	for _, i := range m.Stale {
		stale[i] = true
	}
	for i, id := range m.SeriesIDs {
		fmt.Printf("sample %s %v %v\n", s.names[id], m.Values[i], stale[uint32(i)])
	}
	for _, md := range m.Metadata {
		fmt.Printf("metadata %s %s %s\n", md.Family, md.Type, md.Help)
	}
	return nil
}

func (*sink) PublishLogs(context.Context, *intake.Request, *model.Logs) error   { return nil }
func (*sink) PublishSpans(context.Context, *intake.Request, *model.Spans) error { return nil }

func (*sink) PublishChanges(context.Context, *intake.Request, *model.Changes) error { return nil }

const childEnv = "FAULTLINE_TEST_SCRAPE_CONFIG"

// TestMain makes the test binary a scraper when it is asked to be: the scraper's state is global, so each test has a process.
func TestMain(m *testing.M) {
	file := os.Getenv(childEnv)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := child(file); err != nil {
		fmt.Printf("error %s %v\n", errs.KindOf(err), err)
		os.Exit(1)
	}
	fmt.Println("stopped")
}

func child(file string) error {
	// Discovery looks anew each second, not each minute.
	for _, name := range []string{"promscrape.fileSDCheckInterval", "promscrape.httpSDCheckInterval"} {
		if err := flag.Set(name, "1s"); err != nil {
			return err
		}
	}
	lim := limits.Default()
	core := &intake.Core{
		Limits: lim, Sink: &sink{names: map[uint64]string{}}, Rejected: limits.NewRejections(), Index: series.NewIndex(&lim), Clock: time.Now,
		Log: slog.New(slog.DiscardHandler), Shape: func(string) uint64 { return 0 },
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent closes our input to stop us
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	return New(Config{File: file}, core, limits.NewBudget(lim.MaxInflightBytes), core.Log).Run(ctx)
}

// process is a running scraper.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stop  func()
	mu    sync.Mutex
	out   strings.Builder
	more  chan struct{}
	ended chan struct{}
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	select {
	case p.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// wait waits until the scraper's output has all of want.
func (p *process) wait(want ...string) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
next:
	for {
		missing := ""
		for _, w := range want {
			if !strings.Contains(p.text(), w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-p.more:
			continue next
		case <-p.ended:
			if strings.Contains(p.text(), missing) {
				continue next
			}
			p.t.Fatalf("ended without %q:\n%s", missing, p.text())
		case <-deadline:
			p.t.Fatalf("no %q in:\n%s", missing, p.text())
		}
	}
}

func start(t *testing.T, file string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(exe), more: make(chan struct{}, 1), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+file)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = in.Close()
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

func writeConfig(t *testing.T, file, job, target string) {
	t.Helper()
	text := fmt.Sprintf(`
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: %s
    static_configs:
      - targets: [%q]
        labels: {env: test}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: dropped_.*, action: drop}
`, job, target)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScrape(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# HELP requests_total how many\n# TYPE requests_total counter\nrequests_total{path=\"/\"} 42\ndropped_metric 1\n")
	}))
	t.Cleanup(exporter.Close)
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	target := strings.TrimPrefix(exporter.URL, "http://")
	writeConfig(t, file, "first", target)
	p := start(t, file)
	p.wait("sample requests_total env=test job=first path=/ 42 false", "sample up env=test job=first 1 false")
	if strings.Contains(p.text(), "dropped_metric") {
		t.Error("relabelling had no effect")
	}
	writeConfig(t, file, "second", target)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.wait("sample requests_total env=test job=second path=/ 42 false", "sample requests_total env=test job=first path=/ 0 true")
	p.stop()
	p.wait("stopped")
}

func TestScrapeBadConfig(t *testing.T) {
	for name, text := range map[string]string{"syntax": "scrape_configs: [", "unknown": "scrape_configs:\n  - nonsense: 1\n"} {
		file := filepath.Join(t.TempDir(), name+".yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, file).wait("error invalid scrape configuration " + file)
	}
	start(t, filepath.Join(t.TempDir(), "absent.yml")).wait("error invalid")
}

// The scraper's settings must exist, and linking it must not have touched the arguments of our own command line.
func TestSettingsExist(t *testing.T) {
	for name := range New(Config{}, nil, nil, nil).settings() {
		if flag.Lookup(name) == nil {
			t.Errorf("the scraper has no setting %s", name)
		}
	}
}

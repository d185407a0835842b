package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/gatewayrole"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/engine"
)

// asProduct is the first argument under which the test binary is the product.
const asProduct = "__faultline"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == engine.SubCommand {
		os.Exit(engine.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == asProduct {
		cmd := newCommand()
		cmd.SetArgs(os.Args[2:])
		os.Exit(launch.Execute(cmd))
	}
	os.Exit(m.Run())
}

// limit is the deadline for anything that a test waits for.
const limit = 60 * time.Second

// instance is a running product.
type instance struct {
	cmd  *exec.Cmd
	url  string
	done chan error

	// mu guards out.
	mu  sync.Mutex
	out strings.Builder
}

// text returns what the instance printed.
func (i *instance) text() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.out.String()
}

// product returns a command that runs the product.
func product(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(ctx, exe, append([]string{asProduct}, args...)...)
}

// readyLine is what the product prints when everything answers.
var readyLine = regexp.MustCompile(`^Ready in [\d.]+ s: (http\S+)$`)

// start runs everything on dir and waits until it is ready.
func start(t *testing.T, dir string) *instance {
	t.Helper()
	i := &instance{done: make(chan error, 1)}
	i.cmd = product(t.Context(), t, "--data-dir", dir, "--http-addr", "127.0.0.1:0", "--otlp-grpc-addr", "127.0.0.1:0", "--otlp-http-addr", "127.0.0.1:0", "--agent-enabled=false")
	i.cmd.Stderr = t.Output()
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			i.mu.Lock()
			i.out.WriteString(sc.Text() + "\n")
			i.mu.Unlock()
			if m := readyLine.FindStringSubmatch(sc.Text()); m != nil {
				ready <- m[1]
			}
		}
		i.done <- i.cmd.Wait()
	}()
	t.Cleanup(func() {
		if i.cmd.ProcessState == nil {
			i.end(t, syscall.SIGKILL)
		}
	})
	select {
	case i.url = <-ready:
	case err := <-i.done:
		i.done <- err
		t.Fatalf("ended before it was ready: %v\n%s", err, i.text())
	case <-time.After(limit):
		t.Fatalf("not ready after %s\n%s", limit, i.text())
	}
	return i
}

// end sends a signal and waits for the end of the process.
func (i *instance) end(t *testing.T, s syscall.Signal) error {
	t.Helper()
	if err := i.cmd.Process.Signal(s); err != nil {
		t.Logf("signal %s: %v", s, err)
	}
	select {
	case err := <-i.done:
		i.done <- err
		return err
	case <-time.After(limit):
		t.Fatalf("still running %s after %s\n%s", limit, s, i.text())
	}
	return nil
}

// get returns the status of a path on the shared listener.
func (i *instance) get(t *testing.T, path string) int {
	t.Helper()
	resp, err := http.Get(i.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

func TestStartsStopsAndStartsAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, dir)
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		if got := first.get(t, path); got != http.StatusOK {
			t.Errorf("%s answers %d", path, got)
		}
	}
	password, err := os.ReadFile(filepath.Join(dir, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first.text(), strings.TrimSpace(string(password))) {
		t.Errorf("the first start does not show the password:\n%s", first.text())
	}

	second := product(t.Context(), t, "--data-dir", dir, "--http-addr", "127.0.0.1:0")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "another faultline (pid ") || !strings.Contains(string(out), "→") {
		t.Errorf("a second instance on the same folder: %v\n%s", err, out)
	}

	began := time.Now()
	if err := first.end(t, syscall.SIGINT); err != nil || !strings.Contains(first.text(), "Stopped.") {
		t.Errorf("SIGINT: %v\n%s", err, first.text())
	}
	t.Logf("stopped in %s", time.Since(began))

	again := start(t, dir)
	if strings.Contains(again.text(), strings.TrimSpace(string(password))) {
		t.Error("the second start shows the password again")
	}
	if err := again.end(t, syscall.SIGKILL); err == nil {
		t.Error("killed, and it says that all is well")
	}
	after := start(t, dir) // The engine's child of the killed one may still be ending.
	if got := after.get(t, "/-/ready"); got != http.StatusOK {
		t.Errorf("ready answers %d after kill -9 and a new start", got)
	}
	if err := after.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// run runs the product to its end and returns its exit status and what it printed.
func run(t *testing.T, env []string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := product(ctx, t, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestSaysWhatIsWrongInOneSentence(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(wrong, []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\xf3\x00 riscv"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"--data-dir", filepath.Join(dir, "data"), "--http-addr", "127.0.0.1:0"}
	f := func(env []string, args []string, want string) {
		t.Helper()
		status, out := run(t, env, append(base, args...)...)
		if status != 1 || !strings.Contains(out, want) || !strings.Contains(out, "→") {
			t.Errorf("%v %v: status %d, want 1 and %q\n%s", env, args, status, want, out)
		}
	}
	f([]string{"FAULTLINE_ENGINE=/nowhere/libchdb.so"}, nil, "engine library cannot be read")
	f(nil, []string{"--engine-path", wrong}, "is for an unknown Linux processor, but this machine is linux/")
	f(nil, []string{"--http-addr", "0.0.0.0:0"}, "that needs expose")
	f(nil, []string{"--nats-sync=never"}, "is not one of interval, always")
	f([]string{"FAULTLINE_SHARDS=0"}, nil, "shards must be from 1 to 256")
	f(nil, []string{"--nats-url=nats://127.0.0.1:1"}, "connect to NATS")
	f(nil, []string{"--clickhouse-url=clickhouse://u:p@127.0.0.1:1/x"}, "ping ClickHouse")
}

func TestSmallCommands(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if status, out := run(t, nil, args...); status != 0 || !strings.Contains(out, want) {
			t.Errorf("%v: status %d, want %q\n%.600s", args, status, want, out)
		}
	}
	f("--otlp-grpc-addr", "--help")
	f("FAULTLINE_RETENTION_LOGS", "--help")
	f("complete", "completion", "bash")
	f("#compdef", "completion", "zsh")
	f("complete", "completion", "fish")
	f(app.BuildInfo().Version, "version")
	_, out := run(t, nil, "version", "--json")
	var b app.Build
	if err := json.Unmarshal([]byte(out), &b); err != nil || b.Version == "" || b.Go == "" {
		t.Errorf("version --json: %v\n%s", err, out)
	}
	if status, out := run(t, nil, "--no-such-flag"); status != 1 || !strings.Contains(out, "no-such-flag") {
		t.Errorf("an unknown flag: status %d\n%s", status, out)
	}
}

func TestMigrateAndDoctor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for range 2 {
		if status, out := run(t, nil, "migrate", "--data-dir", dir); status != 0 || !strings.Contains(out, "up to date") {
			t.Fatalf("migrate: status %d\n%s", status, out)
		}
	}
	_, out := run(t, nil, "doctor", "--json", "--data-dir", dir)
	var report struct {
		Items []struct{ Check, State, Detail string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	states := map[string]string{}
	for _, i := range report.Items {
		states[i.Check] = i.State
	}
	for _, check := range []string{"data folder", "lock", "engine"} {
		if states[check] != "ok" {
			t.Errorf("doctor says %q about %s\n%s", states[check], check, out)
		}
	}
	status, out := run(t, []string{"FAULTLINE_ENGINE=/nowhere"}, "doctor", "--data-dir", dir)
	if status != 1 || !strings.Contains(out, "✗ engine") || !strings.Contains(out, "make engine") {
		t.Errorf("doctor without an engine: status %d\n%s", status, out)
	}
}

func TestRoleBinaryHasNoEmbeddedServers(t *testing.T) {
	cmd := launch.RoleCommand(gatewayrole.Role())
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--data-dir", t.TempDir(), "--http-addr", "127.0.0.1:0"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "faultline-gateway has no embedded servers") {
		t.Errorf("error %v", err)
	}
}

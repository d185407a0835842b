//go:build linux || darwin

package engine

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// TestMain makes this test binary the child program too, as the product's binary is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == SubCommand {
		os.Exit(Main(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "__parent" {
		os.Exit(parentMain(os.Args[2]))
	}
	os.Exit(m.Run())
}

// limit is the deadline for anything that a test waits for.
const limit = 30 * time.Second

// running is an engine under test with what stops it.
type running struct {
	*Engine
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error
}

// startEngine runs an engine and waits until it is ready.
func startEngine(t *testing.T, cfg Config) *running {
	t.Helper()
	e, err := New(cfg, Deps{Log: testLog(t)})
	if err != nil {
		t.Fatalf("New: %v (%s)", err, errs.HintOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Engine: e, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- e.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-e.Ready():
	case err := <-r.done:
		r.done <- err
		t.Fatalf("engine ended before it was ready: %v", err)
	case <-time.After(limit):
		t.Fatalf("engine not ready%s", e.output.quote())
	}
	return r
}

// stop ends the engine and returns what Run returned.
func (r *running) stop() error {
	r.once.Do(func() {
		r.cancel()
		r.err = <-r.done
	})
	return r.err
}

// testLog writes the engine's log to the test's output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// mustQuery runs a statement and returns the answer without surrounding space.
func mustQuery(t *testing.T, e *Engine, role, sql string) string {
	t.Helper()
	s, err := e.http.query(t.Context(), role, sql)
	if err != nil {
		t.Fatalf("%s: %s: %v", role, sql, err)
	}
	return strings.TrimSpace(s)
}

// waitFor polls until ok holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited %s in vain for: %s", limit, what)
		case <-tick.C:
		}
	}
}

// isGone reports whether no process has this id, or only its unreaped rest.
func isGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && bytes.Contains(b, []byte(") Z "))
}

func TestServesAndKeepsDataOverARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	e := startEngine(t, Config{Dir: dir})
	t.Logf("ready in %s, version %s", e.ReadyIn(), e.Version())
	if e.Version() == "" || !e.Up() || e.PID() == 0 {
		t.Errorf("version %q, up %v, pid %d after ready", e.Version(), e.Up(), e.PID())
	}
	if want := "clickhouse://writer:"; !strings.HasPrefix(e.DSN(RoleWriter), want) || !strings.HasSuffix(e.DSN(RoleWriter), "@"+e.Addr()+"/faultline") {
		t.Errorf("DSN = %q", e.DSN(RoleWriter))
	}
	if got := e.DSN("default"); got != "" {
		t.Errorf("DSN of an unknown role = %q, want none", got)
	}
	mustQuery(t, e.Engine, RoleMigrator, "CREATE TABLE faultline.kept (v UInt32) ENGINE = MergeTree ORDER BY v")
	mustQuery(t, e.Engine, RoleWriter, "INSERT INTO faultline.kept SELECT number FROM numbers(1000)")
	pid, writer := e.PID(), e.users.Writer
	if err := e.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if !isGone(pid) {
		t.Errorf("child %d lives after Run returned", pid)
	}

	e = startEngine(t, Config{Dir: dir})
	if got := mustQuery(t, e.Engine, RoleReader, "SELECT count(), sum(v) FROM faultline.kept"); got != "1000\t499500" {
		t.Errorf("after a restart the table has %q", got)
	}
	if e.users.Writer != writer {
		t.Error("the passwords changed over a restart")
	}
}

func TestKilledChildIsBackInThreeSeconds(t *testing.T) {
	e := startEngine(t, Config{Dir: filepath.Join(t.TempDir(), "engine")})
	mustQuery(t, e.Engine, RoleMigrator, "CREATE TABLE faultline.kept (v UInt32) ENGINE = MergeTree ORDER BY v")
	addr := e.Addr()
	for round := 1; round <= 2; round++ {
		mustQuery(t, e.Engine, RoleWriter, "INSERT INTO faultline.kept SELECT number FROM numbers(1000)")
		pid, killed := e.PID(), time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "a new child that answers", func() bool { return e.Up() && e.PID() != pid && e.PID() != 0 })
		took := time.Since(killed)
		t.Logf("round %d: back after %s", round, took)
		if took > 3*time.Second {
			t.Errorf("round %d: back after %s, want at most 3 s", round, took)
		}
		if got := mustQuery(t, e.Engine, RoleReader, "SELECT count() FROM faultline.kept"); got != strconv.Itoa(1000*round) {
			t.Errorf("round %d: %s rows after kill -9, want %d", round, got, 1000*round)
		}
	}
	if e.Addr() != addr || e.Restarts() != 2 {
		t.Errorf("addr %s → %s, restarts %d", addr, e.Addr(), e.Restarts())
	}
}

func TestRolesCanDoOnlyTheirPart(t *testing.T) {
	e := startEngine(t, Config{Dir: filepath.Join(t.TempDir(), "engine"), TenantTables: []string{"samples"}})
	mustQuery(t, e.Engine, RoleMigrator, "CREATE TABLE faultline.samples (tenant_id UInt32, v UInt32) ENGINE = MergeTree ORDER BY v")
	mustQuery(t, e.Engine, RoleWriter, "INSERT INTO faultline.samples VALUES (1, 10), (2, 20), (2, 21)")
	refused := func(role, sql string) {
		t.Helper()
		if got, err := e.http.query(t.Context(), role, sql); err == nil {
			t.Errorf("%s may %s (answer %q)", role, sql, got)
		}
	}
	refused(RoleReader, "INSERT INTO faultline.samples VALUES (1, 1)")
	refused(RoleReader, "DROP TABLE faultline.samples")
	refused(RoleReader, "SELECT * FROM file('/etc/passwd', 'LineAsString')")
	refused(RoleReader, "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')")
	refused(RoleReader, "SELECT * FROM remote('127.0.0.1', 'faultline', 'samples')")
	refused(RoleReader, "SELECT query FROM system.processes")
	refused(RoleReader, "SET readonly = 0")
	refused(RoleWriter, "DROP TABLE faultline.samples")
	refused(RoleWriter, "CREATE TABLE faultline.other (v UInt8) ENGINE = Memory")
	refused(RoleMigrator, "CREATE DATABASE elsewhere")
	refused(RoleMigrator, "SYSTEM SHUTDOWN")
	// The user without a password, which any local user can be, reaches nothing.
	for _, sql := range []string{
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"INSERT INTO FUNCTION file('x', 'LineAsString') SELECT 'x'",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"CREATE TABLE default.t (s String) ENGINE = File('LineAsString', '/etc/passwd')",
		"CREATE TEMPORARY TABLE t (s String) ENGINE = File('LineAsString', '/etc/passwd')",
		"SELECT * FROM faultline.samples",
		"SELECT * FROM system.processes",
		"KILL QUERY WHERE user = ''",
		"SELECT number FROM system.numbers ORDER BY cityHash64(number) LIMIT 100000000",
	} {
		refused("default", sql)
	}
	if _, err := e.http.do(t.Context(), "GET", "/?query=SELECT+1", RoleWriter, "wrong"); err == nil {
		t.Error("a wrong password is accepted")
	}

	sum := func(tenant string) string {
		t.Helper()
		s, err := e.http.do(t.Context(), "GET", "/?query=SELECT+sum(v)+FROM+faultline.samples&"+TenantSetting+"="+tenant, RoleReader, e.users.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(s)
	}
	for tenant, want := range map[string]string{"1": "10", "2": "41", "": "0", "x": "0", "3": "0"} {
		if got := sum(tenant); got != want {
			t.Errorf("tenant %q sees a sum of %s, want %s", tenant, got, want)
		}
	}
}

//go:build linux || darwin

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestEngineThatCannotStartSaysWhy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	e, err := New(Config{Dir: dir}, Deps{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	// A file where the engine wants a folder.
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "metadata"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = e.Run(t.Context())
	if errs.KindOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "metadata") || errs.HintOf(err) == "" {
		t.Errorf("Run = %v (hint %q), want the engine's own words and a hint", err, errs.HintOf(err))
	}
	if e.Restarts() != firstStarts-1 {
		t.Errorf("started again %d times, want %d", e.Restarts(), firstStarts-1)
	}
}

func TestDamagedPasswordsAreAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, usersFile), []byte(`{"writer":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir}, Deps{}); errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" {
		t.Errorf("New = %v, want an invalid error with a hint", err)
	}
}

func TestTakenPortIsAnError(t *testing.T) {
	first := startEngine(t, Config{Dir: filepath.Join(t.TempDir(), "engine")})
	e, err := New(Config{Dir: filepath.Join(t.TempDir(), "engine"), TCPPort: first.ports.tcp}, Deps{Log: testLog(t)})
	if err == nil {
		t.Fatalf("took the port of another engine: %s", e.Addr())
	}
	if errs.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func TestSecretsAreReadableByTheOwnerOnly(t *testing.T) {
	e := startEngine(t, Config{Dir: filepath.Join(t.TempDir(), "engine")})
	for _, name := range []string{usersFile, "users.xml", "config.xml"} {
		info, err := os.Stat(filepath.Join(e.cfg.Dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(e.cfg.Dir, "users.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{e.users.Writer, e.users.Reader, e.users.Migrator} {
		if strings.Contains(string(b), p) {
			t.Error("users.xml has a password in the clear")
		}
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", "self", "environ"))
	if err == nil && strings.Contains(string(cmdline), e.users.Writer) {
		t.Error("a password is in the environment")
	}
}

func TestChildGetsNoSecretsFromTheEnvironment(t *testing.T) {
	got := strings.Join(childEnv([]string{"PATH=/bin", "FAULTLINE_CLICKHOUSE_URL=clickhouse://u:p@h", "AWS_SECRET_ACCESS_KEY=x", "HOME=/root"}), " ")
	if got != "TZ=UTC PATH=/bin HOME=/root" {
		t.Errorf("the child's environment is %q", got)
	}
}

//go:build linux

// Package faults_test breaks the running product in every way that the documentation promises it survives (docs/reliability.md): with
// real processes, under load, counting afterwards.
package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

// bin are the programs under test.
var bin rig.Binaries

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faultline-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bin, err = rig.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// underLoad is how many requests of each kind go in before and after a fault.
const underLoad = 25

func TestKillEngine(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	load := s.StartLoad(t)
	for range rig.Rounds(t) {
		load.AwaitBatches(t, underLoad)
		killed := s.SignalEngine(t, syscall.SIGKILL)
		load.AwaitBatches(t, underLoad) // The transport takes on while the engine is away.
		rig.Eventually(t, "a new engine", func() (bool, string) {
			return s.EnginePID(t) != killed, "the killed one is still there"
		})
		s.WaitReady(t)
	}
	load.Check(t)
	if r := load.Refusals(); len(r) > 0 {
		t.Errorf("senders were refused while the engine was away: %v", r)
	}
}

func TestKillServer(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	password, cookie := s.Password(t), signIn(t, s)
	load := s.StartLoad(t)
	for range rig.Rounds(t) {
		load.AwaitBatches(t, underLoad)
		s.Kill(t)
		t.Logf("ready %s after a kill", s.Start(t).Round(time.Millisecond))
	}
	load.AwaitBatches(t, underLoad)
	load.Check(t)
	if s.Password(t) != password {
		t.Error("the password is another one")
	}
	if status := session(t, s, cookie); status != http.StatusOK {
		t.Errorf("the session from before answers %d", status)
	}
}

func TestInterruptStopsInOrder(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	load := s.StartLoad(t)
	load.AwaitBatches(t, underLoad)
	engine := s.EnginePID(t)
	status, took := s.Interrupt(t)
	t.Logf("stopped in %s", took.Round(time.Millisecond))
	if status != 0 || took > 15*time.Second || !strings.Contains(s.Output(), "Stopped.") {
		t.Errorf("status %d after %s:\n%s", status, took, s.Output())
	}
	if syscall.Kill(engine, 0) == nil {
		t.Errorf("the engine (pid %d) outlives the server", engine)
	}
	s.Start(t)
	load.AwaitBatches(t, underLoad)
	load.Check(t)
}

// signIn opens a session and returns its cookie.
func signIn(t *testing.T, s *rig.Server) *http.Cookie {
	t.Helper()
	body := fmt.Sprintf(`{"user":"admin","password":%q}`, s.Password(t))
	resp, err := http.Post(s.URL+"/api/v1/session", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("signing in answers %s", resp.Status)
	}
	return resp.Cookies()[0]
}

// session returns the status of a question asked under a session.
func session(t *testing.T, s *rig.Server, c *http.Cookie) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/session", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(c)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

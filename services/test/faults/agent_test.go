//go:build linux

package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

// startAgent starts the agent on a log file; it is killed at the end of the test.
func startAgent(t *testing.T, s *rig.Server, state, file string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(bin.Agent, "--endpoint", s.OTLPHTTP, "--state-dir", state, "--log-file", file, "--host-id", "faults-host", "--look-back-bytes", "16MiB",
		"--journald=false", "--container-logs=false", "--interval", "1s", "--process-interval", "1s", "--top-processes", "3")
	cmd.Stderr, cmd.Env = t.Output(), rig.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			killAgent(t, cmd)
		}
	})
	return cmd
}

func killAgent(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It says that it was killed.
}

// linesOf returns how many lines of the file are in the store, and how many different ones.
func linesOf(t *testing.T, s *rig.Server) (all, distinct uint64) {
	t.Helper()
	n := s.Numbers(t, "SELECT count(), uniqExact(body) FROM logs WHERE body LIKE '%job % done%'")
	return n[0], n[1]
}

func TestKillAgent(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	dir := t.TempDir()
	file, state := filepath.Join(dir, "app.log"), filepath.Join(dir, "state")
	written := uint64(0)
	write := func(n int) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b strings.Builder
		for range n {
			written++
			fmt.Fprintf(&b, "%s INFO job %07d done\n", time.Now().UTC().Format(time.RFC3339), written)
		}
		if _, err := f.WriteString(b.String()); err != nil {
			t.Fatal(err)
		}
	}
	write(100)
	for range rig.Rounds(t) {
		agent := startAgent(t, s, state, file)
		before := written
		write(3000)
		rig.Eventually(t, "the agent delivers lines", func() (bool, string) {
			_, n := linesOf(t, s)
			return n > before, fmt.Sprintf("%d of %d lines", n, written)
		})
		write(3000) // Some of it is read when the kill comes, some spooled, some sent.
		killAgent(t, agent)
		write(500) // Nobody looks.
	}
	last := startAgent(t, s, state, file)
	rig.Eventually(t, "every line arrives", func() (bool, string) {
		_, n := linesOf(t, s)
		return n >= written, fmt.Sprintf("%d of %d lines", n, written)
	})
	killAgent(t, last) // Nothing may move while the books are compared.
	ledger := s.Settled(t)
	if all, distinct := linesOf(t, s); all != written || distinct != written {
		t.Errorf("%d lines are in the store, %d different ones; %d were written", all, distinct, written)
	}
	for _, e := range ledger.Items {
		if !strings.HasPrefix(e.Source, "agent:") {
			continue
		}
		if sentBy(e) == 0 || sentBy(e) != e.Accepted {
			t.Errorf("%s %s: the agent says that it sent %d, accepted are %d", e.Source, e.Signal, sentBy(e), e.Accepted)
		}
	}
	t.Logf("%d lines written, read and stored once", written)
}

// sentBy returns what an agent says that it sent, 0 when it does not say.
func sentBy(e rig.LedgerEntry) uint64 {
	if e.Sent == nil {
		return 0
	}
	return *e.Sent
}

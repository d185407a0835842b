//go:build linux

package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
)

// EnginePID returns the process id of the server's engine, waiting for one.
func (s *Server) EnginePID(t *testing.T) int {
	t.Helper()
	var pid int
	Eventually(t, "the engine runs", func() (bool, string) {
		pid = childOf(s.PID())
		return pid != 0, "no child"
	})
	return pid
}

// SignalEngine sends a signal to the engine and returns its process id.
func (s *Server) SignalEngine(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	pid := s.EnginePID(t)
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("signal %s to the engine: %v", sig, err)
	}
	return pid
}

// childOf returns the engine among the children of a process, 0 if there is none.
func childOf(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in brackets may hold anything, so the fields are counted from its end: state, parent, ….
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) && isEngine(pid) {
			return pid
		}
	}
	return 0
}

// isEngine reports whether a process lives and is an engine.
func isEngine(pid int) bool {
	args := arguments(pid)
	return len(args) > 1 && args[1] == engine.SubCommand
}

// arguments returns the command line of a process; that of a zombie is empty.
func arguments(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// RSS returns the resident memory of the server's own process in bytes.
func (s *Server) RSS(t *testing.T) int64 { return s.status(t, "VmRSS:") }

// PeakRSS returns the most resident memory that the server's own process ever had, in bytes.
func (s *Server) PeakRSS(t *testing.T) int64 { return s.status(t, "VmHWM:") }

func (s *Server) status(t *testing.T, key string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s in the status of %d", key, s.PID())
	return 0
}

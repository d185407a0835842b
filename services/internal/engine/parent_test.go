//go:build linux || darwin

package engine

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// parentMain is a process that runs an engine in dir, prints the child's id and its own address, and waits to be killed.
func parentMain(dir string) int {
	e, err := New(Config{Dir: dir}, Deps{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	go func() {
		if e.WaitReady(ctx) == nil {
			fmt.Println(e.PID())
		}
	}()
	if err := e.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestChildOfAKilledParentEndsAndTheNextStartWaitsForIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe, "__parent", dir)
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the parent did not get ready: %v, %v", err, parent.Wait())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	second, err := New(Config{Dir: dir}, Deps{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); errs.KindOf(err) != errs.Conflict || !strings.Contains(err.Error(), strconv.Itoa(parent.Process.Pid)) {
		t.Errorf("a second engine on the same folder: %v, want a conflict that names the process", err)
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent was killed and says it ended well")
	}
	startEngine(t, Config{Dir: dir}) // Not refused by what the killed one left.
	waitFor(t, "the end of the stale child", func() bool { return isGone(pid) })
}

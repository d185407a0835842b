package datadir

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestSecretIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	made, created, err := Secret(path, RandomToken)
	if err != nil || !created || len(made) != 32 {
		t.Fatalf("first: %q, %v, %v", made, created, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again, created, err := Secret(path, func() string { t.Error("made again"); return "" })
	if err != nil || created || again != made {
		t.Errorf("second: %q, %v, %v; want %q", again, created, err, made)
	}
	if err := os.WriteFile(path, []byte("  mine \nsecond line"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Secret(path, nil); err != nil || got != "mine" {
		t.Errorf("written by hand: %q, %v; want the first line", got, err)
	}
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Secret(path, RandomToken); errs.KindOf(err) != errs.Invalid {
		t.Errorf("an empty file: %v, want an invalid error", err)
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("read %q, %v; want %q", b, err, text)
		}
	}
	if err := WriteFile(filepath.Join(dir, "f", "x"), nil); err == nil {
		t.Error("wrote below a file")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files left, %v; want 1", len(entries), err)
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(t.Context(), path); errs.KindOf(err) != errs.Conflict || errs.HintOf(err) == "" {
		t.Errorf("second: %v, want a conflict with a hint", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(t.Context(), path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLockWaitsForTheChildOfADeadOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("cat") // It holds the inherited lock until its input ends.
	child.ExtraFiles = []*os.File{l.File()}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, path); errs.KindOf(err) != errs.Conflict {
		t.Errorf("while the child holds it: %v, want a conflict at the deadline", err)
	}
	got := make(chan error, 1)
	go func() {
		l, err := Acquire(t.Context(), path)
		if err == nil {
			err = l.Release()
		}
		got <- err
	}()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-got:
		if err != nil {
			t.Errorf("after the child ended: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("did not get the lock after the child ended")
	}
}

func TestDefaultFollowsXDG(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/x/data")
	want := "/x/data/faultline"
	if os.Geteuid() == 0 {
		want = "/var/lib/faultline"
	}
	if got := Default(); got != want {
		t.Errorf("Default() = %q, want %q", got, want)
	}
	if got := Default(); strings.Contains(got, "~") {
		t.Errorf("Default() = %q", got)
	}
}

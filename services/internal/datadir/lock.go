//go:build unix

package datadir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// lockPoll is how often a busy lock is tried again; flock(2) has no wait with a deadline.
const lockPoll = 50 * time.Millisecond

// Lock is an exclusive lock on a file. The kernel drops it when the last process that has the file open ends, however it ends.
type Lock struct {
	f *os.File
}

// Acquire locks the file at path and writes this process' id into it. A lock held by a living process that wrote its id is a
// Conflict at once; a lock that only a dying child of a dead process still holds is waited for until ctx ends.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, fileMode)
	if err != nil {
		return nil, errs.WithHint(errs.Forbidden, "check who owns the data folder; it must belong to the user that runs faultline",
			"open lock file: %v", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &Lock{f: f}, writeOwner(f)
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %q: %w", path, err), f.Close())
		}
		if pid := owner(f); pid > 0 && alive(pid) {
			return nil, errors.Join(inUse(path, pid), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(inUse(path, owner(f)), f.Close())
		case <-time.After(lockPoll):
		}
	}
}

// File returns the locked file. A child process that inherits it keeps the lock until it ends too.
func (l *Lock) File() *os.File { return l.f }

// Release gives the lock up, unless a child has inherited it and still runs.
func (l *Lock) Release() error {
	// The id goes first: a child that outlives us must not look like a running instance.
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

// inUse is the error for a lock that another process holds.
func inUse(path string, pid int) error {
	return errs.WithHint(errs.Conflict, "stop the other process first, or choose another folder with --data-dir",
		"another faultline (pid %d) uses this data folder: %q is locked", pid, path)
}

// writeOwner puts this process' id into the lock file.
func writeOwner(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// owner returns the process id in the lock file, 0 if there is none.
func owner(f *os.File) int {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// alive reports whether a process with this id exists; one that belongs to another user counts.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

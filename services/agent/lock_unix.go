//go:build unix

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// lockDir keeps a second agent out of the state folder: two would number their batches alike. The kernel drops the lock with the process.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, errs.WithHint(errs.Conflict, "stop the other agent, or give this one another folder with --state-dir",
			"state folder %q is in use by another agent", dir)
	}
	return func() { _ = f.Close() }, nil
}

package agent

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/windows"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// lockDir keeps a second agent out of the state folder: a file that is opened without sharing can be opened once.
func lockDir(dir string) (unlock func(), err error) {
	name, err := windows.UTF16PtrFromString(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, errs.WithHint(errs.Conflict, "stop the other agent, or give this one another folder with --state-dir",
			"state folder %q is in use by another agent: %v", dir, err)
	}
	return func() { _ = windows.CloseHandle(h) }, nil
}

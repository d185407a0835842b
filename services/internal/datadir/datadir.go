// Package datadir owns the data folder: where it is, the lock that keeps a second process out, and files that only their owner may
// read. It knows nothing about what the parts store there.
package datadir

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Permissions inside the data folder: it holds passwords and everybody's telemetry, so nobody but its owner may look in.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Default returns the data folder of this user: /var/lib/faultline for root, else $XDG_DATA_HOME/faultline or
// ~/.local/share/faultline.
func Default() string {
	if os.Geteuid() == 0 {
		return "/var/lib/faultline"
	}
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "faultline")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "faultline-data"
	}
	return filepath.Join(home, ".local", "share", "faultline")
}

// Make creates the folder path with its parents, readable by its owner only. An existing folder is left as it is.
func Make(path string) error {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return errs.WithHint(errs.Forbidden, "choose another folder with --data-dir, or give this user write permission there",
			"create data folder %q: %v", path, err)
	}
	return nil
}

// WriteFile replaces path by data with mode 0600. A reader sees the old or the new content, never half of it, also after a crash.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	tmp := f.Name()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %q: %w", path, err), os.Remove(tmp))
	}
	return nil
}

// Secret returns the first line of the file at path. When there is no file it writes a fresh random secret there (mode 0600) and
// reports created. An empty file is an error: an empty password must never be taken for one.
func Secret(path string, newSecret func() string) (secret string, created bool, err error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s := newSecret()
		return s, true, WriteFile(path, []byte(s+"\n"))
	case err != nil:
		return "", false, fmt.Errorf("read secret: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", false, errs.WithHint(errs.Invalid, "remove the file to have a new one generated, or write one line into it",
			"secret file %q is empty", path)
	}
	return line, false, nil
}

// RandomToken returns 32 characters of URL-safe text with 192 bits of randomness.
func RandomToken() string {
	var b [24]byte
	rand.Read(b[:]) // Never fails: crypto/rand ends the process when the kernel has no randomness.
	return base64.RawURLEncoding.EncodeToString(b[:])
}

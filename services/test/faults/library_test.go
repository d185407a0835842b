//go:build linux

package faults_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

func TestEngineLibraryMissingOrWrong(t *testing.T) {
	dir := t.TempDir()
	text, foreign := filepath.Join(dir, "text.so"), filepath.Join(dir, "foreign.so")
	for path, content := range map[string]string{
		text:    "This is no library.\n",
		foreign: "\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + strings.Repeat("\x00", 64), // Mach-O for arm64.
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(path, want string) {
		t.Helper()
		s := rig.New(t, bin, filepath.Join(t.TempDir(), "data"), "--engine-path", path)
		began := time.Now()
		s.Launch(t)
		status := s.Wait(t)
		lines := strings.Split(strings.TrimSpace(s.Output()), "\n")
		said := ""
		for i, line := range lines {
			if strings.HasPrefix(line, "faultline: ") && strings.Contains(line, want) && i+1 < len(lines) && strings.Contains(lines[i+1], "→") {
				said = line
			}
		}
		if status != 1 || said == "" || time.Since(began) > 20*time.Second {
			t.Errorf("%s: status %d after %s, want 1, a sentence with %q and what to do:\n%s", filepath.Base(path), status, time.Since(began), want, s.Output())
		}
	}
	f(filepath.Join(dir, "missing.so"), "cannot be read")
	f(text, "is not a shared library")
	f(foreign, "is darwin/arm64, but this machine is linux/")
}

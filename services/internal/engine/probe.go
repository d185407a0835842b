//go:build linux || darwin

package engine

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// probeTimeout is long, because half a gigabyte may have to come from a slow disk.
const probeTimeout = 30 * time.Second

// Probe finds the engine library and loads it in a child process, without serving. It returns the library's path.
func Probe(ctx context.Context, cfg Config) (string, error) {
	lib, err := FindLibrary(cfg.LibraryPath, append([]string{filepath.Dir(cfg.Dir), cfg.Dir}, cfg.LibraryDirs...))
	if err != nil {
		return lib, err
	}
	exe, err := executable("")
	if err != nil {
		return lib, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, exe, SubCommand, "--check", "--library="+lib)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(out.String())
		if len(said) > keptLineBytes {
			said = said[:keptLineBytes]
		}
		return lib, errs.WithHint(errs.Unavailable, installHint, "the engine library %s does not load: %v: %s", lib, err, said)
	}
	return lib, nil
}

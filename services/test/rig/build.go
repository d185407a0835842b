//go:build linux

package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/engine"
)

// Binaries are the programs under test.
type Binaries struct {
	Server  string // The all-in-one.
	Agent   string // The agent as a binary of its own.
	Library string // The engine library that the server is told to use.
}

// BinEnv names the variable with a folder of programs to test instead of compiling them, for what is about to be released.
const BinEnv = "FAULTLINE_TEST_BIN"

// Build compiles the programs into dir. A test package does it once, in TestMain.
func Build(dir string) (Binaries, error) {
	lib, err := engine.FindLibrary("", nil)
	if err != nil {
		return Binaries{}, err
	}
	if given := os.Getenv(BinEnv); given != "" {
		return Binaries{Server: filepath.Join(given, "faultline"), Agent: filepath.Join(given, "faultline-agent"), Library: lib}, nil
	}
	const module = "github.com/faultline-io/faultline/services/cmd/"
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), module+"faultline", module+"faultline-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return Binaries{}, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return Binaries{Server: filepath.Join(dir, "faultline"), Agent: filepath.Join(dir, "faultline-agent"), Library: lib}, nil
}

// Environ returns the environment without the product's own variables: a server takes them as its configuration, and refuses those of
// the tests.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, config.EnvPrefix) })
}

// RoundsEnv names the variable with the number of rounds of the kill tests.
const RoundsEnv = "FAULTLINE_SOAK"

// Rounds returns how often a kill test repeats its fault: two, or what the variable FAULTLINE_SOAK says.
func Rounds(t *testing.T) int {
	t.Helper()
	v := os.Getenv(RoundsEnv)
	if v == "" {
		return 2
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number of rounds", RoundsEnv, v)
	}
	return n
}

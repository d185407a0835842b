// Package cluster tests the multi-service shape as plain processes: role binaries, a NATS server and a ClickHouse engine, each behind a
// TCP address, with the configuration that the compose file's own init script makes.
package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
)

// bin is the folder of the binaries under test, and root that of the repository.
var bin string

const root = "../../.."

func TestMain(m *testing.M) {
	// The engine's child process is this same binary.
	if len(os.Args) > 1 && os.Args[1] == engine.SubCommand {
		os.Exit(engine.Main(os.Args[2:]))
	}
	os.Exit(run(m))
}

// run builds the binaries, so that the test is about the code as it is now.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faultline-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for _, pkg := range []string{"./cmd/faultline", "./cmd/faultline-gateway", "./cmd/faultline-query", "./cmd/faultline-correlator", "./test/natsserver"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, filepath.Base(pkg)), pkg)
		cmd.Dir, cmd.Env = filepath.Join(root, "services"), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

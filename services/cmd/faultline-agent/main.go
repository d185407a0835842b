// Command faultline-agent is the host agent alone: a static binary without cgo that links no server.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/faultline-io/faultline/services/agent/agentcmd"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := agentcmd.Command(version).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faultline-agent:", err)
		if hint := errs.HintOf(err); hint != "" {
			fmt.Fprintln(os.Stderr, "hint:", hint)
		}
		stop()
		os.Exit(1)
	}
}

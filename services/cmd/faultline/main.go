// Command faultline is the whole product in one binary: without a subcommand it runs everything on this machine, with one it runs a
// single role, checks the installation, or brings the schema up to date.
package main

import (
	"os"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/engine"
)

func main() {
	// The engine's child process is this same binary. It is told apart before anything else, because it takes no other flags.
	if len(os.Args) > 1 && os.Args[1] == engine.SubCommand {
		os.Exit(engine.Main(os.Args[2:]))
	}
	os.Exit(launch.Execute(newCommand()))
}

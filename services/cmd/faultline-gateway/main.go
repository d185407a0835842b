// Command faultline-gateway is the gateway alone, for a cluster. It links neither nats-server nor the engine.
package main

import (
	"os"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/gatewayrole"
)

func main() { os.Exit(launch.Execute(launch.RoleCommand(gatewayrole.Role()))) }

// Package correlatorrole puts the correlator together. It is the one place where its parts get their dependencies.
package correlatorrole

import (
	"context"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
)

// Role is the correlator. It has the connections and the health of a process; detection is added to Start as it is built.
func Role() launch.Role {
	return launch.Role{
		Name: "correlator", Short: "Watch telemetry and open incidents",
		Start: func(context.Context, *launch.Env) error { return nil },
	}
}

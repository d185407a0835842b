// Package agentrole runs the host agent inside the all-in-one, against the installation's own gateway. It speaks OTLP over loopback
// as every other agent does, so that the first host is no special case.
package agentrole

import (
	"context"
	"net"
	"path/filepath"

	"github.com/faultline-io/faultline/services/agent"
	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/app"
)

// Role is the agent of this host.
func Role() launch.Role {
	return launch.Role{Name: "agent", Short: "Collect this host's metrics and logs", Start: start}
}

func start(_ context.Context, e *launch.Env) error {
	if !e.Config.Agent.Enabled {
		return nil
	}
	c := agent.Default()
	c.Endpoint = e.Config.Scheme() + "://" + loopback(e.Config.OTLPHTTPAddr)
	c.CAFile = e.TLS.CAPath
	c.Interval = e.Config.Agent.Interval
	c.Journald = e.Config.Agent.Journal
	c.StateDir = filepath.Join(e.Config.DataDir, "agent")
	// The way is a loopback: compressing would cost more than it saves.
	c.Compression = "none"
	if len(e.Config.Agent.LogGlobs) > 0 {
		c.LogFiles = e.Config.Agent.LogGlobs
	}
	a, err := agent.New(c, agent.Deps{Log: e.Log, Version: e.Build.Version})
	if err != nil {
		return err
	}
	e.Add(app.StageReceive, a)
	return nil
}

// loopback turns a listening address into one that this machine can connect to.
func loopback(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

package query

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Host is one machine that an agent reports.
type Host struct {
	ID                    string     `json:"id"`
	Name                  string     `json:"name"`
	OS                    string     `json:"os"`
	Kernel                string     `json:"kernel"`
	Arch                  string     `json:"arch"`
	CPUs                  int        `json:"cpus"`
	MemoryBytes           uint64     `json:"memory_bytes"`
	BootTime              *time.Time `json:"boot_time,omitempty"`
	Addresses             []string   `json:"addresses"`
	Cloud                 Cloud      `json:"cloud"`
	AgentVersion          string     `json:"agent_version,omitempty"`
	LastSeen              time.Time  `json:"last_seen"`
	Up                    bool       `json:"up" doc:"Its agent reported within the last minute and a half"`
	CPURatio              *float64   `json:"cpu_ratio,omitempty" doc:"Busy share of all processors"`
	MemoryRatio           *float64   `json:"memory_ratio,omitempty"`
	DiskRatio             *float64   `json:"disk_ratio,omitempty" doc:"Of the fullest file system"`
	Load1                 *float64   `json:"load1,omitempty"`
	NetworkBytesPerSecond *float64   `json:"network_bytes_per_second,omitempty" doc:"In and out"`
	Sparkline             Columns    `json:"sparkline" doc:"cpu_ratio over the time asked for"`
}

// Cloud says where a rented host is.
type Cloud struct {
	Provider   string `json:"provider,omitempty"`
	Region     string `json:"region,omitempty"`
	InstanceID string `json:"instance_id,omitempty"`
}

// HostDetail is a host with everything known about it.
type HostDetail struct {
	Host
	Filesystems []Filesystem      `json:"filesystems"`
	Disks       []Disk            `json:"disks"`
	Interfaces  []Interface       `json:"interfaces"`
	Attributes  map[string]string `json:"attributes"`
}

// Filesystem is one mounted file system.
type Filesystem struct {
	Mountpoint      string   `json:"mountpoint"`
	Device          string   `json:"device"`
	Type            string   `json:"type"`
	TotalBytes      uint64   `json:"total_bytes"`
	UsedRatio       float64  `json:"used_ratio"`
	InodesUsedRatio *float64 `json:"inodes_used_ratio,omitempty"`
}

// Disk is one block device.
type Disk struct {
	Name                string  `json:"name"`
	SizeBytes           uint64  `json:"size_bytes"`
	Model               string  `json:"model,omitempty"`
	Rotational          bool    `json:"rotational"`
	ReadBytesPerSecond  float64 `json:"read_bytes_per_second"`
	WriteBytesPerSecond float64 `json:"write_bytes_per_second"`
	BusyRatio           float64 `json:"busy_ratio"`
}

// Interface is one network interface.
type Interface struct {
	Name                   string   `json:"name"`
	Addresses              []string `json:"addresses"`
	ReceiveBytesPerSecond  float64  `json:"receive_bytes_per_second"`
	TransmitBytesPerSecond float64  `json:"transmit_bytes_per_second"`
	ErrorsPerSecond        float64  `json:"errors_per_second"`
}

// Process is one process that its agent found worth reporting.
type Process struct {
	PID         int        `json:"pid"`
	Name        string     `json:"name"`
	Command     string     `json:"command"`
	User        string     `json:"user"`
	CPURatio    float64    `json:"cpu_ratio" doc:"Of one processor"`
	MemoryBytes uint64     `json:"memory_bytes"`
	Threads     int        `json:"threads"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	ID          string     `json:"id" doc:"Stays the same for the life of the process"`
}

type hostsOutput struct {
	Body struct {
		Items    []Host   `json:"items"`
		Warnings []string `json:"warnings,omitempty"`
	}
}

type hostInput struct {
	ID string `path:"id" maxLength:"256"`
	rangeInput
}

type hostOutput struct {
	Body HostDetail
}

type processesInput struct {
	ID string `path:"id" maxLength:"256"`
}

type processesOutput struct {
	Body struct {
		Items       []Process  `json:"items"`
		CollectedAt *time.Time `json:"collected_at,omitempty"`
	}
}

// hostsSpan is the time of the list when none is asked for.
const hostsSpan = time.Hour

func (q *Query) registerHosts() {
	huma.Register(q.api, huma.Operation{
		OperationID: "list-hosts", Method: http.MethodGet, Path: "/api/v1/hosts", Summary: "Hosts with their state", Tags: []string{"hosts"},
	}, func(ctx context.Context, in *rangeInput) (*hostsOutput, error) {
		r, err := timeparam.ParseRange(in.Start, in.End, q.deps.Clock(), hostsSpan)
		if err != nil {
			return nil, err
		}
		out := &hostsOutput{}
		found, err := q.findHosts(ctx, reqctx.Tenant(ctx), "", r)
		if err != nil {
			return nil, err
		}
		out.Body.Items, out.Body.Warnings = found.list(), found.warnings
		return out, nil
	})
	huma.Register(q.api, huma.Operation{
		OperationID: "get-host", Method: http.MethodGet, Path: "/api/v1/hosts/{id}", Summary: "One host with everything known about it", Tags: []string{"hosts"},
	}, q.getHost)
	huma.Register(q.api, huma.Operation{
		OperationID: "list-processes", Method: http.MethodGet, Path: "/api/v1/hosts/{id}/processes", Summary: "Processes of a host, the busiest first", Tags: []string{"hosts"},
	}, func(ctx context.Context, in *processesInput) (*processesOutput, error) {
		items, at, err := q.processes(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		out := &processesOutput{}
		out.Body.Items, out.Body.CollectedAt = items, at
		return out, nil
	})
}

func (q *Query) getHost(ctx context.Context, in *hostInput) (*hostOutput, error) {
	r, err := timeparam.ParseRange(in.Start, in.End, q.deps.Clock(), hostsSpan)
	if err != nil {
		return nil, err
	}
	found, err := q.findHosts(ctx, reqctx.Tenant(ctx), in.ID, r)
	if err != nil {
		return nil, err
	}
	host, ok := found.byID[in.ID]
	if !ok {
		return nil, errs.WithHint(errs.NotFound, "GET /api/v1/hosts lists those that report", "no host %q has reported between %s and %s",
			in.ID, r.Start.Format(time.RFC3339), r.End.Format(time.RFC3339))
	}
	detail := HostDetail{Host: host.Host, Attributes: host.attributes, Filesystems: []Filesystem{}, Disks: host.disks, Interfaces: host.interfaces}
	if err := q.describeHost(ctx, &detail, r.End); err != nil {
		return nil, err
	}
	return &hostOutput{Body: detail}, nil
}

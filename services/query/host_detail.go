package query

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// figures answers several of our own queries at once.
func (q *Query) figures(ctx context.Context, at time.Time, ask map[string]string) (map[string][]sample, error) {
	answers := make(map[string]*[]sample, len(ask))
	g, gctx := errgroup.WithContext(ctx)
	for name, expr := range ask {
		into := new([]sample)
		answers[name] = into
		g.Go(func() (err error) {
			*into, err = q.instant(gctx, expr, at)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[string][]sample, len(ask))
	for name, s := range answers {
		out[name] = *s
	}
	return out, nil
}

// describeHost adds file systems, and the live figures of disks and interfaces.
func (q *Query) describeHost(ctx context.Context, d *HostDetail, at time.Time) error {
	on := onHost(d.ID)
	got, err := q.figures(ctx, at, map[string]string{
		"size":   `max by (system_filesystem_mountpoint, system_device, system_filesystem_type) (system_filesystem_limit_bytes{` + on + `})`,
		"used":   `max by (system_filesystem_mountpoint, system_device) (system_filesystem_utilization_ratio{` + on + `})`,
		"inodes": `max by (system_filesystem_mountpoint, system_device) (system_filesystem_inodes_utilization_ratio{` + on + `})`,
		"io":     `sum by (system_device, disk_io_direction) (rate(system_disk_io_bytes_total{` + on + `}[2m]))`,
		"busy":   `sum by (system_device) (rate(system_disk_io_time_seconds_total{` + on + `}[2m]))`,
		"net":    `sum by (network_interface_name, network_io_direction) (rate(system_network_io_bytes_total{` + on + `}[2m]))`,
		"errors": `sum by (network_interface_name) (rate(system_network_errors_total{` + on + `}[2m]))`,
	})
	if err != nil {
		return err
	}
	d.filesystems(got)
	d.diskFigures(got)
	d.interfaceFigures(got)
	return nil
}

func (d *HostDetail) filesystems(got map[string][]sample) {
	find := func(s sample) *Filesystem {
		mount, device := s.label("system_filesystem_mountpoint"), s.label("system_device")
		i := slices.IndexFunc(d.Filesystems, func(f Filesystem) bool { return f.Mountpoint == mount && f.Device == device })
		if i < 0 {
			return nil
		}
		return &d.Filesystems[i]
	}
	for _, s := range got["size"] {
		d.Filesystems = append(d.Filesystems, Filesystem{
			Mountpoint: s.label("system_filesystem_mountpoint"), Device: s.label("system_device"), Type: s.label("system_filesystem_type"), TotalBytes: uint64(s.value),
		})
	}
	for _, s := range got["used"] {
		if f := find(s); f != nil {
			f.UsedRatio = s.value
		}
	}
	for _, s := range got["inodes"] {
		if f := find(s); f != nil {
			f.InodesUsedRatio = &s.value
		}
	}
	slices.SortFunc(d.Filesystems, func(a, b Filesystem) int { return cmp.Compare(a.Mountpoint, b.Mountpoint) })
}

// disk returns the disk called name, adding it when the inventory does not have it (partitions, device mapper).
func (d *HostDetail) disk(name string) *Disk {
	i := slices.IndexFunc(d.Disks, func(x Disk) bool { return x.Name == name })
	if i < 0 {
		i = len(d.Disks)
		d.Disks = append(d.Disks, Disk{Name: name})
	}
	return &d.Disks[i]
}

func (d *HostDetail) diskFigures(got map[string][]sample) {
	for _, s := range got["io"] {
		disk := d.disk(s.label("system_device"))
		if s.label("disk_io_direction") == "read" {
			disk.ReadBytesPerSecond = s.value
		} else {
			disk.WriteBytesPerSecond = s.value
		}
	}
	for _, s := range got["busy"] {
		d.disk(s.label("system_device")).BusyRatio = min(s.value, 1)
	}
	slices.SortFunc(d.Disks, func(a, b Disk) int { return cmp.Compare(a.Name, b.Name) })
}

func (d *HostDetail) iface(name string) *Interface {
	i := slices.IndexFunc(d.Interfaces, func(x Interface) bool { return x.Name == name })
	if i < 0 {
		i = len(d.Interfaces)
		d.Interfaces = append(d.Interfaces, Interface{Name: name, Addresses: []string{}})
	}
	return &d.Interfaces[i]
}

func (d *HostDetail) interfaceFigures(got map[string][]sample) {
	for _, s := range got["net"] {
		n := d.iface(s.label("network_interface_name"))
		if s.label("network_io_direction") == "receive" {
			n.ReceiveBytesPerSecond = s.value
		} else {
			n.TransmitBytesPerSecond = s.value
		}
	}
	for _, s := range got["errors"] {
		d.iface(s.label("network_interface_name")).ErrorsPerSecond = s.value
	}
	slices.SortFunc(d.Interfaces, func(a, b Interface) int { return cmp.Compare(a.Name, b.Name) })
}

// processes returns the processes of a host's newest report, the busiest first, and when that was.
func (q *Query) processes(ctx context.Context, hostID string) ([]Process, *time.Time, error) {
	on := "{" + onHost(hostID) + "}"
	now := q.deps.Clock()
	got, err := q.figures(ctx, now, map[string]string{
		"seen":    "timestamp(process_memory_usage_bytes" + on + ")",
		"memory":  "process_memory_usage_bytes" + on,
		"cpu":     "process_cpu_utilization_ratio" + on,
		"rate":    "rate(process_cpu_time_seconds_total" + on + "[1m])",
		"threads": "process_thread_count" + on,
	})
	if err != nil {
		return nil, nil, err
	}
	newest := 0.0
	for _, s := range got["seen"] {
		newest = max(newest, s.value)
	}
	byID := map[string]*Process{}
	for _, s := range got["seen"] {
		// Processes that are missing from the newest report have ended, or became too quiet for it.
		if s.value >= newest-1 {
			p := processOf(s)
			byID[p.ID] = &p
		}
	}
	set := func(name string, field func(p *Process, v float64)) {
		for _, s := range got[name] {
			if p, ok := byID[processID(s)]; ok {
				field(p, s.value)
			}
		}
	}
	set("memory", func(p *Process, v float64) { p.MemoryBytes = uint64(v) })
	set("threads", func(p *Process, v float64) { p.Threads = int(v) })
	set("rate", func(p *Process, v float64) { p.CPURatio = v })
	set("cpu", func(p *Process, v float64) { p.CPURatio = v })
	out := make([]Process, 0, len(byID))
	for _, p := range byID {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Process) int {
		return cmp.Or(cmp.Compare(b.CPURatio, a.CPURatio), cmp.Compare(b.MemoryBytes, a.MemoryBytes), cmp.Compare(a.PID, b.PID))
	})
	if len(out) == 0 {
		return out, nil, nil
	}
	at := time.UnixMilli(int64(newest * 1000)).UTC()
	return out, &at, nil
}

// processID tells processes with a reused pid apart by when they started.
func processID(s sample) string {
	return s.label("process_pid") + "-" + s.label("process_creation_time")
}

func processOf(s sample) Process {
	p := Process{
		Name: cmp.Or(s.label("process_executable_name"), s.label("process_command")), User: s.label("process_owner"), ID: processID(s),
		Command: cmp.Or(s.label("process_command_line"), s.label("process_command"), s.label("process_executable_path")),
	}
	p.PID, _ = strconv.Atoi(s.label("process_pid"))
	if t, err := time.Parse(time.RFC3339Nano, s.label("process_creation_time")); err == nil {
		p.StartedAt = &t
	}
	return p
}

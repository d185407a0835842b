//go:build !linux

package inventory

import (
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

func readFacts(Config) facts {
	f := facts{boot: time.Now()}
	if i, err := host.Info(); err == nil {
		f.osName, f.osVersion, f.osDescription = i.Platform, i.PlatformVersion, i.Platform+" "+i.PlatformVersion
		f.kernel, f.machineID, f.virtualization = i.KernelVersion, i.HostID, i.VirtualizationSystem
		f.boot = time.Unix(int64(i.BootTime), 0)
		f.bootID = f.machineID + f.boot.UTC().Format("20060102T1504") // these systems give no boot id; the minute must do
	}
	if c, err := cpu.Info(); err == nil && len(c) > 0 {
		f.cpuModel = c[0].ModelName
	}
	if m, err := mem.VirtualMemory(); err == nil {
		f.memoryBytes = m.Total
	}
	f.disks = []Disk{}
	if parts, err := disk.Partitions(false); err == nil {
		for _, p := range parts {
			if u, err := disk.Usage(p.Mountpoint); err == nil {
				f.disks = append(f.disks, Disk{Name: p.Device, SizeBytes: u.Total})
			}
		}
	}
	return f
}

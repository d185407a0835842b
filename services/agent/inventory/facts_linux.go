package inventory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func readFacts(cfg Config) facts {
	f := facts{
		kernel: readText(filepath.Join(cfg.Proc, "sys/kernel/osrelease")),
		bootID: readText(filepath.Join(cfg.Proc, "sys/kernel/random/boot_id")),
		boot:   bootTime(cfg.Proc),
		disks:  disks(cfg.Sys),
	}
	for _, p := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		if id := readText(filepath.Join(cfg.Root, p)); f.machineID == "" && id != "uninitialized" {
			f.machineID = id
		}
	}
	f.osRelease(cfg.Root)
	f.processors(cfg.Proc)
	f.memoryBytes = memoryBytes(cfg.Proc)
	d := dmi(cfg.Sys)
	f.cloud = cloudOf(d)
	f.cloudInit(cfg.Root)
	f.virtualization = virtualization(cfg, d, f.virtualization)
	return f
}

func (f *facts) osRelease(root string) {
	text := readText(filepath.Join(root, "etc/os-release"))
	if text == "" {
		text = readText(filepath.Join(root, "usr/lib/os-release"))
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "NAME":
			f.osName = value
		case "VERSION_ID":
			f.osVersion = value
		case "PRETTY_NAME":
			f.osDescription = value
		}
	}
	if f.osVersion == "" {
		f.osVersion = f.kernel
	}
}

func (f *facts) processors(proc string) {
	for line := range strings.Lines(readText(filepath.Join(proc, "cpuinfo"))) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "model name", "Model":
			f.cpuModel = value
		case "flags":
			if strings.Contains(" "+value+" ", " hypervisor ") {
				f.virtualization = "vm"
			}
			return
		}
	}
}

func memoryBytes(proc string) uint64 {
	for line := range strings.Lines(readText(filepath.Join(proc, "meminfo"))) {
		if v, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib * 1024
		}
	}
	return 0
}

func bootTime(proc string) time.Time {
	for line := range strings.Lines(readText(filepath.Join(proc, "stat"))) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			if secs, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
				return time.Unix(secs, 0)
			}
		}
	}
	return time.Unix(0, 0)
}

// maxDisks bounds the list.
const maxDisks = 64

func disks(sys string) []Disk {
	out := []Disk{}
	entries, err := os.ReadDir(filepath.Join(sys, "block"))
	if err != nil {
		return out
	}
	for _, e := range entries {
		name := e.Name()
		dir := filepath.Join(sys, "block", name)
		sectors, err := strconv.ParseUint(readText(filepath.Join(dir, "size")), 10, 64)
		if err != nil || sectors == 0 || len(out) >= maxDisks || strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram") || strings.HasPrefix(name, "zram") {
			continue
		}
		out = append(out, Disk{Name: name, SizeBytes: sectors * 512, Model: readText(filepath.Join(dir, "device/model")),
			Rotational: readText(filepath.Join(dir, "queue/rotational")) == "1"})
	}
	return out
}

// firmware are the names that the firmware gives to the machine.
type firmware struct {
	vendor, product, version, boardAsset, chassisAsset, serial, bios string
}

func dmi(sys string) firmware {
	read := func(name string) string { return readText(filepath.Join(sys, "class/dmi/id", name)) }
	return firmware{vendor: read("sys_vendor"), product: read("product_name"), version: read("product_version"), boardAsset: read("board_asset_tag"),
		chassisAsset: read("chassis_asset_tag"), serial: read("product_serial"), bios: read("bios_vendor")}
}

// azureAsset is the chassis asset tag of every machine of Azure.
const azureAsset = "7783-7084-3265-9085-8269-3286-77"

func cloudOf(d firmware) cloud {
	switch {
	case d.vendor == "Amazon EC2" || strings.Contains(d.bios, "Amazon EC2") || strings.Contains(d.version, "amazon"):
		c := cloud{provider: "aws", platform: "aws_ec2", instanceType: d.product}
		if strings.HasPrefix(d.boardAsset, "i-") {
			c.instanceID = d.boardAsset
		}
		return c
	case d.product == "Google Compute Engine":
		return cloud{provider: "gcp", platform: "gcp_compute_engine"}
	case d.chassisAsset == azureAsset:
		return cloud{provider: "azure", platform: "azure.vm"}
	case d.vendor == "Alibaba Cloud":
		return cloud{provider: "alibaba_cloud", platform: "alibaba_cloud_ecs", instanceID: d.serial}
	case d.chassisAsset == "OracleCloud.com":
		return cloud{provider: "oracle_cloud", platform: "oracle_cloud_compute"}
	case d.vendor == "DigitalOcean":
		return cloud{provider: "digitalocean", instanceID: d.serial}
	case d.vendor == "Hetzner":
		return cloud{provider: "hetzner", instanceID: d.serial}
	case strings.HasPrefix(d.product, "OpenStack"):
		return cloud{provider: "openstack"}
	}
	return cloud{}
}

// cloudInit adds what cloud-init left on the disk at boot.
func (f *facts) cloudInit(root string) {
	var data struct {
		V1 struct {
			CloudName  string `json:"cloud_name"`
			Region     string `json:"region"`
			Zone       string `json:"availability_zone"`
			InstanceID string `json:"instance_id"`
		} `json:"v1"`
	}
	text := readText(filepath.Join(root, "run/cloud-init/instance-data.json"))
	if text == "" || json.Unmarshal([]byte(text), &data) != nil {
		return
	}
	for _, p := range []struct {
		to   *string
		from string
	}{{&f.cloud.provider, data.V1.CloudName}, {&f.cloud.region, data.V1.Region}, {&f.cloud.zone, data.V1.Zone}, {&f.cloud.instanceID, data.V1.InstanceID}} {
		if *p.to == "" {
			*p.to = p.from
		}
	}
}

// virtualization names the hypervisor or the container runtime, or says "none"; seen is "vm" when the processor says that there is one.
func virtualization(cfg Config, d firmware, seen string) string {
	if cfg.Root == "/" || cfg.Root == "" {
		for file, name := range map[string]string{"/.dockerenv": "docker", "/run/.containerenv": "podman"} {
			if _, err := os.Stat(file); err == nil {
				return name
			}
		}
	}
	for _, v := range []struct{ word, name string }{{"QEMU", "kvm"}, {"KVM", "kvm"}, {"Amazon", "kvm"}, {"Google", "kvm"}, {"VMware", "vmware"},
		{"innotek", "virtualbox"}, {"Xen", "xen"}, {"Microsoft", "hyperv"}, {"Parallels", "parallels"}, {"OpenStack", "kvm"}} {
		if strings.Contains(d.vendor+" "+d.product+" "+d.bios, v.word) {
			return v.name
		}
	}
	if seen == "" {
		return "none"
	}
	return seen
}

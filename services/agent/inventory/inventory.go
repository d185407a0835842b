// Package inventory says what the host is: the attributes that identify it on everything the agent sends, and a longer description
// (kernel, processors, disks, addresses, cloud) that is sent now and then. It reads files only and asks nothing of the network: a
// metadata service that does not answer would hold up the start.
package inventory

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// EventName is the event name of the inventory record.
const EventName = "faultline.host.inventory"

// Config says where to look.
type Config struct {
	Proc, Sys, Root string
	// StateDir keeps what must stay the same between starts: a made-up host id, the boot time.
	StateDir string
	// HostID overrides the machine's own id; Tags are put on everything.
	HostID  string
	Tags    map[string]string
	Version string
}

// Host is the identity of this host.
type Host struct {
	ID   string
	Name string
	Boot time.Time
	// Resource are the attributes of everything that comes from this host.
	Resource telemetry.Attrs

	cfg   Config
	facts facts
}

// facts are what the systems tell in their own ways.
type facts struct {
	osName, osVersion, osDescription string
	kernel                           string
	machineID                        string
	cpuModel                         string
	virtualization                   string
	memoryBytes                      uint64
	boot                             time.Time
	bootID                           string
	cloud                            cloud
	disks                            []Disk
}

// cloud is what the firmware and cloud-init say about the provider.
type cloud struct {
	provider, platform, region, zone, instanceID, instanceType string
}

// Disk is one block device of the inventory.
type Disk struct {
	Name       string `json:"name"`
	SizeBytes  uint64 `json:"size_bytes"`
	Model      string `json:"model,omitempty"`
	Rotational bool   `json:"rotational"`
}

// Address is one address of the inventory.
type Address struct {
	Interface string `json:"interface"`
	IP        string `json:"ip"`
	MAC       string `json:"mac,omitempty"`
}

// Discover reads the identity of the host.
func Discover(cfg Config) (*Host, error) {
	h := &Host{cfg: cfg, facts: readFacts(cfg)}
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	if v := readText(filepath.Join(cfg.Root, "etc/hostname")); cfg.Root != "/" && cfg.Root != "" && v != "" {
		name = v // in a container the kernel's name is the container's
	}
	h.Name = name
	if h.ID, err = hostID(cfg, h.facts.machineID); err != nil {
		return nil, err
	}
	if h.Boot, err = stableBoot(cfg.StateDir, h.facts.bootID, h.facts.boot); err != nil {
		return nil, err
	}
	h.Resource = telemetry.Strs("host.id", h.ID, "host.name", h.Name, "host.arch", runtime.GOARCH, "os.type", runtime.GOOS)
	for _, kv := range [][2]string{{"os.name", h.facts.osName}, {"os.description", h.facts.osDescription}, {"os.version", h.facts.osVersion},
		{"cloud.provider", h.facts.cloud.provider}, {"cloud.region", h.facts.cloud.region}} {
		if kv[1] != "" {
			h.Resource = append(h.Resource, telemetry.Str(kv[0], kv[1]))
		}
	}
	tags := make([]string, 0, len(cfg.Tags))
	for k := range cfg.Tags {
		tags = append(tags, k)
	}
	sort.Strings(tags)
	for _, k := range tags {
		h.Resource = append(h.Resource, telemetry.Str(k, cfg.Tags[k]))
	}
	return h, nil
}

// Inventory returns the attributes of the inventory record, read anew.
func (h *Host) Inventory() telemetry.Attrs {
	f := readFacts(h.cfg)
	attrs := telemetry.Attrs{
		telemetry.Str("event.name", EventName),
		telemetry.Str("os.kernel.version", f.kernel), telemetry.Str("host.cpu.model.name", f.cpuModel),
		telemetry.Int("host.cpu.count", int64(runtime.NumCPU())), telemetry.Int("host.memory.bytes", int64(f.memoryBytes)),
		telemetry.Str("host.disks", toJSON(f.disks)), telemetry.Str("host.addresses", toJSON(addresses())),
		telemetry.Str("host.boot_time", h.Boot.UTC().Format(time.RFC3339)), telemetry.Str("faultline.agent.version", h.cfg.Version),
	}
	for _, kv := range [][2]string{{"host.virtualization", f.virtualization}, {"host.type", f.cloud.instanceType}, {"cloud.provider", f.cloud.provider},
		{"cloud.platform", f.cloud.platform}, {"cloud.region", f.cloud.region}, {"cloud.availability_zone", f.cloud.zone}, {"cloud.instance.id", f.cloud.instanceID}} {
		if kv[1] != "" {
			attrs = append(attrs, telemetry.Str(kv[0], kv[1]))
		}
	}
	return attrs
}

// hostID returns the configured id, the machine's, or one that is made up once and kept.
func hostID(cfg Config, machineID string) (string, error) {
	if cfg.HostID != "" {
		return cfg.HostID, nil
	}
	if machineID != "" {
		return machineID, nil
	}
	path := filepath.Join(cfg.StateDir, "host-id")
	if id := readText(path); id != "" {
		return id, nil
	}
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make host id: %w", err)
	}
	id := hex.EncodeToString(b[:])
	if cfg.StateDir != "" {
		if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("keep host id: %w", err)
		}
	}
	return id, nil
}

// stableBoot returns the boot time that was first seen for this boot. The kernel derives it from the wall clock, so it moves when the
// clock is set, and with it the identity of every process would.
func stableBoot(dir, bootID string, boot time.Time) (time.Time, error) {
	if dir == "" || bootID == "" {
		return boot, nil
	}
	path := filepath.Join(dir, "boot")
	id, stamp, ok := strings.Cut(readText(path), " ")
	if ok && id == bootID {
		if t, err := time.Parse(time.RFC3339, stamp); err == nil {
			return t, nil
		}
	}
	if err := os.WriteFile(path, []byte(bootID+" "+boot.UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
		return time.Time{}, fmt.Errorf("keep boot time: %w", err)
	}
	return boot, nil
}

// maxAddresses bounds the list; container hosts have hundreds.
const maxAddresses = 64

func addresses() []Address {
	out := []Address{}
	interfaces, err := net.Interfaces()
	if err != nil {
		return out
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 || strings.HasPrefix(i.Name, "veth") {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			ip, _, err := net.ParseCIDR(a.String())
			if err != nil || ip.IsLinkLocalUnicast() || len(out) >= maxAddresses {
				continue
			}
			out = append(out, Address{i.Name, ip.String(), i.HardwareAddr.String()})
		}
	}
	return out
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "[]"
	}
	return string(data)
}

// readText returns the trimmed content of a small file, or "".
func readText(path string) string {
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 1<<20 {
		return ""
	}
	return strings.TrimSpace(string(data))
}

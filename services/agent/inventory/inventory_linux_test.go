package inventory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

func tree(t *testing.T, files map[string]string) Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Config{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Root: dir, StateDir: t.TempDir(), Version: "v1"}
}

func base() map[string]string {
	return map[string]string{
		"proc/stat": "cpu 1\nbtime 1767225600\n", "proc/cpuinfo": "processor : 0\nmodel name\t: Fast CPU\nflags\t\t: fpu hypervisor sse\n",
		"proc/meminfo": "MemTotal:        8000 kB\n", "proc/sys/kernel/osrelease": "6.1.0-test\n", "proc/sys/kernel/random/boot_id": "boot-a\n",
		"etc/machine-id": "0123456789abcdef\n", "etc/hostname": "web-1\n",
		"etc/os-release":     "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"sys/block/sda/size": "2048\n", "sys/block/sda/device/model": "DISK \n", "sys/block/sda/queue/rotational": "0\n", "sys/block/loop0/size": "1\n",
		"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m7g.large\n", "sys/class/dmi/id/board_asset_tag": "i-0abc\n",
		"run/cloud-init/instance-data.json": `{"v1":{"cloud_name":"aws","region":"eu-west-1","availability_zone":"eu-west-1a"}}`,
	}
}

func TestDiscover(t *testing.T) {
	cfg := tree(t, base())
	cfg.Tags = map[string]string{"team": "blue"}
	h, err := Discover(cfg)
	if err != nil {
		t.Fatal(err)
	}
	get := func(attrs telemetry.Attrs, want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for k := range want {
			got[k] = telemetry.Lookup(attrs, k)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	get(h.Resource, map[string]string{"host.id": "0123456789abcdef", "host.name": "web-1", "os.type": "linux", "os.version": "12",
		"os.description": "Debian GNU/Linux 12 (bookworm)", "team": "blue", "cloud.provider": "aws", "cloud.region": "eu-west-1"})
	inv := h.Inventory()
	get(inv, map[string]string{"event.name": EventName, "os.kernel.version": "6.1.0-test", "host.cpu.model.name": "Fast CPU", "host.virtualization": "kvm",
		"host.boot_time": "2026-01-01T00:00:00Z", "host.type": "m7g.large", "cloud.availability_zone": "eu-west-1a", "cloud.instance.id": "i-0abc", "faultline.agent.version": "v1"})
	var disks []Disk
	if err := json.Unmarshal([]byte(telemetry.Lookup(inv, "host.disks")), &disks); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Disk{{Name: "sda", SizeBytes: 1 << 20, Model: "DISK"}}, disks); d != "" {
		t.Error(d)
	}
	var addrs []Address
	if err := json.Unmarshal([]byte(telemetry.Lookup(inv, "host.addresses")), &addrs); err != nil {
		t.Error(err)
	}
}

// TestBootIsStable sets the clock: the kernel's boot time moves, what the agent reports does not until the next boot.
func TestBootIsStable(t *testing.T) {
	files := base()
	cfg := tree(t, files)
	f := func(stat, bootID string, want int64) {
		t.Helper()
		for name, text := range map[string]string{"stat": stat, "sys/kernel/random/boot_id": bootID} {
			if err := os.WriteFile(filepath.Join(cfg.Proc, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h, err := Discover(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if !h.Boot.Equal(time.Unix(want, 0)) {
			t.Errorf("boot %s, want %s", h.Boot, time.Unix(want, 0))
		}
	}
	f("btime 1767225600\n", "a", 1767225600)
	f("btime 1767225603\n", "a", 1767225600)
	f("btime 1767229999\n", "b", 1767229999)
}

func TestHostID(t *testing.T) {
	files := base()
	delete(files, "etc/machine-id")
	cfg := tree(t, files)
	first, err := Discover(cfg)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Discover(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID == "" || first.ID != second.ID {
		t.Errorf("made-up ids %q and %q", first.ID, second.ID)
	}
	cfg.HostID = "mine"
	if h, err := Discover(cfg); err != nil || h.ID != "mine" {
		t.Errorf("%v %v", h, err)
	}
}

func TestCloud(t *testing.T) {
	f := func(d firmware, want string) {
		t.Helper()
		if got := cloudOf(d).provider; got != want {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
	f(firmware{vendor: "Amazon EC2"}, "aws")
	f(firmware{bios: "Amazon EC2"}, "aws")
	f(firmware{product: "Google Compute Engine"}, "gcp")
	f(firmware{chassisAsset: azureAsset}, "azure")
	f(firmware{vendor: "DigitalOcean"}, "digitalocean")
	f(firmware{vendor: "Hetzner"}, "hetzner")
	f(firmware{vendor: "Dell Inc."}, "")
}

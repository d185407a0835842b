package hostmetrics

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

var boot = time.Unix(1767225600, 0)

func newTest(t testing.TB, proc string) *Collector {
	t.Helper()
	return New(Config{Proc: proc, Sys: "testdata/sys", Root: "testdata/root", TopProcesses: 10}, boot, slog.New(slog.DiscardHandler))
}

// flat returns every point as "name{attributes}" and its value.
func flat(b *telemetry.Builder) map[string]float64 {
	out := map[string]float64{}
	for _, m := range b.ResourceMetrics(nil, "s", "v").ScopeMetrics[0].Metrics {
		points := m.GetGauge().GetDataPoints()
		if s := m.GetSum(); s != nil {
			points = s.GetDataPoints()
		}
		for _, p := range points {
			var attrs []string
			for _, kv := range p.Attributes {
				v := kv.Value.GetStringValue()
				if v == "" {
					v = fmt.Sprint(kv.Value.GetIntValue())
				}
				attrs = append(attrs, kv.Key+"="+v)
			}
			slices.Sort(attrs)
			v := p.GetAsDouble()
			if i, ok := p.Value.(*metricspb.NumberDataPoint_AsInt); ok {
				v = float64(i.AsInt)
			}
			key := m.Name + "{" + strings.Join(attrs, ",") + "}"
			if _, dup := out[key]; dup {
				panic("two points of " + key)
			}
			out[key] = v
		}
	}
	return out
}

func collect(t *testing.T, c *Collector, now time.Time) map[string]float64 {
	t.Helper()
	b := telemetry.NewBuilder(now.UnixNano())
	for _, err := range c.Collect(b, now, true) {
		t.Error(err)
	}
	return flat(b)
}

func TestCollect(t *testing.T) {
	got := collect(t, newTest(t, "testdata/proc"), boot.Add(time.Hour))
	const mib = 1024 * 1000
	weird := "process.command=we) ird (x,process.command_line=/usr/bin/weird --password=*** --token *** --verbose file," +
		"process.creation.time=2026-01-01T00:00:50.00Z,process.executable.name=we) ird (x,process.owner=OWNER,process.pid=42"
	for key := range got {
		if i := strings.Index(key, "process.owner="); i >= 0 {
			owner, _, _ := strings.Cut(key[i+len("process.owner="):], ",")
			weird = strings.Replace(weird, "OWNER", owner, 1) // whoever owns the test files
			break
		}
	}
	want := map[string]float64{
		"system.cpu.time{cpu.logical_number=0,cpu.mode=user}": 6, "system.cpu.time{cpu.logical_number=1,cpu.mode=interrupt}": 0.1,
		"system.cpu.time{cpu.logical_number=0,cpu.mode=steal}": 0.04, "system.cpu.logical.count{}": 2, "system.process.created{}": 4321,
		"system.cpu.load_average.1m{}": 0.5, "system.cpu.load_average.5m{}": 1.25, "system.cpu.load_average.15m{}": 2, "system.uptime{}": 86400.5,
		"system.memory.limit{}": 8000 * mib, "system.memory.usage{system.memory.state=used}": 3500 * mib, "system.memory.usage{system.memory.state=free}": 1000 * mib,
		"system.memory.usage{system.memory.state=cached}": 3300 * mib, "system.memory.utilization{system.memory.state=used}": 0.4375,
		"system.memory.linux.available{}": 5000 * mib, "system.paging.usage{system.paging.state=used}": 500 * mib,
		"system.paging.operations{system.paging.direction=out,system.paging.fault.type=major}": 12, "system.paging.faults{system.paging.fault.type=minor}": 4950,
		"system.disk.io{disk.io.direction=read,system.device=sda}": 2000 * 512, "system.disk.operations{disk.io.direction=write,system.device=sda}": 200,
		"system.disk.operation_time{disk.io.direction=write,system.device=sda}": 1.5, "system.disk.io_time{system.device=sda}": 1.8,
		"system.network.io{network.interface.name=eth0,network.io.direction=receive}": 5000000, "system.network.errors{network.interface.name=eth0,network.io.direction=transmit}": 3,
		"system.network.packet.dropped{network.interface.name=eth0,network.io.direction=receive}": 2, "system.network.packet.count{network.interface.name=eth0,network.io.direction=transmit}": 3000,
		"system.network.connection.count{network.connection.state=established,network.transport=tcp}":       2,
		"system.network.connection.count{network.connection.state=listen,network.transport=tcp}":            2,
		"system.network.connection.count{network.connection.state=syn_received,network.transport=tcp}":      1,
		"system.network.connection.count{network.transport=udp}":                                            2,
		"system.linux.pressure.avg10{system.linux.pressure.resource=io,system.linux.pressure.type=some}":    0.125,
		"system.linux.pressure.time{system.linux.pressure.resource=memory,system.linux.pressure.type=full}": 1.5,
		"hw.temperature{hw.id=hwmon0/temp1,hw.name=coretemp,hw.sensor_location=Package id 0}":               45.5,
		"hw.temperature{hw.id=hwmon1/temp1,hw.name=nvme,hw.sensor_location=temp1}":                          -2,
		"system.process.count{process.state=running}":                                                       1, "system.process.count{process.state=sleeping}": 2, "system.process.count{process.state=defunct}": 1,
		"process.cpu.time{" + weird + "}": 50, "process.thread.count{" + weird + "}": 8, "process.memory.virtual{" + weird + "}": 9e8,
		"process.memory.usage{" + weird + "}":                    50000 * float64(os.Getpagesize()),
		"process.disk.io{disk.io.direction=write," + weird + "}": 8192,
	}
	for key, v := range want {
		if g, ok := got[key]; !ok || g != v {
			t.Errorf("%s: %v (present %v), want %v", key, g, ok, v)
		}
	}
	var mounts []string
	for key := range got {
		for _, bad := range []string{"loop0", "sda1,", "device=sda1}", "veth", "nfs", "/run,", "kworker", "overlay"} {
			if strings.Contains(key, bad) && !strings.Contains(key, "filesystem") || strings.Contains(key, "nfs4") {
				t.Errorf("%s should not be reported", key)
			}
		}
		if strings.HasPrefix(key, "system.filesystem.limit{") {
			_, m, _ := strings.Cut(key, "mode=")
			mounts = append(mounts, m)
		}
	}
	slices.Sort(mounts)
	wantMounts := []string{"ro,system.filesystem.mountpoint=/my data,system.filesystem.type=xfs}", "rw,system.filesystem.mountpoint=/,system.filesystem.type=ext4}",
		"rw,system.filesystem.mountpoint=/dev/shm,system.filesystem.type=tmpfs}"}
	if d := cmp.Diff(wantMounts, mounts); d != "" {
		t.Error("file systems differ:", d)
	}
}

// TestUtilization changes the counters between two readings, as time does.
func TestUtilization(t *testing.T) {
	proc := t.TempDir()
	if err := os.CopyFS(proc, os.DirFS("testdata/proc")); err != nil {
		t.Fatal(err)
	}
	c := newTest(t, proc)
	now := boot.Add(time.Hour)
	if got := collect(t, c, now); slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return strings.Contains(k, "cpu.utilization") }) {
		t.Error("a utilisation without a reading before")
	}
	edit := func(name, old, new string) {
		t.Helper()
		p := filepath.Join(proc, name)
		b, err := os.ReadFile(p)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatal(name, err)
		}
		if err := os.WriteFile(p, []byte(strings.Replace(string(b), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("stat", "cpu  1000 20 300 8000 40", "cpu  1300 20 400 8600 30") // iowait falls, as the kernel allows
	edit("42/stat", " 4000 1000 ", " 4900 1100 ")
	got := collect(t, c, now.Add(10*time.Second))
	for mode, want := range map[string]float64{"user": 0.3, "system": 0.1, "idle": 0.6, "iowait": 0} {
		if g := got["system.cpu.utilization{cpu.mode="+mode+"}"]; g != want {
			t.Errorf("%s: %v, want %v", mode, g, want)
		}
	}
	found := false
	for key, v := range got {
		if strings.HasPrefix(key, "process.cpu.utilization{") && strings.Contains(key, "pid=42") {
			found = true
			if v != 1 {
				t.Errorf("process 42 used %v cores, want 1", v)
			}
		}
	}
	if !found {
		t.Error("no utilisation of process 42")
	}
	// The pid comes back as another process: a new identity.
	edit("42/stat", " 0 5000 900000000", " 0 360500 900000000")
	again := collect(t, c, now.Add(20*time.Second))
	for key := range again {
		if strings.Contains(key, "pid=42") && strings.Contains(key, "creation.time=2026-01-01T00:00:50") {
			t.Error("the old identity lives on:", key)
		}
	}
}

func TestChooseDoesNotChurn(t *testing.T) {
	var procs []*proc
	for i := range 20 {
		procs = append(procs, &proc{key: procKey{pid: i}, rssBytes: uint64(100 - i), cpuSmooth: 0})
	}
	chosen := func() (n int, pids map[int]bool) {
		pids = map[int]bool{}
		for _, p := range procs {
			if p.chosen {
				pids[p.key.pid] = true
			}
		}
		return len(pids), pids
	}
	choose(procs, 5)
	if n, pids := chosen(); n != 5 || !pids[0] || !pids[4] {
		t.Fatalf("chosen %v, want the five largest", pids)
	}
	// Two processes near the edge change places all the time: both stay.
	byPID := func(pid int) *proc {
		return procs[slices.IndexFunc(procs, func(p *proc) bool { return p.key.pid == pid })]
	}
	for round := range 30 {
		byPID(4).rssBytes, byPID(5).rssBytes = uint64(95+round%2), uint64(96-round%2)
		choose(procs, 5)
		if _, pids := chosen(); round > 0 && (!pids[4] || !pids[5]) {
			t.Fatalf("round %d: chosen %v", round, pids)
		}
	}
	// A burst of CPU is chosen and leaves a while after it ended.
	byPID(19).cpuSmooth = 1
	choose(procs, 5)
	if _, pids := chosen(); !pids[19] {
		t.Fatal("a busy process is not chosen")
	}
	byPID(19).cpuSmooth = 0
	for range keepQuiet {
		choose(procs, 5)
	}
	if _, pids := chosen(); !pids[19] {
		t.Fatal("it left at once")
	}
	choose(procs, 5)
	if _, pids := chosen(); pids[19] {
		t.Fatal("it never leaves")
	}
}

// TestThisHost reads the real /proc: whatever this machine has, the core of it is there and nothing fails.
func TestThisHost(t *testing.T) {
	c := New(Config{Proc: "/proc", Sys: "/sys", Root: "/", TopProcesses: 5}, boot, slog.New(slog.DiscardHandler))
	b := telemetry.NewBuilder(1)
	for _, err := range c.Collect(b, time.Now(), true) {
		t.Error(err)
	}
	got := flat(b)
	if got["system.memory.limit{}"] <= 0 || got["system.cpu.logical.count{}"] <= 0 {
		t.Errorf("memory %v, processors %v", got["system.memory.limit{}"], got["system.cpu.logical.count{}"])
	}
}

func TestMissingFiles(t *testing.T) {
	c := newTest(t, t.TempDir())
	b := telemetry.NewBuilder(1)
	if errList := c.Collect(b, time.Now(), true); len(errList) != 0 {
		t.Errorf("an empty /proc gives errors: %v", errList)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (we) ird (x) R 1 42 42 0 -1 4194304 100 0 0 0 4000 1000 0 0 20 0 8 0 5000 900000000 50000 1 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseStat(b); ok && len(s.comm) > len(b) {
			t.Error("name is longer than the file")
		}
		parseMeminfo(b)
		parseIO(b)
		commandLine(b)
		unescape(b)
	})
}

func BenchmarkCollect(b *testing.B) {
	c := New(Config{Proc: "/proc", Sys: "/sys", Root: "/", TopProcesses: 50}, boot, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		c.Collect(telemetry.NewBuilder(1), time.Now(), true)
	}
}

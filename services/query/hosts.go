package query

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

const (
	// maxHosts bounds the list.
	maxHosts = 5000
	// inventorySpan is how far back inventories are looked for beyond the time asked for; agents send one every quarter of an hour.
	inventorySpan = 24 * time.Hour
	// sparkPoints is how many points a sparkline has: what fits its width in the table.
	sparkPoints = 60
)

// foundHost is a host with what only its own page shows.
type foundHost struct {
	Host
	attributes map[string]string
	disks      []Disk
	interfaces []Interface
}

// foundHosts are hosts by id.
type foundHosts struct {
	byID     map[string]*foundHost
	warnings []string
}

func (f *foundHosts) get(id string) *foundHost {
	if f.byID[id] == nil {
		f.byID[id] = &foundHost{
			Host:       Host{ID: id, Name: id, Addresses: []string{}, Sparkline: Columns{T: []int64{}, V: []*float64{}}},
			attributes: map[string]string{}, disks: []Disk{}, interfaces: []Interface{},
		}
	}
	return f.byID[id]
}

// list returns the hosts by name.
func (f *foundHosts) list() []Host {
	out := make([]Host, 0, len(f.byID))
	for _, h := range f.byID {
		out = append(out, h.Host)
	}
	slices.SortFunc(out, func(a, b Host) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out
}

// onHost returns label matchers that select a host, or all of them for "".
func onHost(id string) string {
	if id == "" {
		return `host_id!=""`
	}
	return "host_id=" + strconv.Quote(id)
}

// findHosts collects inventories and live figures at the end of r. It asks for everything at once; each answer fills its own fields.
func (q *Query) findHosts(ctx context.Context, tenant model.TenantID, id string, r timeparam.Range) (*foundHosts, error) {
	on := onHost(id)
	busy := `1 - avg by (host_id) (sum by (host_id, cpu_logical_number) (rate(system_cpu_time_seconds_total{cpu_mode=~"idle|iowait",` + on + `}[2m])))`
	ask := map[string]string{
		"seen": `max by (host_id, host_name) (timestamp(system_memory_limit_bytes{` + on + `}))`,
		"cpu":  busy,
		"memory": `1 - max by (host_id) (system_memory_linux_available_bytes{` + on + `}) / max by (host_id) (system_memory_limit_bytes{` + on + `})` +
			` or max by (host_id) (system_memory_utilization_ratio{system_memory_state="used",` + on + `})`,
		"disk":    `max by (host_id) (system_filesystem_utilization_ratio{` + on + `})`,
		"load":    `max by (host_id) (system_cpu_load_average_1m{` + on + `})`,
		"network": `sum by (host_id) (rate(system_network_io_bytes_total{network_interface_name!="lo",` + on + `}[2m]))`,
		"cpus":    `max by (host_id) (system_cpu_logical_count{` + on + `})`,
		"limit":   `max by (host_id) (system_memory_limit_bytes{` + on + `})`,
	}
	answers := make(map[string]*[]sample, len(ask))
	var records []clickhouse.HostRecord
	var sparks map[string]Columns
	g, gctx := errgroup.WithContext(ctx)
	for name, expr := range ask {
		into := new([]sample)
		answers[name] = into
		g.Go(func() (err error) {
			*into, err = q.instant(gctx, expr, r.End)
			return err
		})
	}
	g.Go(func() (err error) {
		sparks, err = q.sparklines(gctx, busy, "host_id", r.Start, r.End, sparkPoints)
		return err
	})
	g.Go(func() (err error) {
		records, err = clickhouse.NewInventoryReader(q.deps.Store).Hosts(gctx, tenant, id, r.Start.Add(-inventorySpan), maxHosts)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := &foundHosts{byID: map[string]*foundHost{}}
	for i := range records {
		found.get(records[i].Host).describe(&records[i])
	}
	found.fill(answers, r.End)
	for id, c := range sparks {
		if h, ok := found.byID[id]; ok {
			h.Sparkline = c
		}
	}
	if len(records) >= maxHosts {
		found.warnings = append(found.warnings, "only the first "+strconv.Itoa(maxHosts)+" hosts are shown")
	}
	return found, nil
}

// fill sets the live figures. Only samples of the last moments speak, so a host without them is down.
func (f *foundHosts) fill(answers map[string]*[]sample, now time.Time) {
	for _, s := range *answers["seen"] {
		h := f.get(s.label("host_id"))
		if name := s.label("host_name"); name != "" {
			h.Name = name
		}
		if at := time.UnixMilli(int64(s.value * 1000)).UTC(); at.After(h.LastSeen) {
			h.LastSeen = at
		}
		h.Up = now.Sub(h.LastSeen) < agentLookback
	}
	set := func(name string, field func(h *foundHost, v float64)) {
		for _, s := range *answers[name] {
			if h, ok := f.byID[s.label("host_id")]; ok {
				field(h, s.value)
			}
		}
	}
	set("cpu", func(h *foundHost, v float64) { v = min(max(v, 0), 1); h.CPURatio = &v })
	set("memory", func(h *foundHost, v float64) { h.MemoryRatio = &v })
	set("disk", func(h *foundHost, v float64) { h.DiskRatio = &v })
	set("load", func(h *foundHost, v float64) { h.Load1 = &v })
	set("network", func(h *foundHost, v float64) { h.NetworkBytesPerSecond = &v })
	set("cpus", func(h *foundHost, v float64) { h.CPUs = cmp.Or(h.CPUs, int(v)) })
	set("limit", func(h *foundHost, v float64) { h.MemoryBytes = cmp.Or(h.MemoryBytes, uint64(v)) })
}

// describe fills what the inventory says. Its lists are JSON in attributes; one that cannot be read is left out of the lists and stays
// visible among the attributes.
func (h *foundHost) describe(rec *clickhouse.HostRecord) {
	maps.Copy(h.attributes, rec.Resource)
	maps.Copy(h.attributes, rec.Attributes)
	a := h.attributes
	h.Name = cmp.Or(a["host.name"], h.Name)
	h.OS = cmp.Or(a["os.description"], a["os.name"], a["os.type"])
	h.Kernel, h.Arch, h.AgentVersion = a["os.kernel.version"], a["host.arch"], a["faultline.agent.version"]
	h.CPUs, _ = strconv.Atoi(a["host.cpu.count"])
	h.MemoryBytes, _ = strconv.ParseUint(a["host.memory.bytes"], 10, 64)
	h.Cloud = Cloud{Provider: a["cloud.provider"], Region: a["cloud.region"], InstanceID: a["cloud.instance.id"]}
	if boot, err := time.Parse(time.RFC3339, a["host.boot_time"]); err == nil {
		h.BootTime = &boot
	}
	h.LastSeen = rec.At.UTC()
	var disks []Disk
	if json.Unmarshal([]byte(a["host.disks"]), &disks) == nil && disks != nil {
		h.disks = disks
	}
	var addresses []struct{ Interface, IP string }
	if json.Unmarshal([]byte(a["host.addresses"]), &addresses) != nil {
		return
	}
	for _, addr := range addresses {
		h.Addresses = append(h.Addresses, addr.IP)
		i := slices.IndexFunc(h.interfaces, func(n Interface) bool { return n.Name == addr.Interface })
		if i < 0 {
			i = len(h.interfaces)
			h.interfaces = append(h.interfaces, Interface{Name: addr.Interface, Addresses: []string{}})
		}
		h.interfaces[i].Addresses = append(h.interfaces[i].Addresses, addr.IP)
	}
}

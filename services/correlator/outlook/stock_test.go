package outlook

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/model"
)

func TestWhatNamesSay(t *testing.T) {
	for name, want := range map[string]stock{
		"node_filesystem_avail_bytes":                {resource: resourceDisk, measure: measureLeft},
		"node_filesystem_files_free":                 {resource: resourceInodes, measure: measureLeft},
		"node_memory_MemAvailable_bytes":             {resource: resourceMemory, measure: measureLeft},
		"system_filesystem_utilization_ratio":        {resource: resourceDisk, measure: measureShare},
		"system_filesystem_inodes_utilization_ratio": {resource: resourceInodes, measure: measureShare},
		"kubelet_volume_stats_available_bytes":       {resource: resourceDisk, measure: measureLeft},
		"probe_ssl_earliest_cert_expiry":             {resource: resourceCertificate, measure: measureMoment},
		"x509_cert_not_after":                        {resource: resourceCertificate, measure: measureMoment},
		"tls_cert_expires_in_seconds":                {resource: resourceCertificate, measure: measureRest},
		"certificate_expiry_days":                    {resource: resourceCertificate, measure: measureDays},
		"process_open_fds":                           {resource: resourceDescriptors, measure: measureUsed, limits: []string{"process_max_fds", "process_limit_fds"}},
		"db_client_connections_usage":                {resource: resourceConnections, measure: measureUsed, limits: []string{"db_client_connections_limit", "db_client_connections_max", "db_client_connections_capacity"}},
	} {
		if got, ok := stockOf(name); !ok || cmp.Diff(want, got, cmp.AllowUnexported(stock{})) != "" {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
	for _, name := range []string{"node_memory_MemFree_bytes", "http_requests_total", "system_cpu_utilization_ratio", "node_filesystem_size_bytes", "system_disk_io_bytes_total", "up", "", "system_linux_pressure_avg10_ratio", "free"} {
		if got, ok := stockOf(name); ok && got.measure != measureUsed {
			t.Errorf("%q: %+v", name, got)
		}
	}
	for name, want := range map[string]string{
		"http_requests_total": resourceRequests, "http_server_request_duration_seconds_count": resourceRequests, "node_cpu_seconds_total": resourceCPU, "service_requests_per_second": resourceRequests,
		"http_request_errors_total": "", "edge_requests_per_second": "", "operation_requests_per_second": "", "node_network_receive_bytes_total": "", "http_request_duration_seconds_sum": "",
	} {
		if got, _, _ := loadOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func series(name string, kv ...string) found {
	f := found{name: name, metric: model.MetricID(name)}
	for i := 0; i < len(kv); i += 2 {
		f.labels = append(f.labels, model.Label{Name: kv[i], Value: kv[i+1]})
	}
	f.id = model.Hash64(identity(name, f.labels))
	return f
}

// The plan does not depend on the order of what is found, gives limits to what they belong to, and stays within its bounds.
func TestPlan(t *testing.T) {
	all := []found{
		series("process_open_fds", "instance", "a:1", "job", "api"), series("process_max_fds", "instance", "a:1", "job", "api"),
		series("process_open_fds", "instance", "b:1", "job", "api"), series("process_max_fds", "instance", "b:1", "job", "api"),
		series("process_open_fds", "instance", "c:1", "job", "api"), // Nobody says how many it may have.
		series("pg_stat_database_numbackends", "datname", "x", "instance", "db:1", "job", "pg"), series("pg_settings_max_connections", "instance", "db:1", "job", "pg"),
		series("http_requests_total", "code", "200", "instance", "a:1", "job", "api"), series("http_requests_total", "code", "500", "instance", "b:1", "job", "api"),
		series("node_cpu_seconds_total", "instance", "h:1", "job", "node", "mode", "idle"), series("node_cpu_seconds_total", "instance", "h:1", "job", "node", "mode", "user"),
	}
	p := planner{maxStocks: 100, maxLoads: 100}
	want, left := p.plan(slices.Clone(all))
	names := []string{}
	for _, x := range want {
		names = append(names, x.kind+" "+x.signal.Name+" "+x.entity.String()+" "+x.limit.name+" "+model.Lookup(x.limit.labels, "instance"))
	}
	if diff := cmp.Diff([]string{
		"exhaustion pg_stat_database_numbackends service:pg pg_settings_max_connections db:1",
		"exhaustion process_open_fds service:api process_max_fds a:1", "exhaustion process_open_fds service:api process_max_fds b:1",
		"load node_cpu_seconds_total host:h  ", "load http_requests_total service:api  ",
	}, names); diff != "" || left != 0 {
		t.Error(diff, left)
	}
	if n := len(want[4].series); n != 2 || want[4].instances[0] == want[4].instances[1] {
		t.Errorf("%+v", want[4])
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		shuffled := slices.Clone(all)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got, _ := p.plan(shuffled)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{}, found{})); diff != "" {
			t.Fatal(diff)
		}
	}
	if few, left := (planner{maxStocks: 1, maxLoads: 1}).plan(all); len(few) != 2 || left != 3 {
		t.Errorf("%d, %d left out", len(few), left)
	}
}

package adapters

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/kubestate"
)

// CloudOpsState reads the cases of Cloud-OpsBench as states of a cluster. What commands print is read back into objects here, since a product gets objects.
// Cases of the kinds that only metrics show take their metrics along.
func CloudOpsState(dir string, o Options) ([]quality.StateCase, error) {
	metrics, err := CloudOpsMetrics(dir, o)
	if err != nil {
		return nil, err
	}
	byName := map[string]*quality.CauseCase{}
	for i := range metrics {
		byName[metrics[i].Name] = &metrics[i]
	}
	var out []quality.StateCase
	err = cloudOps(dir, func(_ string, l cloudOpsLabel, c *cloudOpsCase) error {
		names := hide(c, o)
		kind, object, _ := strings.Cut(l.Object, "/")
		s := quality.StateCase{
			Name: o.Renamer.Name(l.ID), System: "cloudops-" + l.System, Fault: l.Taxonomy, Cluster: cluster(c, names),
			Kind: map[string]kubestate.Kind{"app": kubestate.KindWorkload, "node": kubestate.KindNode, "namespace": kubestate.KindNamespace}[kind],
			// The namespace is not renamed: kubectl's texts have it in too many places.
			Object: names.Replace(object), Cause: l.Cause, Words: cloudOpsWords, Metrics: byName[o.Renamer.Name(l.ID)],
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// cloudOpsWords are the set's words for what the product says.
var cloudOpsWords = map[kubestate.Cause]string{
	kubestate.AccountMissing: "missing_service_account", kubestate.QuotaCPU: "namespace_cpu_quota_exceeded", kubestate.QuotaMemory: "namespace_memory_quota_exceeded",
	kubestate.QuotaPods: "namespace_pod_quota_exceeded", kubestate.QuotaServices: "namespace_service_quota_exceeded", kubestate.QuotaStorage: "namespace_storage_quota_exceeded",
	kubestate.KubeletDown: "kubelet_unavailable", kubestate.RuntimeDown: "containerd_unavailable", kubestate.ProxyDown: "kube_proxy_unavailable", kubestate.SchedulerDown: "kube_scheduler_unavailable",
	kubestate.ImageName: "incorrect_image_reference", kubestate.ImageRegistry: "image_registry_dns_failure", kubestate.ImageCredentials: "missing_image_pull_secret",
	kubestate.VolumePermission: "volume_mount_permission_denied", kubestate.SecretMissing: "missing_secret_binding",
	kubestate.LivenessPort: "liveness_probe_incorrect_port", kubestate.LivenessProtocol: "liveness_probe_incorrect_protocol", kubestate.LivenessTiming: "liveness_probe_incorrect_timing",
	kubestate.ReadinessPort: "readiness_probe_incorrect_port", kubestate.ReadinessProtocol: "readiness_probe_incorrect_protocol", kubestate.OutOfMemory: "oom_killed",
	kubestate.NoCPU: "cpu_capacity_mismatch", kubestate.NoMemory: "memory_capacity_mismatch", kubestate.NodeAffinity: "node_affinity_mismatch", kubestate.NodeSelector: "node_selector_mismatch",
	kubestate.Cordoned: "node_cordon_mismatch", kubestate.AntiAffinity: "pod_anti_affinity_conflict", kubestate.Taint: "taint_toleration_mismatch",
	kubestate.VolumeTaken: "pv_binding_occupied", kubestate.ClaimModes: "pvc_access_mode_mismatch", kubestate.ClaimSize: "pvc_capacity_mismatch",
	kubestate.ClaimSelector: "pvc_selector_mismatch", kubestate.ClaimClass: "pvc_storage_class_mismatch",
	kubestate.ServiceAddress: "service_env_var_address_mismatch", kubestate.ServicePortWrong: "service_port_mapping_mismatch", kubestate.ServiceProtocol: "service_protocol_mismatch",
	kubestate.ServiceSelector: "service_selector_mismatch", kubestate.NoReplicas: "deployment_zero_replicas", kubestate.SidecarPort: "service_sidecar_port_conflict",
	kubestate.DatabaseAccess: "mysql_invalid_credentials", kubestate.DatabasePort: "mysql_invalid_port",
	quality.CPUOverload: "pod_cpu_overload", quality.PodNetwork: "pod_network_delay", quality.NodeNetwork: "node_network_delay",
}

// hide returns what replaces the names of workloads and machines in texts.
func hide(c *cloudOpsCase, o Options) *strings.Replacer {
	var names []string
	for command := range c.K8s {
		f := strings.Fields(command)
		if len(f) >= 4 && f[1] == "describe" && slices.Contains([]string{"deployments", "services", "nodes", "statefulsets", "daemonsets"}, f[2]) && !slices.Contains(names, f[3]) {
			names = append(names, f[3])
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, n := range names {
		if hidden := o.Renamer.Name(n); hidden != n {
			pairs = append(pairs, n, hidden)
		}
	}
	return strings.NewReplacer(pairs...)
}

// cluster reads all texts of a case.
func cluster(c *cloudOpsCase, names *strings.Replacer) *kubestate.Cluster {
	out := &kubestate.Cluster{Namespace: c.Namespace}
	commands := make([]string, 0, len(c.K8s))
	for k := range c.K8s {
		commands = append(commands, k)
	}
	slices.Sort(commands)
	for _, command := range commands {
		f := strings.Fields(command)
		text := names.Replace(c.K8s[command])
		if len(f) < 4 || f[1] != "describe" {
			continue
		}
		d := readDescription(text)
		switch f[2] {
		case "deployments", "statefulsets", "daemonsets":
			out.Workloads = append(out.Workloads, d.workload())
		case "pods":
			out.Pods = append(out.Pods, d.pod())
		case "services":
			out.Services = append(out.Services, d.service())
		case "nodes":
			n := d.node()
			n.ControlPlane = hasRole(readDescription(c.K8s[command]).field("Roles")) // A machine may be named like a role.
			out.Nodes = append(out.Nodes, n)
		case "resourcequota", "resourcequotas":
			out.Quotas = append(out.Quotas, d.quotas()...)
		case "persistentvolumes":
			out.Volumes = append(out.Volumes, d.volume())
		case "persistentvolumeclaims":
			out.Claims = append(out.Claims, d.claim())
		}
		out.Events = append(out.Events, d.events()...)
	}
	for k, v := range c.K8s {
		if strings.HasPrefix(k, "kubectl get events -n "+c.Namespace+" ") {
			out.Events = append(eventTable(names.Replace(v)), out.Events...)
		}
	}
	probes(out, c, names)
	attribute(out)
	return out
}

// attribute says which workload pods and events belong to: the one whose name they begin with, the longest.
func attribute(c *kubestate.Cluster) {
	of := func(name string) string {
		best := ""
		for i := range c.Workloads {
			if w := c.Workloads[i].Name; (name == w || strings.HasPrefix(name, w+"-")) && len(w) > len(best) {
				best = w
			}
		}
		return best
	}
	for i := range c.Pods {
		if c.Pods[i].Workload = of(c.Pods[i].Name); c.Pods[i].Workload == "" {
			c.Pods[i].Workload = serviceOf(c.Pods[i].Name)
		}
	}
	for i := range c.Events {
		c.Events[i].Workload = of(c.Events[i].Object)
	}
}

var probeName = regexp.MustCompile(`"(?:service_name|app_name)":"([^"]*)"`)
var nodeUnit = regexp.MustCompile(`"node_name":"([^"]*)","service_name":"([^"]*)"`)

// probes reads units, manifests and lines of trouble.
func probes(out *kubestate.Cluster, c *cloudOpsCase, names *strings.Replacer) {
	keys := make([]string, 0, len(c.Probes))
	for k := range c.Probes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		text := names.Replace(fmt.Sprint(c.Probes[k]))
		who := ""
		if m := probeName.FindStringSubmatch(k); m != nil {
			who = names.Replace(m[1])
		}
		switch {
		case strings.HasPrefix(k, "CheckNodeServiceStatus"):
			if m := nodeUnit.FindStringSubmatch(k); m != nil && strings.Contains(text, "Active:") {
				out.Units = append(out.Units, kubestate.Unit{Node: names.Replace(m[1]), Name: m[2], Active: strings.Contains(text, "Active: active")})
			}
		case strings.HasPrefix(k, "GetErrorLogs") && text != "":
			out.Logs = append(out.Logs, kubestate.Log{Workload: who, Text: text})
		case strings.HasPrefix(k, "GetAppYAML"):
			manifest(out, text)
		}
	}
}

var (
	yamlName    = regexp.MustCompile(`(?m)^  name: *(\S+)`)
	yamlStorage = regexp.MustCompile(`storage: *"?([0-9.]+)([A-Za-z]*)`)
	yamlMode    = regexp.MustCompile(`- *(ReadWriteOncePod|ReadWriteOnce|ReadWriteMany|ReadOnlyMany)`)
)

var shortMode = map[string]string{"ReadWriteOnce": "RWO", "ReadWriteMany": "RWX", "ReadOnlyMany": "ROX", "ReadWriteOncePod": "RWOP"}

// manifest completes claims with what they ask for, which kubectl does not print.
func manifest(out *kubestate.Cluster, text string) {
	for _, doc := range strings.Split(text, "\n---") {
		if !strings.Contains(doc, "kind: PersistentVolumeClaim") {
			continue
		}
		name := yamlName.FindStringSubmatch(doc)
		if name == nil {
			continue
		}
		for i := range out.Claims {
			c := &out.Claims[i]
			if c.Name != name[1] {
				continue
			}
			if m := yamlStorage.FindStringSubmatch(doc); m != nil {
				c.Size = size(m[1] + m[2])
			}
			c.Selector = strings.Contains(doc, "selector:")
			var modes []string
			for _, m := range yamlMode.FindAllStringSubmatch(doc, -1) {
				modes = append(modes, shortMode[m[1]])
			}
			c.Modes = strings.Join(modes, ",")
		}
	}
}

// size reads a quantity of Kubernetes.
func size(s string) int64 {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	v, err := strconv.ParseFloat(s[:i], 64)
	if err != nil {
		return 0
	}
	return int64(v * map[string]float64{"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "k": 1e3, "M": 1e6, "G": 1e9}[s[i:]])
}

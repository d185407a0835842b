package kubestate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Cause names what is wrong.
type Cause string

// The causes.
const (
	AccountMissing    Cause = "account_missing"
	QuotaCPU          Cause = "quota_cpu"
	QuotaMemory       Cause = "quota_memory"
	QuotaPods         Cause = "quota_pods"
	QuotaServices     Cause = "quota_services"
	QuotaStorage      Cause = "quota_storage"
	NoReplicas        Cause = "no_replicas"
	KubeletDown       Cause = "kubelet_down"
	RuntimeDown       Cause = "runtime_down"
	ProxyDown         Cause = "proxy_down"
	SchedulerDown     Cause = "scheduler_down"
	ImageName         Cause = "image_name"
	ImageRegistry     Cause = "image_registry"
	ImageCredentials  Cause = "image_credentials"
	VolumePermission  Cause = "volume_permission"
	SecretMissing     Cause = "secret_missing"
	LivenessPort      Cause = "liveness_port"
	LivenessProtocol  Cause = "liveness_protocol"
	LivenessTiming    Cause = "liveness_timing"
	ReadinessPort     Cause = "readiness_port"
	ReadinessProtocol Cause = "readiness_protocol"
	OutOfMemory       Cause = "out_of_memory"
	NoCPU             Cause = "no_cpu"
	NoMemory          Cause = "no_memory"
	NodeAffinity      Cause = "node_affinity"
	NodeSelector      Cause = "node_selector"
	Cordoned          Cause = "cordoned"
	AntiAffinity      Cause = "anti_affinity"
	Taint             Cause = "taint"
	VolumeTaken       Cause = "volume_taken"
	ClaimModes        Cause = "claim_modes"
	ClaimSize         Cause = "claim_size"
	ClaimSelector     Cause = "claim_selector"
	ClaimClass        Cause = "claim_class"
	ServiceAddress    Cause = "service_address"
	ServicePortWrong  Cause = "service_port"
	ServiceProtocol   Cause = "service_protocol"
	ServiceSelector   Cause = "service_selector"
	SidecarPort       Cause = "port_conflict"
	DatabaseAccess    Cause = "database_credentials"
	DatabasePort      Cause = "database_port"
)

// Kind says what an answer is about.
type Kind string

// The kinds.
const (
	KindWorkload  Kind = "workload"
	KindNode      Kind = "node"
	KindNamespace Kind = "namespace"
)

// Weights of answers: what the API refused or a machine lacks, what objects contradict each other in, and what only looks like it.
const (
	weightNode     = 4
	weightRefused  = 3
	weightContrary = 2
	weightLooks    = 0.2
)

// Answer is one reason for trouble.
type Answer struct {
	Kind   Kind
	Name   string
	Cause  Cause
	Weight float64
	// Why says the facts in one sentence.
	Why string
}

// diagnosis collects answers.
type diagnosis struct {
	*Cluster
	out  []Answer
	have map[string]bool
}

// Diagnose returns reasons for trouble, the most certain first; none when nothing is wrong. The order of objects does not matter.
func Diagnose(c *Cluster) []Answer {
	d := &diagnosis{Cluster: c, have: map[string]bool{}}
	d.nodes()
	d.admission()
	d.scheduling()
	d.storage()
	d.startup()
	d.runtime()
	d.routing()
	d.databases()
	slices.SortStableFunc(d.out, func(a, b Answer) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Name, b.Name), strings.Compare(string(a.Cause), string(b.Cause)))
	})
	return d.out
}

func (d *diagnosis) add(kind Kind, name string, cause Cause, weight float64, format string, args ...any) {
	key := string(kind) + name + string(cause)
	if name == "" || d.have[key] {
		return
	}
	d.have[key] = true
	d.out = append(d.out, Answer{kind, name, cause, weight, fmt.Sprintf(format, args...)})
}

// workload returns a workload by name, nil when there is none.
func (d *diagnosis) workload(name string) *Workload {
	for i := range d.Workloads {
		if d.Workloads[i].Name == name {
			return &d.Workloads[i]
		}
	}
	return nil
}

// podsOf returns the pods of a workload.
func (d *diagnosis) podsOf(name string) []*Pod {
	var out []*Pod
	for i := range d.Pods {
		if d.Pods[i].Workload == name {
			out = append(out, &d.Pods[i])
		}
	}
	return out
}

// about returns the messages of events with a reason about one workload.
func (d *diagnosis) about(workload, reason string) []string {
	var out []string
	for i := range d.Events {
		if e := &d.Events[i]; e.Workload == workload && e.Reason == reason {
			out = append(out, e.Message)
		}
	}
	return out
}

// hasAny reports whether text has one of the words, in any case.
func hasAny(text string, words ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// units are the services of machines that matter, with what their absence is.
var units = map[string]Cause{"kubelet": KubeletDown, "containerd": RuntimeDown, "crio": RuntimeDown, "docker": RuntimeDown, "kube-proxy": ProxyDown, "kube-scheduler": SchedulerDown}

// nodes looks at machines and their services.
func (d *diagnosis) nodes() {
	down := map[string]bool{}
	for _, u := range d.Units {
		if cause, ok := units[u.Name]; ok && !u.Active {
			down[u.Node] = true
			d.add(KindNode, u.Node, cause, weightNode, "%s is not active on %s", u.Name, u.Node)
		}
	}
	for _, n := range d.Nodes {
		if n.Ready || down[n.Name] {
			continue
		}
		cause := KubeletDown
		if hasAny(n.Reason, "container runtime", "runtime is down", "pleg") {
			cause = RuntimeDown
		}
		d.add(KindNode, n.Name, cause, weightRefused, "%s is not ready: %s", n.Name, n.Reason)
	}
}

// admission looks at what the API refused to make.
func (d *diagnosis) admission() {
	for i := range d.Workloads {
		w := &d.Workloads[i]
		if w.Desired == 0 {
			d.add(KindWorkload, w.Name, NoReplicas, weightContrary, "%s is to have no pods", w.Name)
		}
		if w.ready() || len(d.podsOf(w.Name)) >= w.Desired {
			continue
		}
		refused := d.about(w.Name, "FailedCreate")
		quota := false
		for _, m := range refused {
			if !hasAny(m, "exceeded quota", "must specify") {
				continue
			}
			quota = true
			_, asked, _ := strings.Cut(m, "requested:")
			asked, _, _ = strings.Cut(asked, "used:")
			switch {
			case hasAny(asked, "cpu"):
				d.add(KindNamespace, d.Namespace, QuotaCPU, weightRefused, "a pod of %s was refused: %s", w.Name, m)
			case hasAny(asked, "memory"):
				d.add(KindNamespace, d.Namespace, QuotaMemory, weightRefused, "a pod of %s was refused: %s", w.Name, m)
			case hasAny(asked, "pods"):
				d.add(KindNamespace, d.Namespace, QuotaPods, weightRefused, "a pod of %s was refused: %s", w.Name, m)
			}
		}
		for _, m := range refused {
			if hasAny(m, "serviceaccount", "service account") && !quota {
				d.add(KindWorkload, w.Name, AccountMissing, weightRefused, "pods of %s were refused: %s", w.Name, m)
			}
		}
	}
	d.withoutService()
}

// withoutService finds workloads that listen and have no service, while others do: one could not be made, where the quota of services is full or the
// name is looked for.
func (d *diagnosis) withoutService() {
	full := slices.ContainsFunc(d.Quotas, func(q Quota) bool { return q.Full && hasAny(q.Resource, "services") })
	for i := range d.Workloads {
		w := &d.Workloads[i]
		if len(w.ports()) == 0 || slices.ContainsFunc(d.Services, func(s Service) bool { return s.Name == w.Name || matches(s.Selector, w.Labels) && len(s.Selector) > 0 }) {
			continue
		}
		if full {
			d.add(KindNamespace, d.Namespace, QuotaServices, weightRefused, "%s has no service, and there may be no more of them", w.Name)
		}
		for _, e := range d.addresses() {
			if e.host == w.Name {
				d.add(KindNamespace, d.Namespace, QuotaServices, weightContrary, "%s is looked for as %s by %s, and no service has that name", w.Name, e.host, e.by)
			}
		}
	}
}

// ports are those that a workload listens on.
func (w *Workload) ports() []int {
	var out []int
	for _, c := range w.Containers {
		out = append(out, c.Ports...)
	}
	return out
}

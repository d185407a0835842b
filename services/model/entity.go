package model

import (
	"slices"
	"strings"
)

// EntityKind says what an entity is.
type EntityKind string

// The kinds of entities.
const (
	KindService   EntityKind = "service"
	KindInstance  EntityKind = "instance" // One of the alike parts of a service: a pod, a process, a task.
	KindContainer EntityKind = "container"
	KindHost      EntityKind = "host"
	KindDatabase  EntityKind = "database"
	KindQueue     EntityKind = "queue"
	KindExternal  EntityKind = "external" // Called, and never heard of otherwise.
)

// Entity is what telemetry speaks of. It is comparable, and its zero value means nothing is known.
type Entity struct {
	Kind EntityKind
	Name string
}

// String returns "kind:name".
func (e Entity) String() string { return string(e.Kind) + ":" + e.Name }

// ParseEntity is the inverse of String.
func ParseEntity(s string) (Entity, bool) {
	kind, name, ok := strings.Cut(s, ":")
	return Entity{EntityKind(kind), name}, ok && kind != "" && name != ""
}

// Compare orders entities by kind and name.
func (e Entity) Compare(o Entity) int {
	if c := strings.Compare(string(e.Kind), string(o.Kind)); c != 0 {
		return c
	}
	return strings.Compare(e.Name, o.Name)
}

// EdgeKind says how an entity hangs on another.
type EdgeKind string

// The kinds of edges. From needs To in all of them: trouble of To explains trouble of From, and not the other way round.
const (
	EdgeCalls  EdgeKind = "calls"
	EdgeRunsOn EdgeKind = "runs_on"
	// EdgePartOf leads from the whole to its part: a service is made of its instances.
	EdgePartOf EdgeKind = "part_of"
)

// Edge says that From depends on To.
type Edge struct {
	Kind     EdgeKind
	From, To Entity
}

// Compare orders edges by kind, from and to.
func (e Edge) Compare(o Edge) int {
	if c := strings.Compare(string(e.Kind), string(o.Kind)); c != 0 {
		return c
	}
	if c := e.From.Compare(o.From); c != 0 {
		return c
	}
	return e.To.Compare(o.To)
}

// callLabels are the pairs of labels by which a series says that one service calls another, as service graphs, meshes and our own span
// stage write them.
var callLabels = [][2]string{
	{"client", "server"}, {"source_workload", "destination_workload"}, {"source_service", "destination_service"},
	{"source_app", "destination_app"}, {"caller", "callee"}, {"src_service", "dst_service"},
}

// LabelServerKind is the label by which a series about a call says what kind of entity its server label names; without it, a service.
const LabelServerKind = "server_kind"

// serverKind returns the kind of the entity that was called.
func serverKind(labels []Label) EntityKind {
	if k := Lookup(labels, LabelServerKind); k != "" {
		return EntityKind(k)
	}
	return KindService
}

// instanceLabels name one of the alike parts of a service, the first that is there.
var instanceLabels = []string{"service_instance_id", AttrServiceInstance, "k8s_pod_name", "k8s.pod.name", "pod", "pod_name", "kubernetes_pod_name", "task", "container_name", "container"}

// hostPrefixes begin the names of metrics that speak of a machine, whatever job delivered them.
var hostPrefixes = []string{"system_", "node_", "windows_", "host_"}

// EntityOf returns the entity that a series speaks of: the machine for metrics of machines, else the instance of a service, else the
// service, else the host; the zero Entity when its labels say nothing. A series about a call speaks of the side that was called, since it is
// there that the time goes; EdgesOf says who called.
func EntityOf(name string, labels []Label) Entity {
	for _, p := range hostPrefixes {
		if strings.HasPrefix(name, p) {
			if h := ResolveHost(labels); h != "" {
				return Entity{KindHost, h}
			}
		}
	}
	for _, p := range callLabels {
		if to := Lookup(labels, p[1]); to != "" && Lookup(labels, p[0]) != "" {
			return Entity{serverKind(labels), to}
		}
	}
	service := ResolveService(labels)
	instance := instanceOf(labels)
	switch {
	case service != "" && instance != "" && instance != service:
		return Entity{KindInstance, instance}
	case service != "":
		return Entity{KindService, service}
	case instance != "":
		return Entity{KindInstance, instance}
	}
	if h := ResolveHost(labels); h != "" {
		return Entity{KindHost, h}
	}
	return Entity{}
}

// EdgesOf returns what the labels of a series say of how entities hang together. The result is nil for most series.
func EdgesOf(name string, labels []Label) []Edge {
	for _, p := range callLabels {
		from, to := Lookup(labels, p[0]), Lookup(labels, p[1])
		if from != "" && to != "" && from != to {
			return []Edge{{EdgeCalls, Entity{KindService, from}, Entity{serverKind(labels), to}}}
		}
	}
	e := EntityOf(name, labels)
	if e.Kind == KindHost || e.Kind == "" {
		return nil
	}
	var out []Edge
	if s := ResolveService(labels); e.Kind == KindInstance && s != "" {
		out = append(out, Edge{EdgePartOf, Entity{KindService, s}, e})
	}
	if h := explicitHost(labels); h != "" {
		out = append(out, Edge{EdgeRunsOn, e, Entity{KindHost, h}})
	}
	return out
}

// InstanceOf returns the instance that labels name, the zero Entity for none. For a series about a call it is the one that made it, or took it;
// the entity of the series says which.
func InstanceOf(labels []Label) Entity {
	if v := instanceOf(labels); v != "" {
		return Entity{KindInstance, v}
	}
	return Entity{}
}

func instanceOf(labels []Label) string {
	for _, n := range instanceLabels {
		if v := Lookup(labels, n); v != "" {
			return v
		}
	}
	return ""
}

// explicitHost returns the host that labels name as such. The label instance is not one: it is the address of what was scraped.
func explicitHost(labels []Label) string {
	for _, n := range []string{"node", "k8s_node_name", "k8s.node.name", "kubernetes_node"} {
		if v := Lookup(labels, n); v != "" {
			return v
		}
	}
	return ResolveHost(slices.DeleteFunc(slices.Clone(labels), func(l Label) bool { return l.Name == LabelInstance }))
}

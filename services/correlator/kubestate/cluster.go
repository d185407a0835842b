// Package kubestate says why workloads of a Kubernetes cluster do not run or cannot be reached, out of what its API says of their state and of
// the events: contradictions between objects (a selector that selects nothing, a port that nobody listens on), refusals (quota,
// scheduler, registry), probes, and units of machines that are down. It is a set of rules about Kubernetes itself and knows no application.
//
// It is pure: no client, no clock. What it is not: a watcher; somebody else reads the objects. Cost: linear in objects and events, well under
// a millisecond for a hundred workloads.
package kubestate

// Cluster is what the API says of one namespace and of the machines.
type Cluster struct {
	Namespace string
	Workloads []Workload
	Pods      []Pod
	Services  []Service
	Nodes     []Node
	Claims    []Claim
	Volumes   []Volume
	Events    []Event
	Quotas    []Quota
	// Units are the services of machines, where somebody looked at them.
	Units []Unit
	// Logs are lines of trouble by workload, where they are there.
	Logs []Log
}

// Workload is a deployment, stateful set or daemon set.
type Workload struct {
	Name           string
	Desired, Ready int
	// Labels are those of its pods.
	Labels     map[string]string
	Containers []Container
	// NodeSelector says that its pods name labels of machines.
	NodeSelector bool
	// Account is its service account.
	Account string
}

// Container is one container of a workload.
type Container struct {
	Name, Image string
	Ports       []int
	// PortNames are the names of ports that have one.
	PortNames           []string
	Liveness, Readiness *Probe
	// Env are its variables, in any order.
	Env map[string]string
	// MemoryLimit is in bytes, 0 for none.
	MemoryLimit int64
}

// Probe is how the health of a container is asked for.
type Probe struct {
	// Kind is grpc, http, tcp or exec.
	Kind string
	Port int
	// DelayS, PeriodS and Failures say how long a container has to come up.
	DelayS, PeriodS, Failures int
}

// Pod is one instance.
type Pod struct {
	Name, Workload, Node string
	Phase                string
	Ready                bool
	Restarts             int
	// Waiting and LastReason are the reasons of its containers' present and last state, LastExit the code of the last one.
	Waiting, LastReason string
	LastExit            int
	NodeSelector        bool
}

// Service is a name for pods.
type Service struct {
	Name      string
	Selector  map[string]string
	Ports     []ServicePort
	Endpoints int
}

// ServicePort is one port of a service.
type ServicePort struct {
	// Target is the port of the pods, or TargetName its name.
	Port, Target         int
	TargetName, Protocol string
}

// Node is a machine.
type Node struct {
	Name            string
	Ready, Cordoned bool
	// ControlPlane says that it is one of the machines that run the cluster itself.
	ControlPlane bool
	// Reason is what the API says of a machine that is not ready.
	Reason string
}

// Claim is a claim for storage, Volume what is there for claims.
type Claim struct {
	Name, Class, Modes string
	Bound              bool
	Size               int64
	Selector           bool
	// UsedBy are pods.
	UsedBy []string
}

// Volume is storage that a claim may get.
type Volume struct {
	Name, Class, Modes string
	// Claim is the claim that has it, "" for none.
	Claim string
	Size  int64
}

// Event is what a controller said.
type Event struct {
	// Kind and Object name what it is about, Workload the workload of that, as far as it is known.
	Kind, Object, Workload string
	Reason, Message        string
}

// Quota is how much of something a namespace may have, and has.
type Quota struct {
	Name, Resource string
	Full           bool
}

// Unit is a service of a machine.
type Unit struct {
	Node, Name string
	Active     bool
}

// Log is a line of trouble.
type Log struct{ Workload, Text string }

// ready reports whether a workload has all of its pods.
func (w *Workload) ready() bool { return w.Ready >= w.Desired }

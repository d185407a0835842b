package kubestate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clause is one part of what the scheduler says of machines: how many, and why not.
var clause = regexp.MustCompile(`(\d+) (?:node\(s\) )?([^,.]+)`)

// refusals are the scheduler's words with what they mean, the most telling first.
var refusals = []struct {
	word  string
	cause Cause
}{
	{"insufficient cpu", NoCPU}, {"insufficient memory", NoMemory}, {"anti-affinity", AntiAffinity}, {"untolerated taint", Taint},
	{"node affinity/selector", NodeAffinity}, {"node affinity", NodeAffinity}, {"node selector", NodeSelector}, {"were unschedulable", Cordoned},
}

// scheduling looks at pods that no machine takes.
func (d *diagnosis) scheduling() {
	silent := ""
	for i := range d.Pods {
		p := &d.Pods[i]
		if p.Phase != "Pending" || p.Node != "" {
			continue
		}
		said := ""
		for k := range d.Events {
			if e := &d.Events[k]; e.Reason == "FailedScheduling" && e.Object == p.Name {
				said = e.Message
			}
		}
		switch {
		case said == "":
			silent = p.Workload
		case strings.Contains(said, "persistentvolumeclaim") && strings.Contains(said, "not found"):
			d.add(KindNamespace, d.Namespace, QuotaStorage, weightRefused, "%s has no volume: %s", p.Workload, said)
		default:
			if cause := d.refusal(said, p); cause != "" {
				d.add(KindWorkload, p.Workload, cause, weightRefused, "no machine takes %s: %s", p.Name, said)
			}
		}
	}
	if silent == "" {
		return
	}
	for i := range d.Nodes { // Nobody even looked for a machine. The scheduler runs where the control plane does.
		if n := &d.Nodes[i]; n.ControlPlane {
			d.add(KindNode, n.Name, SchedulerDown, weightContrary, "a pod of %s waits, and no scheduler said why", silent)
		}
	}
}

// refusal returns why the machines that a pod may go to do not take it. Machines that its own selector or affinity leaves out are the reason only when
// they are all, and a control plane that is closed is no reason.
func (d *diagnosis) refusal(said string, p *Pod) Cause {
	said, _, _ = strings.Cut(said, "preemption:")
	_, said, _ = strings.Cut(said, "available:")
	count := map[Cause]int{}
	for _, m := range clause.FindAllStringSubmatch(strings.ToLower(said), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		for _, r := range refusals {
			if strings.Contains(m[2], r.word) {
				count[r.cause] += n
				break
			}
		}
	}
	for i := range d.Nodes {
		if n := &d.Nodes[i]; n.ControlPlane && n.Cordoned && count[Cordoned] > 0 {
			count[Cordoned]--
		}
	}
	best, most := Cause(""), 0
	for _, r := range refusals { // In their order: of as many machines, the most telling.
		if n := count[r.cause]; n > most && r.cause != NodeAffinity && r.cause != NodeSelector {
			best, most = r.cause, n
		}
	}
	if best == "" && count[NodeAffinity]+count[NodeSelector] > 0 {
		best = NodeAffinity
		if p.NodeSelector {
			best = NodeSelector
		}
	}
	return best
}

// startup looks at containers that do not come up.
func (d *diagnosis) startup() {
	for i := range d.Pods {
		p := &d.Pods[i]
		if p.Ready {
			continue
		}
		switch {
		case hasAny(p.Waiting, "imagepull", "invalidimagename"):
			d.image(p)
		case hasAny(strings.Join(d.of(p, "FailedMount", "Failed"), " "), "secret") && hasAny(strings.Join(d.of(p, "FailedMount", "Failed"), " "), "not found"):
			d.add(KindWorkload, p.Workload, SecretMissing, weightRefused, "%s names a secret that is not there", p.Name)
		}
		if p.LastReason == "OOMKilled" || p.LastExit == 137 && !d.killed(p) {
			d.add(KindWorkload, p.Workload, OutOfMemory, weightRefused, "%s was killed for want of memory", p.Name)
		}
		for _, m := range d.of(p, "FailedCreatePodSandBox", "Failed") {
			if hasAny(m, "oom", "memory limit", "out of memory") || strings.Contains(m, "container init") {
				d.add(KindWorkload, p.Workload, OutOfMemory, weightRefused, "%s has too little memory to start: %s", p.Name, m)
			}
		}
		if p.Restarts == 0 && p.Waiting == "ContainerCreating" {
			d.tooSmall(p)
		}
		if p.Restarts > 0 && len(d.of(p, "Killing")) == 0 {
			for _, l := range d.Logs {
				if l.Workload == p.Workload && hasAny(l.Text, "permission denied", "operation not permitted", "read-only file system") {
					d.add(KindWorkload, p.Workload, VolumePermission, weightRefused, "%s ends by itself: %s", p.Name, l.Text)
				}
				if l.Workload == p.Workload && hasAny(l.Text, "address already in use") {
					d.add(KindWorkload, p.Workload, SidecarPort, weightRefused, "%s ends by itself: %s", p.Name, l.Text)
				}
			}
		}
	}
}

// leastMemory is what no process of a usual runtime starts in.
const leastMemory = 8 << 20

func (d *diagnosis) tooSmall(p *Pod) {
	w := d.workload(p.Workload)
	if w == nil {
		return
	}
	for _, c := range w.Containers {
		if c.MemoryLimit > 0 && c.MemoryLimit < leastMemory {
			d.add(KindWorkload, p.Workload, OutOfMemory, weightContrary, "%s may have %d bytes of memory", p.Name, c.MemoryLimit)
		}
	}
}

// of returns the messages of events about a pod.
func (d *diagnosis) of(p *Pod, reasons ...string) []string {
	var out []string
	for i := range d.Events {
		if e := &d.Events[i]; e.Object == p.Name && slices.Contains(reasons, e.Reason) {
			out = append(out, e.Message)
		}
	}
	return out
}

// killed reports whether the machine's agent ended a container because its probe failed.
func (d *diagnosis) killed(p *Pod) bool {
	return slices.ContainsFunc(d.of(p, "Killing"), func(m string) bool { return hasAny(m, "liveness") })
}

// image says why an image cannot be had.
func (d *diagnosis) image(p *Pod) {
	cause, why := ImageName, p.Waiting
	for _, m := range d.of(p, "Failed", "BackOff") {
		if !hasAny(m, "failed to pull", "pull access", "resolve reference") {
			continue
		}
		why = m
		switch {
		case hasAny(m, "no such host", "lookup ", "i/o timeout", "dial tcp", "server misbehaving"):
			cause = ImageRegistry
		case hasAny(m, "unauthorized", "authorization failed", "denied", "forbidden", "401", "403", "anonymous token"):
			cause = ImageCredentials
		}
	}
	d.add(KindWorkload, p.Workload, cause, weightRefused, "the image of %s cannot be had: %s", p.Name, why)
}

// probedPort finds the port in what a probe says.
var probedPort = regexp.MustCompile(`:(\d{2,5})["/]`)

// runtime looks at pods that run and are not healthy: probes that ask at a place where nobody answers, or in a language that is not spoken.
func (d *diagnosis) runtime() {
	for i := range d.Pods {
		p := &d.Pods[i]
		w := d.workload(p.Workload)
		if w == nil || p.Node == "" || p.Ready && p.Restarts == 0 {
			continue
		}
		live, ready := d.probe(p, "Liveness"), d.probe(p, "Readiness")
		if p.Restarts > 0 && live != "" {
			d.judge(w, p, live, func(c *Container) *Probe { return c.Liveness }, LivenessPort, LivenessProtocol, LivenessTiming)
		}
		if !p.Ready && p.Restarts == 0 && ready != "" {
			d.judge(w, p, ready, func(c *Container) *Probe { return c.Readiness }, ReadinessPort, ReadinessProtocol, "")
		}
	}
}

// probe returns what the last failed probe of a kind said.
func (d *diagnosis) probe(p *Pod, kind string) string {
	said := ""
	for _, m := range d.of(p, "Unhealthy") {
		if strings.HasPrefix(m, kind+" probe") {
			said = m
		}
	}
	return said
}

func (d *diagnosis) judge(w *Workload, p *Pod, said string, of func(*Container) *Probe, port, protocol, timing Cause) {
	ports := w.ports()
	for i := range w.Containers {
		probe := of(&w.Containers[i])
		if probe == nil {
			continue
		}
		if probe.Port > 0 && len(ports) > 0 && !slices.Contains(ports, probe.Port) {
			d.add(KindWorkload, w.Name, port, weightRefused, "%s is asked at port %d and listens on %v: %s", p.Name, probe.Port, ports, said)
			return
		}
	}
	if m := probedPort.FindStringSubmatch(said); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && len(ports) > 0 && !slices.Contains(ports, n) && n < 15000 {
			d.add(KindWorkload, w.Name, port, weightContrary, "%s is asked at port %d and listens on %v", p.Name, n, ports)
			return
		}
	}
	switch {
	case hasAny(said, "malformed http", "statuscode", "unimplemented", "http2", "transport connection broken", "connection error", "unknown service"):
		d.add(KindWorkload, w.Name, protocol, weightRefused, "%s does not speak what it is asked in: %s", p.Name, said)
	case timing != "" && p.Restarts > 0:
		d.add(KindWorkload, w.Name, timing, weightContrary, "%s is ended before it is up: %s", p.Name, said)
	}
}

package adapters

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/kubestate"
)

// description is what kubectl describe printed: lines with their indentation.
type description struct{ lines []string }

func readDescription(text string) description { return description{strings.Split(text, "\n")} }

// field returns the text behind the first line that begins with a key, at any indentation, and the lines below that go on with it.
func (d description) field(key string) string {
	for i, l := range d.lines {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), key+":"); ok {
			out := strings.TrimSpace(v)
			// A list goes on in lines that have no key of their own and stand where the first value does.
			at := strings.Index(l, key+":") + len(key) + 1
			for _, next := range d.lines[i+1:] {
				if len(next) <= at || strings.TrimSpace(next[:at]) != "" {
					break
				}
				out += "\n" + strings.TrimSpace(next)
			}
			return out
		}
	}
	return ""
}

// none takes kubectl's word for nothing away.
func none(s string) string {
	if s == "<none>" || s == "<unset>" {
		return ""
	}
	return s
}

// pairs reads lines (or a list with commas) of key=value.
func pairs(s string) map[string]string {
	out := map[string]string{}
	for _, p := range strings.FieldsFunc(none(s), func(r rune) bool { return r == '\n' || r == ',' }) {
		if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok {
			out[k] = v
		}
	}
	return out
}

func whole(s string) int {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(s[:i])
	if err != nil {
		return 0
	}
	return n
}

var (
	replicas  = regexp.MustCompile(`(\d+) desired`)
	available = regexp.MustCompile(`(\d+) available`)
	probePort = regexp.MustCompile(`(?:<pod>|https?://[^:/]*|tcp-socket [^:]*|:)?:(\d+)`)
	probeNum  = regexp.MustCompile(`(delay|period)=(\d+)s|#failure=(\d+)`)
)

func (d description) workload() kubestate.Workload {
	w := kubestate.Workload{Name: d.field("Name"), Account: d.field("Service Account"), NodeSelector: none(d.field("Node-Selectors")) != ""}
	if m := replicas.FindStringSubmatch(d.field("Replicas")); m != nil {
		w.Desired = whole(m[1])
	}
	if m := available.FindStringSubmatch(d.field("Replicas")); m != nil {
		w.Ready = whole(m[1])
	}
	for i, l := range d.lines {
		if strings.HasPrefix(l, "Pod Template:") {
			below := description{d.lines[i:]}
			w.Labels = pairs(below.field("Labels"))
			w.Containers = below.containers()
			break
		}
	}
	return w
}

// containers reads the block "Containers:", where a container's name stands alone at one indentation and its fields below it.
func (d description) containers() []kubestate.Container {
	var out []kubestate.Container
	start, indent := -1, 0
	for i, l := range d.lines {
		if strings.TrimSpace(l) == "Containers:" {
			start, indent = i+1, len(l)-len(strings.TrimLeft(l, " "))
			break
		}
	}
	if start < 0 {
		return nil
	}
	var block []string
	name := ""
	flush := func() {
		if name != "" {
			out = append(out, container(name, description{block}))
		}
		block = nil
	}
	for _, l := range d.lines[start:] {
		in := len(l) - len(strings.TrimLeft(l, " "))
		if strings.TrimSpace(l) == "" || in <= indent {
			break
		}
		if in == indent+1 && strings.HasSuffix(strings.TrimSpace(l), ":") {
			flush()
			name = strings.TrimSuffix(strings.TrimSpace(l), ":")
			continue
		}
		block = append(block, l)
	}
	flush()
	return out
}

func container(name string, d description) kubestate.Container {
	c := kubestate.Container{Name: name, Image: d.field("Image"), Env: map[string]string{}, Liveness: probe(d.field("Liveness")), Readiness: probe(d.field("Readiness"))}
	for _, key := range []string{"Port", "Ports"} {
		for _, p := range strings.Split(d.field(key), ",") {
			if n := whole(strings.TrimSpace(p)); n > 0 {
				c.Ports = append(c.Ports, n)
			}
			if _, name, ok := strings.Cut(p, "("); ok {
				c.PortNames = append(c.PortNames, strings.TrimSuffix(strings.TrimSpace(name), ")"))
			}
		}
	}
	section, at := "", 0
	for _, l := range d.lines {
		key, v, _ := strings.Cut(strings.TrimSpace(l), ":")
		in := len(l) - len(strings.TrimLeft(l, " "))
		if strings.TrimSpace(v) == "" || in <= at {
			section, at = key, in
			continue
		}
		switch section {
		case "Environment":
			c.Env[key] = strings.TrimSpace(v)
		case "Limits":
			if key == "memory" {
				c.MemoryLimit = size(strings.TrimSpace(v))
			}
		}
	}
	return c
}

// probe reads "grpc <pod>:7000  delay=5s timeout=1s period=10s #success=1 #failure=3".
func probe(s string) *kubestate.Probe {
	if s == "" {
		return nil
	}
	kind, _, _ := strings.Cut(s, " ")
	p := &kubestate.Probe{Kind: strings.TrimSuffix(kind, "-get")}
	if m := probePort.FindStringSubmatch(s); m != nil {
		p.Port = whole(m[1])
	}
	for _, m := range probeNum.FindAllStringSubmatch(s, -1) {
		switch {
		case m[1] == "delay":
			p.DelayS = whole(m[2])
		case m[1] == "period":
			p.PeriodS = whole(m[2])
		default:
			p.Failures = whole(m[3])
		}
	}
	return p
}

func (d description) pod() kubestate.Pod {
	p := kubestate.Pod{Name: d.field("Name"), Phase: d.field("Status"), NodeSelector: none(d.field("Node-Selectors")) != ""}
	p.Node, _, _ = strings.Cut(none(d.field("Node")), "/")
	p.Ready = true
	state := ""
	for _, l := range d.lines {
		key, v, _ := strings.Cut(strings.TrimSpace(l), ":")
		v = strings.TrimSpace(v)
		switch key {
		case "State", "Last State":
			state = key
		case "Reason":
			if state == "State" && p.Waiting == "" && v != "Completed" {
				p.Waiting = v
			} else if state == "Last State" {
				p.LastReason = v
			}
		case "Exit Code":
			if state == "Last State" {
				p.LastExit = whole(v)
			}
		case "Restart Count":
			p.Restarts += whole(v)
			state = ""
		}
		if f := strings.Fields(l); len(f) == 2 && f[0] == "Ready" && f[1] == "False" {
			p.Ready = false
		}
	}
	if p.Phase == "Pending" {
		p.Ready = false
	}
	return p
}

func (d description) service() kubestate.Service {
	s := kubestate.Service{Name: d.field("Name"), Selector: pairs(d.field("Selector"))}
	var port kubestate.ServicePort
	for _, l := range d.lines {
		key, v, _ := strings.Cut(strings.TrimSpace(l), ":")
		v = strings.TrimSpace(v)
		switch key {
		case "Port":
			f := strings.Fields(v)
			if len(f) == 0 {
				continue
			}
			number, protocol, _ := strings.Cut(f[len(f)-1], "/")
			port = kubestate.ServicePort{Port: whole(number), Protocol: protocol}
		case "TargetPort":
			if port.Target = whole(v); port.Target == 0 {
				port.TargetName, _, _ = strings.Cut(v, "/")
			}
			s.Ports = append(s.Ports, port)
		case "Endpoints":
			s.Endpoints = len(strings.FieldsFunc(none(v), func(r rune) bool { return r == ',' }))
		}
	}
	return s
}

func (d description) node() kubestate.Node {
	n := kubestate.Node{Name: d.field("Name"), Cordoned: d.field("Unschedulable") == "true"}
	for _, l := range d.lines {
		if f := strings.Fields(l); len(f) > 3 && f[0] == "Ready" {
			n.Ready = f[1] == "True"
			n.Reason = strings.Join(f[2:], " ")
		}
	}
	return n
}

func hasRole(roles string) bool {
	return strings.Contains(roles, "master") || strings.Contains(roles, "control-plane")
}

// quotas reads the table of a quota: resource, used, hard.
func (d description) quotas() []kubestate.Quota {
	var out []kubestate.Quota
	for _, l := range d.lines {
		f := strings.Fields(l)
		if len(f) != 3 {
			continue
		}
		if used, hard := size(f[1]), size(f[2]); hard > 0 || f[2] == "0" {
			out = append(out, kubestate.Quota{Name: d.field("Name"), Resource: f[0], Full: used >= hard})
		}
	}
	return out
}

func (d description) volume() kubestate.Volume {
	v := kubestate.Volume{Name: d.field("Name"), Class: none(d.field("StorageClass")), Modes: d.field("Access Modes"), Size: size(d.field("Capacity"))}
	if _, claim, ok := strings.Cut(none(d.field("Claim")), "/"); ok {
		v.Claim = claim
	}
	return v
}

func (d description) claim() kubestate.Claim {
	return kubestate.Claim{Name: d.field("Name"), Class: none(d.field("StorageClass")), Bound: d.field("Status") == "Bound", UsedBy: strings.Fields(none(d.field("Used By")))}
}

var eventLine = regexp.MustCompile(`^\s+(?:Warning|Normal)\s+(\S+)\s+(?:\S+ \(x\d+ over [^)]*\)|\S+)\s+(\S+)\s+(.*)$`)

// events reads the table at the end.
func (d description) events() []kubestate.Event {
	var out []kubestate.Event
	name := d.field("Name")
	for i, l := range d.lines {
		if !strings.HasPrefix(l, "Events:") {
			continue
		}
		for _, e := range d.lines[i+1:] {
			if m := eventLine.FindStringSubmatch(e); m != nil {
				out = append(out, kubestate.Event{Object: name, Reason: m[1], Message: m[3]})
			}
		}
	}
	return out
}

var eventRow = regexp.MustCompile(`^\S+\s+(?:Warning|Normal)\s+(\S+)\s+([a-z]+)/(\S+)\s+(.*)$`)

// eventTable reads kubectl get events.
func eventTable(text string) []kubestate.Event {
	var out []kubestate.Event
	for _, l := range strings.Split(text, "\n") {
		if m := eventRow.FindStringSubmatch(l); m != nil {
			out = append(out, kubestate.Event{Kind: m[2], Object: m[3], Reason: m[1], Message: m[4]})
		}
	}
	return out
}

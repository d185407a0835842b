package kubestate

import (
	"slices"
	"strconv"
	"strings"
)

// routing looks for services that lead nowhere, and for addresses that are no service.
func (d *diagnosis) routing() {
	for i := range d.Services {
		s := &d.Services[i]
		if len(s.Selector) == 0 {
			continue
		}
		var selected []*Workload
		for k := range d.Workloads {
			if matches(s.Selector, d.Workloads[k].Labels) {
				selected = append(selected, &d.Workloads[k])
			}
		}
		if len(selected) == 0 {
			if d.workload(s.Name) != nil {
				d.add(KindWorkload, s.Name, ServiceSelector, weightRefused, "service %s selects %v, and no pods have that", s.Name, s.Selector)
			}
			continue
		}
		for _, w := range selected {
			d.ports(s, w)
		}
	}
	for _, a := range d.addresses() {
		d.address(a)
	}
}

// ports checks that what a service leads to is listened on, in the same protocol.
func (d *diagnosis) ports(s *Service, w *Workload) {
	listens := w.ports()
	for _, p := range s.Ports {
		switch {
		case strings.EqualFold(p.Protocol, "UDP") && !slices.ContainsFunc(d.Services, func(o Service) bool { return o.Name != s.Name && udp(&o) }):
			d.add(KindWorkload, w.Name, ServiceProtocol, weightRefused, "service %s takes %s at port %d", s.Name, p.Protocol, p.Port)
		case p.TargetName != "" && !slices.ContainsFunc(w.Containers, func(c Container) bool { return slices.Contains(c.PortNames, p.TargetName) }):
			d.add(KindWorkload, w.Name, ServicePortWrong, weightRefused, "service %s leads to a port named %s, and %s has none of that name", s.Name, p.TargetName, w.Name)
		case len(listens) > 0 && p.Target > 0 && !slices.Contains(listens, p.Target):
			d.add(KindWorkload, w.Name, ServicePortWrong, weightRefused, "service %s leads to port %d, and %s listens on %v", s.Name, p.Target, w.Name, listens)
		}
	}
}

func udp(s *Service) bool {
	return slices.ContainsFunc(s.Ports, func(p ServicePort) bool { return strings.EqualFold(p.Protocol, "UDP") })
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// address is a place that a workload is told to call.
type address struct {
	by, variable, host string
	port               int
}

// addresses are the variables that name a host and a port, in order of workloads and names.
func (d *diagnosis) addresses() []address {
	var out []address
	for i := range d.Workloads {
		w := &d.Workloads[i]
		for _, c := range w.Containers {
			names := make([]string, 0, len(c.Env))
			for n := range c.Env {
				names = append(names, n)
			}
			slices.Sort(names)
			for _, n := range names {
				host, port, ok := strings.Cut(c.Env[n], ":")
				p, err := strconv.Atoi(port)
				if ok && err == nil && host != "" && !strings.ContainsAny(host, "/ .") {
					out = append(out, address{w.Name, n, host, p})
				}
			}
		}
	}
	return out
}

// address checks one of them. A name that several workloads look for and nobody has is a part that is not installed here.
func (d *diagnosis) address(a address) {
	for i := range d.Services {
		s := &d.Services[i]
		if s.Name != a.host {
			continue
		}
		if len(s.Ports) > 0 && !slices.ContainsFunc(s.Ports, func(p ServicePort) bool { return p.Port == a.port }) {
			d.add(KindWorkload, a.by, ServiceAddress, weightContrary, "%s of %s is %s:%d, and the service has other ports", a.variable, a.by, a.host, a.port)
		}
		return
	}
	if d.workload(a.host) != nil {
		return // A service that could not be made; see withoutService.
	}
	// A name near to one that is there was meant to be it.
	for i := range d.Services {
		s := d.Services[i].Name
		if strings.HasPrefix(a.host, s) || strings.HasPrefix(s, a.host) || strings.Contains(a.host, s) {
			d.add(KindWorkload, a.by, ServiceAddress, weightRefused, "%s of %s is %s:%d, and no service has that name", a.variable, a.by, a.host, a.port)
			return
		}
	}
	d.add(KindWorkload, a.by, ServiceAddress, weightLooks/2, "%s of %s is %s:%d, and no service has that name", a.variable, a.by, a.host, a.port)
}

// databases looks at what clients of databases write.
func (d *diagnosis) databases() {
	for _, l := range d.Logs {
		switch {
		case hasAny(l.Text, "access denied for user", "password authentication failed", "authentication failed"):
			d.add(KindWorkload, l.Workload, DatabaseAccess, weightContrary, "%s writes: %s", l.Workload, l.Text)
		case hasAny(l.Text, "communications link failure", "connection to server at"):
			d.add(KindWorkload, l.Workload, DatabasePort, weightLooks, "%s writes: %s", l.Workload, l.Text)
		}
	}
}

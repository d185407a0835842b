package spanstage

import (
	"github.com/faultline-io/faultline/services/model"
)

// other is the name under which everything beyond a bound is counted together.
const other = "other"

// service is what is counted for a service.
type service struct {
	name      string
	total     group
	ops       table[string, opGroup]
	inner     table[string, innerGroup]
	instances table[string, group]
	servers   table[model.Entity, edgeGroup]
}

// group counts the requests of one window.
type group struct {
	n, failed, origins uint32
	recent             recent
	taken, self        sketch
	lastMS             int64
	labels             labels
}

// opGroup is an operation, with the calls that its requests used to make.
type opGroup struct {
	group
	name     string
	expected expectations
}

// innerGroup is work within a service.
type innerGroup struct {
	self   sketch
	lastMS int64
	labels labels
}

// edgeGroup is a service calling an entity.
type edgeGroup struct {
	n, failed  uint32
	recent     recent
	taken, gap sketch
	lastMS     int64
	labels     labels
}

func newService(name string) *service {
	s := &service{name: name, ops: stringTable[opGroup](), inner: stringTable[innerGroup](), instances: stringTable[group](), servers: entityTable[edgeGroup]()}
	s.total.labels = newLabels(model.Label{Name: labelService, Value: name})
	return s
}

// service returns the service of a name, the one of the rest when there are too many.
func (s *Stage) service(name string) *service {
	return s.services.get(name, s.cfg.MaxServices, newService)
}

// settle counts the facts of the open window.
func (s *Stage) settle(facts []fact) {
	endMS := (s.open + 1) * s.cfg.WindowMS
	for i := range facts {
		f := &facts[i]
		v := s.service(f.res.service)
		switch f.what {
		case factEntry:
			s.settleEntry(v, f, endMS)
		case factInner:
			g := v.within(f.op, s.cfg.MaxInner)
			g.self.add(f.selfNS)
			g.lastMS = endMS
		case factCall:
			s.settleCall(v, f, endMS)
		case factMade:
			if op := v.ops.byKey[f.op]; op != nil {
				op.expected.hit(f.server)
			}
		}
	}
}

func (s *Stage) settleEntry(v *service, f *fact, endMS int64) {
	v.total.count(f, endMS)
	op := v.operation(f.op, s.cfg.MaxOperations)
	op.count(f, endMS)
	if f.judged {
		op.expected.n++
	}
	if f.res.instance != "" && f.res.instance != v.name {
		v.instance(f.res.instance, s.cfg.MaxInstances).count(f, endMS)
	}
}

func (s *Stage) settleCall(v *service, f *fact, endMS int64) {
	g := v.server(f.server, s.cfg.MaxServers)
	g.n++
	g.lastMS = endMS
	if f.failed {
		g.failed++
	}
	if f.durNS >= 0 {
		g.taken.add(f.durNS)
	}
	if f.selfNS >= 0 {
		g.gap.add(f.selfNS)
	}
}

func (v *service) operation(name string, limit int) *opGroup {
	return v.ops.get(name, limit, func(op string) *opGroup {
		g := &opGroup{name: op}
		g.labels = newLabels(model.Label{Name: labelOperation, Value: op}, model.Label{Name: labelService, Value: v.name})
		return g
	})
}

func (v *service) within(name string, limit int) *innerGroup {
	return v.inner.get(name, limit, func(op string) *innerGroup {
		return &innerGroup{labels: newLabels(model.Label{Name: labelOperation, Value: op}, model.Label{Name: labelService, Value: v.name})}
	})
}

func (v *service) instance(name string, limit int) *group {
	return v.instances.get(name, limit, func(name string) *group {
		return &group{labels: newLabels(model.Label{Name: labelService, Value: v.name}, model.Label{Name: labelInstance, Value: name})}
	})
}

func (v *service) server(to model.Entity, limit int) *edgeGroup {
	return v.servers.get(to, limit, func(to model.Entity) *edgeGroup {
		return &edgeGroup{labels: newLabels(model.Label{Name: labelClient, Value: v.name}, model.Label{Name: labelServer, Value: to.Name}, model.Label{Name: labelServerKind, Value: string(to.Kind)})}
	})
}

func (g *group) count(f *fact, endMS int64) {
	g.n++
	g.lastMS = endMS
	if f.failed {
		g.failed++
	}
	if f.origin {
		g.origins++
	}
	g.taken.add(f.durNS)
	if f.selfNS >= 0 {
		g.self.add(f.selfNS)
	}
}

// reset ends a window.
func (g *group) reset() {
	g.n, g.failed, g.origins = 0, 0, 0
	g.taken.reset()
	g.self.reset()
}

// reset ends a window.
func (g *edgeGroup) reset() {
	g.n, g.failed = 0, 0
	g.taken.reset()
	g.gap.reset()
}

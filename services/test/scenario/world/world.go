package world

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// StepMS is the step of the simulation: a third of the interval of most senders, so that what lasts ten seconds shows.
const StepMS = 5000

const stepSec = StepMS / 1000.0

// Message is one input of the brain at its time of arrival; one of the pointers is set.
type Message struct {
	ArriveMS int64
	Metrics  *model.Metrics
	Logs     *model.Logs
	Spans    *model.Spans
	Changes  *model.Changes
	// Findings are alerts from outside.
	Findings []model.Finding
	Command  *model.Command
}

// World is a simulation under way. It is not safe for several goroutines.
type World struct {
	spec   Spec
	hosts  []*host
	parts  []*part
	order  []*part // Callers before what they call.
	edges  map[[2]int]*edge
	sorted []*edge
	loads  []*load
	plan   []*action
	zeroMS int64
	nowMS  int64
	// physics draws what happens, look what is seen of it, so that more telemetry changes nothing that happens.
	physics, look *rand.Rand
	senders       senders
	pending       []Message
	ids           uint64
}

// load is traffic from outside as it is now.
type load struct {
	LoadSpec
	op     *operation
	wobble float64 // Slow noise around 1.
	rate   float64
}

// New makes a world whose clock stands at zero less history. Times of the plan count from zero.
func New(spec Spec, plan []Action, zero time.Time, history time.Duration, seed uint64) (*World, error) {
	order, err := spec.check()
	if err != nil {
		return nil, err
	}
	if spec.Sends.Name == nil {
		spec.Sends.Name = func(s string) string { return s }
	}
	w := &World{
		spec: spec, zeroMS: zero.UnixMilli(), nowMS: zero.Add(-history).UnixMilli() / StepMS * StepMS, edges: map[[2]int]*edge{},
		physics: rand.New(rand.NewPCG(seed, 1)), look: rand.New(rand.NewPCG(seed, 2)),
	}
	for _, h := range spec.Hosts {
		w.hosts = append(w.hosts, &host{HostSpec: h, name: spec.Sends.Name(h.Name), up: true, ioSlow: 1, logs: h.LogsPerSecond * w.physics.Float64() * rotateSec})
	}
	for i := range spec.Parts {
		w.addPart(i)
	}
	for _, i := range order {
		w.order = append(w.order, w.parts[i])
	}
	w.connect()
	for _, l := range spec.Loads {
		op := w.operation(l.Part, l.Op)
		if op == nil {
			return nil, fmt.Errorf("load on %s.%s, which is not there", l.Part, l.Op)
		}
		w.loads = append(w.loads, &load{LoadSpec: l, op: op, wobble: 1})
	}
	for i := range plan {
		a, err := plan[i].bind(w)
		if err != nil {
			return nil, err
		}
		w.plan = append(w.plan, a)
	}
	w.senders = newSenders(w)
	return w, nil
}

func (w *World) addPart(i int) {
	s := w.spec.Parts[i]
	p := &part{PartSpec: s, name: w.spec.Sends.Name(s.Name), index: i, hit: s.HitRatio, loadBy: 1, expiryMS: w.nowMS + int64(60+w.physics.IntN(200))*24*3_600_000}
	for k := range p.Ops {
		p.ops = append(p.ops, &operation{OpSpec: &p.Ops[k], part: p, index: k, reach: 1})
	}
	w.parts = append(w.parts, p)
	if s.Kind == Outside { // Somewhere there are machines; they are large, and nobody here sees them.
		h := HostSpec{Name: "outside/" + s.Name, Cores: 1000, Memory: 1 << 40, Disk: 1 << 50, IOPS: 1e6}
		w.hosts = append(w.hosts, &host{HostSpec: h, up: true, hidden: true, ioSlow: 1})
		p.Threads, p.Cores, p.Backlog, p.Limit = 5000, 900, 5000, 1<<40
		s.Hosts = []string{h.Name}
	}
	for _, h := range s.Hosts {
		w.addInstance(p, h, s.Version)
	}
}

// addInstance starts one more process of a part.
func (w *World) addInstance(p *part, hostName, version string) *instance {
	p.made++
	n := len(p.Ops)
	i := &instance{
		part: p, host: w.host(hostName), name: w.spec.Sends.Name(fmt.Sprintf("%s-%d", p.Name, p.made)), version: version, up: true,
		speed: 1 + 0.04*w.physics.NormFloat64(), startMS: w.nowMS, slow: make([]float64, n), errs: make([]float64, n), flow: make([]flow, n),
		poolWait: make([]float64, len(p.Pools)), poolUse: make([]float64, len(p.Pools)), stretch: 1,
	}
	i.memory = p.Memory
	p.instances = append(p.instances, i)
	return i
}

// connect resolves calls, pools and queues, once all parts are there.
func (w *World) connect() {
	for _, p := range w.parts {
		for _, s := range p.Pools {
			p.pools = append(p.pools, &pool{to: w.part(s.To), size: s.Size})
		}
		if p.Consumes != "" {
			p.queue = w.part(p.Consumes)
			p.queue.consumer = p
		}
		for _, o := range p.ops {
			for _, c := range o.Calls {
				to := w.operation(c.Part, c.Op)
				o.calls = append(o.calls, &call{
					CallSpec: c, to: to, edge: w.edge(p, to.part), miss: w.part(c.MissOf),
					pool: slices.IndexFunc(p.pools, func(x *pool) bool { return x.to == to.part }),
				})
			}
		}
	}
}

func (w *World) edge(from, to *part) *edge {
	k := [2]int{from.index, to.index}
	if e := w.edges[k]; e != nil {
		return e
	}
	e := &edge{from: from, to: to}
	w.edges[k] = e
	w.sorted = append(w.sorted, e)
	return e
}

func (w *World) host(name string) *host {
	i := slices.IndexFunc(w.hosts, func(h *host) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return w.hosts[i]
}

func (w *World) part(name string) *part {
	i := slices.IndexFunc(w.parts, func(p *part) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return w.parts[i]
}

func (w *World) operation(name, op string) *operation {
	if p := w.part(name); p != nil {
		if i := opIndex(p.Ops, op); i >= 0 {
			return p.ops[i]
		}
	}
	return nil
}

// NowMS returns the time that the simulation has reached.
func (w *World) NowMS() int64 { return w.nowMS }

// Step moves the world on by StepMS and returns what has arrived by then, in order of arrival.
func (w *World) Step() []Message {
	w.nowMS += StepMS
	w.reset()
	w.act()
	w.live()
	w.offer()
	w.contend()
	w.respond()
	w.account()
	w.send()
	slices.SortStableFunc(w.pending, func(a, b Message) int { return cmp.Compare(a.ArriveMS, b.ArriveMS) })
	n := 0
	for n < len(w.pending) && w.pending[n].ArriveMS <= w.nowMS {
		n++
	}
	out := slices.Clone(w.pending[:n])
	w.pending = slices.Delete(w.pending, 0, n)
	return out
}

// reset takes back what effects set, so that they can set it anew.
func (w *World) reset() {
	for _, h := range w.hosts {
		h.hogCPU, h.hogIO, h.hogMemory, h.ioSlow, h.fill, h.skewMS, h.loss, h.delay = 0, 0, 0, 1, 0, 0, 0, 0
	}
	for _, e := range w.sorted {
		e.delay, e.loss, e.cut = 0, 0, false
	}
	for _, p := range w.parts {
		p.expired, p.loadBy, p.retries, p.threads = false, 1, p.Retries, p.Threads
		for k, s := range p.Pools {
			p.pools[k].size = s.Size
		}
		for _, o := range p.ops {
			o.skipStep = 0
			for _, c := range o.calls {
				c.skipped = false
			}
		}
		for _, i := range p.instances {
			for k := range i.slow {
				i.slow[k], i.errs[k] = 1, p.Ops[k].Errors
			}
			i.stuck, i.leakMemory, i.leakThreads, i.leakFiles, i.leakConns = 0, 0, 0, 0, 0
		}
	}
	w.senders.reset()
}

// traffic returns what a load offers now.
func (w *World) traffic(l *load) float64 {
	t := time.UnixMilli(w.nowMS).UTC()
	hour := float64(t.Hour()) + float64(t.Minute())/60 + float64(t.Second())/3600
	f := 1 + l.Daily*math.Cos((hour-l.Peak)/24*2*math.Pi)
	if d := t.Weekday(); l.Weekend > 0 && (d == time.Saturday || d == time.Sunday) {
		f *= l.Weekend
	}
	// An Ornstein–Uhlenbeck process around 1 with a time of ten minutes and a spread of four per cent: crowds wander more than coins do.
	const back, spread = stepSec / 600, 0.04
	l.wobble += back*(1-l.wobble) + spread*math.Sqrt(2*back)*w.physics.NormFloat64()
	return l.Rate * f * l.wobble * l.op.part.loadBy
}

package world

import "fmt"

// Slow multiplies the processor time of requests.
type Slow struct {
	Target
	Factor float64
}

func (e Slow) bind(w *World) (hooks, error) {
	return e.onInstances(w, func(i *instance, ops []int, k float64) {
		for _, o := range ops {
			i.slow[o] *= 1 + (e.Factor-1)*k
		}
	})
}

// Fail lets a share of requests fail, each with an exception in the log.
type Fail struct {
	Target
	Share float64
}

func (e Fail) bind(w *World) (hooks, error) {
	return e.onInstances(w, func(i *instance, ops []int, k float64) {
		for _, o := range ops {
			i.errs[o] = 1 - (1-i.errs[o])*(1-e.Share*k)
		}
	})
}

// Leak lets processes lose what they do not get back, in units a second: memory (bytes), threads, files, connections.
type Leak struct {
	Target
	What string
	Rate float64
}

func (e Leak) bind(w *World) (hooks, error) {
	var field func(i *instance) *float64
	switch e.What {
	case "memory":
		field = func(i *instance) *float64 { return &i.leakMemory }
	case "threads":
		field = func(i *instance) *float64 { return &i.leakThreads }
	case "files":
		field = func(i *instance) *float64 { return &i.leakFiles }
	case "connections":
		field = func(i *instance) *float64 { return &i.leakConns }
	default:
		return hooks{}, fmt.Errorf("leak of memory, threads, files or connections, not %q", e.What)
	}
	return e.onInstances(w, func(i *instance, _ []int, k float64) { *field(i) += e.Rate * k })
}

// Crash ends processes; once, or again and again for as long as it lasts, Up after each start. The supervisor starts them again.
type Crash struct {
	Target
	// UpMS is how long a process lives after each start; 0 for one crash only.
	UpMS int64
	// Held keeps them down while it lasts.
	Held bool
}

func (e Crash) bind(w *World) (hooks, error) {
	p, _, err := e.pick(w)
	if err != nil {
		return hooks{}, err
	}
	each := func(f func(i *instance)) {
		for _, i := range p.instances {
			if e.has(w, i) {
				f(i)
			}
		}
	}
	h := hooks{begin: func() { each(func(i *instance) { w.crash(i) }) }}
	switch {
	case e.Held:
		h.hold = func(float64) {
			each(func(i *instance) {
				w.crash(i)
				i.backMS = max(i.backMS, w.nowMS+2*StepMS)
			})
		}
	case e.UpMS > 0:
		h.hold = func(float64) {
			each(func(i *instance) {
				if i.up && w.nowMS-i.startMS >= e.UpMS {
					w.panicLine(i)
					w.crash(i)
				}
			})
		}
	}
	return h, nil
}

// Down takes a machine away while it lasts.
type Down struct{ Host string }

func (e Down) bind(w *World) (hooks, error) {
	h, err := onHost(w, e.Host)
	if err != nil {
		return hooks{}, err
	}
	return hooks{begin: func() { w.fell(h) }, end: func() { w.rise(h) }}, nil
}

// Hog is a process on a machine that takes processor time (cores), disk operations (share) or memory (bytes).
type Hog struct {
	Host           string
	CPU, IO, Bytes float64
	// Job is the name of the command that cron writes to the log; empty for none.
	Job string
}

func (e Hog) bind(w *World) (hooks, error) {
	h, err := onHost(w, e.Host)
	if err != nil {
		return hooks{}, err
	}
	out := hooks{hold: func(k float64) {
		h.hogCPU += e.CPU * k
		h.hogIO += e.IO * k
		h.hogMemory += e.Bytes * k
	}}
	if e.Job != "" {
		out.begin = func() { w.jobLine(h, e.Job, "started") }
		out.end = func() { w.jobLine(h, e.Job, "finished") }
	}
	return out, nil
}

// Disk fills the disk of a machine (bytes a second) or makes it slower.
type Disk struct {
	Host         string
	Fill, Factor float64
	// Frees takes away what was filled when it ends.
	Frees bool
}

func (e Disk) bind(w *World) (hooks, error) {
	h, err := onHost(w, e.Host)
	if err != nil {
		return hooks{}, err
	}
	out := hooks{hold: func(k float64) {
		h.fill += e.Fill * k
		if e.Factor > 1 {
			h.ioSlow *= 1 + (e.Factor-1)*k
		}
	}}
	if e.Frees {
		out.end = func() { h.filled = 0 }
	}
	return out, nil
}

// Net impairs the way between two parts, or all ways of a machine: seconds of delay, share of packets lost, or cut.
type Net struct {
	From, To, Host string
	Delay, Loss    float64
	Cut            bool
}

func (e Net) bind(w *World) (hooks, error) {
	if e.Host != "" {
		h, err := onHost(w, e.Host)
		if err != nil {
			return hooks{}, err
		}
		return hooks{hold: func(k float64) {
			h.delay += e.Delay * k
			h.loss = min(0.9, h.loss+e.Loss*k)
		}}, nil
	}
	from, to := w.part(e.From), w.part(e.To)
	if from == nil || to == nil {
		return hooks{}, fmt.Errorf("there is no way from %q to %q", e.From, e.To)
	}
	x := w.edges[[2]int{from.index, to.index}]
	if x == nil {
		return hooks{}, fmt.Errorf("%q does not call %q", e.From, e.To)
	}
	return hooks{hold: func(k float64) {
		x.delay += e.Delay * k
		x.loss = min(0.9, x.loss+e.Loss*k)
		x.cut = x.cut || e.Cut
	}}, nil
}

// maxSurge bounds what a surge makes of a load.
const maxSurge = 100

// Surge multiplies the traffic from outside on a part, or on all for an empty name.
type Surge struct {
	Part   string
	Factor float64
}

func (e Surge) bind(w *World) (hooks, error) {
	if e.Part != "" && w.part(e.Part) == nil {
		return hooks{}, fmt.Errorf("there is no part %q", e.Part)
	}
	return hooks{hold: func(k float64) {
		for _, p := range w.parts {
			if e.Part == "" || p.Name == e.Part {
				p.loadBy = min(maxSurge, p.loadBy*(1+(e.Factor-1)*k))
			}
		}
	}}, nil
}

// Pool sets the connections of an instance to another part, or the threads of a part when To is empty, or its retries.
type Pool struct {
	Part, To      string
	Size          float64
	Retries       int
	ChangeRetries bool
}

func (e Pool) bind(w *World) (hooks, error) {
	p := w.part(e.Part)
	if p == nil {
		return hooks{}, fmt.Errorf("there is no part %q", e.Part)
	}
	if e.ChangeRetries {
		return hooks{hold: func(float64) { p.retries = e.Retries }}, nil
	}
	if e.To == "" {
		return hooks{hold: func(k float64) { p.threads += (e.Size - p.threads) * k }}, nil
	}
	for _, x := range p.pools {
		if x.to.Name == e.To {
			return hooks{hold: func(k float64) { x.size += (e.Size - x.size) * k }}, nil
		}
	}
	return hooks{}, fmt.Errorf("%s has no pool for %q", e.Part, e.To)
}

// Cold empties a cache.
type Cold struct{ Part string }

func (e Cold) bind(w *World) (hooks, error) {
	p := w.part(e.Part)
	if p == nil || p.Kind != Cache {
		return hooks{}, fmt.Errorf("%q is no cache", e.Part)
	}
	return hooks{begin: func() { p.hit = 0 }}, nil
}

// Expire lets the certificate of a part run out when it begins.
type Expire struct {
	Part string
	// AtMS is set by the plan: when it runs out was known from the start.
	AtMS int64
}

func (e Expire) bind(w *World) (hooks, error) {
	p := w.part(e.Part)
	if p == nil {
		return hooks{}, fmt.Errorf("there is no part %q", e.Part)
	}
	p.expiryMS = w.zeroMS + e.AtMS
	return hooks{hold: func(float64) { p.expired = true }}, nil
}

// Skip leaves out one step of an operation's log, from 1, and with it the call at CallIndex from 1 (0 for none).
type Skip struct {
	Target
	Step, Call int
}

func (e Skip) bind(w *World) (hooks, error) {
	p, ops, err := e.pick(w)
	if err != nil {
		return hooks{}, err
	}
	return hooks{hold: func(float64) {
		for _, k := range ops {
			o := p.ops[k]
			o.skipStep = e.Step
			if e.Call > 0 && e.Call <= len(o.calls) {
				o.calls[e.Call-1].skipped = true
			}
		}
	}}, nil
}

// Skew moves the clock of a machine.
type Skew struct {
	Host string
	MS   int64
}

func (e Skew) bind(w *World) (hooks, error) {
	h, err := onHost(w, e.Host)
	if err != nil {
		return hooks{}, err
	}
	return hooks{hold: func(k float64) { h.skewMS += int64(float64(e.MS) * k) }}, nil
}

// Stick lets threads of processes wait for what never comes: a deadlock, a lock that is held.
type Stick struct {
	Target
	Threads float64
}

func (e Stick) bind(w *World) (hooks, error) {
	return e.onInstances(w, func(i *instance, _ []int, k float64) { i.stuck += e.Threads * k })
}

// Say lets processes log a line, Rate times a second each.
type Say struct {
	Target
	Text     string
	Severity uint8
	Rate     float64
}

func (e Say) bind(w *World) (hooks, error) {
	return e.onInstances(w, func(i *instance, _ []int, k float64) {
		if !i.up || i.gone {
			return
		}
		for range int(poisson(w.look, min(e.Rate, maxRate)*k*stepSec)) {
			w.processLine(i, e.Severity, e.Text)
		}
	})
}

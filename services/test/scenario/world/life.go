package world

import "math"

// The life of processes and machines: start, crash, memory, disk, counters.

const (
	restartMS   = 15_000 // From the end of a process to its next start.
	longestMS   = 300_000
	healthyMS   = 600_000 // After which a supervisor forgets earlier crashes.
	rotateSec   = 6 * 3600.0
	warmSec     = 240.0 // In which a cold cache becomes warm.
	loadSec     = 60.0  // Over which a load average is taken.
	messageSize = 20 << 10
	callBytes   = 3000.0
)

// live starts what is due, and ends what has no memory left.
func (w *World) live() {
	for _, p := range w.parts {
		for _, i := range p.instances {
			if !i.up && !i.gone && i.backMS > 0 && w.nowMS >= i.backMS && i.host.up {
				w.start(i)
			}
			if i.up && !i.gone && p.Kind != Outside && p.Kind != Queue && i.memory >= i.part.Limit && i.part.Limit > 0 {
				w.outOfMemory(i)
			}
		}
	}
	for _, h := range w.hosts {
		if h.hidden || h.memory < 0.985*h.Memory {
			continue
		}
		if i := w.largest(h); i != nil {
			w.outOfMemory(i)
		}
	}
}

// largest returns the process on a host that uses most memory.
func (w *World) largest(h *host) *instance {
	var most *instance
	for _, p := range w.parts {
		for _, i := range p.instances {
			if i.host == h && i.up && !i.gone && (most == nil || i.memory > most.memory) {
				most = i
			}
		}
	}
	return most
}

func (w *World) outOfMemory(i *instance) {
	i.host.oomKills++
	w.hostLine(i.host, lineOOM, i)
	w.crash(i)
}

// crash ends a process; its supervisor starts it again, later each time.
func (w *World) crash(i *instance) {
	if !i.up {
		return
	}
	if w.nowMS-i.startMS > healthyMS {
		i.crashes = 0
	}
	wait := min(restartMS*int64(math.Pow(2, float64(min(i.crashes, 8)))), longestMS)
	i.crashes++
	i.up, i.downMS, i.backMS = false, w.nowMS, w.nowMS+wait
}

// start begins a process anew, with nothing of before.
func (w *World) start(i *instance) {
	i.up, i.drained, i.startMS, i.backMS = true, false, w.nowMS, 0
	i.restarts++
	i.series = nil // Its version is one of their labels.
	i.backlog, i.leaked, i.garbage, i.threadsLeaked, i.filesLeaked, i.connsLeaked, i.inflight, i.rejected = 0, 0, 0, 0, 0, 0, 0, 0
	i.memory, i.cpuSec, i.gcSec, i.gcRuns, i.gc = i.part.Memory, 0, 0, 0, 0
	for k := range i.flow {
		i.flow[k] = flow{}
	}
	w.startLine(i)
}

// fell takes a machine down, with everything on it.
func (w *World) fell(h *host) {
	h.up = false
	for _, p := range w.parts {
		for _, i := range p.instances {
			if i.host == h && i.up {
				i.up, i.downMS, i.backMS = false, w.nowMS, 0
			}
		}
	}
}

// rise brings a machine back.
func (w *World) rise(h *host) {
	h.up = true
	h.cpuSec, h.ioSec, h.ioOps, h.netBytes, h.netErrors, h.oomKills, h.retransmits, h.load = 0, 0, 0, 0, 0, 0, 0, 0
	for _, p := range w.parts {
		for _, i := range p.instances {
			if i.host == h && !i.up && !i.gone {
				i.backMS = w.nowMS + restartMS + int64(w.physics.IntN(20_000))
			}
		}
	}
}

// account counts what happened in the step.
func (w *World) account() {
	for _, h := range w.hosts {
		h.memory = 0.08*h.Memory + h.hogMemory
	}
	for _, p := range w.parts {
		for _, i := range p.instances {
			if i.up && !i.gone {
				w.accountInstance(i)
				i.host.memory += i.memory
			}
		}
		w.accountPart(p)
	}
	for _, e := range w.sorted {
		e.account(w)
	}
	for _, h := range w.hosts {
		if h.up {
			w.accountHost(h)
		}
	}
}

func (w *World) accountInstance(i *instance) {
	p := i.part
	requests := 0.0
	for k, o := range p.ops {
		f := &i.flow[k]
		n := poisson(w.physics, o.lambda*i.weight*stepSec)
		bad := binomial(w.physics, n, f.fail)
		f.bad += bad
		f.good += n - bad
		if n > 0 {
			f.sum += n * f.resp * max(0.2, 1+0.7*w.physics.NormFloat64()/math.Sqrt(n))
		}
		requests += n
		i.host.netBytes += n * callBytes * 2
	}
	i.cpuSec += min(i.demand, i.cpuCap) * stepSec
	i.leaked += i.leakMemory * stepSec
	i.threadsLeaked = min(maxThreads, i.threadsLeaked+i.leakThreads*stepSec)
	i.filesLeaked = min(maxFiles, i.filesLeaked+i.leakFiles*stepSec)
	i.connsLeaked += i.leakConns * stepSec
	live := p.Memory + i.leaked + i.inflight*heldBytes + i.threadsLeaked*stackBytes
	i.gc = 0
	if p.Managed && p.Limit > 0 {
		room := max(p.Limit-live, 0.02*p.Limit)
		i.gc = min(0.8, 0.012*p.Limit/room)
		young := 0.35 * room
		if i.garbage += requests * garbageEach; i.garbage > young {
			i.gcRuns += max(1, math.Floor(i.garbage/young))
			i.garbage = 0
		}
		i.gcSec += i.gc * i.demand * stepSec
	}
	i.memory = live + i.garbage
	if p.Kind == Queue {
		i.memory = min(p.Memory+p.ready*messageSize, p.Limit)
	}
}

func (w *World) accountPart(p *part) {
	switch p.Kind {
	case Cache:
		n := 0.0
		for _, o := range p.ops {
			n += o.lambda * (1 - o.fail) * stepSec
		}
		n = poisson(w.physics, n)
		hit := binomial(w.physics, n, p.hit)
		p.hits += hit
		p.misses += n - hit
		p.hit += (p.HitRatio - p.hit) * stepSec / warmSec
	case Queue:
		in := poisson(w.physics, p.ops[0].lambda*(1-p.ops[0].fail)*stepSec)
		out := 0.0
		if c := p.consumer; c != nil {
			o := c.ops[0]
			out = poisson(w.physics, o.lambda*(1-o.fail)*stepSec)
		}
		out = min(out, p.ready+in)
		p.ready += in - out
		p.published += in
		p.delivered += out
	}
}

// account counts what a mesh sees of the calls of a pair.
func (e *edge) account(w *World) {
	rate, fail, one := 0.0, 0.0, 0.0
	for _, o := range e.from.ops {
		for _, c := range o.calls {
			if c.edge == e {
				rate += c.rate
				fail += c.rate * c.fail
				one += c.rate * c.one
			}
		}
	}
	n := poisson(w.physics, rate*stepSec)
	if n == 0 {
		return
	}
	bad := binomial(w.physics, n, fail/rate)
	e.bad += bad
	e.good += n - bad
	e.seconds += n * one / rate * max(0.2, 1+0.7*w.physics.NormFloat64()/math.Sqrt(n))
}

func (w *World) accountHost(h *host) {
	h.cpuSec += h.busy * h.Cores * stepSec
	h.ioSec += h.ioBusy * stepSec
	h.ioOps += min(h.ioDemand, h.IOPS/max(h.ioSlow, 1e-3)) * stepSec
	h.load += (h.demand + h.ioDemand/h.IOPS - h.load) * stepSec / loadSec
	h.retransmits += poisson(w.physics, (0.02+h.loss*200)*stepSec)
	h.netErrors += poisson(w.physics, h.loss*100*stepSec)
	h.netBytes += 2000 * stepSec
	h.filled = min(max(0, h.filled+h.fill*stepSec), h.Disk)
	if h.logs += h.LogsPerSecond * stepSec; h.logs > h.LogsPerSecond*rotateSec {
		h.logs = 0
	}
}

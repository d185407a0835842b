package world

// How requests flow: down the graph as rates, up again as times and failures.

const (
	netSec      = 0.0006 // Between two machines, there and back.
	resendSec   = 1.0    // What loss costs a call: about five packets, 200 ms for each that is sent again.
	backoffSec  = 0.05
	refusedSec  = 0.001
	vanishedSec = 30.0 // What a caller without a timeout waits for a machine that is gone.
	handshake   = 0.004
	baseCores   = 0.08 // What the system of a machine takes itself.
	noticeMS    = 12_000
	fairest     = 3.0
)

// offer sends requests down the graph.
func (w *World) offer() {
	for _, p := range w.parts {
		for _, o := range p.ops {
			o.lambda = 0
		}
		w.weigh(p)
	}
	for _, l := range w.loads {
		l.rate = w.traffic(l)
		if l.op.part.expired { // Browsers stop before anything is sent.
			l.rate *= 0.02
		}
		l.op.lambda += l.rate
	}
	for _, p := range w.order {
		if p.queue != nil {
			p.ops[0].lambda = p.take()
		}
		for _, o := range p.ops {
			o.forward()
		}
	}
}

// weigh shares the requests of a part among its instances: those that are up, and those whose end nobody has noticed yet.
func (w *World) weigh(p *part) {
	n := 0.0
	for _, i := range p.instances {
		i.weight = 0
		if !i.gone && !i.drained && (i.up || w.nowMS-i.downMS < noticeMS) {
			i.weight = 1
			n++
		}
	}
	for _, i := range p.instances {
		if n > 0 {
			i.weight /= n
		}
	}
}

// take returns how many messages a second a consumer takes from its queue.
func (p *part) take() float64 {
	can := 0.0
	for _, i := range p.instances {
		if i.up && !i.drained {
			can += i.capacity
		}
	}
	there := p.queue.ops[0].lambda*(1-p.queue.ops[0].fail) + p.queue.ready/stepSec
	return min(there, can)
}

// forward sends what an operation lets pass to what it calls.
func (o *operation) forward() {
	pass := o.lambda * o.reach
	for _, c := range o.calls {
		tries, final := attempts(c.fail, o.part.retries)
		c.rate = pass * c.times() * tries
		c.to.lambda += c.rate
		if !c.Optional {
			pass *= 1 - final*min(1, c.times())
		}
	}
}

// contend shares processors and disks.
func (w *World) contend() {
	for _, h := range w.hosts {
		h.demand, h.ioDemand = baseCores+h.hogCPU, h.hogIO*h.IOPS
	}
	for _, p := range w.parts {
		for _, i := range p.instances {
			i.demand = 0
			if !i.up || i.gone {
				continue
			}
			cpu, ios, offered := i.work()
			busy := offered + i.backlog/stepSec
			i.demand = min(busy*cpu*(1+i.gc)+0.01, p.Cores, p.threads)
			i.host.demand += i.demand
			i.host.ioDemand += min(busy, max(i.capacity, offered*0.1)) * ios
		}
	}
	for _, h := range w.hosts {
		rho := h.demand / h.Cores
		h.busy = min(1, rho)
		io := h.ioDemand / h.IOPS * h.ioSlow
		h.ioBusy = min(1, io)
		h.ioTime = h.ioSlow / h.IOPS * 4 * (1 + waiting(1, io)) // A disk takes about four operations at once.
	}
	for _, p := range w.parts {
		for _, i := range p.instances {
			i.share()
		}
	}
}

// work returns the processor time and disk operations of a mean request of an instance, and how many are offered to it.
func (i *instance) work() (cpu, ios, offered float64) {
	for k, o := range i.part.ops {
		lam := max(o.lambda*i.weight, 1e-9)
		offered += lam
		cpu += lam * o.CPU.Seconds() * i.slow[k] * i.speed
		ios += lam * o.IO
	}
	return cpu / offered, ios / offered, offered
}

// share gives an instance its part of the processor.
func (i *instance) share() {
	h := i.host
	if !i.up || i.gone || h == nil {
		return
	}
	rho := h.demand / h.Cores
	if rho > 1 {
		i.cpuCap = i.demand / rho
	} else {
		i.cpuCap = min(i.part.Cores, i.demand+h.Cores-h.demand)
	}
	own := i.demand / i.part.Cores
	// No more than the threads can wait for each other, and the scheduler of a machine is fair to the few that it runs.
	i.stretch = min(1+waiting(h.Cores, rho), fairest) * min(1+waiting(i.part.Cores, own), max(1, i.part.threads/i.part.Cores))
	if rho > 1 {
		i.stretch *= rho
	}
}

// respond works out times and failures, from what is called up to who calls.
func (w *World) respond() {
	for k := len(w.order) - 1; k >= 0; k-- {
		p := w.order[k]
		for _, o := range p.ops {
			for _, c := range o.calls {
				c.settle(p, w)
			}
		}
		for _, i := range p.instances {
			if i.up && !i.gone {
				i.respond()
			}
		}
		for _, o := range p.ops {
			o.combine()
		}
	}
}

// settle works out what a call costs its caller.
func (c *call) settle(p *part, w *World) {
	delay, loss := c.edge.delay, c.edge.loss
	for _, h := range w.between(p, c.to.part) {
		delay, loss = delay+h.delay, loss+h.loss
	}
	limit := p.Timeout.Seconds()
	if limit == 0 {
		limit = vanishedSec
	}
	one := netSec + delay + loss*resendSec + c.to.resp
	fail := 1 - (1-tail(one, limit))*(1-c.to.fail)*(1-loss*loss*loss)
	switch {
	case c.edge.cut:
		one, fail = limit, 1
	case c.to.part.expired:
		one, fail = handshake, 1
	}
	one = min(one, limit)
	tries, final := attempts(fail, p.retries)
	c.one, c.fail, c.final = one, fail, final
	c.time = c.times() * (one*tries + backoffSec*(tries-1))
}

// between returns the machines of two parts whose network is impaired, each with its share of the traffic in its figures.
func (w *World) between(a, b *part) []host {
	var out []host
	for _, h := range w.hosts {
		if h.delay == 0 && h.loss == 0 {
			continue
		}
		s := max(a.on(h), b.on(h))
		if s > 0 {
			out = append(out, host{delay: h.delay * s, loss: h.loss * s})
		}
	}
	return out
}

// on returns the share of a part's requests that instances on a host get.
func (p *part) on(h *host) float64 {
	s := 0.0
	for _, i := range p.instances {
		if i.host == h {
			s += i.weight
		}
	}
	return s
}

// respond works out the times of one instance.
func (i *instance) respond() {
	p := i.part
	i.pool()
	need, offered, cpuNeed := 0.0, 0.0, 0.0
	for k, o := range p.ops {
		lam := max(o.lambda*i.weight, 1e-6)
		cpu := o.CPU.Seconds() * i.slow[k] * i.speed * (1 + i.gc)
		f := &i.flow[k]
		f.self = cpu*i.stretch + o.IO*i.host.ioTime
		f.resp, f.fail = f.self, i.errs[k]
		for _, c := range o.calls {
			f.resp += c.time
			if c.pool >= 0 {
				f.resp += i.poolWait[c.pool] * c.times()
				f.self += i.poolWait[c.pool] * c.times()
			}
			if !c.Optional {
				f.fail = 1 - (1-f.fail)*(1-c.final*min(1, c.times()))
			}
		}
		if o.IO > 0 && i.host.full() || p.Kind == Queue && i.memory >= 0.99*p.Limit {
			f.fail = 1 - (1-f.fail)*0.1
		}
		if i.filesLeaked+i.connsLeaked+baseFiles >= maxFiles || i.threadsLeaked >= maxThreads-200 {
			f.fail = 1 - (1-f.fail)*0.4
		}
		offered, need, cpuNeed = offered+lam, need+lam*f.resp, cpuNeed+lam*cpu
	}
	threads := max(p.threads-i.stuck, 0.05)
	room := min(threads/need, i.cpuCap/cpuNeed)
	for k := range i.poolUse {
		if i.poolUse[k] > 0 {
			room = min(room, 1/i.poolUse[k])
		}
	}
	i.capacity = offered * room
	i.queueUp(offered, threads, need)
}

// pool works out what one waits for a connection, when those are few.
func (i *instance) pool() {
	for k, x := range i.part.pools {
		use := 0.0
		one := 0.0
		for _, o := range i.part.ops {
			for _, c := range o.calls {
				if c.pool == k {
					use += c.rate * i.weight * c.one
					one = max(one, c.one)
				}
			}
		}
		free := max(x.size-i.connsLeaked, 0.05)
		i.poolUse[k] = use / free
		i.poolWait[k] = one * waiting(free, use/free)
	}
}

// queueUp lets what does not fit wait, and refuses what does not fit there either.
func (i *instance) queueUp(offered, threads, need float64) {
	mean := need / offered
	i.backlog = max(0, i.backlog+(offered-i.capacity)*stepSec)
	most := max(i.part.Backlog, 1)
	i.rejected = 0
	if over := i.backlog - most; over > 0 {
		i.rejected = min(1, over/(offered*stepSec))
		i.backlog = most
	}
	wait := mean * waiting(threads, need/threads)
	if i.backlog > 0 {
		wait += i.backlog / max(i.capacity, 1e-6)
	}
	i.inflight = min(threads, need) + i.backlog
	for k := range i.flow {
		f := &i.flow[k]
		f.self += wait
		f.resp += wait
		f.fail = 1 - (1-f.fail)*(1-i.rejected)
	}
}

// combine adds up the instances of an operation as a caller sees them.
func (o *operation) combine() {
	o.resp, o.fail, o.reach = 0, 0, 0
	total := 0.0
	for _, i := range o.part.instances {
		if i.weight == 0 {
			continue
		}
		total += i.weight
		switch {
		case i.up:
			f := &i.flow[o.index]
			o.resp += i.weight * f.resp
			o.fail += i.weight * f.fail
			o.reach += i.weight * (1 - i.rejected) * (1 - i.errs[o.index])
		case i.host.up:
			o.resp += i.weight * refusedSec
			o.fail += i.weight
		default:
			o.resp += i.weight * vanishedSec
			o.fail += i.weight
		}
	}
	if total == 0 {
		o.resp, o.fail, o.reach = refusedSec, 1, 0
	}
}

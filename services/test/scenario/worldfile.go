package scenario

import (
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// ParseWorld reads the description of a world.
func ParseWorld(file, text string) (world.Spec, error) {
	all, err := lines(file, text)
	if err != nil {
		return world.Spec{}, err
	}
	p := &worldParser{spec: world.Spec{Name: strings.TrimSuffix(file, ".world")}}
	for _, w := range all {
		p.line(w)
		if err := w.end(); err != nil {
			return world.Spec{}, err
		}
	}
	return p.spec, nil
}

// worldParser keeps what following lines belong to.
type worldParser struct {
	spec world.Spec
	part *world.PartSpec
	op   *world.OpSpec
}

func (p *worldParser) line(w *words) {
	switch word := w.next("a word"); word {
	case "host":
		p.hosts(w)
	case "service", "database", "cache", "queue", "outside":
		p.startPart(w, world.Kind(word))
	case "pool":
		if p.need(w, p.part != nil, "a part") {
			p.part.Pools = append(p.part.Pools, world.PoolSpec{To: w.next("the part"), Size: w.number("the size")})
		}
	case "consumes":
		if p.need(w, p.part != nil, "a part") {
			p.part.Consumes = w.next("the queue")
		}
	case "op":
		if p.need(w, p.part != nil, "a part") {
			p.operation(w)
		}
	case "step":
		if p.need(w, p.op != nil, "an operation") {
			p.op.Steps = append(p.op.Steps, w.next("the line"))
		}
	case "load":
		p.load(w)
	case "sends":
		sends(w, &p.spec.Sends)
	default:
		w.fail("%q is none of host, service, database, cache, queue, outside, pool, consumes, op, step, load, sends", word)
	}
}

func (p *worldParser) need(w *words, ok bool, what string) bool {
	if !ok {
		w.fail("this line belongs below %s", what)
	}
	return ok
}

func (p *worldParser) hosts(w *words) {
	h := world.HostSpec{Cores: 4, Memory: 16 << 30, Disk: 100 << 30, IOPS: 2000, Used: 0.4, LogsPerSecond: 20 << 10}
	var names []string
	for w.more() {
		switch word := w.next("a name"); word {
		case "cores":
			h.Cores = w.number(word)
		case "memory":
			h.Memory = w.number(word)
		case "disk":
			h.Disk = w.number(word)
		case "iops":
			h.IOPS = w.number(word)
		case "used":
			h.Used = w.number(word)
		case "logs":
			h.LogsPerSecond = w.number(word)
		default:
			names = append(names, word)
		}
	}
	for _, n := range names {
		h.Name = n
		p.spec.Hosts = append(p.spec.Hosts, h)
	}
}

func (p *worldParser) startPart(w *words, kind world.Kind) {
	s := world.PartSpec{Name: w.next("a name"), Kind: kind, Threads: 64, Backlog: 200, Cores: 2, Memory: 200 << 20, Limit: 1 << 30, Version: "1.0.0"}
	for w.more() {
		switch word := w.next("a word"); word {
		case "on":
			for w.more() && slices.ContainsFunc(p.spec.Hosts, func(h world.HostSpec) bool { return h.Name == w.peek() }) {
				s.Hosts = append(s.Hosts, w.next("a host"))
			}
		case "threads":
			s.Threads = w.number(word)
		case "backlog":
			s.Backlog = w.number(word)
		case "cores":
			s.Cores = w.number(word)
		case "memory":
			s.Memory = w.number(word)
		case "limit":
			s.Limit = w.number(word)
		case "timeout":
			s.Timeout = w.duration(word)
		case "retries":
			s.Retries = w.count(word)
		case "hit":
			s.HitRatio = w.number(word)
		case "version":
			s.Version = w.next(word)
		case "managed":
			s.Managed = true
		case "certificate":
			s.Certificate = true
		case "blind":
			s.Blind = true
		default:
			w.fail("%q says nothing of a part", word)
		}
	}
	p.spec.Parts = append(p.spec.Parts, s)
	p.part, p.op = &p.spec.Parts[len(p.spec.Parts)-1], nil
}

func (p *worldParser) operation(w *words) {
	o := world.OpSpec{Name: w.next("a name")}
	for w.more() {
		switch word := w.next("a word"); word {
		case "cpu":
			o.CPU = w.duration(word)
		case "io":
			o.IO = w.number(word)
		case "errors":
			o.Errors = w.number(word)
		case "calls":
			for w.more() && strings.Contains(w.peek(), ".") {
				o.Calls = append(o.Calls, callSpec(w))
			}
		default:
			w.fail("%q says nothing of an operation", word)
		}
	}
	p.part.Ops = append(p.part.Ops, o)
	p.op = &p.part.Ops[len(p.part.Ops)-1]
}

// callSpec reads part.op, part.op*2, part.op/optional, part.op/miss:cache.
func callSpec(w *words) world.CallSpec {
	word := w.next("a call")
	fields := strings.Split(word, "/")
	name, times, many := strings.Cut(fields[0], "*")
	c := world.CallSpec{Times: 1}
	c.Part, c.Op, _ = strings.Cut(name, ".")
	if many {
		f, err := parseNumber(times)
		if err != nil || f < 0 || f > 1000 {
			w.fail("%q is not a number of calls", times)
		}
		c.Times = f
	}
	for _, f := range fields[1:] {
		switch cache, miss := strings.CutPrefix(f, "miss:"); {
		case miss:
			c.MissOf = cache
		case f == "optional":
			c.Optional = true
		default:
			w.fail("%q says nothing of a call", f)
		}
	}
	return c
}

func (p *worldParser) load(w *words) {
	l := world.LoadSpec{Peak: 14}
	l.Part, l.Op, _ = strings.Cut(w.next("part.operation"), ".")
	l.Rate = w.number("the rate")
	for w.more() {
		switch word := w.next("a word"); word {
		case "daily":
			l.Daily = w.number(word)
		case "peak":
			l.Peak = w.number(word)
		case "weekend":
			l.Weekend = w.number(word)
		default:
			w.fail("%q says nothing of a load", word)
		}
	}
	p.spec.Loads = append(p.spec.Loads, l)
}

// sends reads what is sent; in a scenario it changes what the world said.
func sends(w *words, s *world.Telemetry) {
	for w.more() {
		no := w.opt("no")
		switch word := w.next("a word"); word {
		case "traces":
			if s.Traces = 0; !no {
				s.Traces = w.number(word)
			}
		case "mesh":
			s.Mesh = !no
		case "pods":
			s.Pods = !no
		case "logs":
			s.NoLogs = no
		case "types":
			s.NoTypes = no
		case "untraced":
			s.Untraced = append(s.Untraced, w.next("a part"))
		case "noise":
			s.Noise = w.number(word)
		default:
			w.fail("%q is none of traces, mesh, pods, logs, types, untraced, noise", word)
		}
	}
}

package scenario

import (
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// at reads: at TIME WHAT … [for TIME] [ramp TIME] [every TIME].
func (p *parser) at(w *words) {
	a := world.Action{At: w.duration("the time")}
	r := reader{words: w, at: a.At}
	a.Do = r.effect(w.next("what happens"))
	p.timing(w, &a)
	if w.err != nil {
		return
	}
	p.add(w, a, r.harms)
	if r.with != nil {
		a.Do = r.with
		p.add(w, a, true)
	}
}

func (p *parser) timing(w *words, a *world.Action) {
	for w.more() {
		switch {
		case w.opt("for"):
			a.For = w.duration("for")
		case w.opt("ramp"):
			a.Ramp = w.duration("ramp")
		case w.opt("every"):
			a.Every = w.duration("every")
		default:
			return
		}
	}
}

func (p *parser) add(w *words, a world.Action, harms bool) {
	p.s.Plan = append(p.s.Plan, a)
	p.lines, p.harms = append(p.lines, w.line), append(p.harms, harms)
}

// reader reads what happens at a time.
type reader struct {
	*words
	at time.Duration
	// harms says that it is a fault, with what a change brings about.
	harms bool
	with  world.Effect
}

// effect reads one effect after its verb.
func (r *reader) effect(verb string) world.Effect {
	switch verb {
	case "deploy", "config", "flag", "restart":
		return r.change(verb)
	case "package", "maintenance", "certificate", "infrastructure":
		return r.hostChange(verb)
	case "scale":
		return world.Scale{Part: r.next("a part"), N: r.count("the number of instances"), Untold: r.opt("untold")}
	case "alert":
		return r.alert()
	case "quiet":
		return r.quiet()
	case "say":
		return r.say()
	case "job":
		h := world.Hog{Host: r.next("a host"), Job: r.next("the command")}
		r.amounts(&h)
		return h
	}
	r.harms = true
	switch verb {
	case "down", "hog", "fill", "slowdisk", "clock":
		return r.onHost(verb)
	case "delay", "loss", "cut":
		return r.onWay(verb)
	case "surge":
		s := world.Surge{}
		if r.more() && !strings.HasPrefix(r.peek(), "x") {
			s.Part = r.next("a part")
		}
		s.Factor = r.number("the factor")
		return s
	case "cold":
		return world.Cold{Part: r.next("a cache")}
	case "expire":
		return world.Expire{Part: r.next("a part"), AtMS: r.at.Milliseconds()}
	}
	return r.onTarget(verb, r.target())
}

// target reads PART[.OP] [instance NAME] [version V].
func (r *reader) target() world.Target {
	var t world.Target
	t.Part, t.Op, _ = strings.Cut(r.next("a part"), ".")
	for r.more() {
		switch {
		case r.opt("instance"):
			t.Instance = r.next("an instance")
		case r.opt("version"):
			t.Version = r.next("a version")
		default:
			return t
		}
	}
	return t
}

// onTarget reads the effects on processes after their target.
func (r *reader) onTarget(verb string, t world.Target) world.Effect {
	switch verb {
	case "slow":
		return world.Slow{Target: t, Factor: r.number("the factor")}
	case "fail":
		return world.Fail{Target: t, Share: r.number("the share")}
	case "leak":
		return world.Leak{Target: t, What: r.next("memory, threads, files or connections"), Rate: r.number("the rate")}
	case "crash":
		return world.Crash{Target: t, Held: r.opt("held")}
	case "crashloop":
		c := world.Crash{Target: t, UpMS: 20_000}
		if r.opt("up") {
			c.UpMS = r.duration("up").Milliseconds()
		}
		return c
	case "stick":
		return world.Stick{Target: t, Threads: r.number("the threads")}
	case "skip":
		s := world.Skip{Target: t}
		for r.more() {
			switch {
			case r.opt("step"):
				s.Step = r.count("the step")
			case r.opt("call"):
				s.Call = r.count("the call")
			default:
				return s
			}
		}
		return s
	case "threads":
		return world.Pool{Part: t.Part, Size: r.number("the threads")}
	case "retries":
		return world.Pool{Part: t.Part, Retries: r.count("the retries"), ChangeRetries: true}
	case "pool":
		return world.Pool{Part: t.Part, To: r.next("the part connected to"), Size: r.number("the size")}
	}
	r.fail("%q is nothing that can happen", verb)
	return nil
}

func (r *reader) onHost(verb string) world.Effect {
	host := r.next("a host")
	switch verb {
	case "down":
		return world.Down{Host: host}
	case "hog":
		h := world.Hog{Host: host}
		r.amounts(&h)
		return h
	case "fill":
		return world.Disk{Host: host, Fill: r.number("the rate"), Frees: r.opt("frees")}
	case "slowdisk":
		return world.Disk{Host: host, Factor: r.number("the factor")}
	}
	return world.Skew{Host: host, MS: r.duration("the offset").Milliseconds()}
}

// amounts reads what a job or a hog takes: cpu N, io SHARE, memory BYTES.
func (r *reader) amounts(h *world.Hog) {
	for r.more() {
		switch {
		case r.opt("cpu"):
			h.CPU = r.number("the cores")
		case r.opt("io"):
			h.IO = r.number("the share")
		case r.opt("memory"):
			h.Bytes = r.number("the bytes")
		default:
			return
		}
	}
}

// onWay reads A -> B or host H, and how bad it is.
func (r *reader) onWay(verb string) world.Effect {
	var n world.Net
	if r.opt("host") {
		n.Host = r.next("a host")
	} else {
		n.From = r.next("a part")
		if !r.opt("->") {
			r.fail("a way is A -> B or host H")
		}
		n.To = r.next("a part")
	}
	switch verb {
	case "delay":
		n.Delay = r.duration("the delay").Seconds()
	case "loss":
		n.Loss = r.number("the share")
	default:
		n.Cut = true
	}
	return n
}

// change reads a change of a part: deploy PART VERSION, config PART "title", flag PART "title", restart PART, each with [rolling TIME]
// [only N] [untold] [with EFFECT].
func (r *reader) change(verb string) world.Effect {
	c := world.Change{Part: r.next("a part"), Kind: verb}
	t := world.Target{Part: c.Part}
	switch verb {
	case "deploy":
		c.Version = r.next("the version")
		c.Rolling, t.Version = 20*time.Second, c.Version
	case "restart":
		c.Rolling, c.Kind, c.Title = 30*time.Second, "event", "restart of "+c.Part
	default:
		c.Title = r.next("the title")
	}
	for r.more() {
		switch {
		case r.opt("rolling"):
			c.Rolling = r.duration("rolling")
		case r.opt("only"):
			c.Only = r.count("only")
		case r.opt("untold"):
			c.Untold = true
		case r.opt("with"):
			r.with = r.onTarget(r.next("what it brings about"), t)
			return c
		default:
			return c
		}
	}
	return c
}

func (r *reader) hostChange(verb string) world.Effect {
	c := world.Change{Host: r.next("a host"), Kind: verb, Title: r.next("the title")}
	if r.opt("lasts") {
		c.LastsMS = r.duration("lasts").Milliseconds()
	}
	return c
}

func (r *reader) alert() world.Effect {
	a := world.Alert{Name: r.next("a name")}
	if r.opt("host") {
		a.Host = r.next("a host")
	} else {
		a.Part = r.next("a part")
	}
	return a
}

func (r *reader) quiet() world.Effect {
	q := world.Quiet{}
	if r.opt("part") {
		q.Part = r.next("a part")
	} else {
		q.Sender = r.next("a sender")
	}
	q.Spools = r.opt("spools")
	return q
}

// say reads: say PART info|warn|error "text" RATE.
func (r *reader) say() world.Effect {
	s := world.Say{Target: r.target()}
	switch level := r.next("the level"); level {
	case "info":
		s.Severity = 9
	case "warn":
		s.Severity = 13
	case "error":
		s.Severity, r.harms = 17, true
	default:
		r.fail("the level is info, warn or error")
	}
	s.Text, s.Rate = r.next("the text"), r.number("the rate")
	return s
}

package world

import (
	"fmt"
	"time"
)

// Action is something that happens to the world: a fault, a change, or something harmless.
type Action struct {
	// At is when it begins, from zero; it may be before, in the history.
	At time.Duration
	// For is how long it lasts; 0 to the end.
	For time.Duration
	// Ramp is how long it takes to reach its strength.
	Ramp time.Duration
	// Every repeats it; 0 for once.
	Every time.Duration
	// Do is what it does.
	Do Effect
}

// Effect is what an action does. Bind resolves its names and returns what to run; it reports what is not there.
type Effect interface {
	bind(w *World) (hooks, error)
}

// hooks are the moments of an action; each may be nil. hold is called in each step while it lasts, with its strength in (0, 1].
type hooks struct {
	begin func()
	hold  func(strength float64)
	end   func()
}

// action is an Action that is bound to a world.
type action struct {
	Action
	hooks
	begun, ended bool
	round        int64
}

func (a Action) bind(w *World) (*action, error) {
	h, err := a.Do.bind(w)
	if err != nil {
		return nil, fmt.Errorf("at %v: %w", a.At, err)
	}
	return &action{Action: a, hooks: h}, nil
}

// act runs the actions that are due.
func (w *World) act() {
	for _, a := range w.plan {
		a.run(w)
	}
}

func (a *action) run(w *World) {
	since := w.nowMS - w.zeroMS - a.At.Milliseconds()
	if since < 0 {
		return
	}
	if every := a.Every.Milliseconds(); every > 0 {
		if round := since / every; round != a.round {
			a.round, a.begun, a.ended = round, false, false
		}
		since %= every
	}
	if !a.begun {
		a.begun = true
		if a.begin != nil {
			a.begin()
		}
	}
	if a.For > 0 && since >= a.For.Milliseconds() {
		if !a.ended && a.end != nil {
			a.end()
		}
		a.ended = true
		return
	}
	if a.hold == nil {
		return
	}
	strength := 1.0
	if ramp := a.Ramp.Milliseconds(); ramp > 0 {
		strength = min(1, float64(since+StepMS)/float64(ramp))
	}
	a.hold(strength)
}

// Target names what an effect is on: a part, and where those are set an operation, an instance or a version of it.
type Target struct {
	Part, Op, Instance, Version string
}

// pick resolves a target.
func (t Target) pick(w *World) (p *part, ops []int, err error) {
	if p = w.part(t.Part); p == nil {
		return nil, nil, fmt.Errorf("there is no part %q", t.Part)
	}
	for k := range p.Ops {
		if t.Op == "" || p.Ops[k].Name == t.Op {
			ops = append(ops, k)
		}
	}
	if len(ops) == 0 {
		return nil, nil, fmt.Errorf("%s has no operation %q", t.Part, t.Op)
	}
	return p, ops, nil
}

// has says whether an instance is meant.
func (t Target) has(w *World, i *instance) bool {
	return (t.Instance == "" || i.name == w.spec.Sends.Name(t.Instance)) && (t.Version == "" || i.version == t.Version)
}

// onInstances makes an effect that sets something on each instance that is meant.
func (t Target) onInstances(w *World, set func(i *instance, ops []int, strength float64)) (hooks, error) {
	p, ops, err := t.pick(w)
	if err != nil {
		return hooks{}, err
	}
	return hooks{hold: func(k float64) {
		for _, i := range p.instances {
			if t.has(w, i) {
				set(i, ops, k)
			}
		}
	}}, nil
}

// onHost resolves a host.
func onHost(w *World, name string) (*host, error) {
	if h := w.host(name); h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("there is no host %q", name)
}

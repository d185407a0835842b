package world

import (
	"fmt"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// Change is something that is done to a part or a host and told of: a deployment, a configuration, a flag, a package.
type Change struct {
	Part, Host string
	// Kind is one of model.ChangeKinds, or a word of the sender's own.
	Kind, Title, Version string
	// Untold changes send no event.
	Untold bool
	// Rolling is the time between the restarts of two instances; 0 for no restart.
	Rolling time.Duration
	// Only bounds the number of instances that are restarted; 0 for all.
	Only int
	// LastsMS is how long the change says that it lasts.
	LastsMS int64
}

func (e Change) bind(w *World) (hooks, error) {
	p := w.part(e.Part)
	if p == nil && e.Part != "" {
		return hooks{}, fmt.Errorf("there is no part %q", e.Part)
	}
	if e.Host != "" {
		if _, err := onHost(w, e.Host); err != nil {
			return hooks{}, err
		}
	}
	r := &rolling{change: e, part: p}
	return hooks{
		begin: func() {
			r.fromMS, r.done = w.nowMS, 0
			r.turn = nil
			if p != nil {
				for _, i := range p.instances {
					if !i.gone && e.Rolling > 0 && (e.Only == 0 || len(r.turn) < e.Only) {
						r.turn = append(r.turn, i)
					}
				}
			}
			if !e.Untold {
				w.tell(e, p)
			}
		},
		hold: func(float64) { r.step(w) },
	}, nil
}

// rolling is a change that goes from instance to instance.
type rolling struct {
	change Change
	part   *part
	turn   []*instance
	done   int
	fromMS int64
}

// drainMS is how long an instance that is to be restarted takes no new requests, startupMS how long it is away.
const (
	drainMS   = 10_000
	startupMS = 10_000
)

func (r *rolling) step(w *World) {
	for r.done < len(r.turn) && w.nowMS-r.fromMS >= int64(r.done)*r.change.Rolling.Milliseconds() {
		old := r.turn[r.done]
		r.done++
		version := r.change.Version
		if version == "" {
			version = old.version
		}
		if w.spec.Sends.Pods {
			w.addInstance(r.part, old.host.Name, version)
			w.startLine(r.part.instances[len(r.part.instances)-1])
			old.gone, old.up, old.downMS = true, false, w.nowMS
			continue
		}
		old.drained, old.up, old.downMS, old.backMS, old.version = true, false, w.nowMS, w.nowMS+drainMS+startupMS, version
	}
}

// tell sends the event of a change.
func (w *World) tell(e Change, p *part) {
	w.ids++
	c := model.Change{
		ID: fmt.Sprintf("change-%d", w.ids), TimeNS: w.nowMS * 1e6, Kind: e.Kind, Title: e.Title, Status: "success", Source: "api", Actor: "ci",
		Version: e.Version,
	}
	if e.LastsMS > 0 {
		c.EndNS = (w.nowMS + e.LastsMS) * 1e6
	}
	if p != nil {
		c.Service = p.name
		if e.Version != "" {
			c.PreviousVersion = p.Version
			p.Version = e.Version
		}
	}
	if h := w.host(e.Host); h != nil {
		c.Host = h.name
	}
	if c.Title == "" {
		c.Title = e.Kind + " " + c.Service + c.Host + " " + e.Version
	}
	w.push(Message{Changes: &model.Changes{Header: w.header("changes_api", "http"), Changes: []model.Change{c}}}, 200)
}

// Scale changes the number of instances of a part to N, with an event unless it is untold.
type Scale struct {
	Part   string
	N      int
	Untold bool
}

func (e Scale) bind(w *World) (hooks, error) {
	p := w.part(e.Part)
	if p == nil || e.N < 1 || e.N > maxInstances {
		return hooks{}, fmt.Errorf("cannot scale %q to %d", e.Part, e.N)
	}
	return hooks{begin: func() {
		var alive []*instance
		for _, i := range p.instances {
			if !i.gone {
				alive = append(alive, i)
			}
		}
		for k := len(alive); k < e.N; k++ {
			w.startLine(w.addInstance(p, w.spec.Hosts[k%len(w.spec.Hosts)].Name, p.Version))
		}
		for k := e.N; k < len(alive); k++ {
			alive[k].gone, alive[k].up, alive[k].downMS = true, false, w.nowMS
		}
		if !e.Untold {
			w.tell(Change{Kind: "scale", Title: fmt.Sprintf("scale %s to %d", p.name, e.N)}, p)
		}
	}}, nil
}

// Alert is somebody else's alert about a part or a host.
type Alert struct {
	Name, Part, Host string
}

func (e Alert) bind(w *World) (hooks, error) {
	p, h := w.part(e.Part), w.host(e.Host)
	if p == nil && h == nil {
		return hooks{}, fmt.Errorf("alert %q is about nothing that is there", e.Name)
	}
	entity := model.Entity{}
	if p != nil {
		entity = model.Entity{Kind: model.KindService, Name: p.name}
	} else {
		entity = model.Entity{Kind: model.KindHost, Name: h.name}
	}
	var f model.Finding
	return hooks{
		begin: func() {
			f = model.Finding{
				ID: model.FindingID(model.Hash64(entity.String()), e.Name, w.nowMS), Entity: entity, Signal: model.SignalRef{Name: e.Name, Role: model.RoleAlert},
				Kind: model.FindingAlert, Direction: 1, OnsetMS: w.nowMS, SeenMS: w.nowMS, PValue: 0.01, Score: 5, Confidence: 0.5, Detector: "alert", Text: e.Name,
			}
			w.push(Message{Findings: []model.Finding{f}}, 1000)
		},
		end: func() {
			f.EndMS, f.SeenMS = w.nowMS, w.nowMS
			w.push(Message{Findings: []model.Finding{f}}, 1000)
		},
	}, nil
}

// Quiet stops or delays what a sender sends: "agent:HOST", "remote_write", "otlp_grpc".
type Quiet struct {
	Sender string
	// Spools sends it all at the end.
	Spools bool
	// Part silences a part's own telemetry instead of a sender.
	Part string
}

func (e Quiet) bind(w *World) (hooks, error) {
	if e.Part != "" {
		p := w.part(e.Part)
		if p == nil {
			return hooks{}, fmt.Errorf("there is no part %q", e.Part)
		}
		return hooks{begin: func() { p.Blind = true }, end: func() { p.Blind = false }}, nil
	}
	name := e.Sender
	if host, ok := cutAgent(name); ok {
		h, err := onHost(w, host)
		if err != nil {
			return hooks{}, err
		}
		name = "agent:" + h.name
	} else if name != scraper && name != pusher {
		return hooks{}, fmt.Errorf("there is no sender %q", name)
	}
	return hooks{hold: func(float64) {
		if e.Spools {
			w.senders.spooled[name] = true
		} else {
			w.senders.silent[name] = true
		}
	}}, nil
}

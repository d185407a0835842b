package incidentsapi

import (
	"context"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Bounds of a map.
const (
	maxNodes = 5000
	maxLinks = 20_000
	// topologyWindow is how long before the moment an entity or an edge must have been heard of: announcements come up to an hour apart.
	topologyWindow = 2 * time.Hour
	// callWindow is how much of the calls before the moment is counted.
	callWindow = time.Hour
)

type topologyInput struct {
	At     string `query:"at" doc:"RFC 3339, Unix seconds or now-1h; now by default"`
	Entity string `query:"entity" maxLength:"1024" doc:"Only what is near this one, as kind:name"`
	Hops   int    `query:"hops" minimum:"1" maximum:"10" default:"2" doc:"How near, with entity"`
}

// TopologyNode is an entity.
type TopologyNode struct {
	incidents.Entity
	Label     string     `json:"label" doc:"What people call it"`
	FirstSeen *time.Time `json:"first_seen,omitempty"`
	LastSeen  *time.Time `json:"last_seen,omitempty"`
}

// TopologyEdge says that one entity needs another.
type TopologyEdge struct {
	Kind  string           `json:"kind" enum:"calls,runs_on,part_of"`
	From  incidents.Entity `json:"from"`
	To    incidents.Entity `json:"to"`
	Calls uint64           `json:"calls,omitempty" doc:"In the hour before, for calls; an estimate where there were very many"`
}

// Topology is what there was at a time.
type Topology struct {
	At       time.Time      `json:"at"`
	Nodes    []TopologyNode `json:"nodes"`
	Edges    []TopologyEdge `json:"edges"`
	Warnings []string       `json:"warnings"`
}

type topologyOutput struct{ Body Topology }

func (a *API) topology(ctx context.Context, in *topologyInput) (*topologyOutput, error) {
	at := a.now()
	if in.At != "" {
		var err error
		if at, err = timeparam.Parse("at", in.At, a.now()); err != nil {
			return nil, err
		}
	}
	var center *model.Entity
	if in.Entity != "" {
		e, ok := model.ParseEntity(in.Entity)
		if !ok {
			return nil, problem.InvalidField("query.entity", "is not kind:name, such as service:checkout", in.Entity)
		}
		center = &e
	}
	tenant, since := reqctx.Tenant(ctx), at.Add(-topologyWindow)
	nodes, err := a.db.Nodes(ctx, tenant, since, at, maxNodes)
	if err != nil {
		return nil, err
	}
	links, err := a.db.Links(ctx, tenant, since, at, maxLinks)
	if err != nil {
		return nil, err
	}
	calls, every, err := a.spans.CallEdges(ctx, tenant, at.Add(-callWindow).UnixNano(), at.UnixNano(), maxLinks)
	if err != nil {
		return nil, err
	}
	t := Topology{At: at.UTC(), Nodes: []TopologyNode{}, Edges: []TopologyEdge{}, Warnings: []string{}}
	if len(nodes) == maxNodes || len(links) == maxLinks || len(calls) == maxLinks {
		t.Warnings = append(t.Warnings, "there is more than is shown: ask for what is near one entity")
	}
	if every > 1 {
		t.Warnings = append(t.Warnings, "calls are estimated from a part of the traces")
	}
	t.build(nodes, links, calls)
	if center != nil {
		t.near(incidents.EntityOf(*center), in.Hops)
	}
	return &topologyOutput{Body: t}, nil
}

// build joins nodes and edges; what only an edge names becomes a node too.
func (t *Topology) build(nodes []clickhouse.Node, links []clickhouse.Link, calls []clickhouse.CallEdge) {
	have := map[incidents.Entity]bool{}
	for i := range nodes {
		n := &nodes[i]
		e := incidents.EntityOf(n.Entity)
		have[e] = true
		label := n.Label
		if label == "" {
			label = e.Name
		}
		t.Nodes = append(t.Nodes, TopologyNode{Entity: e, Label: label, FirstSeen: &n.FirstSeen, LastSeen: &n.LastSeen})
	}
	for i := range links {
		l := &links[i]
		t.Edges = append(t.Edges, TopologyEdge{Kind: string(l.Kind), From: incidents.EntityOf(l.From), To: incidents.EntityOf(l.To)})
	}
	for _, c := range calls {
		t.Edges = append(t.Edges, TopologyEdge{
			Kind: string(model.EdgeCalls), From: incidents.Entity{Kind: string(model.KindService), Name: c.Parent},
			To: incidents.Entity{Kind: string(model.KindService), Name: c.Child}, Calls: c.Calls,
		})
	}
	for _, l := range t.Edges {
		for _, e := range []incidents.Entity{l.From, l.To} {
			if !have[e] {
				have[e] = true
				t.Nodes = append(t.Nodes, TopologyNode{Entity: e, Label: e.Name})
			}
		}
	}
}

// near leaves what is at most hops edges away from e, whichever way they lead.
func (t *Topology) near(e incidents.Entity, hops int) {
	next := map[incidents.Entity][]incidents.Entity{}
	for _, l := range t.Edges {
		next[l.From] = append(next[l.From], l.To)
		next[l.To] = append(next[l.To], l.From)
	}
	reached, edge := map[incidents.Entity]bool{e: true}, []incidents.Entity{e}
	for range hops {
		var further []incidents.Entity
		for _, x := range edge {
			for _, y := range next[x] {
				if !reached[y] {
					reached[y] = true
					further = append(further, y)
				}
			}
		}
		edge = further
	}
	t.Nodes = slices.DeleteFunc(t.Nodes, func(n TopologyNode) bool { return !reached[n.Entity] })
	t.Edges = slices.DeleteFunc(t.Edges, func(l TopologyEdge) bool { return !reached[l.From] || !reached[l.To] })
}

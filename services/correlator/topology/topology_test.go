package topology_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/correlator/topology"
	"github.com/faultline-io/faultline/services/model"
)

const hour = 3_600_000

func service(n string) model.Entity  { return model.Entity{Kind: model.KindService, Name: n} }
func instance(n string) model.Entity { return model.Entity{Kind: model.KindInstance, Name: n} }
func host(n string) model.Entity     { return model.Entity{Kind: model.KindHost, Name: n} }

func calls(a, b string) model.Edge {
	return model.Edge{Kind: model.EdgeCalls, From: service(a), To: service(b)}
}

func runsOn(i, h string) model.Edge {
	return model.Edge{Kind: model.EdgeRunsOn, From: instance(i), To: host(h)}
}

func TestAtGivesTheMapOfTheMoment(t *testing.T) {
	m := topology.New(topology.Default())
	m.See(calls("a", "b"), 1*hour)
	m.See(calls("a", "b"), 20*hour)
	m.See(calls("a", "c"), 10*hour)
	m.See(calls("a", "a"), 10*hour)
	m.See(model.Edge{Kind: model.EdgeCalls, From: service("a")}, 10*hour)
	f := func(ms int64, want ...model.Edge) {
		t.Helper()
		if got := m.At(ms).Out(service("a")); !cmp.Equal(append([]model.Edge(nil), got...), want) {
			t.Errorf("at %d h: %v, want %v", ms/hour, got, want)
		}
	}
	f(0)
	f(1*hour, calls("a", "b"))
	f(12*hour, calls("a", "b"), calls("a", "c"))
	f(35*hour, calls("a", "b")) // c was not seen for more than a day.
	f(45 * hour)
	f(12*hour, calls("a", "b"), calls("a", "c")) // The past stays what it was.
	m.Prune(35 * hour)
	if m.Len() != 1 {
		t.Errorf("%d edges after pruning", m.Len())
	}
	f(12*hour, calls("a", "b"))
}

func TestAnInstanceIsAtOnePlace(t *testing.T) {
	m := topology.New(topology.Default())
	for at := int64(1); at <= 5; at++ {
		m.See(runsOn("pod-1", "node-a"), at*hour)
		m.See(runsOn("pod-2", "node-a"), at*hour)
		m.See(runsOn("pod-2", "node-b"), at*hour) // Two of one name: both are there.
	}
	for at := int64(6); at <= 9; at++ {
		m.See(runsOn("pod-1", "node-b"), at*hour)
	}
	f := func(pod string, ms int64, want ...model.Edge) {
		t.Helper()
		if got := m.At(ms).Out(instance(pod)); !cmp.Equal(append([]model.Edge(nil), got...), want) {
			t.Errorf("%s at %d h: %v, want %v", pod, ms/hour, got, want)
		}
	}
	f("pod-1", 4*hour, runsOn("pod-1", "node-a"))
	f("pod-1", 8*hour, runsOn("pod-1", "node-b"))
	f("pod-2", 8*hour, runsOn("pod-2", "node-a"), runsOn("pod-2", "node-b"))
	if got := m.At(8 * hour).In(host("node-a")); len(got) != 1 {
		t.Errorf("on node-a: %v", got)
	}
}

func TestGraph(t *testing.T) {
	g := topology.GraphOf([]model.Edge{
		calls("web", "cart"), calls("web", "pay"), calls("cart", "db"), calls("pay", "db"), calls("web", "cart"),
		{Kind: model.EdgePartOf, From: service("cart"), To: instance("cart-1")}, runsOn("cart-1", "node-a"),
		calls("x", "y"), calls("y", "x"),
	})
	if g.Len() != 8 {
		t.Errorf("%d edges", g.Len())
	}
	f := func(a, b model.Entity, limit, want int) {
		t.Helper()
		if got := g.Distance(a, b, limit); got != want {
			t.Errorf("from %s to %s: %d, want %d", a, b, got, want)
		}
		if got := g.Distance(b, a, limit); got != want {
			t.Errorf("from %s to %s: %d, want %d", b, a, got, want)
		}
	}
	f(service("web"), service("web"), 0, 0)
	f(service("web"), service("db"), 3, 2)
	f(service("cart"), service("pay"), 3, 2)
	f(service("web"), host("node-a"), 3, 3)
	f(service("web"), host("node-a"), 2, -1)
	f(service("web"), service("x"), 9, -1)
	f(service("web"), service("nobody"), 9, -1)
	if got := fmt.Sprint(g.Closure(service("web"), 2)); got != "[{service:cart 1} {service:pay 1} {instance:cart-1 2} {service:db 2}]" {
		t.Errorf("what web needs: %s", got)
	}
	if got := fmt.Sprint(g.Affected(host("node-a"), 9)); got != "[{instance:cart-1 1} {service:cart 2} {service:web 3}]" {
		t.Errorf("who needs node-a: %s", got)
	}
	if got := fmt.Sprint(g.Closure(service("x"), 9)); got != "[{service:y 1}]" {
		t.Errorf("a circle: %s", got)
	}
	if n := g.Needs(service("web"), host("node-a"), 5); n != 3 {
		t.Errorf("web needs node-a at %d", n)
	}
	if n := g.Needs(host("node-a"), service("web"), 5); n != -1 {
		t.Errorf("node-a needs web at %d", n)
	}
}

func TestResource(t *testing.T) {
	m := topology.New(topology.Default())
	r := &model.Resource{ID: 7, Attributes: []model.Label{
		{Name: "service.name", Value: "cart"}, {Name: "k8s.pod.name", Value: "cart-1"}, {Name: "container.id", Value: "c1"},
		{Name: "k8s.node.name", Value: "node-a"}, {Name: "host.name", Value: "cart-1"},
	}}
	m.Resource(r, 10*hour)
	g := m.At(10 * hour)
	container := model.Entity{Kind: model.KindContainer, Name: "c1"}
	for _, e := range []model.Edge{
		{Kind: model.EdgePartOf, From: service("cart"), To: instance("cart-1")}, runsOn("cart-1", "node-a"),
		{Kind: model.EdgeRunsOn, From: instance("cart-1"), To: container}, {Kind: model.EdgeRunsOn, From: container, To: host("node-a")},
	} {
		if g.Distance(e.From, e.To, 1) != 1 {
			t.Errorf("missing: %v", e)
		}
	}
	if m.Len() != 4 {
		m.Each(func(k topology.Known) { t.Log(k) })
		t.Errorf("%d edges", m.Len())
	}
}

// sights returns sights of edges over two days.
func sights(n int) []topology.Known {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]topology.Known, n)
	for i := range out {
		e := calls(fmt.Sprint("s", r.IntN(20)), fmt.Sprint("s", r.IntN(20)))
		if i%3 == 0 {
			e = runsOn(fmt.Sprint("p", r.IntN(30)), fmt.Sprint("n", r.IntN(5)))
		}
		out[i] = topology.Known{Edge: e, FirstMS: r.Int64N(48 * hour)}
	}
	return out
}

func TestOrderOfSightsHasNoInfluence(t *testing.T) {
	var want []byte
	all := sights(3000)
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		m := topology.New(topology.Default())
		for i, s := range all {
			m.See(s.Edge, s.FirstMS)
			m.Resource(&model.Resource{ID: uint64(s.FirstMS % 7), Attributes: []model.Label{{Name: "service.name", Value: fmt.Sprint("r", s.FirstMS%7)}, {Name: "host.name", Value: "h"}}}, s.FirstMS)
			if i == 1000 {
				m.At(24 * hour) // Looking changes nothing.
			}
		}
		m.Prune(48 * hour)
		got := m.Snapshot()
		for at := int64(0); at <= 48; at += 8 {
			got = append(got, fmt.Sprint(m.At(at*hour).Edges())...)
		}
		if want == nil {
			want = got
		} else if !bytes.Equal(want, got) {
			t.Fatalf("seed %d differs", seed)
		}
	}
}

func TestBounds(t *testing.T) {
	cfg := topology.Default()
	cfg.MaxEdges = 10
	m := topology.New(cfg)
	for i := range 100 {
		m.See(calls("a", fmt.Sprint("b", i)), int64(i))
	}
	if m.Len() != 20 || m.Dropped() != 80 {
		t.Errorf("%d edges, %d dropped", m.Len(), m.Dropped())
	}
	m.Prune(100)
	if m.Len() != 10 {
		t.Errorf("%d edges after pruning", m.Len())
	}
	m.Each(func(k topology.Known) {
		if k.FirstMS < 10 {
			t.Errorf("kept the older one: %v", k)
		}
	})
}

func TestSnapshot(t *testing.T) {
	m := topology.New(topology.Default())
	for _, s := range sights(500) {
		m.See(s.Edge, s.FirstMS)
	}
	good := m.Snapshot()
	again, err := topology.Restore(good, topology.Default())
	if err != nil || !bytes.Equal(again.Snapshot(), good) {
		t.Fatalf("does not come back: %v", err)
	}
	if !cmp.Equal(again.At(24*hour).Edges(), m.At(24*hour).Edges()) {
		t.Error("another map")
	}
	for n := 0; n < len(good); n += 7 {
		if _, err := topology.Restore(good[:n], topology.Default()); !errors.Is(err, snapshot.ErrUnusable) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// Whatever the bytes are, Restore refuses them or gives a map that works and comes back as the same bytes.
func FuzzRestore(f *testing.F) {
	m := topology.New(topology.Default())
	for _, s := range sights(20) {
		m.See(s.Edge, s.FirstMS)
	}
	good := m.Snapshot()
	f.Add(good[:len(good)-4])
	f.Add([]byte{'t', 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := topology.Restore(snapshot.Seal(bytes.Clone(body)), topology.Default())
		if err != nil {
			return
		}
		once := m.Snapshot()
		again, err := topology.Restore(once, topology.Default())
		if err != nil || !bytes.Equal(again.Snapshot(), once) {
			t.Fatalf("a snapshot does not come back: %v", err)
		}
		m.See(calls("a", "b"), 1)
		m.Prune(2)
		m.At(1).Closure(service("a"), 3)
	})
}

func BenchmarkSee(b *testing.B) {
	all := sights(1024)
	m := topology.New(topology.Default())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.See(all[i%len(all)].Edge, all[i%len(all)].FirstMS)
	}
}

// BenchmarkAt is what a mark costs with 10,000 edges.
func BenchmarkAt(b *testing.B) {
	m := topology.New(topology.Default())
	for i := range 10_000 {
		m.See(calls(fmt.Sprint("s", i%500), fmt.Sprint("t", i)), int64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		m.At(hour)
	}
}

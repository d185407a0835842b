package model

import (
	"reflect"
	"testing"
)

func TestEntityOf(t *testing.T) {
	f := func(name string, want string, edges []Edge, pairs ...string) {
		t.Helper()
		var labels []Label
		for i := 0; i < len(pairs); i += 2 {
			labels = append(labels, Label{pairs[i], pairs[i+1]})
		}
		e := EntityOf(name, labels)
		if e.String() != want {
			t.Errorf("EntityOf(%s, %v) = %s, want %s", name, pairs, e, want)
		}
		if got := EdgesOf(name, labels); !reflect.DeepEqual(got, edges) {
			t.Errorf("EdgesOf(%s, %v) = %v, want %v", name, pairs, got, edges)
		}
	}
	service := func(n string) Entity { return Entity{KindService, n} }
	pod := Entity{KindInstance, "shop-1"}
	f("node_load1", "host:a", nil, "instance", "a:9100", "job", "node")
	f("system_memory_usage_bytes", "host:h1", nil, "host_id", "h1", "host_name", "a", "instance", "a")
	f("http_requests_total", "service:shop", nil, "job", "shop", "instance", "a:80")
	f("http_requests_total", "instance:shop-1", []Edge{{EdgePartOf, service("shop"), pod}, {EdgeRunsOn, pod, Entity{KindHost, "n1"}}}, "service", "shop", "pod", "shop-1", "node", "n1")
	f("traces_service_graph_request_total", "service:cart", []Edge{{EdgeCalls, service("shop"), service("cart")}}, "client", "shop", "server", "cart")
	f("up", "host:b", nil, "instance", "b:80")
	f("x", ":", nil)
}

func TestParseEntity(t *testing.T) {
	e, ok := ParseEntity("service:a:b")
	if !ok || e != (Entity{KindService, "a:b"}) {
		t.Errorf("%v %v", e, ok)
	}
	if _, ok := ParseEntity("service"); ok {
		t.Error("no colon was taken")
	}
}

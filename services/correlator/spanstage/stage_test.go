package spanstage

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// begin is a moment at the beginning of a window.
const begin = int64(1_795_000_000_000)

// sp is a span as tests write it: times in milliseconds after begin.
type sp struct {
	trace, id, parent int
	service           string
	name              string
	kind              uint8
	start, dur        float64
	failed            bool
	attrs             map[string]string
	instance          string
}

func id8(n int) string {
	if n == 0 {
		return ""
	}
	return string(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// batchOf makes a batch of spans.
func batchOf(spans ...sp) *model.Spans {
	b := &model.Spans{}
	known := map[string]uint32{}
	for _, s := range spans {
		key := s.service + "/" + s.instance
		at, ok := known[key]
		if !ok {
			at = uint32(len(b.Resources))
			known[key] = at
			attrs := []model.Label{{Name: "service.name", Value: s.service}, {Name: "host.name", Value: "host-of-" + s.service}}
			if s.instance != "" {
				attrs = append(attrs, model.Label{Name: "service.instance.id", Value: s.instance})
			}
			b.Resources = append(b.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: s.service, Host: "host-of-" + s.service})
		}
		m := model.Span{
			ResourceIdx: at, TraceID: string(make([]byte, 8)) + id8(s.trace+1<<20), SpanID: id8(s.id), ParentSpanID: id8(s.parent), Name: s.name, Kind: s.kind,
			StartNS: begin*1e6 + int64(s.start*1e6), DurationNS: int64(s.dur * 1e6),
		}
		if s.failed {
			m.StatusCode = statusError
		}
		for k, v := range s.attrs {
			m.Attributes = append(m.Attributes, model.Label{Name: k, Value: v})
		}
		b.Spans = append(b.Spans, m)
	}
	return b
}

// driver is a stage with what it told.
type driver struct {
	*Stage
	seq   uint64
	told  map[string]float64 // Of the last mark, by name and labels.
	stale map[string]bool
	edges map[string]int64
	log   strings.Builder
}

func newDriver(cfg Config) *driver { return &driver{Stage: New(cfg)} }

func key(name string, labels []model.Label) string {
	var b strings.Builder
	b.WriteString(name)
	for _, l := range labels {
		fmt.Fprintf(&b, " %s=%s", l.Name, l.Value)
	}
	return b.String()
}

// to marks up to a number of seconds after begin, as the watermark, in steps of five.
func (r *driver) to(seconds int64) {
	if r.seq == 0 {
		r.step(begin)
	}
	for r.mark.WatermarkMS < begin+seconds*1000 {
		r.step(min(r.mark.WatermarkMS+5000, begin+seconds*1000))
	}
}

func (r *driver) step(watermarkMS int64) {
	r.seq++
	seen := map[string]bool{}
	r.told, r.stale, r.edges = map[string]float64{}, map[string]bool{}, map[string]int64{}
	r.Mark(markAt(r.seq, watermarkMS), func(d model.Derived) {
		k := key(d.Name, d.Labels)
		if at := fmt.Sprint(k, d.TimeMS); seen[at] {
			panic("told twice: " + at)
		} else {
			seen[at] = true
		}
		r.told[k] = d.Value
		r.stale[k] = d.Stale
		fmt.Fprintln(&r.log, k, d.TimeMS, math.Float64bits(d.Value), d.Stale)
	}, func(e model.Edge, at int64) {
		r.edges[e.From.String()+">"+e.To.String()] = at
		fmt.Fprintln(&r.log, e, at)
	})
}

func markAt(seq uint64, watermarkMS int64) eventtime.Mark {
	return eventtime.Mark{Seq: seq, AtMS: watermarkMS + 26_000, WatermarkMS: watermarkMS}
}

// expect compares samples with a tolerance of the width of a bucket.
func (r *driver) expect(t *testing.T, want map[string]float64) {
	t.Helper()
	for k, v := range want {
		got, ok := r.told[k]
		switch {
		case math.IsNaN(v):
			if ok {
				t.Errorf("%s: %v, want none", k, got)
			}
		case !ok:
			t.Errorf("%s: nothing told", k)
		case math.Abs(got-v) > 0.07*math.Abs(v)+1e-9:
			t.Errorf("%s: %v, want %v", k, got, v)
		}
	}
}

var none = math.NaN()

// shop is one request through a web service to a cart, which asks a database. skew is what the clock of the cart is ahead.
func shop(trace int, start, skew float64) []sp {
	return []sp{
		{trace, 1, 0, "web", "GET /cart/{id}", kindServer, start, 100, false, nil, "web-1"},
		{trace, 2, 1, "web", "GET", kindClient, start + 10, 80, false, map[string]string{"server.address": "cart.shop.svc"}, "web-1"},
		{trace, 3, 2, "cart", "GET /items", kindServer, start + 20 + skew, 60, false, nil, ""},
		{trace, 4, 3, "cart", "render", 1, start + 25 + skew, 40, false, nil, ""},
		{trace, 5, 4, "cart", "SELECT", kindClient, start + 30 + skew, 20, false, map[string]string{"db.system": "postgresql", "server.address": "db1:5432"}, ""},
	}
}

func TestOneRequest(t *testing.T) {
	for _, skew := range []float64{0, 300, -7000} {
		r := newDriver(Default())
		r.to(0)
		r.Spans(batchOf(shop(1, 5000, skew)...))
		r.to(10)
		r.expect(t, map[string]float64{
			"service_requests_per_second service=web":                                                    0.1,
			"service_error_ratio service=web":                                                            0,
			"service_duration_mean_seconds service=web":                                                  0.1,
			"service_duration_seconds quantile=0.95 service=web":                                         0.1,
			"service_self_time_seconds quantile=0.5 service=web":                                         0.02,
			"service_self_time_seconds quantile=0.5 service=cart":                                        0.04,
			"operation_requests_per_second operation=GET /cart/{id} service=web":                         0.1,
			"operation_self_time_seconds operation=GET /items quantile=0.5 service=cart":                 0.04,
			"operation_requests_per_second operation=render service=cart":                                none,
			"span_self_time_mean_seconds operation=render service=cart":                                  0.02,
			"instance_requests_per_second service=web service_instance_id=web-1":                         0.1,
			"edge_requests_per_second client=web server=cart server_kind=service":                        0.1,
			"edge_gap_seconds client=web quantile=0.5 server=cart server_kind=service":                   0.02,
			"edge_duration_seconds client=web quantile=0.5 server=cart server_kind=service":              0.08,
			"edge_duration_seconds client=cart quantile=0.5 server=postgresql:db1 server_kind=database":  0.02,
			"edge_gap_seconds client=cart quantile=0.5 server=postgresql:db1 server_kind=database":       none,
			"operation_expected_call_availability expected=cart operation=GET /cart/{id} service=web":    none,
			"instance_duration_seconds quantile=0.5 service=web service_instance_id=web-1":               0.1,
			"edge_error_ratio client=cart server=postgresql:db1 server_kind=database":                    0,
			"service_error_origin_ratio service=cart":                                                    0,
			"operation_duration_seconds operation=GET /cart/{id} quantile=0.5 service=web":               0.1,
			"operation_duration_mean_seconds operation=GET /cart/{id} service=web":                       0.1,
			"operation_error_ratio operation=GET /cart/{id} service=web":                                 0,
			"edge_duration_seconds client=cart quantile=0.95 server=postgresql:db1 server_kind=database": 0.02,
			"service_self_time_seconds quantile=0.95 service=web":                                        0.02,
			"edge_requests_per_second client=cart server=postgresql:db1 server_kind=database":            0.1,
			"service_duration_seconds quantile=0.5 service=cart":                                         0.06,
		})
		if r.edges["service:web>service:cart"] != begin+10_000 || r.edges["service:cart>database:postgresql:db1"] == 0 || len(r.edges) != 2 {
			t.Errorf("edges: %v", r.edges)
		}
		// The next window says zero requests and nothing of durations.
		r.to(20)
		r.expect(t, map[string]float64{"service_requests_per_second service=web": 0, "service_duration_mean_seconds service=web": none, "service_error_ratio service=web": none})
	}
}

// Shares that are certain, by Wilson's interval.
const (
	oneOfTwo = 0.09452865480086611
	twoOfTwo = 0.3423719528896193
)

func TestCertainShares(t *testing.T) {
	f := func(part, n uint32, want float64) {
		t.Helper()
		if got := certain(part, n); math.Abs(got-want) > 5e-4 {
			t.Errorf("%d of %d: %g, want %g", part, n, got, want)
		}
	}
	f(0, 10, 0)
	f(0, 0, 0)
	f(1, 10, 0.0179)
	f(5, 10, 0.2366)
	f(10, 10, 0.7225)
	f(100, 1000, 0.0829)
	f(10_000, 100_000, 0.0982)
}

func TestErrorsBeginSomewhere(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	spans := shop(1, 5000, 0)
	for i := range spans[:4] {
		spans[i].failed = true // Everything above the database, which answered.
	}
	more := shop(2, 5100, 0)
	more[4].failed, more[2].failed, more[1].failed = true, true, true // The database failed, and web took it well.
	r.Spans(batchOf(append(spans, more...)...))
	r.to(10)
	r.expect(t, map[string]float64{
		"service_error_ratio service=web":                                         oneOfTwo,
		"service_error_origin_ratio service=web":                                  0,
		"service_error_ratio service=cart":                                        twoOfTwo,
		"service_error_origin_ratio service=cart":                                 oneOfTwo,
		"edge_error_ratio client=web server=cart server_kind=service":             twoOfTwo,
		"edge_error_ratio client=cart server=postgresql:db1 server_kind=database": oneOfTwo,
	})
	r.Spans(batchOf(sp{3, 1, 0, "web", "GET /", kindServer, 12_000, 10, false, map[string]string{"http.response.status_code": "503"}, ""}))
	r.to(20)
	// With so few requests the share is that of the minute: two of three.
	r.expect(t, map[string]float64{"service_error_ratio service=web": certain(2, 3), "service_error_origin_ratio service=web": certain(1, 3)})
	for i := range 12 {
		r.Spans(batchOf(sp{10 + i, 1, 0, "web", "GET /", kindServer, 22_000, 10, false, nil, ""}))
	}
	r.to(30)
	r.expect(t, map[string]float64{"service_error_ratio service=web": 0})
}

func TestWaitingForWhatIsMissing(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	spans := shop(1, 3000, 0)
	r.Spans(batchOf(spans[2:]...)) // The caller's side comes two marks later.
	r.to(10)
	r.expect(t, map[string]float64{"service_requests_per_second service=cart": none})
	r.Spans(batchOf(spans[:2]...))
	if r.Counts().Late != 0 {
		t.Errorf("%+v", r.Counts())
	}
	r.to(20)
	// They ended in a window that was told before; they count in the one after it, once.
	r.expect(t, map[string]float64{
		"service_requests_per_second service=web": 0.1, "service_requests_per_second service=cart": 0.1,
		"edge_gap_seconds client=web quantile=0.5 server=cart server_kind=service": 0.02,
	})
	// What comes when it was looked at already is counted, and nothing that would need the rest.
	r.Spans(batchOf(sp{1, 9, 2, "audit", "WRITE", kindServer, 15_000, 5, false, nil, ""}))
	r.to(30)
	r.expect(t, map[string]float64{"service_requests_per_second service=audit": 0.1, "service_self_time_seconds quantile=0.5 service=audit": none})
	// And what is far too late is not.
	r.Spans(batchOf(shop(2, 5000, 0)...))
	if r.Counts().Late != 5 {
		t.Errorf("%+v", r.Counts())
	}
}

func TestWithoutKinds(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	r.Spans(batchOf(
		sp{1, 1, 0, "a", "handle", 0, 1000, 100, false, nil, ""},
		sp{1, 2, 1, "a", "call b", 0, 1010, 50, false, nil, ""},
		sp{1, 3, 2, "b", "serve", 0, 1020, 30, false, nil, ""},
		sp{1, 4, 1, "c", "serve", 0, 1070, 10, false, nil, ""}, // Right below the request: what it waited is not known.
	))
	r.to(10)
	r.expect(t, map[string]float64{
		"service_self_time_seconds quantile=0.5 service=a":                         0.06,
		"service_requests_per_second service=b":                                    0.1,
		"edge_gap_seconds client=a quantile=0.5 server=b server_kind=service":      0.02,
		"edge_gap_seconds client=a quantile=0.5 server=c server_kind=service":      none,
		"edge_duration_seconds client=a quantile=0.5 server=c server_kind=service": 0.01,
		"span_self_time_mean_seconds operation=call b service=a":                   0.02,
	})
}

func TestSharedIDs(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	r.Spans(batchOf(
		sp{1, 1, 0, "a", "get", kindServer, 1000, 100, false, nil, ""},
		sp{1, 2, 1, "a", "get", kindClient, 1010, 50, false, nil, ""},
		sp{1, 2, 1, "b", "get", kindServer, 1020, 30, false, nil, ""},
		sp{1, 3, 2, "b", "query", kindClient, 1025, 10, false, map[string]string{"db.system": "redis"}, ""},
		sp{1, 3, 2, "b", "query", kindClient, 1025, 10, false, map[string]string{"db.system": "redis"}, ""}, // Sent twice.
	))
	r.to(10)
	r.expect(t, map[string]float64{
		"edge_gap_seconds client=a quantile=0.5 server=b server_kind=service":      0.02,
		"service_self_time_seconds quantile=0.5 service=b":                         0.02,
		"edge_requests_per_second client=b server=redis:of b server_kind=database": 0.1,
	})
}

func TestMessages(t *testing.T) {
	r := newDriver(Default())
	r.to(0)
	queue := map[string]string{"messaging.system": "kafka", "messaging.destination.name": "orders"}
	for i := range 40 {
		at := float64(100 * i)
		wait := 5.0
		if i == 39 {
			wait = 905
		}
		r.Spans(batchOf(
			sp{i, 1, 0, "shop", "POST /order", kindServer, at, 30, false, nil, ""},
			sp{i, 2, 1, "shop", "orders publish", kindProducer, at + 10, 5, false, queue, ""},
			sp{i, 3, 2, "mail", "orders process", kindConsumer, at + 10 + wait + 3_000_000, 20, i == 39, queue, ""}, // A clock that is far ahead.
		))
	}
	// The clock of mail is fifty minutes ahead, so that its spans wait; the pair of hosts is judged by its least difference.
	r.to(3020)
	log := r.log.String()
	for _, want := range []string{
		"{calls service:shop queue:kafka:orders}", "{calls service:mail queue:kafka:orders}", "edge_requests_per_second client=mail server=kafka:orders server_kind=queue",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("not told: %s", want)
		}
	}
	same := newDriver(Default())
	same.to(0)
	for i := range 40 {
		at := float64(100 * i)
		wait := 5.0
		if i >= 30 {
			wait = 905
		}
		same.Spans(batchOf(
			sp{i, 1, 0, "shop", "POST /order", kindServer, at, 30, false, nil, ""},
			sp{i, 2, 1, "shop", "orders publish", kindProducer, at + 10, 5, false, queue, ""},
			sp{i, 3, 2, "mail", "orders process", kindConsumer, at + 10 + wait + 2000, 20, false, queue, ""}, // Two seconds ahead.
		))
	}
	same.to(10)
	same.expect(t, map[string]float64{
		"edge_requests_per_second client=shop server=kafka:orders server_kind=queue": 4,
		"edge_requests_per_second client=shop server=mail server_kind=service":       4,
		"edge_gap_seconds client=shop quantile=0.95 server=mail server_kind=service": 0.9,
		"edge_gap_seconds client=shop quantile=0.5 server=mail server_kind=service":  0,
		"service_self_time_seconds quantile=0.5 service=shop":                        0.025,
	})
}

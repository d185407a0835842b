package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// What is sent: seriesCount series of gauges and counters on hostCount hosts, log lines of a dozen shapes, and spans in traces of eight.
const (
	hostCount     = 40
	metricsOfHost = 250
	seriesCount   = hostCount * metricsOfHost
	traceSpans    = 8
	stepMS        = 15_000
)

// body is one request being built: items first to first+n of the run.
type body struct {
	gen      *generator
	buf, out []byte
	first, n int
	// text is what the items are as plain text, for MB/s.
	text int
}

func (b *body) reset(first, n int) {
	b.buf, b.out, b.first, b.n, b.text = b.buf[:0], b.out[:0], first, n, 0
}

// generator makes values that compress as real ones do: counters that rise, gauges that wander, lines with a few changing words.
type generator struct {
	rnd   *rand.Rand
	start time.Time
	line  []byte
}

func newGenerator(seed int) *generator {
	return &generator{rnd: rand.New(rand.NewPCG(uint64(seed), 7)), start: time.Now().Add(-time.Hour).Truncate(time.Second)}
}

// sample is item i of a run of metrics: the same series comes again every seriesCount items, a step later.
type sample struct {
	host, metric int
	ms           int64
	value        float64
}

func (g *generator) sample(i int) sample {
	s, round := i%seriesCount, i/seriesCount
	v := float64(round*(s%97+1)) + float64(g.rnd.IntN(100))/10
	if s%3 == 0 {
		v = 42 // A third of all series does not move.
	}
	return sample{host: s / metricsOfHost, metric: s % metricsOfHost, ms: g.start.UnixMilli() + int64(round%230)*stepMS, value: v}
}

func (s sample) name() string     { return metricNames[s.metric] }
func (s sample) hostName() string { return hostNames[s.host] }

var (
	metricNames = list(metricsOfHost, func(i int) string {
		return fmt.Sprintf("load_%s_%03d", []string{"cpu_seconds_total", "memory_bytes", "requests_total", "queue_length"}[i%4], i)
	})
	hostNames    = list(hostCount, func(i int) string { return fmt.Sprintf("host-%02d.example", i) })
	serviceNames = []string{"checkout", "cart", "payment", "catalogue", "search", "mail", "gateway", "inventory"}
	levels       = []string{"INFO", "INFO", "INFO", "DEBUG", "INFO", "WARN", "INFO", "ERROR"}
)

func list(n int, f func(int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// record is item i of a run of logs. line is valid until the next record.
type record struct {
	host, service, level string
	at                   time.Time
	line                 []byte
}

func (g *generator) record(i int) record {
	service := serviceNames[i/64%len(serviceNames)]
	r := record{host: hostNames[i/512%hostCount], service: service, level: levels[i%len(levels)], at: g.start.Add(time.Duration(i) * 20 * time.Microsecond)}
	a, b := g.rnd.Uint32(), g.rnd.IntN(5000)
	line := g.line[:0]
	switch i % 6 {
	case 0:
		line = fmt.Appendf(line, "request GET /api/v1/orders/%d finished with status 200 in %d.%03d ms for client 10.%d.%d.%d", a, b/10, b%1000, a&255, a>>8&255, a>>16&255)
	case 1:
		line = fmt.Appendf(line, "cache lookup for key user:%08x:profile took %d us, hit=%t, entries=%d", a, b, a&1 == 0, 10_000+b)
	case 2:
		line = fmt.Appendf(line, "connection pool has %d of 50 connections in use, %d waiting, oldest %d ms", a%50, a%3, b)
	case 3:
		line = fmt.Appendf(line, "published message %016x to topic orders.created partition %d offset %d", uint64(a)*0x9e3779b97f4a7c15, a%12, i)
	case 4:
		line = fmt.Appendf(line, "retry %d of 5 for upstream inventory.internal:8443 after timeout of %d ms, next in %d ms", a%5, 1000+b, b)
	default:
		line = fmt.Appendf(line, "session %08x-%04x-4%03x-a%03x-%012x refreshed, expires in %d s", a, b, b&0xfff, a&0xfff, a, 3600+b)
	}
	g.line, r.line = line, line
	return r
}

// span is item i of a run of spans: every traceSpans of them are one trace.
type span struct {
	trace          [16]byte
	id, parent     [8]byte
	service, name  string
	root, failed   bool
	start, lastsNS int64
}

func (g *generator) span(i int) span {
	t, k := i/traceSpans, i%traceSpans
	s := span{service: serviceNames[k%len(serviceNames)], name: "operation " + serviceNames[(k+3)%len(serviceNames)], root: k == 0, failed: t%50 == 0 && k == traceSpans-1}
	put := func(dst []byte, v uint64) {
		for j := range 8 {
			dst[j] = byte(v >> (8 * j))
		}
	}
	put(s.trace[:8], uint64(t+1)*0x9e3779b97f4a7c15)
	put(s.trace[8:], uint64(t)+0xabcdef)
	put(s.id[:], uint64(i+1)*0xd1342543de82ef95)
	if k > 0 {
		put(s.parent[:], uint64(t*traceSpans+(k-1)/2+1)*0xd1342543de82ef95)
	}
	s.start = g.start.UnixNano() + int64(t)*int64(200*time.Microsecond) + int64(k)*int64(time.Millisecond)
	s.lastsNS = int64(20-2*k)*int64(time.Millisecond) + int64(g.rnd.IntN(1_000_000))
	return s
}

package statsd

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/model"
)

// board shows what is published, by series: the last value, "stale", or the count of a histogram.
type board struct {
	intaketest.Sink
	names   map[uint64]string
	last    map[string]string
	first   map[string]float64
	changes []model.Change
}

func (s *board) PublishMetrics(ctx context.Context, req *intake.Request, m *model.Metrics) error {
	for _, a := range m.Announced {
		text := a.Name
		for _, l := range a.Labels {
			text += " " + l.Name + "=" + l.Value
		}
		s.names[a.ID] = text
	}
	stale := map[int]bool{}
	for _, i := range m.Stale {
		stale[int(i)] = true
	}
	at := 0
	for i, id := range m.SeriesIDs {
		n := 1
		if len(m.Counts) > 0 {
			n = int(m.Counts[i])
		}
		for ; n > 0; n-- {
			name := s.names[id]
			if _, ok := s.first[name]; !ok {
				s.first[name] = m.Values[at]
			}
			s.last[name] = fmt.Sprint(m.Values[at])
			if stale[at] {
				s.last[name] = "stale"
			}
			at++
		}
	}
	for _, h := range m.Histograms {
		s.last[s.names[h.SeriesID]] = fmt.Sprintf("count %v sum %.3f stale %v", h.Count, h.Sum, h.Stale)
	}
	return s.Sink.PublishMetrics(ctx, req, m)
}

func (s *board) PublishChanges(ctx context.Context, req *intake.Request, c *model.Changes) error {
	s.changes = append(s.changes, c.Changes...)
	return s.Sink.PublishChanges(ctx, req, c)
}

func TestStatsd(t *testing.T) {
	core, _ := intaketest.Core(t)
	s := &board{Sink: intaketest.Sink{T: t}, names: map[uint64]string{}, last: map[string]string{}, first: map[string]float64{}}
	now := intaketest.Now()
	core.Sink, core.Clock = s, func() time.Time { return now }
	r := New(core, slog.New(slog.DiscardHandler))
	flush := func(after time.Duration) {
		t.Helper()
		now = now.Add(after)
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name, value string) {
		t.Helper()
		if s.last[name] != value {
			t.Errorf("%s is %q, want %q; all: %v", name, s.last[name], value, s.last)
		}
	}
	r.Write([]byte("page.views:1|c\npage.views:2|c|@0.5\nload:5|g\nload:+3|g\nload:-1|g\nrender:100:300|ms|#env:prod,fast\nsize:7|h\nsize:8|d\r\nusers:a|s\nusers:b|s\nusers:a|s\n" +
		"hits,region=eu:1|c\nq:1|c|#b:2,a:1\nq:1|c|#a:1,b:2\nc:1|c|c:ci-0123abc\nnew:1|c|T1656581400|e:it|card:low\n"))
	flush(10 * time.Second)
	want("page_views_total", "5")
	want("load", "7")
	want("render_seconds env=prod fast=no_label_value", "count 2 sum 0.400 stale false")
	want("size", "count 2 sum 15.000 stale false")
	want("users", "2")
	want("hits_total region=eu", "1")
	want("q_total a=1 b=2", "2") // Whatever the order of its tags, it is one series.
	want("c_total container_id=0123abc", "1")
	want("new_total", "1")
	if s.first["page_views_total"] != 0 {
		t.Errorf("a new counter begins at %v", s.first["page_views_total"])
	}
	r.Write([]byte("page.views:1|c"))
	flush(10 * time.Second)
	want("page_views_total", "6")
	want("load", "7") // Silent, it keeps its value.
	want("users", "stale")
	flush(6 * time.Minute)
	want("load", "stale")
	want("size", "count 0 sum 0.000 stale true")
	r.Write([]byte("page.views:4|c\nload:+1|g"))
	flush(10 * time.Second)
	want("page_views_total", "10")
	want("load", "8")

	r.Write([]byte("_e{5,10}:Title|two\\nlines|d:1800000000|h:web-1|t:error|#service:shop,a:b\n_sc|db.up|2|h:web-1|#env:prod|m:no answer\n"))
	flush(10 * time.Second)
	want("service_check_status check=db.up env=prod host=web-1", "2")
	if len(s.changes) != 1 || s.changes[0].Title != "Title" || s.changes[0].Text != "two\nlines" || s.changes[0].Service != "shop" || s.changes[0].Status != "error" || s.changes[0].TimeNS != 1800000000e9 {
		t.Errorf("events: %+v", s.changes)
	}
	flush(2 * time.Hour)
	if len(r.state.cells) != 0 || len(r.state.aliases) != 0 || r.state.hists != 0 || r.state.members != 0 {
		t.Errorf("what is silent for long is not forgotten: %+v", r.state)
	}
}

func TestBadLinesAreCounted(t *testing.T) {
	core, _ := intaketest.Core(t)
	r := New(core, slog.New(slog.DiscardHandler))
	bad := []string{"x", "x:1", ":1|c", "x:|c", "x:1|", "x:1|z", "x:y|c", "x:1|c|@2", "x:1|c|@0", "x:-1|c", "x:nan|g", "x:inf|ms", "_e{1}:x|y", "_e{9,9}:x|y", "_e{-1,2}:x|y", "_sc|x|9", "_sc|x"}
	r.Write([]byte(strings.Join(bad, "\n")))
	if got := r.bad["invalid_data"]; got != len(bad) {
		t.Errorf("%d lines counted, want %d", got, len(bad))
	}
	r.Write([]byte(strings.Repeat("n", maxKey+1) + ":1|c"))
	if got := r.bad["label_too_long"]; got != 1 {
		t.Errorf("%v", r.bad)
	}
}

func TestStateIsBounded(t *testing.T) {
	core, _ := intaketest.Core(t)
	r := New(core, slog.New(slog.DiscardHandler))
	for i := range maxHistograms + 5 {
		r.Write(fmt.Appendf(nil, "t%d:1|ms", i))
	}
	for i := range maxCells {
		r.Write(fmt.Appendf(nil, "c%d:1|c", i))
	}
	if r.bad["state_limit"]+r.bad["delta_state_limit"] != 5+maxHistograms || len(r.state.cells) != maxCells {
		t.Errorf("%d series, refused %v", len(r.state.cells), r.bad)
	}
}

// Whatever comes, nothing panics and what was accepted can be encoded.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("page.views:1|c\nload:+3|g|#a:b\nx,k=v:1:2|ms|@0.1|c:ci-1"))
	f.Add([]byte("_e{5,4}:Title|text|h:x|#a\n_sc|x|1|#a:b|m:y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		core, _ := intaketest.Core(t)
		r := New(core, slog.New(slog.DiscardHandler))
		for range 2 {
			r.Write(data)
			if err := r.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	core, _ := intaketest.Core(b)
	r := New(core, slog.New(slog.DiscardHandler))
	rng := rand.New(rand.NewPCG(1, 2))
	var datagrams [][]byte
	lines := 0
	for range 1000 {
		var d []byte
		for range 20 {
			d = fmt.Appendf(d, "http.requests:%d|c|#service:shop,route:r%d,code:200\nhttp.latency:%d|ms|#service:shop,route:r%d\n", 1+rng.IntN(3), rng.IntN(200), rng.IntN(900), rng.IntN(200))
			lines += 2
		}
		datagrams = append(datagrams, d)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r.Write(datagrams[i%len(datagrams)])
	}
	b.ReportMetric(float64(b.N)*40/b.Elapsed().Seconds(), "lines/s")
}

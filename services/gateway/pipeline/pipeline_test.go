package pipeline

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func TestEverythingCompiles(t *testing.T) {
	p, err := Load(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.stages) != 16 || p.secrets == nil || p.aggregate == "" {
		t.Errorf("%d stages, %+v", len(p.stages), p)
	}
}

// The example of the page works.
func TestDocumentedExample(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "pipeline.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	p, err := Parse("docs/pipeline.md", []byte(text))
	if !ok || err != nil || len(p.stages) != 8 {
		t.Fatal(ok, err)
	}
}

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, want, _ := strings.Cut(strings.TrimSpace(string(data)), "# want: ")
		_, err = Load(f)
		if errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" || !strings.Contains(err.Error(), want) || !regexp.MustCompile(`^\S+\.yaml:\d+: `).MatchString(err.Error()) {
			t.Errorf("%s: %v\n  want %s", filepath.Base(f), err, want)
		}
	}
	if _, err := Load("nosuchfile"); errs.KindOf(err) != errs.Invalid {
		t.Error(err)
	}
}

func try(t *testing.T, text string, from Sender) *Trial {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x, err := NewTrial(path, from, func() time.Time { return time.Unix(1_795_577_667, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

func TestConditions(t *testing.T) {
	rec := intake.Record{Body: "GET /healthz 200", Severity: 9, Attributes: []model.Label{{Name: "user", Value: "bob"}}}
	res := []model.Label{{Name: "service.name", Value: "front-1"}, {Name: "host.name", Value: "web-7"}, {Name: "zone", Value: "eu"}}
	for cond, want := range map[string]bool{
		"signal: logs": true, "signal: [metrics, logs]": true, "signal: spans": false,
		"source: agent:*": true, "source: '!agent:*'": false, "source: [x, 'agent:h1']": true, "protocol: otlp_http": true, "protocol: loki": false,
		"service: front-*": true, "service: 'front'": false, "service: '~front-\\d'": true, "host: web-7": true, "host: [web-1, '!web-7']": false,
		"resource: {zone: eu}": true, "resource: {zone: eu, other: ''}": true, "resource: {other: '!'}": false, "resource: {other: '~.+'}": false,
		"attributes: {user: b*}": true, "attributes: {user: '!~b.*'}": false,
		"body_contains: healthz": true, "body_contains: [x, GET]": true, "body_contains: POST": false, "body_matches: '^GET .* 2..$'": true, "body_matches: '^POST'": false,
		"severity: info": true, "severity: '>= warn'": false, "severity: '< warn'": true, "severity: '!= info'": false, "severity: '<=error'": true,
		"not: {body_contains: healthz}": false, "not: {service: other}": true, "{signal: logs, not: {severity: error}}": true,
	} {
		if !strings.HasPrefix(cond, "{") {
			cond = "{" + cond + "}"
		}
		x := try(t, "stages:\n  - when: "+cond+"\n    drop: true\n", Sender{"agent:h1", "otlp_http"})
		if got := x.Log(rec, res).Out == nil; got != want {
			t.Errorf("%s: %v", cond, got)
		}
	}
	x := try(t, "stages:\n  - when: {status: error, span_name: 'GET *'}\n    drop: true\n", Sender{})
	for want, s := range map[bool]model.Span{true: {Name: "GET /", StatusCode: 2}, false: {Name: "GET /", StatusCode: 1}} {
		if got := x.Span(s, res).Out == nil; got != want {
			t.Errorf("%+v: %v", s, got)
		}
	}
}

// Stages work in the order of the file, also where one changes the resource that another one asks for.
func TestOrder(t *testing.T) {
	before := try(t, "stages:\n  - when: {resource: {zone: old}}\n    drop: true\n  - relabel: {target: resource, rules: [{target_label: zone, replacement: new}]}\n", Sender{})
	after := try(t, "stages:\n  - relabel: {target: resource, rules: [{target_label: zone, replacement: new}]}\n  - when: {resource: {zone: old}}\n    drop: true\n", Sender{})
	res := []model.Label{{Name: "zone", Value: "old"}}
	if o := before.Log(intake.Record{Body: "x"}, res); o.Out != nil {
		t.Errorf("the condition sees what a later stage made: %+v", o)
	}
	if o := after.Log(intake.Record{Body: "x"}, res); o.Out == nil || o.Out.Resource["zone"] != "new" {
		t.Errorf("the condition does not see what an earlier stage made: %+v", o)
	}
}

func TestRelabelDropsItemsNotSets(t *testing.T) {
	x := try(t, `
stages:
  - name: all
    when: {signal: logs}
    relabel: {target: attributes, rules: [{action: labelkeep, regex: nothing}, {action: keep, source_labels: [b], regex: ''}]}
`, Sender{})
	if o := x.Log(intake.Record{Body: "x", Attributes: []model.Label{{Name: "a", Value: "1"}}}, nil); o.Out == nil || o.Out.Attributes != nil {
		t.Errorf("%+v", o)
	}
	x = try(t, "stages:\n  - relabel: {target: attributes, rules: [{action: keep, source_labels: [b], regex: '1'}]}\n", Sender{})
	if o := x.Log(intake.Record{Body: "x"}, nil); o.Out != nil || o.Steps[0].Reason != limits.Dropped {
		t.Errorf("%+v", o)
	}
}

func TestSampling(t *testing.T) {
	const n = 20_000
	for _, ratio := range []float64{0, 0.01, 0.3, 1} {
		s := newSampling(ratio)
		logs, traces, shared := 0, 0, 0
		for i := range n {
			id := fmt.Sprintf("%016d", i) // ids that are not random at all
			r := intake.Record{Body: "the same line"}
			if s.record(&r, i) {
				logs++
			}
			if again := newSampling(ratio); again.record(&r, i) != s.record(&r, i) {
				t.Fatal("the same record is not treated the same")
			}
			if s.trace(id) {
				traces++
			}
			if r.TraceID = id; s.record(&r, i) == s.trace(id) {
				shared++
			}
		}
		sigma := math.Sqrt(n * ratio * (1 - ratio))
		for _, got := range []int{logs, traces} {
			if math.Abs(float64(got)-n*ratio) > 5*sigma+0.5 { // five sigma: one run in a million fails by chance, and hashes are fixed
				t.Errorf("ratio %g keeps %d of %d", ratio, got, n)
			}
		}
		if shared != n {
			t.Errorf("logs and spans of %d traces part", n-shared)
		}
	}
}

func TestBucketsAreBounded(t *testing.T) {
	r := &rateLimit{perSecond: 1, burst: 2, buckets: map[string]*bucket{}}
	now := time.Unix(1e9, 0)
	for i := range 3 * maxBuckets {
		r.take([]byte(fmt.Sprint(i)), 2, now, false)
	}
	if len(r.buckets) > maxBuckets+1 {
		t.Errorf("%d buckets", len(r.buckets))
	}
	if r.take([]byte("new"), 1, now, false) {
		t.Error("who comes when all buckets are taken shares one, and that is empty")
	}
	if now = now.Add(time.Minute); !r.take([]byte("new"), 1, now, false) || len(r.buckets) > 2 {
		t.Errorf("full buckets make no room: %d", len(r.buckets))
	}
	if !r.take([]byte("large"), 100, now, false) || r.take([]byte("large"), 1, now.Add(time.Second), false) {
		t.Error("an item larger than the bucket passes once, and is paid for")
	}
}

// A parsed time that the gateway would refuse, or that is none, leaves the record's own.
func TestParsedTimeIsChecked(t *testing.T) {
	x := try(t, "stages:\n  - parse: {format: logfmt}\n", Sender{})
	for _, in := range []string{"ts=2099-01-01T00:00:00Z a=1", "ts=yesterday a=1", "ts=0 a=1"} {
		o := x.Log(intake.Record{Body: in, TimeNS: 1_795_577_000e9}, nil)
		if o.Out.Time != "2026-11-25T03:23:20Z" || o.Out.Attributes["ts"] == "" || o.Out.Attributes["a"] != "1" {
			t.Errorf("%s: %+v", in, o.Out)
		}
	}
}

func TestHolderKeepsAggregationAcrossReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule := "  - aggregate: {rules: [{interval: 1h, outputs: [max]}]}\n"
	write("stages:\n" + rule)
	core := &intake.Core{Limits: limits.Default()}
	h, err := NewHolder(Deps{File: path, Core: core, Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	a := h.aggregation.Load()
	write("stages:\n  - sample: {ratio: 1}\n" + rule)
	if err := h.Reload(); err != nil || h.aggregation.Load() != a || a.stopped {
		t.Errorf("unchanged rules lose their state: %v", err)
	}
	write("stages: []")
	if err := h.Reload(); err != nil || h.aggregation.Load() != nil || !a.stopped {
		t.Errorf("removed rules go on: %v", err)
	}
}

// Whatever a file holds, it compiles or is refused with a reason.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, filepath.Join("testdata", "everything.yaml")) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "interval") {
			return // aggregators of a nanosecond's interval would only heat the room
		}
		if _, err := Parse("x", []byte(text)); err != nil && (errs.KindOf(err) != errs.Invalid || !strings.HasPrefix(err.Error(), "x:")) {
			t.Fatal(err)
		}
	})
}

func BenchmarkLog(b *testing.B) {
	for name, text := range map[string]string{"default": "", "drop": "stages:\n  - when: {body_contains: nothing}\n    drop: true\n", "parse": "stages:\n  - parse: {format: logfmt}\n"} {
		b.Run(name, func(b *testing.B) {
			p, err := Parse("x", []byte(text))
			if err != nil {
				b.Fatal(err)
			}
			core := &intake.Core{Limits: limits.Default(), Clock: time.Now}
			h, err := NewHolder(Deps{Core: core, Metrics: metrics.NewSet()})
			if err != nil {
				b.Fatal(err)
			}
			h.install(p)
			req := core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: 1, Source: "bench", Protocol: "bench"}})
			x := h.Stages(req)
			line := `ts=2026-11-25T03:34:27.123Z caller=main.go:42 level=info component=store msg="compaction finished" duration=12.5s blocks=42`
			attrs := []model.Label{{Name: "user", Value: "42"}}
			res := intake.NewResource([]model.Label{{Name: "service.name", Value: "x"}})
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for range b.N {
				r := intake.Record{Body: line, Attributes: attrs}
				x.Log(&r, &res)
			}
		})
	}
}

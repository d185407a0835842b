package dryrun

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

const file = `
stages:
  - name: health checks
    when: {body_contains: /healthz}
    drop: true
  - name: json
    parse: {format: json, body: msg}
  - name: zone
    relabel: {target: resource, rules: [{target_label: zone, replacement: eu}]}
  - name: go
    relabel: {rules: [{action: drop, source_labels: [__name__], regex: go_.*}]}
  - name: sums
    aggregate: {rules: [{match: http_requests_total, interval: 1h, without: [pod], outputs: [total]}]}
`

func run(t *testing.T, text, in string, o Options) string {
	t.Helper()
	if text != "" {
		o.File = filepath.Join(t.TempDir(), "p.yaml")
		if err := os.WriteFile(o.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := Run(strings.NewReader(in), &out, o, time.Now); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\d+ ns each`).ReplaceAllString(out.String(), "N ns each")
}

func TestText(t *testing.T) {
	got := run(t, file, "GET /healthz\n{\"level\":\"error\",\"msg\":\"it\",\"password\":\"x\"}\n{\"body\":\"own\",\"severity\":\"warn\"}\n", Options{Signal: "logs", Sample: `{"attributes":{"k":1}}`})
	want := `- GET /healthz
    changed by zone, dropped by health checks
- {"level":"error","msg":"it","password":"x"}
+ it
+     severity=error
+     k: 1
+     password: [redacted:password]
+     resource zone: eu
    changed by zone, changed by json, changed by redact_secrets
- {"body":"own","severity":"warn"}
+ own
+     severity=warn
+     k: 1
+     resource zone: eu
    changed by zone
3 in, 2 out, 2 of them changed, 1 dropped; N ns each
  health checks (drop)             met 1, changed 0, dropped 1
  json (parse)                     met 2, changed 1, dropped 0
  zone (relabel)                   met 3, changed 3, dropped 0
  go (relabel)                     met 0, changed 0, dropped 0
  sums (aggregate)                 met 0, changed 0, dropped 0
  redact_secrets (redact)          met 1, changed 1, dropped 0
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = run(t, file, "# a comment\ngo_gc 1\nhttp_requests_total{pod=\"a\"} 3\nup{job=\"x\"}\n", Options{Signal: "metrics"})
	if !strings.HasPrefix(got, "- go_gc 1\n    dropped by go\n- http_requests_total{pod=\"a\"} 3\n    aggregated by sums\n  up{job=\"x\"}\n3 in, 1 out") {
		t.Error(got)
	}
	if got = run(t, "", "GET https://a:b@c/\n", Options{Signal: "spans", Color: true}); !strings.Contains(got, "\x1b[32m+ GET https://a:[redacted:url_auth]@c/\x1b[0m") {
		t.Error(got)
	}
}

func TestJSON(t *testing.T) {
	out := run(t, file, "GET /healthz\nplain\n", Options{Signal: "logs", JSON: true})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 {
		t.Fatal(out)
	}
	var first, last struct {
		In      string
		Out     *struct{ Body string }
		Steps   []struct{ Stage, Reason string }
		Summary struct {
			In, Out, Dropped int
			Stages           map[string]struct{ Met int }
		}
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Out != nil || first.Steps[len(first.Steps)-1].Reason != "dropped" {
		t.Errorf("%s: %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[2]), &last); err != nil || last.Summary.In != 2 || last.Summary.Out != 1 || last.Summary.Stages["zone"].Met != 2 {
		t.Errorf("%s: %v", lines[2], err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		in string
		o  Options
	}{
		{"x\n", Options{Signal: "log"}}, {"x\n", Options{Signal: "logs", Sample: "{"}}, {"x\n", Options{Signal: "logs", Sample: `{"nosuchkey":1}`}},
		{"x{\n", Options{Signal: "metrics"}}, {"x\n", Options{Signal: "logs", File: "nosuchfile"}}, {strings.Repeat("x", 2*maxLine), Options{Signal: "logs"}},
		{"x\n", Options{Signal: "logs", Sample: `{"severity":"loud"}`}}, {"x\n", Options{Signal: "logs", Sample: `{"time":"now"}`}},
	} {
		var out bytes.Buffer
		if err := Run(strings.NewReader(c.in), &out, c.o, time.Now); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

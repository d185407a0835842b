package clickhouse

import (
	"context"
	"fmt"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// TestConditionsMeanWhatTheMatcherMeans asks store and matcher the same random questions over the same random records.
func TestConditionsMeanWhatTheMatcherMeans(t *testing.T) {
	db := migrated(t)
	r := rand.New(rand.NewSource(11))
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	value := func() string {
		return pick("5", "500ms", "0.5s", "1.5s", "750", "2KB", "2kib", "/health", "/Cart", `"read time out"`, `"a\"b"`, "-3", "x_y", "100%", "1e3", "ärger", "", "1.25m")
	}
	var batches []*model.Logs
	var recs []*logquery.Record
	for b := range 6 {
		service, pod := pick("cart", "pay", "web-1"), fmt.Sprintf("pod-%d", b%3)
		attrs := []model.Label{{Name: "k8s.pod", Value: pod}, {Name: "service.name", Value: service}}
		l := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: 1}}, Resources: []model.Resource{{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service, Host: "h" + pod}}}
		for i := range 60 {
			body := pick("GET ", "msg ", "", "x\n") + pick("duration", "path", "n", "latency_ms") + pick("=", ": ", `":`) + value() + pick("", " ", ", ") + pick("duration", "path") + "=" + value() + pick("", " end", "}")
			rec := &logquery.Record{Body: body, Service: service, Host: "h" + pod, Severity: uint8(r.Intn(25)), Shape: logshape.Hash(body)}
			var as []model.Label
			if r.Intn(2) == 0 {
				as = append(as, model.Label{Name: pick("duration", "path", "user.id"), Value: strings.Trim(value(), `"`)})
			}
			rec.TraceID, rec.SpanID = strings.Repeat(string(rune(r.Intn(3))), 16), strings.Repeat(string(rune(r.Intn(3))), 8)
			find := func(ls []model.Label) func(string) (string, bool) {
				return func(n string) (string, bool) {
					i := slices.IndexFunc(ls, func(l model.Label) bool { return l.Name == n })
					if i < 0 {
						return "", false
					}
					return ls[i].Value, true
				}
			}
			rec.Attribute, rec.Resource = find(as), find(attrs)
			recs = append(recs, rec)
			l.ResourceIdx, l.TimesNS = append(l.ResourceIdx, 0), append(l.TimesNS, logT0+int64(b*60+i)*1e6)
			l.Severity, l.ShapeHash, l.Bodies = append(l.Severity, rec.Severity), append(l.ShapeHash, rec.Shape), append(l.Bodies, body)
			l.Attributes, l.TraceIDs, l.SpanIDs = append(l.Attributes, as), append(l.TraceIDs, rec.TraceID), append(l.SpanIDs, rec.SpanID)
		}
		batches = append(batches, l)
	}
	if err := db.InsertLogs(context.Background(), "c:1", batches); err != nil {
		t.Fatal(err)
	}
	leaf := func() string {
		switch r.Intn(9) {
		case 0:
			return "service:" + pick("cart", "pay", "c*", "*", "web-*", "*1*")
		case 1:
			return "host:" + pick("hpod-1", "h*2")
		case 2:
			return "level" + pick(":", ">=", "<", ">", "<=") + pick("warn", "error", "info", "unset")
		case 3:
			return pick("duration", "latency_ms", "n", "attr.duration") + pick(">", ">=", "<", "<=", ":>") + pick("5", "500ms", "1s", "0.5s", "2KB", "750")
		case 4:
			return pick("duration", "path", "attr.user.id", "attr.path", "n") + ":" + pick("5", "*", "/health", "/c*", `"read time out"`, "x_y", "100%", "*m*", "ärger")
		case 5:
			return "resource.k8s.pod:" + pick("pod-1", "pod-*", "none", "*")
		case 6:
			return pick("trace:"+strings.Repeat("01", 16), "span:"+strings.Repeat("02", 8), fmt.Sprintf("shape:%016x", recs[r.Intn(len(recs))].Shape))
		default:
			return pick("time", "GET", "5", "duration", `"read time"`, "5*", "path:", "Exception:foo")
		}
	}
	var tree func(depth int) string
	tree = func(depth int) string {
		if depth == 0 || r.Intn(3) == 0 {
			return pick("", "", "-", "NOT ") + leaf()
		}
		return pick("", "-") + "(" + tree(depth-1) + pick(" ", " OR ", " AND ") + tree(depth-1) + ")"
	}
	reader, hits := NewLogReader(db), 0
	for range 250 {
		f := day(1)
		text := tree(2)
		f.Query = parsed(t, text)
		if r.Intn(4) == 0 {
			text += " + line filters"
			more := logquery.Any(logquery.NewContains(pick("path=/", "duration", " end", "=5 ")), logquery.NewMatches(regexp.MustCompile(pick(`=\d+ms`, `^GET.*end$`, `x.msg|x.duration`, `(?i)CART`))))
			f.Query.Root = logquery.All(f.Query.Root, more)
		}
		var want, got []string
		for _, rec := range recs {
			if f.Query.MatchRecord(rec) {
				want = append(want, rec.Body)
			}
		}
		if err := reader.Scan(t.Context(), &f, LogColumns{Body: true}, &ReadStats{}, func(row *LogRow) error { got = append(got, row.Body); return nil }); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: store %d records, matcher %d\nstore   %q\nmatcher %q", text, len(got), len(want), got, want)
		}
		hits += len(want)
	}
	if hits == 0 {
		t.Error("no question found anything")
	}
}

func TestVolumeAndPatternsAreWhatWasStored(t *testing.T) {
	db := migrated(t)
	a := logBatch(1, "cart", "user 1 in", "user 2 in", "gone away")
	for range 2 { // the token makes the second no change
		if err := db.InsertLogs(t.Context(), "v:1", []*model.Logs{a, logBatch(2, "cart", "other tenant")}); err != nil {
			t.Fatal(err)
		}
		db.resources = seenResources{}
	}
	r := NewLogReader(db)
	s, err := r.Streams(t.Context(), 1, logT0/1e9, logT0/1e9+60, 0, nil, 10)
	if err != nil || len(s) != 1 || s[0].Lines != 3 || s[0].Bytes != 27 || s[0].Service != "cart" || s[0].Level != 3 {
		t.Errorf("streams %+v, %v", s, err)
	}
	p, err := r.ShapeVolumes(t.Context(), day(1), logT0, 1e9, 10, &ReadStats{})
	if err != nil || len(p) != 2 {
		t.Fatalf("patterns %+v, %v", p, err)
	}
	slices.SortFunc(p, func(x, y *ShapeVolume) int { return int(y.Total) - int(x.Total) })
	if p[0].Total != 2 || p[0].Counts[0] != 2 || !strings.HasPrefix(p[0].Sample, "user ") {
		t.Errorf("pattern %+v", p[0])
	}
}

package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func free(int64) error { return nil }

type answer struct {
	Took   int  `json:"took"`
	Errors bool `json:"errors"`
	Items  []map[string]struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Status int    `json:"status"`
		Error  *struct{ Type, Reason string }
	} `json:"items"`
}

func bulkOf(t testing.TB, kept *intaketest.Kept, r *Receiver, body string) (answer, error) {
	t.Helper()
	res, err := r.Bulk(context.Background(), intaketest.Request(r.core), "path-index", strings.NewReader(body), free)
	if err != nil {
		return answer{}, err
	}
	var out bytes.Buffer
	if _, err := res.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return a, nil
}

func TestBulk(t *testing.T) {
	core, kept := intaketest.Keep(t)
	a, err := bulkOf(t, kept, New(core), `{"create":{"_index":"logs-nginx.access-default"}}
{"@timestamp":"2026-11-25T03:00:00Z","message":"one","host":{"name":"web1"}}

{"index":{"_index":"app-2026.11.25","_id":"7"}}
{"message":"two"}
{"delete":{"_index":"x","_id":"1"}}
{"update":{"_index":"x","_id":"1"}}
{"doc":{"a":1}}
{"index":{}}
{"message":"three"
nonsense
{"create":{}}
{"@timestamp":"yesterday","message":"four"}
{"create":{}}
[1]
{"create":{}}
{"@timestamp":"2050-01-01T00:00:00Z","message":"five"}
{"create":{}}
{"message":"six"}
{"create":{}}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range a.Items {
		for verb, x := range it {
			kind := ""
			if x.Error != nil {
				kind = " " + x.Error.Type
			}
			got = append(got, fmt.Sprintf("%s %s/%s %d%s", verb, x.Index, x.ID, x.Status, kind))
		}
	}
	want := []string{
		"create logs-nginx.access-default/ 201", "index app-2026.11.25/7 201", "delete x/1 400 illegal_argument_exception", "update x/1 400 illegal_argument_exception",
		"index path-index/ 400 document_parsing_exception", "index / 400 illegal_argument_exception", "create path-index/ 400 document_parsing_exception",
		"create path-index/ 400 document_parsing_exception", "create path-index/ 400 document_parsing_exception", "create path-index/ 201", "create path-index/ 400 illegal_argument_exception",
	}
	if d := cmp.Diff(want, got); d != "" || !a.Errors {
		t.Error(d)
	}
	rows := kept.Rows()
	if len(rows) != 3 || rows[0].Service != "nginx.access" || rows[0].Host != "web1" || rows[1].Service != "app" || rows[2].Service != "path-index" || rows[1].Attrs["elastic.index"] != "app-2026.11.25" {
		t.Errorf("%+v", rows)
	}
}

// When the bus fills in the middle, what is stored is not sent again, and what is not stored is.
func TestBulkHalfStored(t *testing.T) {
	core, kept := intaketest.Keep(t)
	var body strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&body, "{\"create\":{}}\n{\"message\":\"line %d\"}\n", i)
	}
	batches := 0
	kept.Fail = func() error {
		if batches++; batches > 1 {
			return errs.New(errs.Exhausted, "full")
		}
		return nil
	}
	a, err := bulkOf(t, kept, New(core), body.String())
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for i, it := range a.Items {
		switch s := it["create"].Status; {
		case s == 201 && i == stored:
			stored++
		case s != 429:
			t.Fatalf("item %d: %d", i, s)
		}
	}
	if len(a.Items) != 50_000 || stored != len(kept.Rows()) || stored == 0 || !a.Errors {
		t.Errorf("%d items, %d stored, %d rows", len(a.Items), stored, len(kept.Rows()))
	}
	kept.Fail = func() error { return errs.New(errs.Unavailable, "away") }
	if _, err := bulkOf(t, kept, New(core), body.String()); errs.KindOf(err) != errs.Unavailable {
		t.Error(err)
	}
}

func TestServiceOf(t *testing.T) {
	for index, want := range map[string]string{
		"logs-nginx.access-default": "nginx.access", ".ds-logs-a-b": "a", "app-2026.11.25": "app", "filebeat-8.1-2026-11-25-000001": "filebeat", "2026": "2026", "plain": "plain",
	} {
		if got := serviceOf(index); got != want {
			t.Errorf("%s: %s, want %s", index, got, want)
		}
	}
}

func TestAnswersAreJSON(t *testing.T) {
	for _, path := range []string{"", "/", "/_license", "/_xpack", "/_cluster/health", "/_cluster/settings", "/_nodes", "/_cat/x", `/_ilm/policy/a"b`, "/_ilm/status", `/_index_template/a"b`, "/_component_template/a",
		"/_template/a", "/_ingest/pipeline/a", "/_ingest/pipeline", "/_data_stream/a", "/_alias/a"} {
		for _, m := range []string{"GET", "PUT"} {
			if status, body := Answer(m, path); status != 200 || !json.Valid([]byte(body)) {
				t.Errorf("%s %s: %d %s", m, path, status, body)
			}
		}
	}
}

func TestUnknownPath(t *testing.T) {
	if status, body := Answer("GET", "/index/_search"); status != 404 || !json.Valid([]byte(body)) {
		t.Errorf("%d %s", status, body)
	}
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"x\",\"a\":{\"b\":[1]}}\n"))
	f.Add([]byte("{\"delete\":{}}\n{\"index\":{\"_id\":\"\\u0000\"}}\n{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		core, sink := intaketest.Core(t)
		req := intaketest.Request(core)
		res, err := New(core).Bulk(context.Background(), req, "i", bytes.NewReader(body), free)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := res.WriteTo(&out); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("%v %s", err, out.String())
		}
		if res.stored != sink.Items || res.Failed() != req.Rejected() {
			t.Fatalf("%d stored, %d published; %d failed, %d refused", res.stored, sink.Items, res.Failed(), req.Rejected())
		}
	})
}

func BenchmarkBulk(b *testing.B) {
	var body strings.Builder
	const lines = 1000
	for i := range lines {
		fmt.Fprintf(&body, "{\"create\":{\"_index\":\"filebeat-8.1\"}}\n"+`{"@timestamp":"2026-11-25T03:00:00.%03dZ","message":"GET /api/v1/orders/%d from 10.0.0.%d took 12.5 ms, status 200, user agent Mozilla/5.0","log":{"file":{"path":"/var/log/app.log"},"offset":%d},"host":{"name":"web1"},"agent":{"type":"filebeat","version":"8.1.0"},"service":{"name":"shop"},"input":{"type":"log"}}`+"\n", i, i, i%250, i*100)
	}
	core, _ := intaketest.Core(b)
	r := New(core)
	b.ReportAllocs()
	b.SetBytes(int64(body.Len()))
	for range b.N {
		res, err := r.Bulk(context.Background(), intaketest.Request(core), "", strings.NewReader(body.String()), free)
		if err != nil || res.Failed() > 0 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(lines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

package clickhouse_test

import (
	"fmt"
	"testing"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
)

func TestAlertEventsAreWrittenOnceAndReadInPages(t *testing.T) {
	d := chtest.Start(t)
	const base = int64(1_795_000_000_000)
	var rows []store.AlertRow
	for i := range 20 {
		r := store.AlertRow{
			Tenant: 1, TimeMS: base + int64(i)*1000, Fingerprint: uint64(i%2 + 1), Name: fmt.Sprintf("a%d", i%2), Status: store.AlertFiring, StartsAtMS: base + int64(i)*1000,
			Labels: map[string]string{"alertname": fmt.Sprintf("a%d", i%2), "quote": `it's "x"\`}, Annotations: map[string]string{"summary": "s"},
			Source: "rules", GeneratorURL: "http://x", RecordedAtMS: base,
		}
		if i%2 == 1 {
			r.Status, r.EndsAtMS = store.AlertResolved, r.TimeMS
		}
		rows = append(rows, r)
	}
	other := rows[0]
	other.Tenant = 2
	if err := d.Admin.InsertAlerts(t.Context(), "one", append(rows, other)); err != nil {
		t.Fatal(err)
	}
	// Another leader writes the same events again, with another token.
	if err := d.Admin.InsertAlerts(t.Context(), "two", rows); err != nil {
		t.Fatal(err)
	}
	f := clickhouse.AlertFilter{Tenant: 1, StartMS: base, EndMS: base + 100_000, Limit: 7}
	seen, pages := map[string]bool{}, 0
	last := base + 1_000_000
	for {
		page, err := d.Reader.Alerts(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			key := fmt.Sprint(r.TimeMS, r.Fingerprint, r.Status)
			if seen[key] || r.TimeMS > last || r.Tenant != 1 {
				t.Fatalf("row %+v again or out of order", r)
			}
			seen[key], last = true, r.TimeMS
			if r.Labels["quote"] != `it's "x"\` || r.Annotations["summary"] != "s" {
				t.Fatalf("row %+v", r)
			}
		}
		if pages++; len(page) < f.Limit {
			break
		}
		end := page[len(page)-1]
		f.After = &clickhouse.AlertCursor{TimeMS: end.TimeMS, Fingerprint: end.Fingerprint, Status: end.Status}
	}
	if len(seen) != 20 || pages != 3 {
		t.Errorf("%d rows in %d pages, want 20 in 3", len(seen), pages)
	}
	count := func(what string, f clickhouse.AlertFilter, want int) {
		t.Helper()
		f.Tenant, f.StartMS, f.EndMS, f.Limit = 1, base, base+100_000, 100
		if got, err := d.Reader.Alerts(t.Context(), f); err != nil || len(got) != want {
			t.Errorf("%s: %d rows, want %d (%v)", what, len(got), want, err)
		}
	}
	count("name", clickhouse.AlertFilter{Name: "a1"}, 10)
	count("status", clickhouse.AlertFilter{Status: store.AlertFiring}, 10)
	count("source", clickhouse.AlertFilter{Source: "grafana"}, 0)
	count("fingerprint", clickhouse.AlertFilter{Fingerprint: 2}, 10)
	count("label", clickhouse.AlertFilter{LabelNames: []string{"quote"}, LabelValues: []string{`it's "x"\`}}, 20)
	count("absent label", clickhouse.AlertFilter{LabelNames: []string{"nope"}, LabelValues: []string{"x"}}, 0)
}

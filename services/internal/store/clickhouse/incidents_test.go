package clickhouse_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/incidentstest"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

const hourMS = int64(3_600_000)

// TestBrainTables shares one engine: starting one takes longer than what is asked of it.
func TestBrainTables(t *testing.T) {
	d := chtest.Start(t)
	t.Run("incidents", func(t *testing.T) { incidentsAreReadInTheirLatestRevision(t, d) })
	t.Run("findings", func(t *testing.T) { findingsAreReadInTheirLatestState(t, d) })
	t.Run("commands", func(t *testing.T) { commandsAreKept(t, d) })
	t.Run("marks_and_aside", func(t *testing.T) { whatAReplayNeeds(t, d) })
	t.Run("topology", func(t *testing.T) { topologyAtATime(t, d) })
	t.Run("retention", func(t *testing.T) { retention(t, d) })
}

func incidentsAreReadInTheirLatestRevision(t *testing.T, d chtest.Databases) {
	put := func(token string, ins ...*model.Incident) {
		t.Helper()
		for range 2 { // the same token twice is one insert
			if err := d.Admin.InsertIncidents(t.Context(), token, ins); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []*model.Incident
	for i := range 12 {
		in := incidentstest.Open(i)
		in.Severity = []model.Severity{model.SeverityCritical, model.SeverityHigh, model.SeverityMedium, model.SeverityLow}[i%4]
		all = append(all, in)
	}
	other := incidentstest.Open(3)
	other.Tenant = 2
	put("a", append(all, other)...)
	// Later revisions of some, among them two of one mark.
	resolved := *all[2]
	resolved.State, resolved.UpdatedMS, resolved.EndMS = model.IncidentResolved, resolved.UpdatedMS+1000, resolved.StartMS+2000
	first := *all[4]
	first.Title, first.UpdatedMS = "first of its mark", first.UpdatedMS+1000
	second := first
	second.Title, second.Assignee = "second of its mark", "ann"
	put("b", &resolved, &first, &second)
	merged := *all[5]
	merged.State, merged.UpdatedMS, merged.EndMS, merged.MergedInto = model.IncidentMerged, merged.UpdatedMS+5000, merged.StartMS+9000, all[4].ID
	put("c", &merged)

	from, to := incidentstest.BaseMS, incidentstest.BaseMS+12*hourMS
	f := func(name string, q clickhouse.IncidentFilter, want ...int) {
		t.Helper()
		q.Tenant = 1
		if q.EndMS == 0 {
			q.StartMS, q.EndMS = from, to
		}
		var got []string
		var after *clickhouse.IncidentCursor
		for range 20 {
			page, next, err := d.Reader.Incidents(t.Context(), q, after, 5)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, s := range page {
				got = append(got, s.ID)
			}
			if after = next; next == nil {
				break
			}
		}
		ids := []string{}
		for _, i := range want {
			ids = append(ids, all[i].ID)
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("%s: got %v, want %v", name, got, ids)
		}
	}
	f("all", clickhouse.IncidentFilter{}, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("open", clickhouse.IncidentFilter{States: []string{"open"}}, 11, 10, 9, 8, 7, 6, 4, 3, 1, 0)
	f("severity", clickhouse.IncidentFilter{Severities: []string{"critical", "low"}}, 11, 8, 7, 4, 3, 0)
	f("entity", clickhouse.IncidentFilter{Entities: []string{"host:web-1", "x:y"}, States: []string{"resolved"}}, 2)
	f("no_entity", clickhouse.IncidentFilter{Entities: []string{"host:nope"}})
	f("assignee", clickhouse.IncidentFilter{Assignee: "ann"}, 4)
	f("text", clickhouse.IncidentFilter{Text: "SECOND of"}, 4)
	f("replaced_text", clickhouse.IncidentFilter{Text: "first of its mark"})
	f("quoted_text", clickhouse.IncidentFilter{Text: `'\"{x:String}`})
	f("resolved_before", clickhouse.IncidentFilter{StartMS: resolved.EndMS + 1, EndMS: resolved.EndMS + 2000}, 1, 0)
	f("while_it_lasted", clickhouse.IncidentFilter{StartMS: resolved.EndMS - 1, EndMS: resolved.DetectedMS + 1}, 2, 1, 0)

	got, err := d.Reader.Incident(t.Context(), 1, all[4].ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(incidents.Of(&second), got); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"nope", "", `'x\`} {
		if _, err := d.Reader.Incident(t.Context(), 1, id); errs.KindOf(err) != errs.NotFound || errs.HintOf(err) == "" {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := d.Reader.Incident(t.Context(), 2, all[4].ID); errs.KindOf(err) != errs.NotFound {
		t.Errorf("of another tenant: %v", err)
	}
	judged := *all[0]
	judged.UpdatedMS += 1000
	judged.Feedback = []model.Feedback{{ID: "f", Kind: model.FeedbackReject}}
	sure := *all[1]
	sure.UpdatedMS += 1000
	sure.Feedback = []model.Feedback{{ID: "f", Kind: model.FeedbackConfirm}, {ID: "g", Kind: model.FeedbackReject, RevokedMS: 5}}
	put("d", &judged, &sure)
	right, wrong, total, err := d.Reader.Judged(t.Context(), 1, from)
	if err != nil || right != 1 || wrong != 1 || total != 11 {
		t.Errorf("judged right %d, wrong %d of %d (%v), want 1, 1 of 11", right, wrong, total, err)
	}
	var rows uint64
	var title string
	const q = "SELECT count(), anyIf(title, id = ?) FROM sql_incidents WHERE tenant_id = 1"
	if err := d.Admin.Conn().QueryRow(t.Context(), q, all[4].ID).Scan(&rows, &title); err != nil || rows != 12 || title != second.Title {
		t.Errorf("sql_incidents: %d rows, %q (%v)", rows, title, err)
	}
}

func findingsAreReadInTheirLatestState(t *testing.T, d chtest.Databases) {
	var first []model.Finding
	for i := range 10 {
		f := incidentstest.Finding(i)
		f.EndMS = 0
		if i%3 == 0 {
			f.Entity = model.Entity{Kind: model.KindHost, Name: `web "1"`}
			f.Kind = model.FindingLimit
		}
		first = append(first, f)
	}
	first[1].Low, first[1].High = math.Inf(-1), math.NaN()
	if err := d.Admin.InsertFindings(t.Context(), "a", 1, first); err != nil {
		t.Fatal(err)
	}
	if err := d.Admin.InsertFindings(t.Context(), "a2", 2, first[:1]); err != nil {
		t.Fatal(err)
	}
	ended := first[2]
	ended.SeenMS, ended.EndMS, ended.Text = ended.SeenMS+5000, ended.OnsetMS+30_000, "over"
	for range 2 {
		if err := d.Admin.InsertFindings(t.Context(), "b", 1, []model.Finding{ended}); err != nil {
			t.Fatal(err)
		}
	}
	yes, no := true, false
	f := func(name string, q clickhouse.FindingFilter, want ...int) {
		t.Helper()
		q.Tenant = 1
		if q.EndMS == 0 {
			q.StartMS, q.EndMS = incidentstest.BaseMS, incidentstest.BaseMS+hourMS
		}
		got := []int{}
		var after *clickhouse.FindingCursor
		for range 20 {
			page, next, err := d.Reader.Findings(t.Context(), q, after, 4)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, x := range page {
				got = append(got, int(x.ID)-1000)
			}
			if after = next; next == nil {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(append([]int{}, want...)) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	f("all", clickhouse.FindingFilter{}, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("open", clickhouse.FindingFilter{Open: &yes}, 9, 8, 7, 6, 5, 4, 3, 1, 0)
	f("ended", clickhouse.FindingFilter{Open: &no}, 2)
	f("ids", clickhouse.FindingFilter{IDs: []uint64{1003, 1007, 5}}, 7, 3)
	f("entity", clickhouse.FindingFilter{Entities: []string{`host:web "1"`}}, 9, 6, 3, 0)
	f("kind", clickhouse.FindingFilter{Kinds: []string{"limit"}, Signal: "http_server_duration_p95_6"}, 6)
	f("text", clickhouse.FindingFilter{Text: "OVER"}, 2)
	f("time", clickhouse.FindingFilter{StartMS: ended.EndMS + 1, EndMS: ended.EndMS + 2}, 1, 0)
	got, err := d.Reader.Finding(t.Context(), 1, ended.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ended, got); diff != "" {
		t.Error(diff)
	}
	if got, err = d.Reader.Finding(t.Context(), 1, 1001); err != nil || !math.IsInf(got.Low, -1) || !math.IsNaN(got.High) {
		t.Errorf("a band to one side: %v %v (%v)", got.Low, got.High, err)
	}
	if _, err := d.Reader.Finding(t.Context(), 1, 5); errs.KindOf(err) != errs.NotFound {
		t.Errorf("one that is not there: %v", err)
	}
}

func commandsAreKept(t *testing.T, d chtest.Databases) {
	row := func(i int, incident, outcome string) store.CommandRow {
		c := incidentstest.Command(i)
		c.Incident, c.Other = incident, ""
		return store.CommandRow{Command: c, AppliedAtMS: c.AtMS + 500, Mark: uint64(i), Outcome: outcome, Detail: "because"}
	}
	rows := []store.CommandRow{row(2, "x", incidents.Applied), row(1, "x", incidents.Refused), row(3, "y", incidents.Applied)}
	rows[2].Other = "x"
	for range 2 {
		if err := d.Admin.InsertCommands(t.Context(), "c", rows); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.Reader.Commands(t.Context(), 1, "x", incidentstest.BaseMS, incidentstest.BaseMS+hourMS, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.CommandRow{rows[1], rows[0], rows[2]}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = d.Reader.Commands(t.Context(), 1, "", incidentstest.BaseMS, incidentstest.BaseMS+hourMS, 2); err != nil || len(got) != 2 {
		t.Errorf("a limit of two: %d (%v)", len(got), err)
	}
	if got, err = d.Reader.Commands(t.Context(), 2, "", incidentstest.BaseMS, incidentstest.BaseMS+hourMS, 2); err != nil || len(got) != 0 {
		t.Errorf("another tenant's: %d (%v)", len(got), err)
	}
}

func whatAReplayNeeds(t *testing.T, d chtest.Databases) {
	var marks []store.MarkRow
	var aside []store.AsideRow
	for i := range int64(100) {
		at := incidentstest.BaseMS + i*5000
		marks = append(marks, store.MarkRow{Seq: uint64(i + 1), AtMS: at, WatermarkMS: at - 20_000})
		aside = append(aside, store.AsideRow{SeriesID: uint64(100 - i), TimeMS: at, Bits: math.Float64bits(float64(i)), Stale: i%2 == 0, Reason: uint8(i % 4), Mark: uint64(i)})
	}
	for range 2 {
		if err := d.Admin.InsertMarks(t.Context(), "m", 1, marks); err != nil {
			t.Fatal(err)
		}
		if err := d.Admin.InsertAside(t.Context(), "m", 1, aside); err != nil {
			t.Fatal(err)
		}
	}
	var gotMarks []store.MarkRow
	if err := d.Reader.Marks(t.Context(), 1, marks[10].AtMS, marks[19].AtMS, func(m store.MarkRow) { gotMarks = append(gotMarks, m) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(marks[10:20], gotMarks); diff != "" {
		t.Error(diff)
	}
	var gotAside []store.AsideRow
	if err := d.Reader.Aside(t.Context(), 1, marks[10].AtMS, marks[11].AtMS, func(a store.AsideRow) { gotAside = append(gotAside, a) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.AsideRow{aside[11], aside[10]}, gotAside); diff != "" {
		t.Error(diff)
	}
}

func topologyAtATime(t *testing.T, d chtest.Databases) {
	attrs := []model.Label{{Name: "host.id", Value: "h1"}, {Name: "host.name", Value: "web-1"}, {Name: "service.name", Value: "shop"}}
	l := &model.Logs{
		Header:    model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: incidentstest.BaseMS},
		Resources: []model.Resource{{ID: 1, Attributes: attrs, Service: "shop", Host: "h1"}}, ResourceIdx: []uint32{0}, TimesNS: []int64{incidentstest.BaseMS * 1_000_000},
		ObservedNS: []int64{0}, Severity: []uint8{9}, ShapeHash: []uint64{1}, Bodies: []string{"x"},
	}
	if err := d.Admin.InsertLogs(t.Context(), "t:1", []*model.Logs{l}); err != nil {
		t.Fatal(err)
	}
	base := time.UnixMilli(incidentstest.BaseMS)
	f := func(name string, since, at time.Time, nodes, links int) {
		t.Helper()
		n, err := d.Reader.Nodes(t.Context(), 1, since, at, 100)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.Reader.Links(t.Context(), 1, since, at, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(n) != nodes || len(l) != links {
			t.Errorf("%s: %v %v, want %d nodes and %d links", name, n, l, nodes, links)
		}
	}
	f("then", base.Add(-time.Hour), base.Add(time.Minute), 2, 1)
	f("before", base.Add(-2*time.Hour), base.Add(-time.Hour), 0, 0)
	f("long_after", base.Add(time.Hour), base.Add(2*time.Hour), 0, 0)
}

func retention(t *testing.T, d chtest.Databases) {
	r := clickhouse.Retention{"metrics": 24 * time.Hour, "findings": 48 * time.Hour, "incidents": 72 * time.Hour, "changes": 24 * time.Hour, "logs": 24 * time.Hour, "spans": 24 * time.Hour, "metrics_5m": 24 * time.Hour, "metrics_1h": 24 * time.Hour}
	if err := d.Admin.ApplyRetention(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for table, days := range map[string]int{"findings": 2, "incidents": 3, "commands": 3, "marks": 1, "samples_aside": 1} {
		var create string
		if err := d.Admin.Conn().QueryRow(t.Context(), "SHOW CREATE TABLE "+table).Scan(&create); err != nil || !strings.Contains(create, fmt.Sprintf("toIntervalDay(%d)", days)) {
			t.Errorf("%s (%v): %s", table, err, create)
		}
	}
}

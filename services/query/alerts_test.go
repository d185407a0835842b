package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/store"
)

// withAlerting runs the service that follows the state of alerting, with what a leader would have published.
func withAlerting(t *testing.T) *server {
	t.Helper()
	s := start(t)
	kv, err := s.bus.KV(t.Context(), alerts.StateBucket)
	if err != nil {
		t.Fatal(err)
	}
	p, err := alertstate.NewPublisher(kv, 1)
	if err != nil {
		t.Fatal(err)
	}
	conf, source, err := amconfig.Load(amconfig.Settings{WebhookURL: "http://user:token@hooks.example/secret-path"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	zero := 0.0
	for i, g := range []string{"one", "two", "three"} {
		err := p.PutGroup(t.Context(), &alertstate.Group{Name: g, File: "/rules.yml", Interval: 15, LastEvaluation: now, Rules: []alertstate.Rule{
			{Name: "rec", Query: "sum(up)", Health: "ok", Type: alertstate.TypeRecording},
			{Name: "Down" + g, Query: "up == 0", Health: "err", LastError: "broken", State: "pending", Type: alertstate.TypeAlerting, Duration: &zero, KeepFiringFor: &zero,
				Labels: map[string]string{"n": fmt.Sprint(i)}, Alerts: []alertstate.Alert{{Labels: map[string]string{"alertname": "Down" + g}, State: "pending", ActiveAt: &now, Value: "1e+00"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.PutConfig(t.Context(), alertstate.Config{YAML: conf.String(), Source: source, LoadedAt: now}); err != nil {
		t.Fatal(err)
	}
	if err := p.PutStatus(t.Context(), alertstate.Status{Leader: "me", LeadsSince: now, PublishedAt: now}); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, "/api/v2/alerts", call{}); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the state is read: %s", a.Status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Query.alerts.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	until(t, func() bool { return s.do(t, "/alertmanager/-/ready", call{nobody: true}).StatusCode == http.StatusOK })
	return s
}

// until waits for a condition.
func until(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatal("not within 30 s")
		case <-tick.C:
		}
	}
}

func TestAlerting(t *testing.T) {
	s := withAlerting(t)
	t.Run("rules", func(t *testing.T) { rulesAsPrometheus(t, s) })
	t.Run("alertmanager", func(t *testing.T) { alertsAsAlertmanager(t, s) })
	t.Run("amtool", func(t *testing.T) { amtoolWorks(t, s) })
	t.Run("history_and_state", func(t *testing.T) { historyAndState(t, s) })
}

func rulesAsPrometheus(t *testing.T, s *server) {
	type answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Name, Type string
					Alerts     []any
				}
			}
			GroupNextToken string
		}
	}
	f := func(params, want string) answer {
		t.Helper()
		a := get[answer](t, s, "/api/v1/rules?"+params)
		var got []string
		for _, g := range a.Data.Groups {
			for _, r := range g.Rules {
				got = append(got, g.Name+"/"+r.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", params, got, want)
		}
		return a
	}
	f("type=record&rule_group[]=one", "one/rec")
	f("type=alert", "one/Downone three/Downthree two/Downtwo")
	f("rule_name[]=Downtwo&file[]=/rules.yml", "two/Downtwo")
	f("file[]=/other.yml", "")
	f(`match[]={n="2"}`, "three/Downthree")
	first := f("group_limit=2&type=record", "one/rec three/rec")
	f("group_limit=2&type=record&group_next_token="+first.Data.GroupNextToken, "two/rec")
	if a := f("type=alert&exclude_alerts=true&rule_group[]=one", "one/Downone"); len(a.Data.Groups[0].Rules[0].Alerts) != 0 {
		t.Error("alerts are there though excluded")
	}
	for _, bad := range []string{"type=x", "group_limit=0", "group_next_token=x", "group_limit=1&group_next_token=x", "exclude_alerts=maybe", "match[]={"} {
		if a := s.do(t, "/api/v1/rules?"+bad, call{}); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), `"bad_data"`) {
			t.Errorf("%s: %s %s", bad, a.Status, a.body)
		}
	}
	if a := s.do(t, "/api/v1/alerts", call{}); strings.Count(string(a.body), `"pending"`) != 3 {
		t.Errorf("alerts: %s", a.body)
	}
}

func alertsAsAlertmanager(t *testing.T, s *server) {
	if a := s.do(t, "/api/v2/alerts", call{nobody: true}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a sign-in: %s", a.Status)
	}
	a := s.do(t, "/alertmanager/api/v2/alerts", call{method: http.MethodPost, body: `[{"labels":{"alertname":"X","host":"a"}},{"labels":{"alertname":"X","host":"b"}}]`})
	if a.StatusCode != http.StatusOK {
		t.Fatalf("post: %s %s", a.Status, a.body)
	}
	count := func(params string) int {
		t.Helper()
		return len(get[[]any](t, s, "/api/v2/alerts?"+params))
	}
	until(t, func() bool { return count("") == 2 })
	body := `{"matchers":[{"name":"host","value":"a","isRegex":false,"isEqual":true}],"startsAt":"` + time.Now().UTC().Format(time.RFC3339) + `","endsAt":"` +
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","createdBy":"t","comment":"c"}`
	a = s.do(t, "/api/v2/silences", call{method: http.MethodPost, body: body})
	var made struct{ SilenceID string }
	if err := json.Unmarshal(a.body, &made); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("silence: %s %s %v", a.Status, a.body, err)
	}
	// It is answered, so the control state has it.
	kv, err := s.bus.KV(t.Context(), alerts.SilenceBucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), "1."+made.SilenceID); err != nil {
		t.Errorf("a silence that was answered is not in the control state: %v", err)
	}
	if n := count("silenced=false"); n != 1 {
		t.Errorf("%d alerts are not silenced, want 1", n)
	}
	if n := count(`active=false&filter=host="a"`); n != 1 {
		t.Errorf("%d silenced, want 1", n)
	}
	groups := get[[]struct {
		Labels map[string]string
		Alerts []struct{ Status struct{ State string } }
	}](t, s, "/api/v2/alerts/groups")
	if len(groups) != 1 || groups[0].Labels["alertname"] != "X" || len(groups[0].Alerts) != 2 {
		t.Errorf("groups %+v", groups)
	}
	if a := s.do(t, "/api/v2/silence/"+made.SilenceID, call{method: http.MethodDelete}); a.StatusCode != http.StatusOK {
		t.Errorf("expire: %s %s", a.Status, a.body)
	}
	if n := count("silenced=false"); n != 2 {
		t.Errorf("%d alerts after the silence, want 2", n)
	}
	status := s.do(t, "/api/v2/status", call{})
	if !strings.Contains(string(status.body), `url: \u003csecret\u003e`) || strings.Contains(string(status.body), "secret-path") || strings.Contains(string(status.body), "token") {
		t.Errorf("status shows secrets or nothing: %s", status.body)
	}
	for path, c := range map[string]call{
		"/api/v2/silences":       {method: http.MethodPost, body: `{"matchers":[]}`},
		"/api/v2/alerts?":        {method: http.MethodPost, body: `{`},
		"/api/v2/silence/x":      {method: http.MethodDelete},
		"/api/v2/alerts?filter=": {},
	} {
		if a := s.do(t, path, c); a.StatusCode < 400 || a.StatusCode >= 500 {
			if path != "/api/v2/alerts?filter=" {
				t.Errorf("%s: %s %s", path, a.Status, a.body)
			}
		}
	}
}

// amtoolWorks uses the real tool where it is installed.
func amtoolWorks(t *testing.T, s *server) {
	tool, err := exec.LookPath("amtool")
	if err != nil {
		t.Skip("amtool is not installed; `make test` builds it (deploy/tools)")
	}
	run := func(args ...string) string {
		t.Helper()
		at := strings.Replace(s.URL, "http://", "http://admin:"+s.password+"@", 1)
		out, err := exec.CommandContext(t.Context(), tool, append([]string{"--alertmanager.url=" + at}, args...)...).Output()
		if err != nil {
			t.Fatalf("amtool %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("alert", "add", "alertname=Tool", "severity=warn")
	until(t, func() bool { return strings.Contains(run("alert", "query"), "Tool") })
	id := strings.TrimSpace(run("silence", "add", "-c", "c", "-a", "me", "-d", "1h", "alertname=Tool"))
	if out := run("silence", "query"); !strings.Contains(out, id) {
		t.Errorf("silence query: %s", out)
	}
	if out := run("alert", "query"); strings.Contains(out, "Tool") {
		t.Errorf("a silenced alert is shown: %s", out)
	}
	run("silence", "expire", id)
	if out := run("alert", "query"); !strings.Contains(out, "Tool") {
		t.Errorf("after the silence: %s", out)
	}
	if out := run("config", "show"); !strings.Contains(out, "receiver: default") {
		t.Errorf("config: %s", out)
	}
}

func historyAndState(t *testing.T, s *server) {
	now := time.Now().UnixMilli()
	var rows []store.AlertRow
	for i := range 5 {
		rows = append(rows, store.AlertRow{Tenant: 1, TimeMS: now - int64(i)*1000, Fingerprint: uint64(i + 1), Name: "X", Status: store.AlertFiring, StartsAtMS: now - int64(i)*1000,
			Labels: map[string]string{"alertname": "X", "i": fmt.Sprint(i % 2)}, Annotations: map[string]string{}, Source: "rules", RecordedAtMS: now})
	}
	if err := s.db.Admin.InsertAlerts(t.Context(), "t", rows); err != nil {
		t.Fatal(err)
	}
	type page struct {
		Items []struct {
			Fingerprint, Status string
			Labels              map[string]string
		}
		NextCursor string `json:"next_cursor"`
	}
	path, seen := "/api/v1/alerts/history?limit=2", 0
	for cursor := ""; ; {
		p := get[page](t, s, path+"&cursor="+cursor)
		seen += len(p.Items)
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if seen != 5 {
		t.Errorf("%d events in pages, want 5", seen)
	}
	if p := get[page](t, s, "/api/v1/alerts/history?label=i%3D1"); len(p.Items) != 2 {
		t.Errorf("by label: %+v", p)
	}
	if p := get[page](t, s, "/api/v1/alerts/history?fingerprint=0000000000000003"); len(p.Items) != 1 || p.Items[0].Fingerprint != "0000000000000003" {
		t.Errorf("by fingerprint: %+v", p)
	}
	for _, bad := range []string{"label=x", "start=yesterday", "start=now&end=now-1h", "cursor=x", "status=odd"} {
		if a := s.do(t, "/api/v1/alerts/history?"+bad, call{}); a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("%s: %s", bad, a.Status)
		}
	}
	var st struct {
		Healthy       bool
		Groups        int
		AlertingRules int   `json:"alerting_rules"`
		FailingRules  []any `json:"failing_rules"`
		Alerts        struct{ Pending, Firing int }
		Silences      struct{ Expired int }
		ConfigSource  string `json:"config_source"`
	}
	if err := json.Unmarshal(s.do(t, "/api/v1/alerting/state", call{}).body, &st); err != nil {
		t.Fatal(err)
	}
	if st.Groups != 3 || st.AlertingRules != 3 || len(st.FailingRules) != 3 || st.Alerts.Pending != 3 || st.Alerts.Firing < 2 || st.Silences.Expired < 1 || st.ConfigSource != amconfig.FromSettings {
		t.Errorf("state %+v", st)
	}
}

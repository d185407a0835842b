package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

var typeJSONHeader = []string{"Content-Type", "application/json"}

// takeChanges posts a body and returns what the bus got of it.
func postChanges(t *testing.T, x *rig, path, body string, wantStatus int, headers ...string) []model.Change {
	t.Helper()
	x.rec.mu.Lock()
	x.rec.changes = nil
	x.rec.mu.Unlock()
	code, _, text := post(t, x.url+path, []byte(body), append(typeJSONHeader, headers...)...)
	if code != wantStatus {
		t.Errorf("%s %.80s: %d %s, want %d", path, body, code, text, wantStatus)
	}
	if !json.Valid([]byte(text)) {
		t.Errorf("%s: the answer is not JSON: %s", path, text)
	}
	x.rec.mu.Lock()
	defer x.rec.mu.Unlock()
	return x.rec.changes
}

func TestChangesJSON(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().Truncate(time.Second)
	f := func(body string, headers ...string) []model.Change {
		t.Helper()
		return postChanges(t, x, "/api/v1/changes", body, 200, headers...)
	}
	cs := f(fmt.Sprintf(`{"kind":"Deploy","service":"shop","version":"1.2","previous_version":"1.1","time":%q,"end":%d,"tags":["env:prod","a"],"attributes":{"n":3,"s":"t"}}`,
		now.Format(time.RFC3339), now.Add(time.Minute).UnixMilli()))
	if len(cs) != 1 || cs[0].Kind != "deploy" || cs[0].Title != "deploy shop 1.2" || cs[0].TimeNS != now.UnixNano() || cs[0].EndNS != now.Add(time.Minute).UnixNano() ||
		cs[0].Environment != "prod" || cs[0].Source != "api" || model.Lookup(cs[0].Attributes, "n") != "3" || model.Lookup(cs[0].Attributes, "tags") != "env:prod,a" {
		t.Errorf("got %+v", cs)
	}
	body := fmt.Sprintf(`[{"title":"a","time":%d},{"title":"b","time":%d}]`, now.Unix(), now.Unix())
	first, again := f(body), f(body)
	if len(first) != 2 || first[0].ID != again[0].ID || first[0].ID == first[1].ID {
		t.Errorf("sent again with its time, a change has the same id: %+v, %+v", first, again)
	}
	if cs := f(`{"title":"a"}`, "Idempotency-Key", "k1"); cs[0].ID != "key:k1" || cs[0].TimeNS < now.UnixNano() {
		t.Errorf("got %+v", cs)
	}
	ce := f(fmt.Sprintf(`{"specversion":"1.0","id":"7","source":"/ci","type":"dev.cdevents.service.deployed.0.2.0","subject":"shop","time":%q,"data":{"service":"shop","environment":"prod"}}`, now.Format(time.RFC3339)),
		"Content-Type", "application/cloudevents+json")
	if len(ce) != 1 || ce[0].ID != "cloudevents:/ci/7" || ce[0].Kind != "deploy" || ce[0].Service != "shop" || ce[0].Environment != "prod" || ce[0].Source != "/ci" || ce[0].TimeNS != now.UnixNano() {
		t.Errorf("CloudEvent: got %+v", ce)
	}
	binary := f(`{"title":"flag on"}`, "Ce-Specversion", "1.0", "Ce-Id", "8", "Ce-Source", "/flags", "Ce-Type", "com.example.flag.toggled")
	if len(binary) != 1 || binary[0].ID != "cloudevents:/flags/8" || binary[0].Kind != "flag" || binary[0].Title != "flag on" {
		t.Errorf("CloudEvent in headers: got %+v", binary)
	}
	for _, bad := range []string{``, `{}`, `[1]`, `{"title":"x","time":"yesterday"}`, `{"title":"x","time":10,"end":5}`, `{"specversion":"1.0"}`, `"x"`, `{"title":"x","time":5}`} {
		if cs := postChanges(t, x, "/api/v1/changes", bad, 400); len(cs) != 0 {
			t.Errorf("%s: published %+v", bad, cs)
		}
	}
	if n := x.rejected("too_old"); n != 1 {
		t.Errorf("%d refused as too old, want 1", n)
	}
}

func TestWebhooks(t *testing.T) {
	x := newRig(t, nil)
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	iso, later := at.Format(time.RFC3339), at.Add(time.Minute).Format(time.RFC3339)
	repo := `"repository":{"name":"shop","full_name":"acme/shop"},"sender":{"login":"ann"}`
	one := func(path, body string, headers ...string) model.Change {
		t.Helper()
		cs := postChanges(t, x, path, body, 200, headers...)
		if len(cs) != 1 {
			t.Fatalf("%s: %d changes", body, len(cs))
		}
		return cs[0]
	}
	deployment := fmt.Sprintf(`"deployment":{"id":5,"ref":"main","sha":"abc","environment":"prod","created_at":%q}`, iso)
	a := one("/api/v1/changes/github", fmt.Sprintf(`{%s,%s}`, deployment, repo), "X-GitHub-Event", "deployment")
	b := one("/api/v1/changes/github", fmt.Sprintf(`{%s,%s,"deployment_status":{"state":"success","updated_at":%q}}`, deployment, repo, later), "X-GitHub-Event", "deployment_status")
	if a.ID != "github:acme/shop:deployment:5" || a.ID != b.ID || a.Status != "pending" || b.Status != "success" || b.TimeNS != at.UnixNano() || b.EndNS != at.Add(time.Minute).UnixNano() || b.Service != "shop" || b.Version != "abc" || b.Environment != "prod" {
		t.Errorf("deployment: %+v, then %+v", a, b)
	}
	run := fmt.Sprintf(`{%s,"action":"completed","workflow_run":{"id":9,"run_attempt":2,"name":"CI","display_title":"fix","status":"completed","conclusion":"failure","run_started_at":%q,"updated_at":%q}}`, repo, iso, later)
	form := "payload=" + url.QueryEscape(run)
	if c := one("/api/v1/changes/github?service=checkout", form, "X-GitHub-Event", "workflow_run", "Content-Type", "application/x-www-form-urlencoded"); c.Kind != "pipeline" || c.Status != "failure" || c.Title != "CI: fix" || c.Service != "checkout" || c.EndNS == 0 {
		t.Errorf("workflow run: %+v", c)
	}
	if c := one("/api/v1/changes/github", fmt.Sprintf(`{%s,"action":"published","release":{"id":1,"tag_name":"v1","published_at":%q}}`, repo, iso), "X-GitHub-Event", "release"); c.Kind != "release" || c.Version != "v1" {
		t.Errorf("release: %+v", c)
	}
	if c := one("/api/v1/changes/github", fmt.Sprintf(`{%s,"ref":"refs/heads/main","after":"b2","before":"a1","head_commit":{"message":"one\n\ntwo"},"commits":[{},{}],"pusher":{"name":"bob"}}`, repo), "X-GitHub-Event", "push"); c.Kind != "push" || c.Title != "Push to main: one" || c.Actor != "bob" {
		t.Errorf("push: %+v", c)
	}
	for _, quiet := range []string{"ping", "issues", "star"} {
		if cs := postChanges(t, x, "/api/v1/changes/github", `{"zen":"x"}`, 200, "X-GitHub-Event", quiet); len(cs) != 0 {
			t.Errorf("%s: %+v", quiet, cs)
		}
	}
	postChanges(t, x, "/api/v1/changes/github", `{}`, 400)
	gl := one("/api/v1/changes/gitlab", fmt.Sprintf(`{"object_kind":"deployment","status":"success","status_changed_at":%q,"deployment_id":15,"environment":"staging","short_sha":"279484c0","project":{"name":"web","path_with_namespace":"acme/web"},"user":{"username":"eve"}}`,
		at.Format("2006-01-02 15:04:05 -0700")), "X-Gitlab-Event", "Deployment Hook")
	if gl.ID != "gitlab:acme/web:deployment:15" || gl.TimeNS != at.UnixNano() || gl.Environment != "staging" || gl.Actor != "eve" || gl.Status != "success" {
		t.Errorf("GitLab deployment: %+v", gl)
	}
	if c := one("/api/v1/changes/gitlab", fmt.Sprintf(`{"object_kind":"pipeline","object_attributes":{"id":31,"ref":"main","status":"failed","created_at":%q,"finished_at":%q},"project":{"name":"web","path_with_namespace":"acme/web","web_url":"https://g/acme/web"}}`,
		at.Format("2006-01-02 15:04:05 UTC"), at.Add(time.Minute).Format("2006-01-02 15:04:05 UTC")), "X-Gitlab-Event", "Pipeline Hook"); c.URL != "https://g/acme/web/-/pipelines/31" || c.EndNS != at.Add(time.Minute).UnixNano() {
		t.Errorf("GitLab pipeline: %+v", c)
	}
	argo := one("/api/v1/changes/argocd", fmt.Sprintf(`{"trigger":"on-deployed","app":{"metadata":{"name":"shop","namespace":"argocd"},"spec":{"destination":{"namespace":"prod"}},"status":{"history":[{"revision":"r1"},{"revision":"r2"}],
		"operationState":{"phase":"Succeeded","startedAt":%q,"finishedAt":%q,"syncResult":{"revision":"r2"},"operation":{"initiatedBy":{"automated":true}}}}}}`, iso, later))
	if argo.Service != "shop" || argo.Version != "r2" || argo.PreviousVersion != "r1" || argo.Status != "succeeded" || argo.TimeNS != at.UnixNano() || argo.Environment != "prod" {
		t.Errorf("Argo CD: %+v", argo)
	}
	flux := one("/api/v1/changes/flux", fmt.Sprintf(`{"involvedObject":{"kind":"HelmRelease","namespace":"apps","name":"shop"},"severity":"error","timestamp":%q,"message":"install failed","reason":"InstallFailed","metadata":{"helm.toolkit.fluxcd.io/revision":"6.0.1"},"reportingController":"helm-controller"}`, iso))
	if flux.Kind != "deploy" || flux.Status != "failure" || flux.Version != "6.0.1" || flux.TimeNS != at.UnixNano() {
		t.Errorf("Flux: %+v", flux)
	}
	ann := one("/api/annotations", fmt.Sprintf(`{"dashboardUID":"d","panelId":2,"time":%d,"timeEnd":%d,"tags":["deploy","service:shop"],"text":"Line one\nline two"}`, at.UnixMilli(), at.UnixMilli()+1000))
	if ann.Title != "Line one" || ann.Service != "shop" || ann.Kind != "annotation" || ann.EndNS-ann.TimeNS != 1e9 || model.Lookup(ann.Attributes, "grafana.panel_id") != "2" {
		t.Errorf("annotation: %+v", ann)
	}
	if c := one("/api/annotations/graphite", fmt.Sprintf(`{"what":"Event","tags":"a b","when":%d,"data":"more"}`, at.Unix())); c.Title != "Event" || c.TimeNS != at.UnixNano() || model.Lookup(c.Attributes, "tags") != "a,b" {
		t.Errorf("Graphite event: %+v", c)
	}
	postChanges(t, x, "/api/annotations", `{"text":""}`, 400)
}

// With a secret, a webhook must be signed by it or carry a key; being on this machine is not enough.
func TestWebhookSignatures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newRig(t, func(c *Config, _ *Deps) { c.Receivers.WebhookSecretFile = file })
	body := `{"repository":{"name":"a","full_name":"a/a"},"action":"published","release":{"id":1,"tag_name":"v1"}}`
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(mac.Sum(nil))
	}
	f := func(path string, want, taken int, headers ...string) {
		t.Helper()
		if cs := postChanges(t, x, path, body, want, append(headers, "X-GitHub-Event", "release")...); len(cs) != taken {
			t.Errorf("%s %q: %d changes, want %d", path, headers, len(cs), taken)
		}
	}
	f("/api/v1/changes/github", 200, 1, "X-Hub-Signature-256", sign("s3cret"))
	f("/api/v1/changes/github", 401, 0, "X-Hub-Signature-256", sign("other"))
	f("/api/v1/changes/github", 401, 0, "X-Hub-Signature-256", "sha256=zz")
	f("/api/v1/changes/github", 401, 0, "X-Hub-Signature-256", "")
	f("/api/v1/changes/github", 401, 0, "X-Faultline-Key", "bad-key")
	f("/api/v1/changes/github", 200, 1, "X-Faultline-Key", "good-key")
	f("/api/v1/changes/gitlab", 401, 0, "X-Gitlab-Token", "nope", "X-Gitlab-Event", "x")
	f("/api/v1/changes/gitlab", 200, 0, "X-Gitlab-Token", "s3cret", "X-Gitlab-Event", "x")
	f("/api/v1/changes/flux", 401, 0, "X-Signature", sign("other"))

}

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/incidents"
)

// An alert from outside becomes an incident, which people act on from the command line.
func TestIncidentsOnTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	i := start(t, dir)
	ask := func(args ...string) (int, string) {
		t.Helper()
		return run(t, nil, append([]string{"incidents", "--data-dir", dir, "--server", i.url}, args...)...)
	}
	if status, out := ask(); status != 0 || out != "no incident\n" {
		t.Errorf("at the start: status %d\n%s", status, out)
	}
	password, err := os.ReadFile(filepath.Join(dir, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	alert := func() int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.url+"/api/v2/alerts",
			strings.NewReader(`[{"labels":{"alertname":"CheckoutDown","service":"checkout"},"annotations":{"summary":"checkout does not answer\u001b[31m"}}]`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth("admin", strings.TrimSpace(string(password)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	eventually(t, "the alert is taken", func() bool { return alert() == http.StatusOK })
	var b incidents.Brief
	eventually(t, "the alert is an incident", func() bool {
		_, out := ask("list", "--json")
		var page struct{ Items []incidents.Brief }
		if json.Unmarshal([]byte(out), &page) != nil || len(page.Items) == 0 {
			return false
		}
		b = page.Items[0]
		return true
	})
	if status, out := ask("ack", b.ID, "looking at it"); status != 0 || !strings.Contains(out, "acknowledged by admin") && !strings.Contains(out, "queued") {
		t.Errorf("ack: status %d\n%s", status, out)
	}
	if status, out := ask("comment", b.ID); status != 1 || !strings.Contains(out, "needs a text") {
		t.Errorf("a comment without a text: status %d\n%s", status, out)
	}
	if status, out := ask("comment", "nope", "x"); status != 1 || !strings.Contains(out, "there is no incident nope") || !strings.Contains(out, "→") {
		t.Errorf("one that is not there: status %d\n%s", status, out)
	}
	shown := func() string {
		_, out := ask("show", b.ID)
		return out
	}
	eventually(t, "it is acknowledged", func() bool { return strings.Contains(shown(), "acknowledged by admin") })
	if out := shown(); strings.ContainsRune(out, 0x1b) {
		t.Errorf("control characters of an alert reach the terminal: %q", out)
	}
	if status, out := ask("resolve", b.ID, "rolled back"); status != 0 {
		t.Errorf("resolve: status %d\n%s", status, out)
	}
	eventually(t, "it is resolved", func() bool { return strings.Contains(shown(), "resolved") })
}

// eventually waits for a condition; each try is a process of its own, so there is no hurry.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(2 * limit)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", 2*limit, what)
		case <-tick.C:
		}
	}
}

package query

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/query/session"
)

// signIn returns the cookie and the session of a fresh sign-in.
func (s *server) signIn(t *testing.T) (*http.Cookie, SessionInfo) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"user": "admin", "password": s.password})
	a := s.do(t, "/api/v1/session", call{method: http.MethodPost, body: string(body), nobody: true})
	if a.StatusCode != http.StatusOK || len(a.Cookies()) != 1 {
		t.Fatalf("sign in: %s %s", a.Status, a.body)
	}
	var info SessionInfo
	if err := json.Unmarshal(a.body, &info); err != nil {
		t.Fatal(err)
	}
	return a.Cookies()[0], info
}

func TestAccess(t *testing.T) {
	s := start(t)
	t.Run("needs_sign_in", func(t *testing.T) {
		for _, path := range []string{"/api/v1/system", "/api/v1/query?query=1", "/api/v1/ledger", "/api/v1/nowhere"} {
			a := s.do(t, path, call{nobody: true})
			if p := problemOf(t, a); a.StatusCode != http.StatusUnauthorized || p["code"] != "unauthenticated" || p["hint"] == nil {
				t.Errorf("%s: %s %s", path, a.Status, a.body)
			}
		}
	})
	t.Run("open_to_all", func(t *testing.T) {
		for path, want := range map[string]string{"/-/healthy": "healthy", "/-/ready": "ready", "/metrics": "faultline_query_running", "/": "console", "/hosts/x": "console"} {
			if a := s.do(t, path, call{nobody: true}); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), want) {
				t.Errorf("%s: %s %.200s", path, a.Status, a.body)
			}
		}
	})
	t.Run("metrics_through_a_proxy_need_sign_in", func(t *testing.T) {
		if a := s.do(t, "/metrics", call{nobody: true, header: map[string]string{"X-Forwarded-For": "192.0.2.7"}}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s", a.Status)
		}
	})
	t.Run("machines", func(t *testing.T) {
		if a := s.do(t, "/api/v1/system", call{}); a.StatusCode != http.StatusOK {
			t.Errorf("basic: %s", a.Status)
		}
		if a := s.do(t, "/api/v1/system", call{header: map[string]string{"Authorization": "Bearer " + s.password}}); a.StatusCode != http.StatusOK {
			t.Errorf("bearer: %s", a.Status)
		}
		if a := s.do(t, "/api/v1/system", call{header: map[string]string{"Authorization": "Digest x"}}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("digest: %s", a.Status)
		}
	})
	t.Run("headers", func(t *testing.T) {
		h := s.do(t, "/", call{nobody: true}).Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"script-src 'self'", "style-src 'self' 'unsafe-inline'", "connect-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("policy %q lacks %q", csp, want)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
			t.Errorf("headers: %v", h)
		}
	})
	t.Run("unknown_and_wrong_method", func(t *testing.T) {
		if a := s.do(t, "/api/v1/nowhere", call{}); a.StatusCode != http.StatusNotFound || problemOf(t, a)["code"] != "not_found" {
			t.Errorf("%s %s", a.Status, a.body)
		}
		if a := s.do(t, "/api/v1/system", call{method: http.MethodPost}); a.StatusCode != http.StatusMethodNotAllowed || problemOf(t, a)["code"] != "method_not_allowed" {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	t.Run("session", func(t *testing.T) { sessionLife(t, s) })
	t.Run("wrong_passwords", func(t *testing.T) { wrongPasswords(t, s) })
}

func sessionLife(t *testing.T, s *server) {
	cookie, info := s.signIn(t)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure || cookie.Name != "faultline_session" || info.CSRFToken == "" {
		t.Errorf("cookie %+v, session %+v", cookie, info)
	}
	var shown SessionInfo
	a := s.do(t, "/api/v1/session", call{cookie: cookie})
	if err := json.Unmarshal(a.body, &shown); err != nil || shown != info {
		t.Errorf("shown %s, want %+v", a.body, info)
	}
	if a := s.do(t, "/api/v1/system", call{cookie: cookie}); a.StatusCode != http.StatusOK {
		t.Errorf("read with the cookie: %s", a.Status)
	}
	if a := s.do(t, "/api/v1/query", call{cookie: cookie, method: http.MethodPost, body: "query=1", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}); a.StatusCode != http.StatusOK {
		t.Errorf("posted read: %s %s", a.Status, a.body)
	}
	write := call{cookie: cookie, method: http.MethodPost}
	if a := s.do(t, "/api/v1/dead-letters/7/replay", write); a.StatusCode != http.StatusForbidden || problemOf(t, a)["code"] != "csrf" {
		t.Errorf("write without the header: %s %s", a.Status, a.body)
	}
	write.header = map[string]string{"X-Faultline-CSRF": info.CSRFToken}
	if a := s.do(t, "/api/v1/dead-letters/7/replay", write); a.StatusCode != http.StatusNotFound {
		t.Errorf("write with the header: %s %s", a.Status, a.body)
	}
	// Another process, or this one after a restart, knows the session from the bucket alone.
	other := session.NewManager(s.bus, s.deps.Clock, s.deps.Log)
	if found, err := other.Find(t.Context(), cookie.Value); err != nil || found.User != "admin" {
		t.Errorf("after a restart: %+v, %v", found, err)
	}
	if a := s.do(t, "/api/v1/session", call{cookie: cookie, method: http.MethodDelete}); a.StatusCode != http.StatusForbidden {
		t.Errorf("sign out without the header: %s", a.Status)
	}
	if a := s.do(t, "/api/v1/session", call{cookie: cookie, method: http.MethodDelete, header: write.header}); a.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: %s %s", a.Status, a.body)
	}
	if a := s.do(t, "/api/v1/system", call{cookie: cookie}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("after sign out: %s", a.Status)
	}
	if a := s.do(t, "/api/v1/session", call{cookie: cookie}); problemOf(t, a)["code"] != "unauthenticated" {
		t.Errorf("session after sign out: %s", a.body)
	}
}

// wrongPasswords runs last: it uses up this address's attempts.
func wrongPasswords(t *testing.T, s *server) {
	try := func() answer {
		return s.do(t, "/api/v1/session", call{method: http.MethodPost, body: `{"user":"admin","password":"wrong"}`, nobody: true})
	}
	if a := try(); a.StatusCode != http.StatusUnauthorized || problemOf(t, a)["code"] != "bad_credentials" {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if a := s.do(t, "/api/v1/session", call{method: http.MethodPost, body: `{"user":""}`, nobody: true}); a.StatusCode != http.StatusUnprocessableEntity || problemOf(t, a)["code"] != "validation" {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for range 50 {
		if a := try(); a.StatusCode == http.StatusTooManyRequests {
			if p := problemOf(t, a); p["code"] != "too_many_failures" || a.Header.Get("Retry-After") == "" || p["retry_after_ms"] == nil {
				t.Errorf("%s %v", a.body, a.Header)
			}
			return
		}
	}
	t.Error("50 wrong passwords and no end")
}

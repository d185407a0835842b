package auth

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// open opens the store of a folder on a clock that the test moves.
func open(t *testing.T, dir string, now *time.Time) *Store {
	t.Helper()
	cfg := Config{PasswordPath: filepath.Join(dir, "admin-password"), KeyPath: filepath.Join(dir, "ingest-key")}
	s, err := Open(cfg, Deps{Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstLine reads a secret file.
func firstLine(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestFirstStartMakesSecretsAndTheNextKeepsThem(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	s := open(t, dir, &now)
	password, key := firstLine(t, s.PasswordPath()), firstLine(t, s.KeyPath())
	if first, err := s.FirstPassword(); err != nil || !s.Created() || first.Reveal() != password {
		t.Errorf("created %v, first password differs from the file, or %v", s.Created(), err)
	}
	for _, p := range []string{s.PasswordPath(), s.KeyPath()} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", p, info.Mode(), err)
		}
	}
	s = open(t, dir, &now)
	if first, err := s.FirstPassword(); err != nil || s.Created() || first.Reveal() != "" {
		t.Error("the second start says that it made the password")
	}
	if err := s.VerifyPassword("10.0.0.1:1", AdminUser, password); err != nil {
		t.Errorf("the password of the first start: %v", err)
	}
	if tenant, err := s.VerifyIngestKey(key); err != nil || tenant != model.DefaultTenant {
		t.Errorf("ingest key gives %d, %v", tenant, err)
	}
	for _, bad := range []string{"", key + "x", key[:len(key)-1], password} {
		if _, err := s.VerifyIngestKey(bad); errs.KindOf(err) != errs.Unauthenticated {
			t.Errorf("ingest key %q: %v, want unauthenticated", bad, err)
		}
	}
}

func TestWrongCredentialsAreRefusedAndSlowedDown(t *testing.T) {
	now := time.Now()
	s := open(t, t.TempDir(), &now)
	password := firstLine(t, s.PasswordPath())
	const addr, other = "10.0.0.1:1", "10.0.0.2:1"
	for i, c := range [][2]string{{AdminUser, "wrong"}, {"root", password}, {"", ""}, {AdminUser, ""}, {AdminUser, strings.Repeat("x", 1<<20)}} {
		if err := s.VerifyPassword(addr, c[0], c[1]); errs.KindOf(err) != errs.Unauthenticated {
			t.Errorf("case %d: %v, want unauthenticated", i, err)
		}
	}
	for range burst {
		if err := s.VerifyPassword(addr, AdminUser, "wrong"); err == nil {
			t.Fatal("a wrong password is accepted")
		}
	}
	err := s.VerifyPassword(addr, AdminUser, password)
	var limit *LimitError
	if errs.KindOf(err) != errs.Exhausted || !errors.As(err, &limit) || limit.RetryAfter <= 0 || limit.RetryAfter > refill {
		t.Fatalf("after many failures: %v, want exhausted with a wait of at most %s", err, refill)
	}
	if err := s.VerifyPassword(other, AdminUser, password); err != nil {
		t.Errorf("another address has to wait too: %v", err)
	}
	now = now.Add(limit.RetryAfter)
	if err := s.VerifyPassword("10.0.0.1:2", AdminUser, password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Now()
	l := newLimiter(func() time.Time { return now })
	for i := range maxAddresses + 10 {
		l.failed(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if len(l.byKey) != maxAddresses || l.order.Len() != maxAddresses {
		t.Errorf("limiter holds %d addresses, want at most %d", len(l.byKey), maxAddresses)
	}
	if addressKey("[2001:db8::1]:80") != addressKey("[2001:db8::2]:80") || addressKey("[2001:db8:1::1]:80") == addressKey("[2001:db8::1]:80") {
		t.Error("IPv6 addresses are not taken by /64")
	}
}

func TestBadPasswordFile(t *testing.T) {
	for name, text := range map[string]string{"empty": "\n", "short": "abc\n", "long": strings.Repeat("x", 2000)} {
		dir := t.TempDir()
		path := filepath.Join(dir, "admin-password")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{PasswordPath: path, KeyPath: filepath.Join(dir, "key")}, Deps{})
		if errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" {
			t.Errorf("%s file: %v (%q), want an invalid error with a hint", name, err, errs.HintOf(err))
		}
	}
}

func TestHashes(t *testing.T) {
	a, b := Hash("secret"), Hash("secret")
	if a == b {
		t.Error("two hashes of one password are the same: no salt")
	}
	for password, want := range map[string]bool{"secret": true, "secreT": false, "": false} {
		if got, err := Verify(a, password); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v; want %v", password, got, err, want)
		}
	}
	for _, bad := range []string{"", "$", "secret", strings.Replace(a, "argon2id", "argon2i", 1), strings.Replace(a, "m=19456", "m=999999999", 1),
		strings.Replace(a, "t=2", "t=0", 1), a[:len(a)-30], a + "$x"} {
		if ok, err := Verify(bad, "secret"); ok || errs.KindOf(err) != errs.Invalid {
			t.Errorf("hash %q: %v, %v; want an invalid error", bad, ok, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "x")
	f.Add("$argon2id$v=19$m=8,t=1,p=0$$", "")
	f.Fuzz(func(t *testing.T, hash, password string) {
		if ok, err := Verify(hash, password); ok && err != nil {
			t.Errorf("true and %v", err)
		}
	})
}

func TestSecretDoesNotShow(t *testing.T) {
	s := NewSecret("hunter2")
	j, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("s", s))
	for _, got := range []string{string(j), log.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s)} {
		if strings.Contains(got, "hunter2") || !strings.Contains(got, hidden) {
			t.Errorf("printed as %q", got)
		}
	}
}

func TestSelfSignedCertificateIsTrustedThroughItsAuthority(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "tls"), time.Now()
	first, err := SelfSigned(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	srv.TLS = first.Config
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pem, err := os.ReadFile(first.CAPath)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Get(srv.URL)
	if err != nil {
		t.Fatalf("with the authority: %v", err)
	}
	resp.Body.Close()
	if _, err := http.Get(srv.URL); err == nil {
		t.Error("the certificate is trusted without its authority")
	}

	again, err := SelfSigned(dir, now.Add(24*time.Hour))
	if err != nil || again.Fingerprint != first.Fingerprint {
		t.Errorf("a day later the certificate is another one, or %v", err)
	}
	later, err := SelfSigned(dir, now.Add(serverLife-renewBefore/2))
	if err != nil || later.Fingerprint == first.Fingerprint {
		t.Errorf("shortly before its end the certificate is still the same, or %v", err)
	}
	if after, err := os.ReadFile(first.CAPath); err != nil || string(after) != string(pem) {
		t.Error("the renewal changed the authority")
	}
	for _, f := range []string{caKeyFile, serverKeyFile} {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", f, info, err)
		}
	}
}

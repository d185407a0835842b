package launch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/auth"
)

func TestReloadOnRequest(t *testing.T) {
	dir := t.TempDir()
	store, err := auth.Open(auth.Config{PasswordPath: filepath.Join(dir, "admin-password"), KeyPath: filepath.Join(dir, "ingest-key")}, auth.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	password, err := store.FirstPassword()
	if err != nil {
		t.Fatal(err)
	}
	var r reloads
	n := 0
	var fails error
	r.add("one", func() error { n++; return nil })
	r.add("two", func() error { return fails })
	do := func(remote, password string, header ...string) (int, string) {
		req := httptest.NewRequest(http.MethodPost, "/-/reload", nil)
		req.RemoteAddr = remote
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		if password != "" {
			req.SetBasicAuth(auth.AdminUser, password)
		}
		w := httptest.NewRecorder()
		r.handler(store).ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	for i, c := range []struct {
		remote, password, header string
		want                     int
	}{
		{"127.0.0.1:1", "", "", 200}, {"[::1]:1", "", "", 200}, {"10.0.0.1:1", "", "", 401}, {"10.0.0.2:1", "wrong", "", 401},
		{"10.0.0.3:1", password.Reveal(), "", 200}, {"127.0.0.1:1", "", "Origin", 401}, {"127.0.0.1:1", "", "X-Forwarded-For", 401},
	} {
		var h []string
		if c.header != "" {
			h = []string{c.header, "x"}
		}
		if code, text := do(c.remote, c.password, h...); code != c.want {
			t.Errorf("case %d: %d %s", i, code, text)
		}
	}
	if n != 3 {
		t.Errorf("%d reloads", n)
	}
	fails = errors.New("p.yaml:3: no")
	if code, text := do("127.0.0.1:1", ""); code != 400 || !strings.Contains(text, "reload two: p.yaml:3: no") || n != 4 {
		t.Errorf("%d %s, %d reloads", code, text, n)
	}
}

func TestReloadOnSignal(t *testing.T) {
	var r reloads
	var n atomic.Int64
	called := make(chan struct{}, 1000)
	r.add("one", func() error { n.Add(1); called <- struct{}{}; return errors.New("is bad") })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	// Until the service listens, the signal would end the test: this process takes it as well.
	hold := make(chan os.Signal, 1)
	signal.Notify(hold, syscall.SIGHUP)
	defer signal.Stop(hold)
	go func() { done <- r.service(slog.New(slog.NewTextHandler(io.Discard, nil))).Run(ctx) }()
	deadline := time.After(20 * time.Second)
	for sent := 0; n.Load() == 0; sent++ {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-called:
		case <-hold: // seen by the process, and perhaps not yet by the service
		case <-deadline:
			t.Fatal("no reload")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

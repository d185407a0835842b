package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestSharedListener(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h, err := ListenHTTP(t.Context(), "http", "127.0.0.1:0", nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenHTTP(t.Context(), "http", h.Addr(), nil, log); errs.KindOf(err) != errs.Unavailable || errs.HintOf(err) == "" {
		t.Errorf("a taken port: %v, want unavailable with a hint", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	get := func(path string, status int, text string) {
		t.Helper()
		resp, err := http.Get("http://" + h.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.Contains(string(b), text) {
			t.Errorf("%s: %d %q, %v; want %d %q", path, resp.StatusCode, b, err, status, text)
		}
	}
	get("/", http.StatusServiceUnavailable, "starting")
	get("/-/ready", http.StatusServiceUnavailable, "starting")
	get("/-/healthy", http.StatusOK, "starting")

	under, release := make(chan struct{}), make(chan struct{})
	h.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(under)
			<-release
		}
		io.WriteString(w, "served")
	}))
	<-h.Ready()
	get("/", http.StatusOK, "served")

	slow := make(chan struct{})
	go func() {
		defer close(slow)
		get("/slow", http.StatusOK, "served")
	}()
	<-under
	cancel()
	close(release)
	<-slow // A request under way is finished.
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// here is a configuration that works on this machine, whatever else runs on it.
func here(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	c.HTTPAddr, c.OTLPGRPCAddr, c.OTLPHTTPAddr = "127.0.0.1:0", "127.0.0.1:0", ""
	return c
}

// found is an engine that is where it should be.
func found(context.Context, config.Config) (string, error) { return "/lib/libchdb.so", nil }

// items returns the results of a check.
func items(r Report, check string) []Item {
	var all []Item
	for _, i := range r.Items {
		if i.Check == check {
			all = append(all, i)
		}
	}
	return all
}

func TestHealthyMachine(t *testing.T) {
	c := here(t)
	r := Run(t.Context(), c, Deps{ProbeEngine: found})
	for _, check := range []string{"data folder", "lock", "port", "engine"} {
		got := items(r, check)
		if len(got) == 0 {
			t.Errorf("no check of %s", check)
		}
		for _, i := range got {
			if i.State != OK {
				t.Errorf("%s: %s (%s)", check, i.State, i.Detail)
			}
		}
	}
	for _, check := range []string{"disk space", "disk speed", "clock", "memory", "open files", "log files"} {
		if got := items(r, check); len(got) != 1 || got[0].Detail == "" {
			t.Errorf("%s: %v, want one result", check, got)
		}
	}
	if left, err := filepath.Glob(filepath.Join(c.DataDir, ".doctor-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := here(t)
	c.HTTPAddr = l.Addr().String()
	f := func(want State) {
		t.Helper()
		r := Run(t.Context(), c, Deps{ProbeEngine: found})
		got := items(r, "port")
		if got[0].State != want || !strings.Contains(got[0].Detail, "http_addr") {
			t.Errorf("port: %v, want %s and the key", got[0], want)
		}
		if r.Failed() != (want == Fail) {
			t.Errorf("Failed() = %v", r.Failed())
		}
	}
	f(Fail)
	// While an instance runs on the folder, its ports are in use.
	lock, err := datadir.Acquire(t.Context(), filepath.Join(c.DataDir, "faultline.lock"))
	if err != nil {
		t.Fatal(err)
	}
	f(OK)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	f(Fail)
}

func TestWhatDoesNotWorkHasAHint(t *testing.T) {
	c := here(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.DataDir = filepath.Join(file, "data")
	c.NATS.URL = "nats://127.0.0.1:1"
	c.ClickHouse.URL = "clickhouse://u:hunter2@127.0.0.1:1/x"
	r := Run(t.Context(), c, Deps{ProbeEngine: found})
	for _, check := range []string{"data folder", "nats_url", "clickhouse_url"} {
		if got := items(r, check); len(got) != 1 || got[0].State != Fail || got[0].Hint == "" {
			t.Errorf("%s: %v, want one failure with a hint", check, got)
		}
	}
	if len(items(r, "engine")) > 0 {
		t.Error("the engine is checked though another store is used")
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"✗ data folder", "  → ", "checks failed"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "hunter2") {
		t.Error("the report shows a password")
	}

	c = here(t)
	missing := func(context.Context, config.Config) (string, error) {
		return "", &errs.Error{Kind: errs.Unavailable, Err: errors.New("not found"), Hint: "get it"}
	}
	if got := items(Run(t.Context(), c, Deps{ProbeEngine: missing}), "engine"); got[0].State != Fail || got[0].Hint != "get it" {
		t.Errorf("engine: %v", got)
	}
}

func TestOpenFolderIsAWarning(t *testing.T) {
	c := here(t)
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := items(Run(t.Context(), c, Deps{ProbeEngine: found}), "data folder"); got[0].State != Warn || !strings.Contains(got[0].Hint, "chmod 700") {
		t.Errorf("data folder: %v", got)
	}
}

func TestJSONCounts(t *testing.T) {
	r := Report{Items: []Item{{"a", OK, "x", ""}, {"b", Warn, "y", "z"}, {"c", Fail, "y", "z"}}}
	var out strings.Builder
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items          []Item
		Failed, Warned int
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got.Items) != 3 || got.Failed != 1 || got.Warned != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

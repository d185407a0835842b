package natsbus

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/faultline-io/faultline/services/internal/bus/embedded"
)

// Versions of an object must not add up: neither their data nor their marks.
func TestOldVersionsLeaveNothingBehind(t *testing.T) {
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), nc, Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	opened, err := b.Objects(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	o := opened.(*objects)
	var rev uint64
	for range 10 {
		if rev, err = o.PutObject(t.Context(), "a", make([]byte, 300<<10), rev); err != nil {
			t.Fatal(err)
		}
	}
	info, err := o.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Three pieces of 128 KiB and one entry.
	if info.State.Msgs != 4 {
		t.Errorf("%d messages for one version, want 4", info.State.Msgs)
	}
	if err := o.DeleteObject(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if info, err = o.stream.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("%d messages after the object is gone (%v)", info.State.Msgs, err)
	}
}

package board_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/incidents/incidentstest"
	"github.com/faultline-io/faultline/services/model"
)

func start(t *testing.T) (*natsbus.Bus, *board.Publisher, *board.View) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	p, err := board.NewPublisher(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	v := board.NewView(b, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, p, v
}

// until waits for a condition.
func until(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatal("not within 30 s")
		case <-tick.C:
		}
	}
}

func TestReadersSeeWhatIsOpenAndHearWhatChanges(t *testing.T) {
	_, p, v := start(t)
	ids := func() (out []string) {
		heads, _ := v.Heads(1)
		for _, h := range heads {
			out = append(out, h.ID)
		}
		return out
	}
	news, stop, err := v.Listen(1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	a, b := incidentstest.Open(1), incidentstest.Open(2)
	other := incidentstest.Open(3)
	other.Tenant = 2
	// Publishing goes on until the reader's subscription is there: events are for those who listen.
	until(t, func() bool {
		if err := p.Publish(t.Context(), a, b, other); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-news:
			return n.Incident != nil
		default:
			return false
		}
	})
	until(t, func() bool { return len(ids()) == 2 })
	if got := ids(); got[0] != b.ID || got[1] != a.ID {
		t.Errorf("heads %v, want the latest first", got)
	}
	if _, ok := v.Head(1, other.ID); ok {
		t.Error("another tenant's incident is seen")
	}
	b.State = model.IncidentResolved
	if err := p.Publish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	c := incidentstest.Command(1)
	if err := p.Answer(t.Context(), 1, incidents.OutcomeOf(&c, b.ID, 1000, errs.New(errs.Conflict, "no"))); err != nil {
		t.Fatal(err)
	}
	resolved := false
	for deadline := time.After(30 * time.Second); ; {
		var n board.News
		select {
		case n = <-news:
		case <-deadline:
			t.Fatal("no outcome within 30 s")
		}
		if n.Incident != nil && n.Incident.Tenant != 1 {
			t.Error("news of another tenant")
		}
		resolved = resolved || n.Incident != nil && n.Incident.State == "resolved"
		if n.Outcome != nil {
			if n.Outcome.Command != c.ID || n.Outcome.State != incidents.Refused || !resolved {
				t.Errorf("outcome %+v, resolved before: %v", n.Outcome, resolved)
			}
			break
		}
	}
	until(t, func() bool { return len(ids()) == 1 })
	if err := p.Retain(t.Context(), map[string]bool{board.Key(2, other.ID): true}); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(ids()) == 0 })
}

func TestSlowListenersAreToldThatTheyMissed(t *testing.T) {
	_, p, v := start(t)
	news, stop, err := v.Listen(1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	fast, stopFast, err := v.Listen(1)
	if err != nil {
		t.Fatal(err)
	}
	defer stopFast()
	in := incidentstest.Open(1)
	heard := 0
	// More than a listener's buffer, while the other one keeps up.
	until(t, func() bool {
		if err := p.Publish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		for {
			select {
			case <-fast:
				heard++
				continue
			default:
			}
			break
		}
		return heard > 400
	})
	missed := false
	until(t, func() bool {
		for {
			select {
			case n := <-news:
				missed = missed || n.Missed
				continue
			default:
			}
			break
		}
		if err := p.Publish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		return missed
	})
}

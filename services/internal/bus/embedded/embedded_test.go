package embedded

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// start runs a server and a JetStream client on it.
func start(t *testing.T, cfg Config) (*Server, jetstream.JetStream) {
	t.Helper()
	s, err := Start(cfg, Deps{})
	if err != nil {
		t.Fatalf("Start: %v (%s)", err, errs.HintOf(err))
	}
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return s, js
}

func TestStreamSurvivesARestart(t *testing.T) {
	for name, cfg := range map[string]Config{"interval": {}, "always": {SyncAlways: true}} {
		t.Run(name, func(t *testing.T) {
			cfg.Dir = t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			body := bytes.Repeat([]byte("x"), 7<<20) // More than the 1 MiB that nats-server takes by default.
			s, js := start(t, cfg)
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "T", Subjects: []string{"t.>"}, Storage: jetstream.FileStorage}); err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(ctx, "t.a", body); err != nil {
				t.Fatal(err)
			}
			s.Shutdown()

			_, js = start(t, cfg)
			stream, err := js.Stream(ctx, "T")
			if err != nil {
				t.Fatal(err)
			}
			m, err := stream.GetMsg(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Data, body) {
				t.Errorf("got %d bytes back, want the %d published", len(m.Data), len(body))
			}
		})
	}
}

func TestNoListenerUnlessAsked(t *testing.T) {
	s, _ := start(t, Config{Dir: t.TempDir()})
	if s.Addr() != "" || s.ns.Addr() != nil {
		t.Errorf("listens on %q %v without being asked", s.Addr(), s.ns.Addr())
	}
}

func TestListenerWantsTheToken(t *testing.T) {
	if _, err := Start(Config{Dir: t.TempDir(), ListenAddr: "127.0.0.1:0"}, Deps{}); err == nil {
		t.Error("a listener without a token is accepted")
	}
	s, _ := start(t, Config{Dir: t.TempDir(), ListenAddr: "127.0.0.1:0", Token: "t0ken"})
	if nc, err := nats.Connect("nats://" + s.Addr()); err == nil {
		nc.Close()
		t.Error("connected without the token")
	}
	nc, err := nats.Connect("nats://"+s.Addr(), nats.Token("t0ken"))
	if err != nil {
		t.Fatalf("with the token: %v", err)
	}
	nc.Close()
}

// The limit is for the owner of the streams to divide up; see natsbus for a full stream.
func TestStoreLimit(t *testing.T) {
	s, _ := start(t, Config{Dir: t.TempDir()})
	if got := s.StoreLimitBytes(); got < minStore || got > maxStore {
		t.Errorf("derived limit %d is outside [%d, %d]", got, int64(minStore), int64(maxStore))
	}
	s, _ = start(t, Config{Dir: t.TempDir(), MaxStoreBytes: 1 << 20})
	if got := s.StoreLimitBytes(); got != 1<<20 {
		t.Errorf("limit %d, want the configured one", got)
	}
}

func TestBadAddress(t *testing.T) {
	_, err := Start(Config{Dir: t.TempDir(), ListenAddr: "4222", Token: "x"}, Deps{})
	if errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" {
		t.Errorf("error %v with hint %q, want an invalid one with a hint", err, errs.HintOf(err))
	}
}

package ship

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/agent/spool"
)

// step is the answer to one request.
type step func(w http.ResponseWriter, r *http.Request)

func status(code int, header ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// scripted is a receiver that answers by a list of steps and then with 200.
type scripted struct {
	mu    sync.Mutex
	steps []step
	got   []string // "batch body" of every request
	times []time.Time
	all   chan struct{} // closed when want requests came
	want  int
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.got = append(s.got, string(body)+" sent="+r.Header.Get(HeaderSent))
	s.times = append(s.times, time.Now())
	var do step
	if len(s.steps) > 0 {
		do, s.steps = s.steps[0], s.steps[1:]
	}
	if len(s.got) == s.want {
		close(s.all)
	}
	s.mu.Unlock()
	if do != nil {
		do(w, r)
	}
}

type run struct {
	s     *scripted
	spool *spool.Spool
	ship  *Shipper
}

// start delivers batches "a", "b", … through a receiver with these steps and waits for want requests.
func start(t *testing.T, batches string, want int, steps ...step) *run {
	t.Helper()
	s := &scripted{steps: steps, all: make(chan struct{}), want: want}
	srv := httptest.NewServer(s)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	sp, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 1 << 20, SegmentBytes: 1 << 18, MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if _, err := sp.Append(10, spool.Plain, 1, []byte(string(b)), nil); err != nil {
			t.Fatal(err)
		}
	}
	sh := New(Config{Signal: "logs", Endpoint: srv.URL, Key: "k", AgentID: "h", Version: "t", Timeout: 500 * time.Millisecond,
		MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}, &http.Client{}, sp, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sh.Run(ctx) }()
	select {
	case <-s.all:
	case <-time.After(20 * time.Second):
		t.Errorf("only %d requests of %d came", len(s.got), want)
	}
	for deadline := time.Now().Add(5 * time.Second); sp.Next() != nil && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return &run{s, sp, sh}
}

func (r *run) check(t *testing.T, want ...string) {
	t.Helper()
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if d := cmp.Diff(want, r.s.got); d != "" {
		t.Fatal("requests differ (-want +got):", d)
	}
	if r.spool.Next() != nil {
		t.Fatal("the spool is not empty")
	}
}

func TestTransientFailures(t *testing.T) {
	for name, fail := range map[string]step{"503": status(503), "500": status(500), "429": status(429), "408": status(408), "401": status(401), "302": status(302, "Location", "/x"),
		"hang up": hangUp, "no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "ab", 4, fail, fail)
			r.check(t, "a sent=10", "a sent=10", "a sent=10", "b sent=20")
			if st := r.ship.Stats(); st.SentItems != 20 || st.Failures != 2 || len(st.Rejected) != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestRefusedBatchIsCountedAndPassed(t *testing.T) {
	r := start(t, "abc", 3, status(200), status(400))
	r.check(t, "a sent=10", "b sent=20", "c sent=30")
	if d := cmp.Diff(map[string]uint64{"status_400": 10}, r.ship.Stats().Rejected); d != "" {
		t.Error(d)
	}
}

func TestRetryAfter(t *testing.T) {
	r := start(t, "a", 2, status(429, "Retry-After", "0.2"))
	r.check(t, "a sent=10", "a sent=10")
	if d := r.s.times[1].Sub(r.s.times[0]); d < 200*time.Millisecond {
		t.Errorf("came back after %s, was asked for 200ms", d)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := func(h string, want time.Duration) {
		t.Helper()
		if got := retryAfter(h, now); got != want {
			t.Errorf("%q: %s, want %s", h, got, want)
		}
	}
	f("", 0)
	f("7", 7*time.Second)
	f("-7", 0)
	f("1e300", 0)
	f("86400", maxRetryAfter)
	f("Fri, 02 Jan 2026 03:04:15 GMT", 10*time.Second)
	f("soon", 0)
}

func TestPartialSuccess(t *testing.T) {
	var inner []byte
	inner = protowire.AppendVarint(protowire.AppendTag(inner, 1, protowire.VarintType), 3)
	inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "too old")
	body := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)
	r := start(t, "a", 1, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	})
	r.check(t, "a sent=10")
	if d := cmp.Diff(map[string]uint64{"partial": 3}, r.ship.Stats().Rejected); d != "" {
		t.Error(d)
	}
}

func TestHeaders(t *testing.T) {
	var got http.Header
	r := start(t, "a", 1, func(_ http.ResponseWriter, q *http.Request) { got = q.Header.Clone() })
	r.check(t, "a sent=10")
	for name, want := range map[string]string{"Content-Type": "application/x-protobuf", "Authorization": "Bearer k", HeaderAgent: "h", HeaderDropped: "0"} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if got.Get(HeaderBatch) == "" || got.Get("Content-Encoding") != "" {
		t.Error("headers:", got)
	}
}

// TestReasonsAreBounded sends one batch for every status a hostile receiver can think of.
func TestReasonsAreBounded(t *testing.T) {
	var steps []step
	for code := 440; code < 470; code++ {
		steps = append(steps, status(code))
	}
	r := start(t, strings.Repeat("x", 30), 30, steps...)
	if n := len(r.ship.Stats().Rejected); n > maxReasons+1 {
		t.Errorf("%d reasons", n)
	}
}

func TestPauseGrowsToItsBound(t *testing.T) {
	s := &Shipper{cfg: Config{MinBackoff: time.Second, MaxBackoff: time.Minute}}
	for attempt := 1; attempt < 200; attempt++ {
		want := min(time.Second<<min(attempt-1, 10), time.Minute)
		if d := s.pause(attempt, 0); d < want/2 || d > want {
			t.Fatalf("attempt %d: %s, want %s at most and half of it at least", attempt, d, want)
		}
	}
}

func FuzzPartialSuccess(f *testing.F) {
	f.Add([]byte{0x0a, 0x02, 0x08, 0x03})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, text := partialSuccess(b)
		if len(text) > 1024 {
			t.Fatalf("%d bytes of text", len(text))
		}
	})
}

package gateway

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/app"
)

// waitLimit is how long a test waits for something that takes milliseconds on an idle machine.
const waitLimit = 30 * time.Second

// startPart runs a service until the test ends.
func startPart(t *testing.T, s app.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	})
	select {
	case <-s.(app.Readier).Ready():
	case <-time.After(waitLimit):
		t.Fatalf("%s is not ready", s.Name())
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(waitLimit):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestStreams(t *testing.T) {
	g, err := New(Default(), Deps{Publisher: &recorder{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10)
	l := g.newStreams("test", "127.0.0.1:0", nil, func(_ context.Context, c net.Conn, from netip.AddrPort) error {
		if !from.Addr().IsLoopback() {
			t.Error(from)
		}
		in := bufio.NewScanner(c)
		for in.Scan() {
			if in.Text() == "panic" {
				panic("a receiver's defect")
			}
			lines <- in.Text()
		}
		return in.Err()
	})
	startPart(t, l)
	for _, text := range []string{"panic", "one", "two"} { // The others are served after a panic.
		c, err := net.Dial("tcp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
		if text == "panic" {
			continue
		}
		if got := receive(t, lines); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
	// The connections are still open: the stop closes them and does not wait for their senders.
}

func TestPackets(t *testing.T) {
	g, err := New(Default(), Deps{Publisher: &recorder{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	p := g.newPackets("test", "127.0.0.1:0", func(_ context.Context, data []byte, _ netip.AddrPort) {
		if string(data) == "panic" {
			panic("a receiver's defect")
		}
		got <- string(data)
	})
	startPart(t, p)
	c, err := net.Dial("udp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := strings.Repeat("x", 60_000)
	for _, text := range []string{"panic", "small", big} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := receive(t, got), receive(t, got); a != "small" || b != big {
		t.Errorf("%.20q (%d), %.20q (%d)", a, len(a), b, len(b))
	}
}

func TestTrustedAddr(t *testing.T) {
	c := Default()
	c.Receivers.TrustedNetworks = []string{"10.1.0.0/16", "2001:db8::1"}
	g, err := New(c, Deps{Publisher: &recorder{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "2001:db8::1": true, "2001:db8::2": false,
	} {
		if got := g.trustedAddr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	c.Receivers.TrustedNetworks = []string{"10.1.0.0/99"}
	if _, err := New(c, Deps{Publisher: &recorder{t: t}}); err == nil {
		t.Error("a network with 99 bits")
	}
}

func TestMuxPattern(t *testing.T) {
	for path, want := range map[string]string{"/v1/logs": "/v1/logs", "/:index/_bulk": "/{index}/_bulk", "/elastic/*rest": "/elastic/{rest...}"} {
		if got := muxPattern(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

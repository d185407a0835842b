package gelf

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestMessage(t *testing.T) {
	core, kept := intaketest.Keep(t)
	d := NewDecoder(core, intaketest.Request(core))
	defer d.Close()
	for _, m := range []string{
		`{"version":"1.1","host":"web1","short_message":"short","full_message":"short and long","timestamp":1764042000.123,"level":4,"_user":"kim","_container_id":"abc","line":3}`,
		`{"version":"1.1","host":"web1","short_message":"other","full_message":"trace","_nested":{"a":1}}`,
		`{"version":"1.1","host":"web1","short_message":"s","level":"6"}`,
	} {
		if err := d.Message(context.Background(), []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "x", "[]", "{"} {
		if err := d.Message(context.Background(), []byte(bad)); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := d.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	now := intaketest.Now().UnixNano()
	want := []intaketest.Row{
		{Body: "short and long", Host: "web1", TimeNS: 1764042000123000000, Severity: 13, Attrs: map[string]string{"user": "kim"}, Res: map[string]string{"host.name": "web1", "container.id": "abc"}},
		{Body: "trace", Host: "web1", TimeNS: now, Attrs: map[string]string{"gelf.short_message": "other", "nested.a": "1"}, Res: map[string]string{"host.name": "web1"}},
		{Body: "s", Host: "web1", TimeNS: now, Attrs: map[string]string{"level": "6"}, Res: map[string]string{"host.name": "web1"}},
	}
	rows := kept.Rows()
	delete(rows[0].Attrs, "line")
	if rows[0].Body != "short and long" {
		t.Error(rows[0].Body)
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

// Chunk returns a datagram of a message in chunks.
func chunk(id byte, seq, n byte, data string) []byte {
	return append([]byte{0x1e, 0x0f, id, 0, 0, 0, 0, 0, 0, 0, seq, n}, data...)
}

func TestChunks(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	now := time.Unix(1000, 0)
	c := NewChunks()
	f := func(data []byte, from netip.Addr, want string) {
		t.Helper()
		if got := string(c.Add(data, from, now)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f([]byte("{}"), a, "{}")
	f(chunk(1, 1, 2, "B"), a, "")
	f(chunk(1, 0, 2, "X"), b, "") // another sender with the same id
	f(chunk(1, 1, 2, "B"), a, "") // again
	f(chunk(1, 0, 2, "A"), a, "AB")
	f(chunk(2, 0, 0, "A"), a, "")
	f(chunk(2, 2, 2, "A"), a, "")
	f(chunk(2, 0, 200, "A"), a, "")
	f([]byte{0x1e, 0x0f, 1}, a, "")
	f(chunk(3, 0, 1, "one"), a, "one")
	if n := c.Lost(); n != 4 {
		t.Error(n)
	}
	now = now.Add(6 * time.Second)
	c.Expire(now)
	if c.Lost() != 1 || len(c.waiting) != 0 || c.bytes != 0 {
		t.Errorf("%d waiting, %d bytes", len(c.waiting), c.bytes)
	}
	// Chunks that never get their others stay within bounds.
	big := string(make([]byte, 8000))
	for i := range 20_000 {
		d := chunk(9, 0, 2, big)
		d[3], d[4], d[5] = byte(i), byte(i>>8), byte(i>>16)
		c.Add(d, a, now)
	}
	if len(c.waiting) > maxWaiting || c.bytes > maxBytes || len(c.order) > 2*maxWaiting {
		t.Errorf("%d waiting, %d bytes, %d in order", len(c.waiting), c.bytes, len(c.order))
	}
}

func FuzzChunks(f *testing.F) {
	f.Add([]byte("\x0e\x1e\x0f\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02AB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewChunks()
		now := time.Unix(1000, 0)
		for len(b) > 0 {
			n := min(int(b[0])+1, len(b))
			c.Add(b[:n], netip.MustParseAddr("10.0.0.1"), now)
			b = b[n:]
			now = now.Add(time.Second)
		}
		total := 0
		for _, p := range c.waiting {
			total += p.bytes
		}
		if total != c.bytes {
			t.Fatalf("%d bytes, counted %d", total, c.bytes)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"version":"1.1","host":"web1","short_message":"short","_a":{"b":1},"level":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		d := NewDecoder(core, intaketest.Request(core))
		defer d.Close()
		if err := d.Message(context.Background(), b); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
		if err := d.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	core, _ := intaketest.Core(b)
	msg := []byte(`{"version":"1.1","host":"web1","short_message":"GET /api/v1/orders/1 from 10.0.0.1 took 12.5 ms, status 200","timestamp":1764042000.123,"level":6,"_container_id":"abc","_image":"shop:1"}`)
	d := NewDecoder(core, intaketest.Request(core))
	defer d.Close()
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for range b.N {
		if err := d.Message(context.Background(), bytes.Clone(msg)); err != nil {
			b.Fatal(err)
		}
	}
}

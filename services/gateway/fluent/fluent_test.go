package fluent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/tinylib/msgp/msgp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func opener(dst, body []byte, encoding string) ([]byte, error) {
	var d limits.Decoder
	lease := limits.Lease{Budget: limits.NewBudget(64 << 20)}
	return d.Decode(dst, body, encoding, 1<<20, &lease)
}

func at(sec, nanos uint32) []byte {
	b := []byte{0xd7, 0}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, sec), nanos)
}

func intf(t testing.TB, v any) []byte {
	b, err := msgp.AppendIntf(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func array(parts ...[]byte) []byte {
	b := msgp.AppendArrayHeader(nil, uint32(len(parts)))
	return append(b, bytes.Join(parts, nil)...)
}

func record(t testing.TB, text string) []byte {
	return intf(t, map[string]any{"log": text + "\n", "kubernetes": map[string]any{"pod_name": "p1"}, "n": 3})
}

func text(s string) []byte { return msgp.AppendString(nil, s) }

func modes(t testing.TB) map[string][]byte {
	entries := append(array(at(1764042000, 5), record(t, "one")), array(msgp.AppendInt(nil, 1764042000), record(t, "two"))...)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(entries); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	option := intf(t, map[string]any{"chunk": "id=", "size": 2})
	return map[string][]byte{
		"message":    append(array(text("tag"), at(1764042000, 5), record(t, "one"), option), array(text("tag"), msgp.AppendInt(nil, 1764042000), record(t, "two"))...),
		"forward":    array(text("tag"), append(msgp.AppendArrayHeader(nil, 2), entries...), option),
		"fluent bit": array(text("tag"), append(msgp.AppendArrayHeader(nil, 2), append(array(array(at(1764042000, 5), intf(t, map[string]any{})), record(t, "one")), array(array(at(1764042000, 0), intf(t, map[string]any{})), record(t, "two"))...)...), option),
		"packed":     array(text("tag"), msgp.AppendBytes(nil, entries), option),
		"packed str": array(text("tag"), msgp.AppendString(nil, string(entries))),
		"compressed": array(text("tag"), msgp.AppendBytes(nil, zipped.Bytes()), intf(t, map[string]any{"compressed": "gzip"})),
	}
}

func TestModes(t *testing.T) {
	for name, in := range modes(t) {
		core, kept := intaketest.Keep(t)
		d := NewDecoder(core, intaketest.Request(core), opener)
		r := NewReader(bytes.NewReader(in), nil)
		chunks := ""
		for {
			msg, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			chunk, err := d.Message(context.Background(), msg)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			chunks += chunk
		}
		if err := d.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		d.Close()
		want := intaketest.Row{Body: "one", Service: "tag", TimeNS: 1764042000000000005, Attrs: map[string]string{"n": "3", "fluent.tag": "tag"}, Res: map[string]string{"service.name": "tag", "k8s.pod.name": "p1"}}
		rows := kept.Rows()
		if len(rows) != 2 || rows[1].Body != "two" || (chunks != "id=") != (name == "compressed" || name == "packed str") {
			t.Errorf("%s: %d rows, chunk %q", name, len(rows), chunks)
			continue
		}
		if diff := cmp.Diff(want, rows[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHostile(t *testing.T) {
	for name, in := range map[string][]byte{
		"http": []byte("GET / HTTP/1.1\r\n\r\n"), "empty array": {0x90}, "huge array": {0xdd, 0xff, 0xff, 0xff, 0xff}, "huge string": append([]byte{0x92}, 0xdb, 0xff, 0xff, 0xff, 0xff, 1),
		"deep": bytes.Repeat([]byte{0x91}, 200_000), "long": array(text(strings.Repeat("x", MaxMessageBytes)), text("")),
	} {
		r := NewReader(bytes.NewReader(in), nil)
		core, _ := intaketest.Keep(t)
		d := NewDecoder(core, intaketest.Request(core), opener)
		var err error
		for n := 0; err == nil; n++ {
			var msg []byte
			if msg, err = r.Next(); err == nil {
				_, err = d.Message(context.Background(), msg)
			}
			if n > 10 {
				t.Fatalf("%s: goes on", name)
			}
		}
		if errors.Is(err, io.EOF) && name != "huge array" {
			t.Errorf("%s: %v", name, err)
		}
		d.Close()
	}
	bomb := array(text("tag"), msgp.AppendBytes(nil, zip(t, make([]byte, 8<<20))), intf(t, map[string]any{"compressed": "gzip"}))
	core, _ := intaketest.Keep(t)
	d := NewDecoder(core, intaketest.Request(core), opener)
	defer d.Close()
	if _, err := d.Message(context.Background(), bomb); errs.KindOf(err) != errs.Invalid {
		t.Error(err)
	}
	if got := Acknowledgement("x"); string(got) != "\x81\xa3ack\xa1x" {
		t.Errorf("%q", got)
	}
}

func zip(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzMessage(f *testing.F) {
	for _, m := range modes(f) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		d := NewDecoder(core, intaketest.Request(core), opener)
		defer d.Close()
		r := NewReader(bytes.NewReader(b), nil)
		for {
			msg, err := r.Next()
			if err != nil {
				break
			}
			if _, err := d.Message(context.Background(), msg); err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatal(err)
			}
		}
		if err := d.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkPacked(b *testing.B) {
	var entries []byte
	for range 1000 {
		entries = append(entries, array(at(1764042000, 5), record(b, "GET /api/v1/orders/1 from 10.0.0.1 took 12.5 ms, status 200"))...)
	}
	msg := array(text("tag"), msgp.AppendBytes(nil, entries))
	core, _ := intaketest.Core(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for range b.N {
		req := intaketest.Request(core)
		d := NewDecoder(core, req, opener)
		if _, err := d.Message(context.Background(), msg); err != nil {
			b.Fatal(err)
		}
		if err := d.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func FuzzHandshake(f *testing.F) {
	f.Add(array(text("PING"), text("host"), text("salt"), text("00"), text(""), text("")))
	f.Add(array(text("PING")))
	f.Fuzz(func(t *testing.T, b []byte) {
		pong, err := NewHandshake("key", "host").Answer(b)
		if k := errs.KindOf(err); k != errs.Invalid && k != errs.Unauthenticated || (pong == nil) != (k == errs.Invalid) {
			t.Fatalf("%q %v", pong, err) // Nobody guesses the digest of a number that is used once.
		}
	})
}

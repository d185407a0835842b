package gateway

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// field and message write protobuf as Loki's clients do.
func field(dst []byte, n protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), b)
}

func lokiEntry(ns int64, line string, meta ...string) []byte {
	var at []byte
	at = binary.AppendUvarint(append(at, 0x08), uint64(ns/1e9))
	at = binary.AppendUvarint(append(at, 0x10), uint64(ns%1e9))
	e := field(field(nil, 1, at), 2, []byte(line))
	for i := 0; i < len(meta); i += 2 {
		e = field(e, 3, field(field(nil, 1, []byte(meta[i])), 2, []byte(meta[i+1])))
	}
	return e
}

func lokiStream(labels string, entries ...[]byte) []byte {
	s := field(nil, 1, []byte(labels))
	for _, e := range entries {
		s = field(s, 2, e)
	}
	return field(nil, 1, s)
}

func checkLoki(t *testing.T, x *rig, now int64) {
	t.Helper()
	if len(x.rec.logs) != 1 {
		t.Fatalf("%d batches", len(x.rec.logs))
	}
	l := x.rec.logs[0]
	if len(l.Resources) != 2 || l.Resources[0].Service != "shop" || l.Resources[0].Host != "web1" {
		t.Fatalf("resources %+v", l.Resources)
	}
	if want := []string{"first", "ERROR second", "third"}; !cmp.Equal(l.Bodies, want) {
		t.Errorf("bodies %q", l.Bodies)
	}
	if want := []uint8{13, 17, 5}; !cmp.Equal(l.Severity, want) {
		t.Errorf("severities %v, want %v", l.Severity, want)
	}
	if want := []int64{now, now + 1, now}; !cmp.Equal(l.TimesNS, want) {
		t.Errorf("times %v, want %v", l.TimesNS, want)
	}
	if want := []model.Label{{Name: "user", Value: "42"}}; !cmp.Equal(l.Attributes[1], want) {
		t.Errorf("attributes %v", l.Attributes)
	}
	if len(l.TraceIDs) != 3 || l.TraceIDs[1] != strings.Repeat("\x11", 16) {
		t.Errorf("trace ids %q", l.TraceIDs)
	}
	for _, a := range l.Resources[1].Attributes {
		if a.Name == "level" {
			t.Error("the level is part of the resource")
		}
	}
}

func TestLokiProtobuf(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixNano()
	body := append(
		lokiStream(`{service_name="shop", hostname="web1"}`, lokiEntry(now, "first", "detected_level", "warn"), lokiEntry(now+1, "ERROR second", "user", "42", "trace_id", strings.Repeat("11", 16))),
		lokiStream(`{job="quoted \"value\"", level="debug"}`, lokiEntry(now, "third"))...)
	code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", body), "Content-Type", "application/x-protobuf")
	if code != 204 {
		t.Fatalf("%d %s", code, text)
	}
	checkLoki(t, x, now)
	if s := x.rec.logs[0].Resources[1].Service; s != `quoted "value"` {
		t.Errorf("service %q", s)
	}
}

func TestLokiJSON(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		x := newRig(t, nil)
		now := time.Now().UnixNano()
		body := fmt.Sprintf(`{"streams":[{"stream":{"app":"shop","host":"web1"},"values":[["%d","first",{"level":"warn"}],["%d","ERROR second",{"user":42,"trace_id":"%s"}]]},
			{"stream":{"level":"debug"},"values":[[%d,"third"]]}]}`, now, now+1, strings.Repeat("11", 16), now)
		code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, encoding, []byte(body)), "Content-Type", "application/json", "Content-Encoding", encoding)
		if code != 204 {
			t.Fatalf("%d %s", code, text)
		}
		checkLoki(t, x, now)
	}
}

func TestLokiRefusals(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Limits.MaxBodyBytes, c.Limits.MaxDecodedBytes = 1<<20, 2<<20 })
	now := time.Now().UnixNano()
	f := func(name string, body []byte, want int, headers ...string) {
		t.Helper()
		code, _, text := post(t, x.url+"/loki/api/v1/push", body, headers...)
		if code != want || (want != 204 && len(text) < 10) {
			t.Errorf("%s: %d %q, want %d", name, code, text, want)
		}
	}
	js := []string{"Content-Type", "application/json"}
	f("json garbage", []byte(`{"streams":`), 400, js...)
	f("no streams", []byte(`{}`), 400, js...)
	f("no stream", []byte(`{"streams":[{"values":[]}]}`), 400, js...)
	f("bad time", []byte(`{"streams":[{"stream":{},"values":[["yesterday","x"]]}]}`), 400, js...)
	f("no line", []byte(`{"streams":[{"stream":{},"values":[["1"]]}]}`), 400, js...)
	f("deep", []byte(strings.Repeat("[", 1<<19)), 400, js...)
	f("snappy garbage", []byte("garbage"), 400)
	f("protobuf garbage", pack(t, "snappy", []byte("garbage")), 400)
	f("bad labels", pack(t, "snappy", lokiStream(`{a=b}`, lokiEntry(now, "x"))), 400)
	f("bomb", pack(t, "snappy", make([]byte, 3<<20)), 413)
	f("gzip bomb", pack(t, "gzip", make([]byte, 100<<20)), 413, append(js, "Content-Encoding", "gzip")...)
	f("type", []byte("x"), 415, "Content-Type", "text/plain")
	f("too old and too new", pack(t, "snappy", lokiStream(`{a="b"}`, lokiEntry(1, "x"), lokiEntry(now, "y"), lokiEntry(now+3.6e12, "z"))), 400)
	if len(x.rec.logs) != 1 || x.rec.logs[0].Bodies[0] != "y" || x.rejected("too_old") != 1 || x.rejected("too_far_in_future") != 1 {
		t.Errorf("counts %v", x.g.Rejections())
	}
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	f("full bus", pack(t, "snappy", lokiStream(`{a="b"}`, lokiEntry(now, "y"))), 429)
}

// Large pushes are cut into messages that the bus takes, also when the text does not compress.
func TestLokiLarge(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixNano()
	var entries [][]byte
	state := uint64(1)
	want := 0
	for range 300 {
		line := make([]byte, 20_000)
		for i := range line {
			state = state*6364136223846793005 + 1442695040888963407
			line[i] = 'a' + byte(state>>33)%26 // without what could be taken for a secret
		}
		entries = append(entries, lokiEntry(now, string(line)))
		want += len(line)
	}
	if code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", lokiStream(`{a="b"}`, entries...))); code != 204 {
		t.Fatalf("%d %s", code, text)
	}
	got := 0
	for _, l := range x.rec.logs {
		for _, b := range l.Bodies {
			got += len(b)
		}
	}
	if got != want || len(x.rec.messages) < 6 {
		t.Errorf("%d bytes in %d messages, want %d", got, len(x.rec.messages), want)
	}
}

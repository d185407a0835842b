package group_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/model"
)

// sealed makes bytes pass for a snapshot as far as version and checksum go.
func sealed(data []byte) []byte {
	b := append([]byte{1}, data...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func TestSnapshotIsRefused(t *testing.T) {
	w := newWorld(t, shop)
	w.say(errorShare(service("web"), w.now, .2))
	good := w.g.Snapshot()
	if _, err := group.Restore(good, group.Default(1)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)/2], "turned": append(append([]byte{}, good[:50]...), append([]byte{good[50] ^ 1}, good[51:]...)...),
		"null incident": sealed([]byte(`{"Incidents":[null]}`)), "null finding": sealed([]byte(`{"Findings":[null]}`)), "no json": sealed([]byte(`x`)),
		"null habit": sealed([]byte(`{"Memory":{"Signals":{"1":null}}}`)),
	} {
		if _, err := group.Restore(bad, group.Default(1)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// BenchmarkMark is a mark without news with a hundred open incidents of ten signals each.
func BenchmarkMark(b *testing.B) {
	w := newWorld(&testing.T{}, nil)
	w.now += minute
	for n := range 100 {
		e := service("s" + string(rune('a'+n%26)) + string(rune('a'+n/26)))
		fs := []model.Finding{errorShare(e, w.now, .2)}
		for k := range 9 {
			fs = append(fs, finding(e, "signal_"+string(rune('a'+k)), model.RoleQueue, w.now))
		}
		w.say(fs...)
	}
	if n := w.g.Stats().Open; n != 100 {
		b.Fatalf("%d incidents", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.seq++
		w.g.Mark(eventtime.Mark{Seq: w.seq, AtMS: w.now, WatermarkMS: w.now}, nil)
	}
}

// BenchmarkSnapshot writes that state.
func BenchmarkSnapshot(b *testing.B) {
	w := newWorld(&testing.T{}, shop)
	for n := range 1000 {
		w.say(errorShare(service("s"+string(rune('a'+n%26))+string(rune('a'+n/26%26))+string(rune('a'+n/676))), w.now, .2))
	}
	n := 0
	for b.Loop() {
		n = len(w.g.Snapshot())
	}
	b.ReportMetric(float64(n), "bytes")
}

package intake

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/model"
)

func TestGuessSeverity(t *testing.T) {
	for line, want := range map[string]uint8{
		"2026-11-23T01:00:00Z ERROR something failed": 17,
		"[warn] disk is getting full":                 13,
		`{"time":"x","level":"debug","msg":"INFO"}`:   5,
		"ts=1 level=info msg=started":                 9,
		"E 12 klog line":                              0,
		"error: no such file":                         17,
		"there was no error at all":                   0,
		"GET /warning 200":                            0,
		"level=unknown ERROR":                         17,
		"":                                            0,
		strings.Repeat("x ", 100) + "ERROR":           0,
		"CRITICAL core melts":                         21,
		"<notice> look":                               10,
		"severity: Fatal, all is lost":                21,
	} {
		if got := GuessSeverity(line); got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { GuessSeverity("2026-11-23 10:00:00 [main] INFO something") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGuessSeverity(f *testing.F) {
	f.Add("level=info")
	f.Fuzz(func(t *testing.T, line string) {
		if s := GuessSeverity(line); s > 24 {
			t.Fatal(s)
		}
	})
}

func FuzzCut(f *testing.F) {
	f.Add("héllo", 2)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 {
			return
		}
		got := Cut(s, limit)
		if len(got) > limit || !strings.HasPrefix(s, got) || len(s) > limit && len(got) < limit-utf8.UTFMax {
			t.Fatalf("%q cut at %d: %q", s, limit, got)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Fatalf("%q cut at %d tears a rune: %q", s, limit, got)
		}
		if !utf8.ValidString(Valid(s)) {
			t.Fatalf("%q stays invalid", s)
		}
	})
}

// The parts of an agent's batch have names that follow from their place, each signal by itself; others have none.
func TestHeader(t *testing.T) {
	r := Request{Sender: Sender{Origin: model.Origin{AgentID: "a", BatchSeq: 3}}}
	var got []string
	for _, s := range []model.Signal{model.SignalLogs, model.SignalLogs, model.SignalMetrics, model.SignalLogs} {
		got = append(got, r.Header(s).AgentID)
	}
	if strings.Join(got, " ") != "a a/part1 a a/part2" {
		t.Error(got)
	}
	r = Request{}
	r.Header(model.SignalLogs)
	if id := r.Header(model.SignalLogs).AgentID; id != "" {
		t.Error(id)
	}
}

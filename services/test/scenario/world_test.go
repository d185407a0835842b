package scenario

import (
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/scenario/world"
)

func TestProbe(t *testing.T) {
	for _, name := range []string{"parcel", "office", "farm"} {
		spec, err := embedded(name)
		if err != nil {
			t.Fatal(err)
		}
		zero, _ := moment("tue", "14:00")
		w, err := world.New(spec, nil, zero, time.Hour, 1)
		if err != nil {
			t.Fatal(err)
		}
		n, s, l := 0, 0, 0
		start := time.Now()
		for w.NowMS() < zero.UnixMilli() {
			for _, m := range w.Step() {
				switch {
				case m.Metrics != nil:
					n += len(m.Metrics.Values)
				case m.Spans != nil:
					s += m.Spans.Len()
				case m.Logs != nil:
					l += m.Logs.Len()
				}
			}
		}
		t.Log(name, time.Since(start), n, s, l)
		t.Log("\n" + w.Describe())
	}
}

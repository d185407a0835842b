package eventtime

import (
	"fmt"
	"testing"
)

// beat lets a source send what it has at a tick, with its clock off by skew, every interval.
type beat struct {
	name             string
	intervalMS, skew int64
	untilMS          int64 // 0 for ever.
}

// drive runs a clock for some minutes and returns how far the watermark was behind the tick at the end and at most, after a start
// of two minutes.
func drive(t *testing.T, cfg ClockConfig, forMS int64, beats ...beat) (int64, int64) {
	t.Helper()
	c := NewClock(cfg, Mark{})
	worst, last := int64(0), Mark{}
	for at := int64(1_000_000); at <= 1_000_000+forMS; at += 5_000 {
		for _, b := range beats {
			if (at-1_000_000)%b.intervalMS == 0 && (b.untilMS == 0 || at < 1_000_000+b.untilMS) {
				c.Hear(b.name, at+b.skew)
			}
		}
		k := c.Tick(at)
		if k.Seq != last.Seq+1 || k.WatermarkMS < last.WatermarkMS {
			t.Fatalf("mark %+v after %+v", k, last)
		}
		last = k
		if at > 1_120_000 {
			worst = max(worst, at-k.WatermarkMS)
		}
	}
	return last.AtMS - last.WatermarkMS, worst
}

func TestWatermark(t *testing.T) {
	noHold := DefaultClockConfig()
	noHold.HoldMS = 1 << 40
	def := DefaultClockConfig()
	steady := beat{name: "a", intervalMS: 15_000}
	for _, c := range []struct {
		name  string
		cfg   ClockConfig
		beats []beat
		worst int64 // Most that the watermark may be behind, and least that it was once.
	}{
		{"one source: its interval, and ten seconds", def, []beat{steady}, 20_000},
		{"the slower source decides", def, []beat{steady, {name: "b", intervalMS: 15_000, skew: -8_000}}, 28_000},
		{"a clock that is ahead changes nothing", def, []beat{steady, {name: "b", intervalMS: 15_000, skew: 300_000}}, 20_000},
		{"only a clock that is ahead: the tick counts", def, []beat{{name: "b", intervalMS: 5_000, skew: 300_000}}, 10_000},
		{"a clock five minutes behind is not waited for", def, []beat{steady, {name: "b", intervalMS: 15_000, skew: -300_000}}, 20_000},
		{"without hold it is", noHold, []beat{steady, {name: "b", intervalMS: 15_000, skew: -300_000}}, 320_000},
		{"a source each minute holds for a part of it", def, []beat{steady, {name: "b", intervalMS: 60_000}}, 30_000},
		{"without hold for all of it", noHold, []beat{steady, {name: "b", intervalMS: 60_000}}, 65_000},
	} {
		if _, worst := drive(t, c.cfg, 900_000, c.beats...); worst != c.worst {
			t.Errorf("%s: at most %d ms behind, want %d", c.name, worst, c.worst)
		}
	}
}

// A silent source leaves after two of its intervals; when all are silent the watermark stays.
func TestSilence(t *testing.T) {
	cfg := DefaultClockConfig()
	cfg.HoldMS = 1 << 40
	steady := beat{name: "a", intervalMS: 15_000}
	end, worst := drive(t, cfg, 900_000, steady, beat{name: "b", intervalMS: 15_000, untilMS: 600_000})
	if end > 25_000 || worst < 40_000 || worst > 65_000 {
		t.Errorf("%d ms behind at the end, %d at most", end, worst)
	}
	if end, _ = drive(t, cfg, 900_000, beat{name: "a", intervalMS: 15_000, untilMS: 600_000}); end < 300_000 {
		t.Errorf("with nobody live the watermark went on to %d ms behind", end)
	}
}

// What is heard between two ticks may come in any order, also at the bound of sources.
func TestClockBounds(t *testing.T) {
	cfg := DefaultClockConfig()
	cfg.MaxSources = 10
	var marks [2][]Mark
	for run := range marks {
		c := NewClock(cfg, Mark{Seq: 7, AtMS: 10, WatermarkMS: 5})
		for tick := range int64(100) {
			for i := range 20 {
				n := int64(i)
				if run == 1 {
					n = int64(19 - i)
				}
				c.Hear(fmt.Sprintf("s%02d", n), 1_000_000+tick*5_000-n*100)
			}
			marks[run] = append(marks[run], c.Tick(1_000_000+tick*5_000))
		}
		if c.Sources() != 10 {
			t.Errorf("%d sources are followed", c.Sources())
		}
		c.Tick(100_000_000)
		if c.Sources() != 0 {
			t.Errorf("%d sources after a day of silence", c.Sources())
		}
	}
	if fmt.Sprint(marks[0]) != fmt.Sprint(marks[1]) || marks[0][0].Seq != 8 {
		t.Error("marks depend on the order of arrival, or do not go on")
	}
	if k := marks[0][99]; k.AtMS-k.WatermarkMS != 10_900 {
		t.Errorf("%+v: the ten first by name are followed", k)
	}
}

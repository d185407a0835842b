package group

import (
	"fmt"
	"math"
	"strconv"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// titleOf says an incident in a line: who leads it, with what, and who else is affected.
func titleOf(m impact, more int) string {
	t := m.lead.F.Entity.Name
	if t == "" {
		t = "something"
	}
	t += ": " + phrase(&m.lead.F)
	if m.services > 1 {
		t += ", " + count(m.services, "service") + " affected"
	}
	if m.hosts > 1 {
		t += ", " + count(m.hosts, "host") + " affected"
	}
	if more > 0 {
		t += fmt.Sprintf(", %d more signals", more)
	}
	return clip(t, maxText)
}

// phrase says a finding in a few words, with its numbers.
func phrase(f *model.Finding) string {
	name := f.Signal.Name
	if f.Kind != model.FindingAlert {
		name = signal.Say(name, f.Signal.Labels)
	}
	switch f.Kind {
	case model.FindingSilence:
		if name == "" {
			return "not heard of"
		}
		return name + " does not come"
	case model.FindingNew:
		return "a kind of log line that is new"
	case model.FindingGone:
		return "an expected log line does not come"
	case model.FindingAlert:
		return name
	case model.FindingForecast:
		if f.Text != "" {
			return f.Text
		}
		return name + " will run out"
	case model.FindingLimit:
		return name + " at " + quantity(f, f.Value)
	}
	switch f.Signal.Role {
	case model.RoleErrors:
		name = "errors"
	case model.RoleSuccess:
		name = "success"
	case model.RoleLatency:
		if _, known := share(f, f.Value); !known {
			name = "latency"
		}
	case model.RoleSelfTime:
		name = "own time"
	case model.RoleGap:
		name = "time on the way"
	case model.RoleLog:
		name = "log lines"
	}
	value, usual := quantity(f, f.Value), quantity(f, f.Expected)
	if value == usual || f.Low < f.High && f.Value >= f.Low && f.Value <= f.High {
		return name + " less steady than usual" // The level is not what left its normal.
	}
	return name + " " + value + " (normal " + usual + ")"
}

// quantity writes a value of a finding's signal with its unit.
func quantity(f *model.Finding, x float64) string {
	if s, ok := share(f, x); ok {
		return digits(s*100) + " %"
	}
	if s, ok := seconds(f.Signal.Unit); ok {
		return interval(x * s)
	}
	switch unit := f.Signal.Unit; unit {
	case "By", "bytes":
		return size(x)
	case "", "1":
		return digits(x)
	case "1/s", "/s":
		return digits(x) + "/s"
	case "s/s":
		return digits(x) + " processors"
	default:
		return digits(x) + " " + unit
	}
}

// digits writes a number with two digits, or whole where it is larger.
func digits(x float64) string {
	if a := math.Abs(x); a >= 100 && a < 1e6 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(round(x), 'g', -1, 64)
}

func round(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 2, 64), 64)
	if err != nil {
		return x
	}
	return r
}

// interval writes seconds in a unit that suits.
func interval(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 1e-3:
		return digits(s*1e6) + " µs"
	case a < 1:
		return digits(s*1e3) + " ms"
	case a < 120:
		return digits(s) + " s"
	}
	return digits(s/60) + " min"
}

// size writes bytes.
func size(x float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	n := 0
	for math.Abs(x) >= 1024 && n < len(units)-1 {
		x /= 1024
		n++
	}
	return digits(x) + " " + units[n]
}

// duration writes a time between two marks.
func duration(ms int64) string {
	switch s := (ms + 500) / second; {
	case s < 120:
		return strconv.FormatInt(s, 10) + " s"
	case s < 7200:
		return strconv.FormatInt((s+30)/60, 10) + " min"
	default:
		return strconv.FormatInt((s+1800)/3600, 10) + " h"
	}
}

// lagText says how much later an onset is than another.
func lagText(ms int64) string {
	switch {
	case abs(ms) < second:
		return "at the same time"
	case ms > 0:
		return "onset " + duration(ms) + " later"
	}
	return "onset " + duration(-ms) + " earlier"
}

// togetherText says why findings make an incident together.
func togetherText(e evidence, p float64) string {
	return fmt.Sprintf("%s of %s left their normal together (once in %s by chance)", count(e.Aspects, "kind")+" of signals", count(e.Entities, "entity"), chanceText(p))
}

// chanceText says how long one waits for what has the probability p in an hour.
func chanceText(p float64) string {
	hours := 1 / max(p, 1e-9)
	switch {
	case hours < 48:
		return digits(math.Round(hours)) + " hours"
	case hours < 24*365:
		return digits(math.Round(hours/24)) + " days"
	}
	return digits(math.Round(hours/24/365)) + " years"
}

// count writes a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "entity":
		return strconv.Itoa(n) + " entities"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// ordinal writes the n-th.
func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return strconv.Itoa(n) + "st"
	case n%10 == 2:
		return strconv.Itoa(n) + "nd"
	case n%10 == 3:
		return strconv.Itoa(n) + "rd"
	}
	return strconv.Itoa(n) + "th"
}

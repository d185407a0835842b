package rootcause

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// amount writes a value with its unit for people.
func amount(v float64, unit string) string {
	kind, per := unitOf(unit)
	switch kind {
	case unitSeconds:
		return seconds(v / per)
	case unitPercent:
		return number(v) + " %"
	case unitShare:
		return number(v*100) + " %"
	case unitBytes:
		return bytes(v)
	}
	if unit == "" {
		return number(v)
	}
	return number(v) + " " + unit
}

func seconds(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 0.001:
		return number(s*1e6) + " µs"
	case a < 1:
		return number(s*1e3) + " ms"
	case a < 120:
		return number(s) + " s"
	}
	return number(s/60) + " min"
}

func bytes(v float64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for math.Abs(v) >= 1024 && i+1 < len(units) {
		v /= 1024
		i++
	}
	return number(v) + " " + units[i]
}

// number writes three digits.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	}
	return trim(strconv.FormatFloat(v, 'g', 3, 64))
}

func trim(s string) string {
	if strings.Contains(s, ".") && !strings.Contains(s, "e") {
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// clock writes a time of day.
func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04") }

// title names an entity for people.
func title(e model.Entity) string {
	if e.Kind == model.KindService || e.Kind == "" {
		return e.Name
	}
	return string(e.Kind) + " " + e.Name
}

// movement says how an item moved: "latency 230 ms → 940 ms (4×)".
func (c *incident) movement(it *item) string {
	if it.d.silent {
		return "no data since " + clock(it.d.onset)
	}
	s := c.signal(it)
	switch {
	case s == nil:
		return ""
	case it.beside > 0:
		return fmt.Sprintf("%s used to come with every %s (%d times), and now %s of %d times", c.eventName(it.win), c.eventName(it.beside-1), it.d.before, number(math.Round(it.d.value*float64(it.d.after))), it.d.after)
	case it.fresh:
		return fmt.Sprintf("%s, never seen before, came %d times", c.eventName(it.win), it.d.after)
	}
	if it.win < 0 {
		if f := &c.Findings[it.finding]; f.Text != "" {
			return f.Text
		}
	}
	text := fmt.Sprintf("%s %s → %s", signal.Say(s.Name, s.Labels), amount(it.d.level, s.Unit), amount(it.d.value, s.Unit))
	if it.d.level > 0 && it.d.value/it.d.level >= 1.5 {
		text += " (" + number(it.d.value/it.d.level) + "×)"
	}
	return text
}

// symptomText says what users of an entity see of an item.
func (c *incident) symptomText(e model.Entity, it *item) string {
	s := c.signal(it)
	switch {
	case it.d.silent:
		return title(e) + " sends no data"
	case s == nil || it.win < 0:
		return title(e) + ": " + c.movement(it)
	case it.rule.column == colLatency && it.d.level > 0:
		return fmt.Sprintf("%s answers %s× slower than usual (%s → %s)", title(e), number(it.d.value/it.d.level), amount(it.d.level, s.Unit), amount(it.d.value, s.Unit))
	case it.role == model.RoleSuccess:
		return fmt.Sprintf("%s succeeds less than usual (%s → %s)", title(e), amount(it.d.level, s.Unit), amount(it.d.value, s.Unit))
	case it.rule.column == colErrors:
		return fmt.Sprintf("%s fails more than usual (%s %s → %s)", title(e), signal.Say(s.Name, s.Labels), amount(it.d.level, s.Unit), amount(it.d.value, s.Unit))
	}
	return title(e) + ": " + c.movement(it)
}

// eventName names what a window counts.
func (c *incident) eventName(win int) string {
	s := &c.windows[win].Signal
	for _, l := range [...]string{"template", "operation", "server"} {
		if v := model.Lookup(s.Labels, l); v != "" {
			if l == "server" {
				return "a call of " + v
			}
			return l + " " + v
		}
	}
	return s.Name
}

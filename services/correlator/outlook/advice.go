package outlook

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// dateFormat is how dates are written: with the day of the week, since people plan by it.
const dateFormat = "Mon 2 Jan 15:04 MST"

func date(ms int64) string { return time.UnixMilli(ms).UTC().Format(dateFormat) }

// amount writes a value of a signal with its unit.
func amount(v float64, unit string) string {
	switch unit {
	case unitShare:
		return fmt.Sprintf("%.3g %%", 100*v)
	case unitPercent:
		return fmt.Sprintf("%.3g %%", v)
	case unitBytes:
		for _, u := range []struct {
			size float64
			name string
		}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
			if math.Abs(v) >= u.size {
				return fmt.Sprintf("%.3g %s", v/u.size, u.name)
			}
		}
		return fmt.Sprintf("%.0f B", v)
	case "1/s":
		return fmt.Sprintf("%.3g/s", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// Units as they are written into forecasts.
const (
	unitShare   = "1"
	unitPercent = "%"
	unitBytes   = "By"
)

// unitOf returns the unit of a stock, from its name and the size of its values.
func unitOf(t *target, level float64) string {
	p := parts(t.signal.Name)
	switch {
	case t.measure == measureShare && level > 1.5:
		return unitPercent
	case t.measure == measureShare:
		return unitShare
	case hasAny(p, "bytes"):
		return unitBytes
	}
	return ""
}

// actions say what to do before something runs out.
var actions = map[string]string{
	resourceDisk:        "Free space or enlarge the volume before then.",
	resourceInodes:      "Look for a folder with very many small files and remove them; a larger volume helps only if it is made with more inodes.",
	resourceMemory:      "Find what grows and restart it in time, or give it more memory.",
	resourceDescriptors: "Look for files or sockets that are not closed; restart it in time or raise its limit.",
	resourceConnections: "Look for connections that are not given back; raise the limit or put a pool in front.",
	resourceQueue:       "Add consumers, or find out why those there are have become slower.",
	resourceQuota:       "Raise the quota or remove what is no longer used.",
	resourceCertificate: "Renew the certificate and check that what serves it has read the new one.",
	resourceEntries:     "Raise the limit of the kernel's table, or find what fills it.",
}

// exhaustionAdvice is a sentence or two on a stock: what will be when, why that is believed, and what to do.
func exhaustionAdvice(r *store.ForecastRow) string {
	what := thing(r)
	switch forecast.State(r.State) {
	case forecast.StateReached:
		if r.Resource == resourceCertificate {
			return what + " has expired. " + actions[r.Resource]
		}
		return fmt.Sprintf("%s is used up: %s. %s", what, standing(r), actions[r.Resource])
	case forecast.StateTrend:
		if r.Resource == resourceCertificate {
			return fmt.Sprintf("%s expires on %s. %s", what, date(r.ReachMS), actions[r.Resource])
		}
		late := "perhaps never"
		if r.LatestMS > 0 {
			late = date(r.LatestMS)
		}
		return fmt.Sprintf("%s will be used up about %s (80 %%: %s to %s): %s, and it changes by %s a day, as since %s. %s", what, date(r.ReachMS), date(r.EarliestMS), late,
			standing(r), amount(24*r.PerHour, r.Signal.Unit), date(r.SinceMS), actions[r.Resource])
	case forecast.StateSawtooth:
		return what + ": it rises and comes back by itself; no end is in sight."
	case forecast.StateNone:
		return what + ": no trend that leads to its limit within what its past can tell."
	case forecast.StateShort:
		return what + ": too little past for a forecast, or too little since its level changed."
	}
	return ""
}

// findingText is one short sentence on what matters: it becomes the title of an incident. The date is rounded, since it moves a little with each pass.
func findingText(r *store.ForecastRow) string {
	switch {
	case r.Kind == store.ForecastLoad:
		return fmt.Sprintf("%s of %s %s will be higher within a day than it ever was", r.Signal.Name, r.Entity.Kind, r.Entity.Name)
	case r.State == string(forecast.StateReached) && r.Resource == resourceCertificate:
		return thing(r) + " has expired"
	case r.State == string(forecast.StateReached):
		return thing(r) + " is used up"
	}
	round := 10 * minuteMS
	if r.ReachMS-r.MadeMS > dayMS {
		round = 3 * hourMS
	}
	verb := " will be used up about "
	if r.Resource == resourceCertificate {
		verb, round = " expires on ", minuteMS
	}
	return thing(r) + verb + date((r.ReachMS+round/2)/round*round)
}

// standing says where a stock is now.
func standing(r *store.ForecastRow) string {
	if r.Limit == 0 {
		return amount(r.Level, r.Signal.Unit) + " are left"
	}
	return "it is at " + amount(r.Level, r.Signal.Unit) + " of " + amount(r.Limit, r.Signal.Unit)
}

// thing names a stock: "Disk /var of host web-1".
func thing(r *store.ForecastRow) string {
	name := strings.ToUpper(r.Resource[:1]) + r.Resource[1:]
	entity := r.Entity.Name
	if r.Entity.Kind == model.KindHost {
		if n := model.HostDisplayName(r.Signal.Labels); n != "" {
			entity = n
		}
	}
	if p := place(r.Signal.Labels); p != "" && p != entity && !strings.HasPrefix(p, entity+":") {
		name += " " + p
	}
	if entity == "" {
		return name
	}
	return name + " of " + string(r.Entity.Kind) + " " + entity
}

// capacity is what a load was carried by.
type capacity struct {
	// now is the number of instances, perInstance the most that one took on average in an hour of the past, most the largest load.
	now         int
	perInstance float64
	most        float64
}

// allowance is by how much more than it ever carried an instance is trusted with: what was carried is no limit, and a twentieth more no reason to scale.
const allowance = 1.05

// loadAdvice says how many instances a load needs, by when, and why.
func loadAdvice(r *store.ForecastRow, c capacity) string {
	day := min(len(r.Median), int(24*hourMS/max(r.StepMS, 1)))
	if day == 0 || len(r.High80) < day {
		return ""
	}
	peak := 0
	for k := range day {
		if r.High80[k] > r.High80[peak] {
			peak = k
		}
	}
	what := fmt.Sprintf("%s of %s %s: at most %s expected within a day (%s; nine in ten days stay below %s)",
		r.Signal.Name, r.Entity.Kind, r.Entity.Name, amount(r.Median[peak], r.Signal.Unit), date(r.TimesMS[peak]), amount(r.High80[peak], r.Signal.Unit))
	if c.now == 0 || c.perInstance <= 0 || r.Entity.Kind != model.KindService {
		return what + "."
	}
	most := c.perInstance * allowance
	need := int(math.Ceil(r.High80[peak] / most))
	if need <= c.now {
		return fmt.Sprintf("%s. The %d instances that there are have carried %s each: %d are enough.", what, c.now, amount(c.perInstance, r.Signal.Unit), max(need, 1))
	}
	by := peak
	for k := range day {
		if r.High80[k] > most*float64(c.now) {
			by = k
			break
		}
	}
	return fmt.Sprintf("%s. Scale from %d to %d instances before %s: one has carried at most %s so far.", what, c.now, need, date(r.TimesMS[by]), amount(c.perInstance, r.Signal.Unit))
}

package group

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// How much a finding means to those who use the system.
const (
	harmless = iota // Nothing that could be seen.
	reserve         // Something is broken; others do its work.
	inPart          // Users are affected in part, or will be soon.
	inFull          // An entry point fails.
)

// From where on an effect is one. They are the usual objectives of services: one request in a hundred is a bad hour, one in twenty is broken for
// everybody who does more than one click.
const (
	someFail, manyFail  = 0.01, 0.05
	slower, muchSlower  = 2.0, 5.0
	moreErrors          = 3.0  // Times as many, where the share is not known,
	leastErrors         = 0.05 // and this many a second: three in a minute can be one client that tries again.
	leastSlowS          = 0.02
	full                = 0.99
	manyServices        = 5
	manyHosts, halfGone = 3, 0.5
)

// effect is what one finding means.
type effect struct {
	level int
	why   string
	// share is the share of requests that fail beyond the usual, slow how many times slower; 0 where not known.
	share, slow float64
	alert       bool
	kind        model.FindingKind
}

// steadyMS is how long an effect must be there to be reason enough by itself: with few requests a single one that fails is a large share of those
// of a few seconds.
const steadyMS = 30 * second

// opens says whether the effect is reason enough for an incident by itself.
func (e effect) opens(f *finding, nowMS int64) bool {
	if f.until(nowMS)-f.F.OnsetMS < steadyMS && !e.alert {
		return false
	}
	switch {
	case e.level == inFull, e.level == inPart && e.alert:
		return f.Surprise >= plainSurprise || e.alert && f.Surprise > 0
	case e.level == inPart:
		return f.Surprise >= usersSurprise
	case e.kind == model.FindingForecast && e.level == reserve:
		return f.Surprise >= 0.1 // Its probability is that of its date. Two rejections are enough.
	case e.level == reserve:
		alone := e.alert || e.kind == model.FindingLimit || e.kind == model.FindingSilence && f.F.Entity.Kind == model.KindHost
		return alone && f.Surprise >= usersSurprise
	}
	return false
}

// effectOf works out what a finding means.
func effectOf(f *finding, v *vicinity) effect {
	e := effect{kind: f.F.Kind, why: phrase(&f.F)}
	owner := v.owner(f.F.Entity)
	at := v.place(owner)
	switch f.F.Kind {
	case model.FindingAlert:
		e.alert, e.level = true, alertLevel(&f.F)
		return e
	case model.FindingForecast:
		if near(&f.F) {
			e.level = reserve
		}
		return e
	case model.FindingSilence:
		return silence(f, e, v)
	}
	switch f.F.Signal.Role {
	case model.RoleErrors, model.RoleSuccess:
		e.failing(&f.F)
	case model.RoleLatency:
		e.slowed(&f.F)
	case model.RoleSelfTime, model.RoleGap, model.RoleQueue:
		e.slowed(&f.F)
		e.level = min(e.level, reserve) // Where it shows to others, their latency says so.
	case model.RoleState:
		if f.F.Direction < 0 {
			e.level = inFull // Not up, not ready.
			if f.F.Entity != owner && v.parts(owner) > 1 {
				e.level = reserve
			}
		}
	}
	e.seen(at)
	if f.F.Kind == model.FindingLimit && e.level < inPart {
		e.level = limited(&f.F)
	}
	if e.level >= inPart && at == entry {
		e.why += "; users come in here"
	}
	return e
}

// seen takes into account who sees an effect: inside a system others may do without, and where no calls are seen it is not known who does.
func (e *effect) seen(at place) {
	switch {
	case at == inside:
		e.level = min(e.level, reserve)
	case at == unknown:
		e.level = max(e.level-1, min(e.level, reserve))
	}
}

// failing sets the effect of requests that fail.
func (e *effect) failing(f *model.Finding) {
	value, known := share(f, f.Value)
	usual, _ := share(f, f.Expected)
	if known {
		e.share = max(0, value-usual)
		if f.Signal.Role == model.RoleSuccess {
			e.share = max(0, usual-value)
		}
		switch {
		case e.share >= manyFail:
			e.level = inFull
		case e.share >= someFail:
			e.level = inPart
		}
	} else if rate := f.Signal.Unit == "1/s"; f.Direction > 0 && f.Value >= moreErrors*f.Expected && (!rate || f.Value >= leastErrors) {
		e.level = inPart
	}
}

// slowed sets the effect of requests that take longer.
func (e *effect) slowed(f *model.Finding) {
	if f.Expected <= 0 || f.Direction < 0 {
		return
	}
	if _, known := share(f, f.Value); known {
		return // A share of slow requests is no duration.
	}
	if s, known := seconds(f.Signal.Unit); known && (f.Value-f.Expected)*s < leastSlowS {
		return // Nobody notices.
	}
	e.slow = f.Value / f.Expected
	switch {
	case e.slow >= muchSlower:
		e.level = inFull
	case e.slow >= slower:
		e.level = inPart
	}
}

// silence returns the effect of something that is not heard of. It may work and only not tell, so that this alone is never the worst.
func silence(f *finding, e effect, v *vicinity) effect {
	owner := v.owner(f.F.Entity)
	switch {
	case f.F.Signal.Name != "" && f.F.Signal.Role != model.RoleState && f.F.Signal.Role != model.RoleTraffic:
		// One signal of many.
	case v.place(owner) == entry && (f.F.Entity == owner || v.parts(owner) <= 1):
		e.level, e.why = inPart, e.why+"; users come in here"
	default:
		e.level = reserve
	}
	return e
}

// Silence of many at once: of this many services or hosts, on more than one host, with nothing else that would hurt, it is the way of the telemetry
// that is broken, and no reason to wake anybody for a while.
const (
	lostOwners = 3
	lostWhile  = 10 * minute
)

// effectsOf works out what findings that belong together mean.
func effectsOf(fs []*finding, v *vicinity, nowMS int64) []effect {
	out := make([]effect, len(fs))
	silent, places := map[model.Entity]bool{}, map[model.Entity]bool{}
	first, hurts := int64(math.MaxInt64), false
	for i, f := range fs {
		out[i] = effectOf(f, v)
		if f.F.Kind != model.FindingSilence {
			hurts = hurts || out[i].level >= inPart
			continue
		}
		first = min(first, f.F.OnsetMS)
		silent[v.owner(f.F.Entity)] = true
		places[v.host(f.F.Entity)] = true
	}
	if hurts || len(silent) < lostOwners || len(places) < 2 || nowMS-first > lostWhile {
		return out
	}
	for i, f := range fs {
		if f.F.Kind == model.FindingSilence && out[i].level > reserve {
			out[i].level, out[i].why = reserve, "telemetry of "+strconv.Itoa(len(silent))+" services and hosts does not come"
		}
	}
	return out
}

// runsOut are words in the names of what is used up, so that nothing works when it is full; a processor at its limit is busy, and no more.
var runsOut = []string{"disk", "filesystem", "fs_", "inode", "memory", "mem_", "descriptor", "fds", "connection", "pool", "quota", "expir", "not_after", "storage", "volume", "swap"}

// limited returns the effect of a reached limit: what is used up and has no reserve affects users soon.
func limited(f *model.Finding) int {
	name := strings.ToLower(f.Signal.Name)
	if strings.Contains(name, "cpu") || strings.Contains(name, "processor") || strings.Contains(name, "load") {
		return harmless
	}
	used, known := share(f, f.Value)
	if known && used >= full && slices.ContainsFunc(runsOut, func(w string) bool { return strings.Contains(name, w) }) {
		return inPart
	}
	return reserve
}

// share returns a value as a share of one, and whether it is one.
func share(f *model.Finding, x float64) (float64, bool) {
	if _, ok := seconds(f.Signal.Unit); ok {
		return 0, false
	}
	name := "_" + strings.ReplaceAll(strings.ToLower(f.Signal.Name), ".", "_") + "_" // Whole words: "duration" has a ratio in it.
	ratio := slices.ContainsFunc([]string{"_ratio_", "_share_", "_utilization_", "_availability_", "_success_rate_", "_error_rate_"}, func(w string) bool { return strings.Contains(name, w) })
	percent := strings.Contains(name, "percent") || strings.Contains(name, "_pct_")
	switch {
	case f.Signal.Unit == "%" || f.Signal.Unit == "percent" || percent && math.Abs(f.Value) > 1.5:
		return x / 100, true
	case f.Signal.Role == model.RoleSuccess && f.Expected > 1.5:
		return x / 100, f.Expected <= 101
	case f.Signal.Role == model.RoleSuccess, (f.Signal.Unit == "1" || ratio || percent) && f.Value <= 1.01 && f.Value >= 0:
		return x, true
	}
	return 0, false
}

// seconds returns how many seconds a unit of time has.
func seconds(unit string) (float64, bool) {
	switch unit {
	case "s", "seconds":
		return 1, true
	case "ms", "milliseconds":
		return 1e-3, true
	case "us", "µs", "microseconds":
		return 1e-6, true
	case "ns", "nanoseconds":
		return 1e-9, true
	}
	return 0, false
}

// nearScore is the score of a forecast whose date is a day away, on the forecasts' own scale: MaxScore at an hour, in proportion further away, 3
// at the end of what is warned of.
const nearScore = 3 + (model.MaxScore-3)/24.0

// near says whether what is foretold comes soon, and is likely enough.
func near(f *model.Finding) bool { return f.Score >= nearScore && f.Confidence >= 0.5 }

// impact is what an incident means, worked out from its findings.
type impact struct {
	severity model.Severity
	why      string
	lead     *finding
	effect   effect
	// services and hosts are those with findings.
	services, hosts int
}

// assess works out what findings mean together. fs has at least one.
func assess(fs []*finding, v *vicinity, nowMS int64) impact {
	effects := effectsOf(fs, v, nowMS)
	m := impact{lead: fs[0], effect: effects[0]}
	services, hosts := map[model.Entity]bool{}, map[model.Entity]bool{}
	ill, gone, goneParts := map[model.Entity]bool{}, map[model.Entity]bool{}, map[model.Entity]map[model.Entity]bool{}
	for n, f := range fs {
		owner := v.owner(f.F.Entity)
		switch owner.Kind {
		case model.KindHost:
			hosts[owner] = true
		default:
			services[owner] = true
		}
		if f.F.Kind == model.FindingSilence && owner.Kind == model.KindHost {
			gone[owner] = true
		}
		if f.F.Kind == model.FindingSilence && owner != f.F.Entity {
			if goneParts[owner] == nil {
				goneParts[owner] = map[model.Entity]bool{}
			}
			goneParts[owner][f.F.Entity] = true
		}
		e := effects[n]
		if e.level >= reserve && f.F.Kind != model.FindingSilence && f.lasts() && owner.Kind == model.KindService {
			ill[owner] = true
		}
		if leads(f, e, m.lead, m.effect) {
			m.lead, m.effect = f, e
		}
	}
	m.services, m.hosts = len(services), len(hosts)
	m.severity, m.why = [...]model.Severity{model.SeverityLow, model.SeverityMedium, model.SeverityHigh, model.SeverityCritical}[m.effect.level], m.effect.why
	raise := func(to model.Severity, why string) {
		if order(to) > order(m.severity) {
			m.severity, m.why = to, why
		}
	}
	if len(ill) >= manyServices {
		raise(model.SeverityHigh, count(len(ill), "service")+" do not work as they should")
	}
	if len(gone) >= manyHosts {
		raise(model.SeverityHigh, count(len(gone), "host")+" are not heard of")
	}
	for _, owner := range sortedEntities(goneParts) {
		if n, all := len(goneParts[owner]), v.parts(owner); n >= 2 && float64(n) >= halfGone*float64(all) {
			raise(model.SeverityHigh, count(n, "instance")+" of "+owner.Name+" are not heard of")
		}
	}
	return m
}

// leads says whether a finding stands for the incident rather than another: by its effect, then symptoms before load, then the more surprising,
// then the earlier one.
func leads(f *finding, e effect, than *finding, its effect) bool {
	if e.level != its.level {
		return e.level > its.level
	}
	if a, b := isSymptom(&f.F), isSymptom(&than.F); a != b {
		return a
	}
	return f.Surprise > than.Surprise+0.5
}

func sortedEntities[V any](m map[model.Entity]V) []model.Entity {
	out := make([]model.Entity, 0, len(m))
	for e := range m {
		out = append(out, e)
	}
	slices.SortFunc(out, model.Entity.Compare)
	return out
}

// order returns the place of a severity.
func order(s model.Severity) int {
	return slices.Index([]model.Severity{model.SeverityLow, model.SeverityMedium, model.SeverityHigh, model.SeverityCritical}, s)
}

// pages says whether a severity is worth somebody's sleep.
func pages(s model.Severity) bool { return s == model.SeverityCritical || s == model.SeverityHigh }

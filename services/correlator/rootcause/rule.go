package rootcause

import (
	"math"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// column is a group of evidence that is gathered by itself.
type column int

// The columns. Those below firstSymptom are local: they speak of the entity itself. Symptoms can be those of a dependency.
const (
	colResource column = iota
	colSelf
	colGap
	colLog
	colState
	colStructure
	colLatency
	colErrors
	colTraffic
	columns

	firstSymptom = colLatency
)

// rule is how a role is judged.
type rule struct {
	column column
	// direction is the bad one: +1 up, -1 down, 0 both.
	direction int8
	// absolute and relative are the least spread: below them a change is of no use to anybody, however unusual.
	absolute, relative float64
}

// unitKind is what a unit measures.
type unitKind int

const (
	unitNone unitKind = iota
	unitSeconds
	unitPercent
	unitShare
	unitBytes
	unitCores
)

// unitOf returns the kind of a unit and how many of it make one second, one percent, one whole, one byte or one core.
func unitOf(unit string) (unitKind, float64) {
	switch strings.ToLower(unit) {
	case "s", "seconds", "second":
		return unitSeconds, 1
	case "ms", "milliseconds":
		return unitSeconds, 1e3
	case "us", "µs", "microseconds":
		return unitSeconds, 1e6
	case "ns", "nanoseconds":
		return unitSeconds, 1e9
	case "%", "percent":
		return unitPercent, 1
	case "1", "ratio":
		return unitShare, 1
	case "by", "bytes":
		return unitBytes, 1
	case "{cpu}", "cores", "cpu", "s/s": // Seconds of a processor in a second.
		return unitCores, 1
	}
	return unitNone, 1
}

const (
	// floorSeconds is the least spread of durations: five milliseconds are within what schedulers and garbage collection add to anything.
	floorSeconds = 0.005
	// floorPercent is the least spread of shares, in points.
	floorPercent = 3.0
	// floorFailures is that of shares of success and failure, in points: a budget of one in a thousand is gone at once when one in a hundred fails.
	floorFailures = 0.5
	// floorSize is the least spread of sizes and amounts of a resource as a share of their level: they wander.
	floorSize = 0.25
	// floorBytes and floorCores are the least spreads of memory and of CPU time: a hundredth of a small machine.
	floorBytes = 16 << 20
	floorCores = 0.02
	// floorAny is the least spread of everything else as a share of its level.
	floorAny = 0.1
)

// ruleOf returns the rule for a role with a unit.
func ruleOf(role model.Role, unit string) rule {
	kind, per := unitOf(unit)
	r := rule{column: colResource, direction: 1, relative: floorAny}
	switch role {
	case model.RoleTraffic:
		r.column, r.direction = colTraffic, 0
	case model.RoleErrors:
		r.column = colErrors
	case model.RoleSuccess:
		r.column, r.direction, r.relative = colErrors, -1, 0
	case model.RoleLatency:
		r.column = colLatency
	case model.RoleSelfTime:
		r.column = colSelf
	case model.RoleGap:
		r.column = colGap
	case model.RoleUtilization, model.RoleQueue:
	case model.RoleUsage:
		r.relative = floorSize
	case model.RoleLog:
		r.column, r.direction = colLog, 0
		r.absolute = 1
	case model.RoleState:
		r.column, r.direction = colState, 0
	case model.RoleAlert:
		r.column = colErrors
	case roleStructure:
		r.column, r.direction, r.relative = colStructure, -1, 0.15
	case roleOrigin:
		r.column = colStructure
	default:
		r.direction, r.relative = 0, floorSize
	}
	share := floorPercent
	if r.column == colErrors {
		share = floorFailures
	}
	switch kind {
	case unitSeconds:
		r.absolute = floorSeconds * per
	case unitPercent:
		r.absolute, r.relative = share, 0
	case unitBytes:
		r.absolute = floorBytes
	case unitCores:
		r.absolute = floorCores
	case unitShare:
		r.absolute, r.relative = share/100, 0
	}
	return r
}

// floor returns the least spread at a level. A share without a unit is known by its values.
func (r rule) floor(level float64, sorted []float64) float64 {
	f := max(r.absolute, r.relative*math.Abs(level))
	if r.absolute == 0 && (r.column == colErrors && r.direction < 0) {
		switch top := sorted[len(sorted)-1]; {
		case top <= 1:
			f = max(f, floorFailures/100)
		case top <= 100:
			f = max(f, floorFailures)
		}
	}
	if f == 0 {
		// A series that was always zero: one hundredth of its greatest value, or one.
		f = max(math.Abs(sorted[len(sorted)-1]), math.Abs(sorted[0])) / 100
		if f == 0 {
			f = 1
		}
	}
	return f
}

// roleOf returns the role that a signal has, from its name where the sender of the window did not say.
func roleOf(s *model.SignalRef) model.Role {
	switch {
	case strings.HasPrefix(s.Name, "log_") && (s.Unit == perSecond || s.Unit == "1"):
		return model.RoleLog
	case model.Lookup(s.Labels, "expected") != "":
		return roleStructure
	case strings.Contains(s.Name, "error_origin"):
		return roleOrigin
	case s.Role == "":
		s = &model.SignalRef{Role: signal.Of(s.Name, s.Labels, "", s.Unit), Unit: s.Unit}
	}
	if s.Role == model.RoleOther && s.Unit == perSecond {
		return model.RoleTraffic
	}
	return s.Role
}

// successByData reports whether a share whose name says nothing is one of success: at least half of the time it is exactly a whole.
func successByData(s *model.SignalRef, role model.Role, before []float64) bool {
	if role != model.RoleOther && role != model.RoleUtilization || len(before) < minBefore || signal.Classify(s.Name, "", "") != model.RoleOther {
		return false
	}
	top := 0.0
	for _, v := range before {
		top = max(top, v)
	}
	if top != 1 && top != 100 {
		return false
	}
	whole := 0
	for _, v := range before {
		if v == top {
			whole++
		}
	}
	return 2*whole >= len(before)
}

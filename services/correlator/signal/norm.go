package signal

import (
	"math"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// Norm says for a role and a unit which direction is bad and how large a deviation must be before anybody should care. Without it a series
// that hardly moves is the most sensitive one of all.
type Norm struct {
	// Bad is +1 where more is bad, -1 where less is, 0 where both are.
	Bad int8
	// FloorAbs and FloorRel bound the spread from below: absolutely, and as a share of the level.
	FloorAbs, FloorRel float64
	// RelMost bounds FloorAbs from above as a share of the level, so that an absolute floor does not hide what is small by nature; 0 for
	// no bound.
	RelMost float64
	// EffectAbs and EffectRel are the least deviation that counts: the greater of both.
	EffectAbs, EffectRel float64
}

// Floor returns the least spread at a level.
func (n Norm) Floor(level float64) float64 {
	l := math.Abs(level)
	abs := n.FloorAbs
	if n.RelMost > 0 {
		abs = math.Min(abs, n.RelMost*l)
	}
	return math.Max(abs, n.FloorRel*l) + 1e-12
}

// Effect returns the least deviation from a level that counts.
func (n Norm) Effect(level float64) float64 {
	return math.Max(n.EffectAbs, n.EffectRel*math.Abs(level))
}

// second returns how many of a unit are one second, 0 for what is no duration.
func second(unit string) float64 {
	switch unit {
	case "s", "seconds":
		return 1
	case "ms", "milliseconds":
		return 1e3
	case "us", "microseconds":
		return 1e6
	case "ns", "nanoseconds":
		return 1e9
	}
	return 0
}

// UnitOf returns the unit that metadata gave, else the one that the name ends with, else "".
func UnitOf(name, unit string) string {
	if unit != "" {
		return unit
	}
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_total"), "_sum"), "_count"), "_bucket")
	for _, u := range [][2]string{
		{"_seconds", "s"}, {"_milliseconds", "ms"}, {"_ms", "ms"}, {"_microseconds", "us"}, {"_nanoseconds", "ns"}, {"_bytes", "By"}, {"_ratio", "1"},
		{"_percent", "%"}, {"(%)", "%"}, {"_pct", "%"},
	} {
		if strings.HasSuffix(name, u[0]) {
			return u[1]
		}
	}
	return ""
}

// full returns what stands for the whole in a share with this unit, 0 where that is not known.
func full(unit string) float64 {
	switch unit {
	case "1", "ratio":
		return 1
	case "%", "percent":
		return 100
	}
	return 0
}

// NormOf returns the norm of a role and unit. The floors are what people who run systems call the same: three points of a share, twenty
// milliseconds or a tenth, a twentieth of a size. Where the unit is not known there is only a share of the level.
func NormOf(role model.Role, unit string) Norm {
	whole, sec := full(unit), second(unit)
	if role == model.RoleQueue && sec > 0 {
		role = model.RoleLatency // How long something waits, not how much.
	}
	switch role {
	case model.RoleLatency, model.RoleSelfTime, model.RoleGap:
		return Norm{Bad: 1, FloorAbs: 0.02 * sec, FloorRel: 0.10, RelMost: 0.5, EffectAbs: 0.002 * sec, EffectRel: 0.5}
	case model.RoleUtilization:
		return Norm{Bad: 1, FloorAbs: 0.03 * whole, FloorRel: 0.05, EffectAbs: 0.10 * whole, EffectRel: 0.15}
	case model.RoleErrors:
		return Norm{Bad: 1, FloorAbs: 0.01 * whole, FloorRel: 0.20, EffectAbs: 0.02 * whole, EffectRel: 0.5}
	case model.RoleSuccess:
		return Norm{Bad: -1, FloorAbs: 0.01 * whole, FloorRel: 0.005, EffectAbs: 0.02 * whole, EffectRel: 0.02}
	case model.RoleQueue:
		return Norm{Bad: 1, FloorAbs: 1, FloorRel: 0.20, EffectAbs: 5, EffectRel: 0.5}
	case model.RoleTraffic:
		return Norm{FloorRel: 0.05, EffectRel: 0.4}
	case model.RoleUsage:
		return Norm{FloorRel: 0.05, EffectRel: 0.25}
	case model.RoleState:
		return Norm{FloorAbs: 0.05, EffectAbs: 0.5}
	case model.RoleLog:
		if whole > 0 {
			return Norm{Bad: 1, FloorAbs: 0.02 * whole, FloorRel: 0.20, EffectAbs: 0.05 * whole, EffectRel: 0.5}
		}
		// A line in a window is 0.1 a second; one more or less is nothing.
		return Norm{FloorAbs: 0.1, FloorRel: 0.20, EffectAbs: 0.3, EffectRel: 0.5}
	}
	return Norm{FloorAbs: 0.03 * whole, FloorRel: 0.01, EffectRel: 0.05, EffectAbs: 0.05 * whole}
}

// RateNormOf returns the norm of the rate of a counter. Time that is used within a second is a share of one processor, whatever is counted as
// using it: two hundredths of one are within what schedulers do, and below a tenth nobody cares.
func RateNormOf(role model.Role, unit string) Norm {
	n := NormOf(role, unit)
	if sec := second(unit); sec > 0 && (role == model.RoleUsage || role == model.RoleUtilization || role == model.RoleOther) {
		n.FloorAbs, n.FloorRel, n.RelMost = 0.02*sec, 0.05, 0
		n.EffectAbs, n.EffectRel = 0.1*sec, 0.25
	}
	return n
}

// Limit is the end of a scale that a series may reach.
type Limit struct {
	// Whole is the end of the scale; Reached the value from which on it counts as reached, in direction Dir.
	Whole, Reached float64
	Dir            int8
	// HoldMS is how long it must last: what is held for long by nature has longer.
	HoldMS int64
}

const minute = 60_000

// rest are the words for the part of a resource that is left.
var rest = []string{"idle", "free", "available", "avail", "remaining", "unused"}

// cached are the words for parts that come back when they are needed, or that mean nothing by themselves.
var cached = []string{"cached", "buffered", "buffers", "slab_reclaimable", "slab_unreclaimable", "reserved", "inactive", "active"}

// LimitOf returns the limit of a series, if there is one that needs no history: a share of a resource, of errors or of success, a process
// that says whether it is up.
func LimitOf(name string, labels []model.Label, role model.Role, unit string) (Limit, bool) {
	whole := full(unit)
	switch {
	case name == "up" || strings.HasSuffix(name, "_up"):
		return Limit{Whole: 1, Reached: 0, Dir: -1, HoldMS: minute / 2}, true
	case whole == 0:
		return Limit{}, false
	case role == model.RoleErrors:
		return Limit{Whole: whole, Reached: 0.05 * whole, Dir: 1, HoldMS: 2 * minute}, true
	case role == model.RoleSuccess:
		return Limit{Whole: whole, Reached: 0.95 * whole, Dir: -1, HoldMS: 2 * minute}, true
	case role != model.RoleUtilization:
		return Limit{}, false
	}
	parts := split(name)
	for _, l := range labels {
		if l.Name == "state" || l.Name == "mode" || l.Name == "cpu_mode" {
			parts += split(l.Value)
		}
		// A read-only image is full by design.
		if l.Value == "squashfs" || l.Value == "iso9660" || l.Value == "ro" || l.Value == "erofs" {
			return Limit{}, false
		}
	}
	for _, w := range cached {
		if has(parts, w) {
			return Limit{}, false
		}
	}
	space := has(parts, "filesystem") || has(parts, "inodes") || has(parts, "disk") || has(parts, "volume")
	for _, w := range rest {
		if has(parts, w) {
			if has(parts, "memory") || has(parts, "paging") || has(parts, "swap") || space {
				return Limit{}, false // Free memory is little by nature; of a disk the used part says the same.
			}
			return Limit{Whole: whole, Reached: 0.05 * whole, Dir: -1, HoldMS: 5 * minute}, true
		}
	}
	if space {
		return Limit{Whole: whole, Reached: 0.95 * whole, Dir: 1, HoldMS: 2 * minute}, true
	}
	return Limit{Whole: whole, Reached: 0.95 * whole, Dir: 1, HoldMS: 5 * minute}, true
}

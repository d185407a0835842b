// Package rootcause says what most likely caused an incident, out of the recent past of all signals near it. It is a pure function: no clock, no
// I/O, no state, no training; the same input gives the same verdict, whatever the order of its parts.
//
// Each series is compared with its own past and gets a tail probability from the same statistic on its own quiet windows. Probabilities
// are gathered by entity in columns that cannot be compared before they are calibrated (resources, self time, gap, log, state, errors, latency), what a
// dependency explains is taken off those who depend on it, and changes shortly before the onset are offered where their new instances
// differ from the old ones. What it is not: a search for causal graphs in data, and no model that needs labelled failures.
//
// Cost: O(series × points × log points), about 30 µs a series of 120 points.
package rootcause

import (
	"github.com/faultline-io/faultline/services/model"
)

// Input is what is known of an incident and of what is near it.
type Input struct {
	// OnsetMS is when the first symptom began, NowMS the newest event time that is complete. 0 for OnsetMS looks for it in the findings.
	OnsetMS, NowMS int64
	// Windows are the recent past of the signals, an hour or more before the onset where it is there; order does not matter.
	Windows []model.Window
	// Edges say who depends on whom.
	Edges []model.Edge
	// Changes are those of the last hours; Findings those of the incident.
	Changes  []model.Change
	Findings []model.Finding
	// Incidents are the times of earlier ones near here: what was measured then is not normal.
	Incidents []Interval
	// Symptoms are the entities whose trouble opened the incident, where it is known better than by Findings: the entry points that an
	// objective watches.
	Symptoms []Symptom
}

// Interval is a time from FromMS on up to, and without, ToMS.
type Interval struct{ FromMS, ToMS int64 }

// Symptom is a signal of an entity that is known to be bad. A symptom without a role stands for all of them.
type Symptom struct {
	Entity model.Entity
	Role   model.Role
}

// Config bounds the search. Default has the values that are explained in docs/root-cause.md.
type Config struct {
	// HistoryMS is how much before the onset is taken as normal, at most; LookbackMS how long before it a change may have been made.
	HistoryMS, LookbackMS int64
	// MinEvidence is the evidence (minus the decimal logarithm of a probability, after all corrections) below which no cause is named.
	MinEvidence float64
	// Forced names a cause however weak the evidence is. It is for measurements.
	Forced bool
	// Candidates is how many are offered at most.
	Candidates int
	// MaxPoints are the points of frozen data in an evidence.
	MaxPoints int
}

// Default returns the configuration of the product.
func Default() Config {
	return Config{
		HistoryMS:   24 * 3_600_000, // A day, so that yesterday's peak is known; what is given decides, and maxBefore.
		LookbackMS:  3_600_000,      // Most harm of a change shows within the hour.
		MinEvidence: 1,              // One in ten, after the correction for the number of entities that were looked at.
		Candidates:  5,
		MaxPoints:   240,
	}
}

// Rank returns the verdict on an incident: candidates best first, or Unknown with what was checked.
// Invariants: deterministic; independent of the order of windows, edges, changes and findings; at most Config.Candidates candidates.
// Slices of the input are not kept and not changed.
// Source: docs/root-cause.md; the scorer follows BARO (Pham et al., FSE 2024, §4.2: median and quantile range, largest deviation after) with a
// calibrated tail in place of the raw score, the residual follows the idea of CIRCA (Li et al., KDD 2022, §3) without its regression.
func Rank(in Input, cfg Config) model.Verdict {
	c := newCase(in, cfg)
	c.measure()
	c.gather()
	c.gaps()
	c.traffic()
	c.explain()
	c.shared()
	c.score()
	c.changes()
	return c.verdict()
}

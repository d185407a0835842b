package model

// Role says what a series tells of its entity. It decides which direction is bad, which floor of effect applies, and where the series stands
// in the explanation of an incident.
type Role string

// The roles.
const (
	RoleTraffic     Role = "traffic"     // Requests, messages, bytes: load that comes from outside. Neither direction is bad as such.
	RoleErrors      Role = "errors"      // Failures as count, rate or share; up is bad.
	RoleSuccess     Role = "success"     // Share of success or availability; down is bad.
	RoleLatency     Role = "latency"     // Duration as others see it; up is bad.
	RoleSelfTime    Role = "self_time"   // Duration without what was called; up is bad, and the fault is here.
	RoleGap         Role = "gap"         // What a caller waits beyond what the called one worked: network and queues between them.
	RoleUtilization Role = "utilization" // Share of a limit that is physical; up is bad, and there is an end.
	RoleUsage       Role = "usage"       // Size or amount of a resource, without a known limit.
	RoleQueue       Role = "queue"       // What waits; up is bad.
	RoleLog         Role = "log"         // Lines of a template.
	RoleState       Role = "state"       // Few values that mean something: up, ready, leader.
	RoleAlert       Role = "alert"       // Somebody else's rule.
	RoleOther       Role = "other"
)

// SignalRef names one signal of an entity: a series, a log template as the series that it is, a span group as the series that it is.
type SignalRef struct {
	// SeriesID is 0 for what is no series of ours, as an alert from outside.
	SeriesID uint64
	Name     string
	Labels   []Label
	Role     Role
	// Unit is OpenTelemetry's or Prometheus' word, "" where unknown: s, ms, By, 1, %.
	Unit string
}

// FindingKind says in which way a signal left its normal.
type FindingKind string

// The kinds of findings.
const (
	FindingShift    FindingKind = "shift"    // Another level than before, for long enough.
	FindingDrift    FindingKind = "drift"    // Slowly away from its past (CUSUM).
	FindingLimit    FindingKind = "limit"    // A physical limit is reached; needs no history.
	FindingPeer     FindingKind = "peer"     // Unlike the others of the same role.
	FindingSilence  FindingKind = "silence"  // Expected data does not come.
	FindingNew      FindingKind = "new"      // Never seen before: a log template, a kind of error.
	FindingGone     FindingKind = "gone"     // An expected event does not follow.
	FindingForecast FindingKind = "forecast" // Will run out.
	FindingAlert    FindingKind = "alert"    // Told by a rule, ours or from outside.
)

// Finding says that one signal left its normal. All updates of a finding have its ID; EndMS is 0 while it lasts.
type Finding struct {
	// ID is FindingID(entity hash, signal, onset): the same in live, replayed and restarted runs.
	ID     uint64
	Entity Entity
	Signal SignalRef
	Kind   FindingKind
	// Direction is +1 for more than expected, -1 for less.
	Direction int8
	// OnsetMS is the event time of the first observation that belongs to it, SeenMS the watermark at which it was decided, EndMS when
	// the signal was normal again.
	OnsetMS, SeenMS, EndMS int64
	// Value is the worst observation, Expected what was normal, Low and High its band.
	Value, Expected, Low, High float64
	// Score is how far the value is from the band in spreads, capped at MaxScore.
	Score float64
	// PValue is the calibrated probability of as much in quiet times, in (0,1].
	PValue float64
	// HistoryMS is how much past it was judged on; 0 for limits and peers.
	HistoryMS int64
	// Confidence is in [0,1]: how much it would surprise if this were nothing.
	Confidence float64
	// Detector names what decided, for backtests and the switches of detectors.
	Detector string
	// Text says it in one sentence, with numbers and units.
	Text string
}

// MaxScore caps the score of a finding: beyond it the size of a deviation says nothing about its weight.
const MaxScore = 50

// Window is the recent past of one signal, for the search for causes and for evidence: times in ascending order, counters as rates a second.
type Window struct {
	Entity  Entity
	Signal  SignalRef
	TimesMS []int64
	Values  []float64
}

// Derived is a sample of a series that the correlator makes itself out of spans or logs. It is stored as any other series, and judged as any
// other series.
type Derived struct {
	Name   string
	Labels []Label // Sorted by name.
	Type   string  // As MetricMetadata.Type.
	Unit   string
	TimeMS int64
	Value  float64
	// Stale ends the series on purpose, so that nobody takes the end for silence; Value then means nothing.
	Stale bool
}

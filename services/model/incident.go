package model

// IncidentState is where an incident is in its life.
type IncidentState string

// The states. A quiet incident has no open finding; it is resolved when it stayed so, or when a person says so.
const (
	IncidentOpen     IncidentState = "open"
	IncidentQuiet    IncidentState = "quiet"
	IncidentResolved IncidentState = "resolved"
	// IncidentMerged says that another incident took this one in; its link stays good.
	IncidentMerged IncidentState = "merged"
)

// Severity comes from who is affected, not from the size of a deviation.
type Severity string

// The severities. Critical and high page; the others wait for the day.
const (
	SeverityCritical Severity = "critical" // Entry points fail, or most of a fleet is gone.
	SeverityHigh     Severity = "high"     // Users are affected in part, or will be soon.
	SeverityMedium   Severity = "medium"   // Something is broken that has a reserve.
	SeverityLow      Severity = "low"      // Unusual, without effect that could be seen.
)

// CauseKind is a small honest taxonomy of what went wrong.
type CauseKind string

// The kinds of causes.
const (
	CauseDeploy      CauseKind = "deploy"      // A version or configuration was changed.
	CauseTraffic     CauseKind = "traffic"     // More or other load than the system takes.
	CauseSaturation  CauseKind = "saturation"  // CPU, memory, disk or connections at their limit.
	CauseExhaustion  CauseKind = "exhaustion"  // Something ran out: disk, inodes, descriptors, quota.
	CauseNetwork     CauseKind = "network"     // Delay or loss between two that work.
	CauseDependency  CauseKind = "dependency"  // Something outside our sight that is called.
	CauseHost        CauseKind = "host"        // The machine below.
	CauseCrash       CauseKind = "crash"       // A process or instance is gone or starts again and again.
	CauseCode        CauseKind = "code"        // Works otherwise than before without a known change: errors, exceptions, slow code.
	CauseCertificate CauseKind = "certificate" // Expired or not trusted.
	CauseJob         CauseKind = "job"         // A scheduled task.
	CauseClock       CauseKind = "clock"
	CauseUnknown     CauseKind = "unknown"
)

// Incident is a set of findings that belong together. It has one writer (the second stage of the correlator); people act by commands.
type Incident struct {
	// ID is stable: it is made of the first finding. Twelve hexadecimal digits or more.
	ID       string
	Tenant   TenantID
	State    IncidentState
	Severity Severity
	Title    string
	// StartMS is the earliest onset, DetectedMS when the incident was opened, UpdatedMS the last change; QuietMS and EndMS are 0 while
	// they have not come. All but StartMS are marks, so event time as well.
	StartMS, DetectedMS, UpdatedMS, QuietMS, EndMS int64
	Members                                        []Member
	Entities                                       []Entity
	Verdict                                        Verdict
	// MergedInto is the incident that took this one in; SplitFrom the one that it was part of.
	MergedInto, SplitFrom string
	// Paged says since when this is one that pages, 0 for never.
	PagedMS int64
	// What people did.
	Acknowledged *PersonAct
	Assignee     string
	Resolution   string
	Comments     []PersonAct
	Feedback     []Feedback
	// History is what was known when, newest last, bounded.
	History []Revision
}

// Member is one finding in an incident, with the reason why.
type Member struct {
	FindingID uint64
	Entity    Entity
	Name      string
	JoinedMS  int64
	// Reason says why it belongs here: "first", "calls checkout, onset 40 s later", …
	Reason string
	// Open says whether the finding still lasts, or one that was folded into it.
	Open bool
	// Folded are later findings of the same signal that count as this one, newest last, bounded; Times is how often the signal was
	// found in all, 1 for once.
	Folded []uint64
	Times  int
	// Held says why the finding counts for nothing now: muted, expected, maintenance, rejected. It is empty for most.
	Held string
}

// Revision is one step of what was known.
type Revision struct {
	AtMS int64
	Text string
}

// PersonAct is what a person did or wrote.
type PersonAct struct {
	AtMS int64
	Who  string
	Text string
}

// FeedbackKind is a person's judgement.
type FeedbackKind string

// The kinds of feedback.
const (
	FeedbackConfirm    FeedbackKind = "confirm"
	FeedbackReject     FeedbackKind = "reject"
	FeedbackNotRelated FeedbackKind = "not_related"
	FeedbackExpected   FeedbackKind = "expected"
	FeedbackMute       FeedbackKind = "mute"
)

// Feedback is a judgement on an incident, a finding or a candidate. It changes what follows and can be taken back.
type Feedback struct {
	ID   string
	Kind FeedbackKind
	// Target is "incident", "finding:<id>", "candidate:<entity>", "signal:<entity>/<name>" with * for all names, or "entity:<entity>"
	// and "all" for maintenance. Ids are decimal.
	Target string
	PersonAct
	// UntilMS ends a mute; 0 for ever.
	UntilMS int64
	// RevokedMS is when it was taken back; 0 while it holds.
	RevokedMS int64
}

// Command is what a person asks of the brain: part of its ordered input, so that a replay has it too. A command with an id that was
// seen is done already.
type Command struct {
	ID     string // Idempotency key.
	Tenant TenantID
	AtMS   int64
	Who    string
	// Action is one of acknowledge, unacknowledge, assign, comment, resolve, reopen, merge, split, feedback, revoke, maintenance.
	Action   string
	Incident string
	// Other is the second incident of a merge; Findings are those that a split takes out.
	Other    string
	Findings []uint64
	Text     string
	Feedback Feedback
}

// Verdict is what the search for the root cause says of an incident.
type Verdict struct {
	AtMS int64
	// Candidates are ranked, best first, five at most. Empty when Unknown.
	Candidates []Candidate
	// Unknown says that the evidence is too weak to name a cause; Checked then says what was looked at.
	Unknown bool
	Checked []string
	// FirstFailure is the earliest symptom that users or callers would have seen; Impact who is affected.
	FirstFailure []Evidence
	Impact       []Evidence
	// Sentence says it for people.
	Sentence string
}

// Candidate is one offered root cause: an entity with a signal, or a change.
type Candidate struct {
	Entity Entity
	Signal *SignalRef
	// ChangeID names the change that is offered as the cause.
	ChangeID string
	Kind     CauseKind
	OnsetMS  int64
	// Score orders candidates; Confidence is calibrated, in [0,1].
	Score, Confidence float64
	For, Against      []Evidence
	// Why is one sentence.
	Why string
}

// Evidence is one fact with the query that shows it and the data as it was.
type Evidence struct {
	Text      string
	FindingID uint64
	Entity    Entity
	// Language is promql, logql, traceql or changes; Query can be run as it is.
	Language, Query string
	StartMS, EndMS  int64
	// TimesMS and Values are the frozen data, thinned to at most 240 points; Low and High the expected band.
	TimesMS   []int64
	Values    []float64
	Low, High float64
}

// Forecast is a prediction that will be scored by what comes.
type Forecast struct {
	Entity Entity
	Signal SignalRef
	MadeMS int64
	// Kind is "exhaustion" (a date) or "load" (values).
	Kind string
	// Limit is what is reached; ReachMS the expected date with its interval of 80 %, 0 for never within the horizon.
	Limit                                float64
	ReachMS, EarliestMS, LatestMS        int64
	TimesMS                              []int64
	Median, Low80, High80, Low95, High95 []float64
	// Method is the one that was chosen, Error its rolling-origin error (MASE).
	Method     string
	Error      float64
	Confidence float64
	Advice     string
}

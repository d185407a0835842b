package brain

// Stats are counts since the brain was made; gauges are as of now.
type Stats struct {
	Samples, Lines, Spans, Marks, Findings, Verdicts uint64
	// Aside counts samples that were set aside, by eventtime.Reason.
	Aside [4]uint64
	// Decisions are marks times entities that were looked at.
	Decisions uint64
	// Series are held in order; OpenIncidents are open or quiet; Entities have series; Templates are kinds of log lines.
	Series, OpenIncidents, OpenFindings, Entities, Templates int
	// SnapshotBytes is the size of the last snapshot, which is about the state that is held.
	SnapshotBytes int64
}

// Stats returns the counts.
func (b *Brain) Stats() Stats {
	s := b.stats
	d, g := b.detect.Counts(), b.group.Stats()
	s.Series, s.Entities, s.Decisions = b.order.Series(), d.Entities, d.Steps
	s.OpenIncidents, s.OpenFindings = g.Open+g.Quiet, g.Findings
	s.Templates, _ = b.logs.Templates()
	return s
}

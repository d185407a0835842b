package incidents

import "time"

// briefEntities bounds the entities of a summary: a list shows a few.
const briefEntities = 20

// Brief is an incident in one line: what lists and live events show.
type Brief struct {
	ID           string     `json:"id"`
	State        string     `json:"state" enum:"open,quiet,resolved,merged"`
	Severity     string     `json:"severity" enum:"critical,high,medium,low"`
	Title        string     `json:"title"`
	Start        time.Time  `json:"start" doc:"Earliest onset"`
	Detected     time.Time  `json:"detected"`
	Updated      time.Time  `json:"updated"`
	Quiet        *time.Time `json:"quiet,omitempty"`
	End          *time.Time `json:"end,omitempty"`
	Paged        *time.Time `json:"paged,omitempty"`
	Cause        *Cause     `json:"cause,omitempty" doc:"The best candidate; absent when none is named"`
	Unknown      bool       `json:"unknown" doc:"A cause was looked for, and the evidence is too weak to name one"`
	Sentence     string     `json:"sentence"`
	Entities     []Entity   `json:"entities" doc:"The first twenty"`
	EntityCount  int        `json:"entity_count"`
	MemberCount  int        `json:"member_count"`
	OpenCount    int        `json:"open_count"`
	Acknowledged *PersonAct `json:"acknowledged,omitempty"`
	Assignee     string     `json:"assignee,omitempty"`
	MergedInto   string     `json:"merged_into,omitempty"`
	CommentCount int        `json:"comment_count"`
	Confirmed    int        `json:"confirmed" doc:"Judgements of people that it was right"`
	Rejected     int        `json:"rejected"`
}

// Cause is a candidate in one line.
type Cause struct {
	Entity     Entity  `json:"entity"`
	Signal     string  `json:"signal,omitempty"`
	ChangeID   string  `json:"change_id,omitempty"`
	Kind       string  `json:"kind"`
	Confidence float64 `json:"confidence"`
	Why        string  `json:"why"`
}

// BriefOf returns in in one line.
func BriefOf(in *Incident) Brief {
	s := Brief{
		ID: in.ID, State: in.State, Severity: in.Severity, Title: in.Title, Start: in.Start, Detected: in.Detected, Updated: in.Updated, Quiet: in.Quiet, End: in.End,
		Paged: in.Paged, Unknown: in.Verdict.Unknown, Sentence: in.Verdict.Sentence, Entities: append([]Entity{}, in.Entities[:min(len(in.Entities), briefEntities)]...),
		EntityCount: len(in.Entities), MemberCount: in.MemberCount, OpenCount: in.OpenCount, Acknowledged: in.Acknowledged, Assignee: in.Assignee,
		MergedInto: in.MergedInto, CommentCount: len(in.Comments),
	}
	for i := range in.Feedback {
		f := &in.Feedback[i]
		switch {
		case f.Revoked != nil:
		case f.Kind == "confirm":
			s.Confirmed++
		case f.Kind == "reject":
			s.Rejected++
		}
	}
	if len(in.Verdict.Candidates) > 0 {
		c := &in.Verdict.Candidates[0]
		s.Cause = &Cause{Entity: c.Entity, ChangeID: c.ChangeID, Kind: c.Kind, Confidence: c.Confidence, Why: c.Why}
		if c.Signal != nil {
			s.Cause.Signal = c.Signal.Name
		}
	}
	return s
}

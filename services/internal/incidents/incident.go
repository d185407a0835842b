package incidents

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Incident is model.Incident.
type Incident struct {
	ID           string      `json:"id"`
	State        string      `json:"state" enum:"open,quiet,resolved,merged"`
	Severity     string      `json:"severity" enum:"critical,high,medium,low"`
	Title        string      `json:"title"`
	Start        time.Time   `json:"start" doc:"Earliest onset"`
	Detected     time.Time   `json:"detected" doc:"When it was opened"`
	Updated      time.Time   `json:"updated"`
	Quiet        *time.Time  `json:"quiet,omitempty" doc:"Since when no finding is open"`
	End          *time.Time  `json:"end,omitempty"`
	Paged        *time.Time  `json:"paged,omitempty" doc:"Since when it is one that pages"`
	Entities     []Entity    `json:"entities"`
	MemberCount  int         `json:"member_count"`
	OpenCount    int         `json:"open_count" doc:"Members that still last"`
	Members      []Member    `json:"members"`
	Verdict      Verdict     `json:"verdict"`
	MergedInto   string      `json:"merged_into,omitempty"`
	SplitFrom    string      `json:"split_from,omitempty"`
	Acknowledged *PersonAct  `json:"acknowledged,omitempty"`
	Assignee     string      `json:"assignee,omitempty"`
	Resolution   string      `json:"resolution,omitempty"`
	Comments     []PersonAct `json:"comments"`
	Feedback     []Feedback  `json:"feedback"`
	History      []Revision  `json:"history" doc:"What was known when, newest last"`
	Tenant       uint32      `json:"tenant"`
}

// Member is model.Member.
type Member struct {
	FindingID string    `json:"finding_id"`
	Entity    Entity    `json:"entity"`
	Name      string    `json:"name" doc:"Of the signal"`
	Joined    time.Time `json:"joined"`
	Reason    string    `json:"reason" doc:"Why it belongs here"`
	Open      bool      `json:"open"`
	Times     int       `json:"times" doc:"How often the signal was found in all"`
	Folded    []string  `json:"folded" doc:"Later findings of the same signal that count as this one"`
	Held      string    `json:"held,omitempty" doc:"Why it counts for nothing now: muted, expected, maintenance, rejected"`
}

// Revision is model.Revision.
type Revision struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// PersonAct is model.PersonAct.
type PersonAct struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	Text string    `json:"text"`
}

// Feedback is model.Feedback.
type Feedback struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind" enum:"confirm,reject,not_related,expected,mute"`
	Target  string     `json:"target" doc:"incident, finding:<id>, candidate:<kind>:<name>, signal:<kind>:<name>/<signal>, entity:<kind>:<name> or all"`
	At      time.Time  `json:"at"`
	Who     string     `json:"who"`
	Text    string     `json:"text"`
	Until   *time.Time `json:"until,omitempty" doc:"End of a mute; absent is for ever"`
	Revoked *time.Time `json:"revoked,omitempty" doc:"When it was taken back"`
}

// Verdict is model.Verdict.
type Verdict struct {
	At           *time.Time  `json:"at,omitempty" doc:"Absent while nobody has looked"`
	Candidates   []Candidate `json:"candidates" doc:"Best first, five at most"`
	Unknown      bool        `json:"unknown" doc:"The evidence is too weak to name a cause"`
	Checked      []string    `json:"checked" doc:"What was looked at"`
	FirstFailure []Evidence  `json:"first_failure"`
	Impact       []Evidence  `json:"impact"`
	Sentence     string      `json:"sentence"`
}

// Candidate is model.Candidate.
type Candidate struct {
	Entity     Entity     `json:"entity"`
	Signal     *Signal    `json:"signal,omitempty"`
	ChangeID   string     `json:"change_id,omitempty"`
	Kind       string     `json:"kind" enum:"deploy,traffic,saturation,exhaustion,network,dependency,host,crash,code,certificate,job,clock,unknown"`
	Onset      time.Time  `json:"onset"`
	Score      float64    `json:"score"`
	Confidence float64    `json:"confidence" doc:"Calibrated, in [0,1]"`
	For        []Evidence `json:"for"`
	Against    []Evidence `json:"against"`
	Why        string     `json:"why"`
}

// Evidence is model.Evidence.
type Evidence struct {
	Text      string    `json:"text"`
	FindingID string    `json:"finding_id,omitempty"`
	Entity    *Entity   `json:"entity,omitempty"`
	Language  string    `json:"language" doc:"promql, logql, traceql or changes; empty where there is no query"`
	Query     string    `json:"query"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Data      Frozen    `json:"data"`
	Low       *float64  `json:"low" doc:"Expected band; null for none"`
	High      *float64  `json:"high"`
}

// Frozen is the data of evidence as it was.
type Frozen struct {
	T []int64    `json:"t" doc:"Unix milliseconds"`
	V []*float64 `json:"v"`
}

// each maps a list; the result is never nil, so that JSON has [] and not null.
func each[A, B any](as []A, f func(*A) B) []B {
	out := make([]B, len(as))
	for i := range as {
		out[i] = f(&as[i])
	}
	return out
}

// try is each for what can fail; nothing is nil.
func try[A, B any](as []A, f func(*A) (B, error)) ([]B, error) {
	if len(as) == 0 {
		return nil, nil
	}
	out := make([]B, len(as))
	for i := range as {
		var err error
		if out[i], err = f(&as[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// all is each with nothing as nil, the way back.
func all[A, B any](as []A, f func(*A) B) []B {
	if len(as) == 0 {
		return nil
	}
	return each(as, f)
}

func labels(m map[string]string) []model.Label {
	if len(m) == 0 {
		return nil
	}
	out := make([]model.Label, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, model.Label{Name: k, Value: m[k]})
	}
	return out
}

// Of returns the written form of in.
func Of(in *model.Incident) Incident {
	out := Incident{
		ID: in.ID, Tenant: uint32(in.Tenant), State: string(in.State), Severity: string(in.Severity), Title: in.Title,
		Start: Time(in.StartMS), Detected: Time(in.DetectedMS), Updated: Time(in.UpdatedMS), Quiet: optional(in.QuietMS), End: optional(in.EndMS), Paged: optional(in.PagedMS),
		Entities: each(in.Entities, func(e *model.Entity) Entity { return EntityOf(*e) }), MemberCount: len(in.Members),
		Members: each(in.Members, memberOf), Verdict: verdictOf(&in.Verdict), MergedInto: in.MergedInto, SplitFrom: in.SplitFrom,
		Assignee: in.Assignee, Resolution: in.Resolution, Comments: each(in.Comments, actOf), Feedback: each(in.Feedback, FeedbackOf),
		History: each(in.History, func(r *model.Revision) Revision { return Revision{At: Time(r.AtMS), Text: r.Text} }),
	}
	for i := range in.Members {
		if in.Members[i].Open {
			out.OpenCount++
		}
	}
	if in.Acknowledged != nil {
		a := actOf(in.Acknowledged)
		out.Acknowledged = &a
	}
	return out
}

// Model is the inverse of Of. Errors: errs.Invalid for identifiers that are none.
func (in *Incident) Model() (*model.Incident, error) {
	out := &model.Incident{
		ID: in.ID, Tenant: model.TenantID(in.Tenant), State: model.IncidentState(in.State), Severity: model.Severity(in.Severity), Title: in.Title,
		StartMS: in.Start.UnixMilli(), DetectedMS: in.Detected.UnixMilli(), UpdatedMS: in.Updated.UnixMilli(), QuietMS: millis(in.Quiet), EndMS: millis(in.End), PagedMS: millis(in.Paged),
		Entities: all(in.Entities, func(e *Entity) model.Entity { return e.Model() }), MergedInto: in.MergedInto, SplitFrom: in.SplitFrom,
		Assignee: in.Assignee, Resolution: in.Resolution, Comments: all(in.Comments, (*PersonAct).Model), Feedback: all(in.Feedback, (*Feedback).Model),
		History: all(in.History, func(r *Revision) model.Revision { return model.Revision{AtMS: r.At.UnixMilli(), Text: r.Text} }),
	}
	if in.Acknowledged != nil {
		a := in.Acknowledged.Model()
		out.Acknowledged = &a
	}
	var err error
	if out.Members, err = try(in.Members, (*Member).Model); err != nil {
		return nil, err
	}
	out.Verdict, err = in.Verdict.Model()
	return out, err
}

func memberOf(m *model.Member) Member {
	return Member{
		FindingID: ID(m.FindingID), Entity: EntityOf(m.Entity), Name: m.Name, Joined: Time(m.JoinedMS), Reason: m.Reason, Open: m.Open,
		Times: m.Times, Folded: each(m.Folded, func(id *uint64) string { return ID(*id) }), Held: m.Held,
	}
}

// Model is the way back.
func (m *Member) Model() (model.Member, error) {
	out := model.Member{Entity: m.Entity.Model(), Name: m.Name, JoinedMS: m.Joined.UnixMilli(), Reason: m.Reason, Open: m.Open, Times: m.Times, Held: m.Held}
	var err error
	if out.FindingID, err = ParseID(m.FindingID); err != nil {
		return out, err
	}
	out.Folded, err = try(m.Folded, func(s *string) (uint64, error) { return ParseID(*s) })
	return out, err
}

func actOf(a *model.PersonAct) PersonAct {
	return PersonAct{At: Time(a.AtMS), Who: a.Who, Text: a.Text}
}

// Model is the way back.
func (a *PersonAct) Model() model.PersonAct {
	return model.PersonAct{AtMS: a.At.UnixMilli(), Who: a.Who, Text: a.Text}
}

// FeedbackOf returns the written form of f.
func FeedbackOf(f *model.Feedback) Feedback {
	return Feedback{ID: f.ID, Kind: string(f.Kind), Target: writtenTarget(f.Target), At: Time(f.AtMS), Who: f.Who, Text: f.Text, Until: optional(f.UntilMS), Revoked: optional(f.RevokedMS)}
}

// Model is the inverse of FeedbackOf.
func (f *Feedback) Model() model.Feedback {
	return model.Feedback{
		ID: f.ID, Kind: model.FeedbackKind(f.Kind), Target: modelTarget(f.Target), PersonAct: model.PersonAct{AtMS: f.At.UnixMilli(), Who: f.Who, Text: f.Text},
		UntilMS: millis(f.Until), RevokedMS: millis(f.Revoked),
	}
}

// findingTarget begins the target of feedback on a finding. The model has its id in decimal, what is written as everywhere else.
const findingTarget = "finding:"

func writtenTarget(t string) string {
	if rest, ok := strings.CutPrefix(t, findingTarget); ok {
		if id, err := strconv.ParseUint(rest, 10, 64); err == nil && strconv.FormatUint(id, 10) == rest {
			return findingTarget + ID(id)
		}
	}
	return t
}

func modelTarget(t string) string {
	if rest, ok := strings.CutPrefix(t, findingTarget); ok {
		if id, err := ParseID(rest); err == nil {
			return findingTarget + strconv.FormatUint(id, 10)
		}
	}
	return t
}

// Encode returns the incident whole, as tables keep it.
func Encode(in *model.Incident) ([]byte, error) { return marshal("an incident", Of(in)) }

// Decode is the inverse of Encode. Errors: errs.Invalid.
func Decode(data []byte) (*model.Incident, error) {
	var in Incident
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, errs.New(errs.Invalid, "read an incident: %w", err)
	}
	return in.Model()
}

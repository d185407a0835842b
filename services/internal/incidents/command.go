package incidents

import (
	"encoding/json"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Actions of commands.
const (
	ActionAcknowledge   = "acknowledge"
	ActionUnacknowledge = "unacknowledge"
	ActionAssign        = "assign"
	ActionComment       = "comment"
	ActionResolve       = "resolve"
	ActionReopen        = "reopen"
	ActionMerge         = "merge"
	ActionSplit         = "split"
	ActionFeedback      = "feedback"
	ActionRevoke        = "revoke"
	// ActionMaintenance announces work: Feedback.Target says on what, Feedback.Until how long.
	ActionMaintenance = "maintenance"
)

// Actions returns all of them.
func Actions() []string {
	return []string{
		ActionAcknowledge, ActionUnacknowledge, ActionAssign, ActionComment, ActionResolve, ActionReopen, ActionMerge, ActionSplit, ActionFeedback, ActionRevoke, ActionMaintenance,
	}
}

// Command is model.Command.
type Command struct {
	ID       string    `json:"id" doc:"Idempotency key"`
	Tenant   uint32    `json:"tenant"`
	At       time.Time `json:"at"`
	Who      string    `json:"who"`
	Action   string    `json:"action" enum:"acknowledge,unacknowledge,assign,comment,resolve,reopen,merge,split,feedback,revoke,maintenance"`
	Incident string    `json:"incident" doc:"Empty for feedback on a signal as such, and for maintenance"`
	Other    string    `json:"other,omitempty" doc:"Incident that a merge takes in"`
	Findings []string  `json:"findings,omitempty" doc:"Findings that a split takes out"`
	Text     string    `json:"text,omitempty" doc:"Comment, assignee or reason"`
	Feedback *Feedback `json:"feedback,omitempty"`
}

// CommandOf returns the written form of c.
func CommandOf(c *model.Command) Command {
	out := Command{
		ID: c.ID, Tenant: uint32(c.Tenant), At: Time(c.AtMS), Who: c.Who, Action: c.Action, Incident: c.Incident, Other: c.Other, Text: c.Text,
		Findings: all(c.Findings, func(id *uint64) string { return ID(*id) }),
	}
	if c.Feedback != (model.Feedback{}) {
		f := FeedbackOf(&c.Feedback)
		out.Feedback = &f
	}
	return out
}

// Model is the inverse of CommandOf. Errors: errs.Invalid for identifiers that are none.
func (c *Command) Model() (model.Command, error) {
	out := model.Command{ID: c.ID, Tenant: model.TenantID(c.Tenant), AtMS: c.At.UnixMilli(), Who: c.Who, Action: c.Action, Incident: c.Incident, Other: c.Other, Text: c.Text}
	if c.Feedback != nil {
		out.Feedback = c.Feedback.Model()
	}
	var err error
	out.Findings, err = try(c.Findings, func(s *string) (uint64, error) { return ParseID(*s) })
	return out, err
}

// EncodeCommand returns a command as the data of a message.
func EncodeCommand(c *model.Command) ([]byte, error) { return marshal("a command", CommandOf(c)) }

// DecodeCommand is the inverse of EncodeCommand. Errors: errs.Invalid.
func DecodeCommand(data []byte) (model.Command, error) {
	var c Command
	if err := json.Unmarshal(data, &c); err != nil {
		return model.Command{}, errs.New(errs.Invalid, "read a command: %w", err)
	}
	return c.Model()
}

// Outcomes of commands.
const (
	Applied = "applied"
	Refused = "refused"
)

// Outcome is what became of a command; the brain publishes it after the incidents that the command changed.
type Outcome struct {
	Command  string    `json:"command" doc:"Its id"`
	Incident string    `json:"incident" doc:"The incident that is there afterwards: of a merge the one that stays, of a split the new one"`
	State    string    `json:"state" enum:"applied,refused"`
	At       time.Time `json:"at"`
	// Kind and Detail say why it was refused: one of errs' kinds, and a sentence.
	Kind   string `json:"kind,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// OutcomeOf returns the outcome of c, which was refused when err is not nil. incident is the one that is there afterwards.
func OutcomeOf(c *model.Command, incident string, atMS int64, err error) Outcome {
	out := Outcome{Command: c.ID, Incident: incident, State: Applied, At: Time(atMS)}
	if err != nil {
		out.State, out.Kind, out.Detail = Refused, string(errs.KindOf(err)), err.Error()
	}
	return out
}

// Encode returns the outcome as the data of an event.
func (o Outcome) Encode() ([]byte, error) { return marshal("an outcome", o) }

// DecodeOutcome is the inverse of Encode. Errors: errs.Invalid.
func DecodeOutcome(data []byte) (Outcome, error) {
	var o Outcome
	if err := json.Unmarshal(data, &o); err != nil {
		return o, errs.New(errs.Invalid, "read an outcome: %w", err)
	}
	return o, nil
}

package incidentsapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// commandWait is how long an answer waits for the brain. It takes commands at its next mark, five seconds later at most; one that is away does them
// when it is back.
const commandWait = 8 * time.Second

// Target is the part of every request to act that names the incident.
type Target struct {
	ID  string `path:"id" maxLength:"128"`
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"The same request with the same key is done once"`
}

// CommandAnswer says what became of a request to act.
type CommandAnswer struct {
	Status     string           `json:"status" enum:"applied,queued" doc:"queued: the brain did not answer in time and does it later"`
	CommandID  string           `json:"command_id"`
	FeedbackID string           `json:"feedback_id,omitempty" doc:"To take feedback back with"`
	IncidentID string           `json:"incident_id,omitempty" doc:"The incident that is there afterwards: of a merge the one that stays, of a split the new one"`
	Incident   *incidents.Brief `json:"incident,omitempty" doc:"As it is afterwards, when that is known"`
}

type commandOutput struct {
	Status int
	Body   CommandAnswer
}

type textInput struct {
	Target
	// Body may be absent.
	Body *struct {
		Text string `json:"text,omitempty" maxLength:"4000" doc:"Why; may be empty"`
	}
}

type commentInput struct {
	Target
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4000"`
	}
}

type assignInput struct {
	Target
	Body struct {
		Assignee string `json:"assignee" maxLength:"200" doc:"Empty takes the assignment away"`
	}
}

type mergeInput struct {
	Target
	Body struct {
		Other string `json:"other" minLength:"1" maxLength:"128" doc:"The incident that this one takes in; the older of the two stays"`
		Text  string `json:"text,omitempty" maxLength:"4000"`
	}
}

type splitInput struct {
	Target
	Body struct {
		Findings []string `json:"findings" minItems:"1" maxItems:"500" doc:"Members that shall be an incident of their own"`
		Text     string   `json:"text,omitempty" maxLength:"4000"`
	}
}

type feedbackInput struct {
	Target
	Body struct {
		Kind   string `json:"kind" enum:"confirm,reject,not_related,expected,mute"`
		Target string `json:"target,omitempty" maxLength:"2000" doc:"incident (default), finding:<id>, candidate:<kind>:<name> or signal:<kind>:<name>/<signal>"`
		Text   string `json:"text,omitempty" maxLength:"4000" doc:"Why; a mute needs it"`
		Until  string `json:"until,omitempty" doc:"End of a mute: RFC 3339, Unix seconds or now+2h; absent is for ever"`
	}
}

type looseInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"The same request with the same key is done once"`
	Body struct {
		Kind   string `json:"kind" enum:"expected,mute"`
		Target string `json:"target" maxLength:"2000" doc:"signal:<kind>:<name>/<signal>, with * for all signals of it"`
		Text   string `json:"text,omitempty" maxLength:"4000" doc:"Why; a mute needs it"`
		Until  string `json:"until,omitempty" doc:"End of a mute: RFC 3339, Unix seconds or now+2h; absent is for ever"`
	}
}

type looseRevokeInput struct {
	Key      string `header:"Idempotency-Key" maxLength:"128"`
	Feedback string `path:"fid" maxLength:"128"`
}

type maintenanceInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"The same request with the same key is done once"`
	Body struct {
		Target string `json:"target" maxLength:"2000" doc:"entity:<kind>:<name>, or all"`
		Until  string `json:"until" doc:"RFC 3339, Unix seconds or now+2h"`
		Text   string `json:"text" minLength:"1" maxLength:"4000" doc:"What is done"`
	}
}

type revokeInput struct {
	Target
	Feedback string `path:"fid" maxLength:"128"`
}

func (a *API) registerCommands(api huma.API) {
	act(api, incidents.ActionAcknowledge, "Say that somebody looks at it", a.text(incidents.ActionAcknowledge))
	act(api, incidents.ActionUnacknowledge, "Take an acknowledgement back", a.text(incidents.ActionUnacknowledge))
	act(api, incidents.ActionResolve, "Say that it is over", a.text(incidents.ActionResolve))
	act(api, incidents.ActionReopen, "Say that it is not over", a.text(incidents.ActionReopen))
	act(api, incidents.ActionAssign, "Give it to somebody", func(ctx context.Context, in *assignInput) (*commandOutput, error) {
		return a.command(ctx, &in.Target, model.Command{Action: incidents.ActionAssign, Text: strings.TrimSpace(in.Body.Assignee)})
	})
	act(api, incidents.ActionComment, "Add a comment", func(ctx context.Context, in *commentInput) (*commandOutput, error) {
		return a.command(ctx, &in.Target, model.Command{Action: incidents.ActionComment, Text: in.Body.Text})
	})
	act(api, incidents.ActionMerge, "Make two incidents one", a.merge)
	act(api, incidents.ActionSplit, "Take members out into an incident of their own", a.split)
	act(api, incidents.ActionFeedback, "Judge an incident, a member or a candidate", a.feedback)
	huma.Register(api, operation("give-feedback", http.MethodPost, "/api/v1/feedback", "Mute a signal, or call it expected, without an incident"), a.loose)
	huma.Register(api, operation("revoke-feedback", http.MethodDelete, "/api/v1/feedback/{fid}", "Take such a judgement, or an announcement of work, back"),
		func(ctx context.Context, in *looseRevokeInput) (*commandOutput, error) {
			return a.send(ctx, in.Key, model.Command{Action: incidents.ActionRevoke, Feedback: model.Feedback{ID: in.Feedback}})
		})
	huma.Register(api, operation("announce-maintenance", http.MethodPost, "/api/v1/maintenance", "Announce work on an entity: what is found there meanwhile counts for nothing"), a.maintenance)
	revoke := operation("revoke-incident-feedback", http.MethodDelete, "/api/v1/incidents/{id}/feedback/{fid}", "Take a judgement back")
	huma.Register(api, revoke, func(ctx context.Context, in *revokeInput) (*commandOutput, error) {
		return a.command(ctx, &in.Target, model.Command{Action: incidents.ActionRevoke, Feedback: model.Feedback{ID: in.Feedback}})
	})
}

func act[I any](api huma.API, action, summary string, h func(context.Context, *I) (*commandOutput, error)) {
	huma.Register(api, operation(action+"-incident", http.MethodPost, "/api/v1/incidents/{id}/"+action, summary), h)
}

func operation(id, method, path, summary string) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tagIncidents},
		Description: "Answers 200 when the brain has applied it, 202 when it is queued, and a problem when it was refused.",
	}
	limits.Exempt(&op) // Acting works when the store is busy.
	return op
}

func (a *API) text(action string) func(context.Context, *textInput) (*commandOutput, error) {
	return func(ctx context.Context, in *textInput) (*commandOutput, error) {
		c := model.Command{Action: action}
		if in.Body != nil {
			c.Text = in.Body.Text
		}
		return a.command(ctx, &in.Target, c)
	}
}

func (a *API) merge(ctx context.Context, in *mergeInput) (*commandOutput, error) {
	if in.Body.Other == in.ID {
		return nil, problem.InvalidField("body.other", "is the same incident", in.Body.Other)
	}
	if _, err := a.current(ctx, in.Body.Other); err != nil {
		return nil, err
	}
	return a.command(ctx, &in.Target, model.Command{Action: incidents.ActionMerge, Other: in.Body.Other, Text: in.Body.Text})
}

func (a *API) split(ctx context.Context, in *splitInput) (*commandOutput, error) {
	c := model.Command{Action: incidents.ActionSplit, Text: in.Body.Text}
	for _, f := range in.Body.Findings {
		id, err := incidents.ParseID(f)
		if err != nil {
			return nil, problem.InvalidField("body.findings", "is not 16 hexadecimal digits", f)
		}
		c.Findings = append(c.Findings, id)
	}
	whole, err := a.incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	members := map[string]bool{}
	for _, m := range whole.Members {
		members[m.FindingID] = true
	}
	for _, f := range in.Body.Findings {
		if !members[f] && len(whole.Members) == whole.MemberCount {
			return nil, problem.InvalidField("body.findings", "is no member of this incident", f)
		}
	}
	return a.command(ctx, &in.Target, c)
}

func (a *API) feedback(ctx context.Context, in *feedbackInput) (*commandOutput, error) {
	f, err := a.judgement(in.Body.Kind, in.Body.Target, in.Body.Text, in.Body.Until)
	if err != nil {
		return nil, err
	}
	return a.command(ctx, &in.Target, model.Command{Action: incidents.ActionFeedback, Text: in.Body.Text, Feedback: f})
}

// loose is feedback on a signal as such.
func (a *API) loose(ctx context.Context, in *looseInput) (*commandOutput, error) {
	f, err := a.judgement(in.Body.Kind, in.Body.Target, in.Body.Text, in.Body.Until)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(f.Target, "signal:") {
		return nil, problem.InvalidField("body.target", "without an incident is signal:<kind>:<name>/<signal>", in.Body.Target)
	}
	return a.send(ctx, in.Key, model.Command{Action: incidents.ActionFeedback, Text: in.Body.Text, Feedback: f})
}

func (a *API) maintenance(ctx context.Context, in *maintenanceInput) (*commandOutput, error) {
	until, err := a.until(in.Body.Until)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(in.Body.Target, "entity:")
	if ok {
		_, ok = model.ParseEntity(rest)
	}
	if !ok && in.Body.Target != "all" {
		return nil, problem.InvalidField("body.target", "is not entity:<kind>:<name> or all", in.Body.Target)
	}
	return a.send(ctx, in.Key, model.Command{Action: incidents.ActionMaintenance, Text: in.Body.Text, Feedback: model.Feedback{Target: in.Body.Target, UntilMS: until}})
}

// until reads the end of a mute or of work.
func (a *API) until(s string) (int64, error) {
	t, err := timeparam.Parse("until", s, a.now())
	if err != nil || !t.After(a.now()) {
		return 0, problem.InvalidField("body.until", "is not a time after now: use RFC 3339, Unix seconds or now+2h", s)
	}
	return t.UnixMilli(), nil
}

// judgement checks what a person says.
func (a *API) judgement(kind, target, text, until string) (model.Feedback, error) {
	f := model.Feedback{Kind: model.FeedbackKind(kind), Target: cmp.Or(target, "incident"), PersonAct: model.PersonAct{Text: text}}
	id, isFinding, ok := checkTarget(f.Target)
	if !ok {
		return f, problem.InvalidField("body.target", "is not incident, finding:<id>, candidate:<kind>:<name> or signal:<kind>:<name>/<signal>", target)
	}
	if isFinding {
		f.Target = "finding:" + strconv.FormatUint(id, 10) // As the model has it.
	}
	if f.Kind == model.FeedbackMute && strings.TrimSpace(text) == "" {
		return f, problem.InvalidField("body.text", "a mute needs a reason", nil)
	}
	if until == "" {
		return f, nil
	}
	if f.Kind != model.FeedbackMute {
		return f, problem.InvalidField("body.until", "is for a mute", until)
	}
	var err error
	f.UntilMS, err = a.until(until)
	return f, err
}

// checkTarget reports whether a target is one that readers of feedback understand, and the finding that it names.
func checkTarget(t string) (finding uint64, isFinding, ok bool) {
	kind, rest, _ := strings.Cut(t, ":")
	switch kind {
	case "incident":
		ok = t == "incident"
	case "finding":
		id, err := incidents.ParseID(rest)
		return id, true, err == nil
	case "candidate":
		_, ok = model.ParseEntity(rest)
	case "signal":
		if at := strings.LastIndexByte(rest, '/'); at > 0 && at+1 < len(rest) {
			_, ok = model.ParseEntity(rest[:at])
		}
	}
	return 0, false, ok
}

// current returns an incident in one line, or errs.NotFound.
func (a *API) current(ctx context.Context, id string) (incidents.Brief, error) {
	if h, ok := a.view.Head(reqctx.Tenant(ctx), id); ok {
		return incidents.BriefOf(&h), nil
	}
	whole, err := a.db.Incident(ctx, reqctx.Tenant(ctx), id)
	if err != nil {
		return incidents.Brief{}, err
	}
	return incidents.BriefOf(&whole), nil
}

// command sends c, which is about an incident that is there, to the brain and says what became of it.
func (a *API) command(ctx context.Context, to *Target, c model.Command) (*commandOutput, error) {
	if _, err := a.current(ctx, to.ID); err != nil {
		return nil, err
	}
	c.Incident = to.ID
	return a.send(ctx, to.Key, c)
}

// send publishes a command and waits for what becomes of it.
func (a *API) send(ctx context.Context, key string, c model.Command) (*commandOutput, error) {
	who, _ := reqctx.IdentityOf(ctx)
	c.Tenant, c.Who = reqctx.Tenant(ctx), who.User
	c.ID = commandID(key, &c)
	c.AtMS = a.now().UnixMilli()
	answer := CommandAnswer{Status: "queued", CommandID: c.ID, IncidentID: c.Incident}
	switch c.Action {
	case incidents.ActionFeedback:
		c.Feedback.ID, c.Feedback.AtMS, c.Feedback.Who = "f"+c.ID, c.AtMS, c.Who
		answer.FeedbackID = c.Feedback.ID
	case incidents.ActionMaintenance:
		answer.FeedbackID = c.ID // Of such a rule the id is that of its command.
	}
	news, stop, err := a.view.Listen(c.Tenant)
	if err != nil {
		return nil, err
	}
	defer stop()
	data, err := incidents.EncodeCommand(&c)
	if err != nil {
		return nil, err
	}
	repeated, err := a.bus.PublishCommand(ctx, bus.Command{Tenant: c.Tenant, ID: c.ID, Data: data})
	if err != nil {
		return nil, err
	}
	outcome, latest := a.await(ctx, news, &c, repeated)
	if outcome == nil {
		return &commandOutput{Status: http.StatusAccepted, Body: answer}, ctx.Err()
	}
	if outcome.State == incidents.Refused {
		return nil, refusal(outcome)
	}
	answer.Status = incidents.Applied
	if outcome.Incident != "" {
		answer.IncidentID = outcome.Incident
	}
	if latest == nil && answer.IncidentID != "" {
		if s, err := a.current(ctx, answer.IncidentID); err == nil {
			latest = &s
		}
	}
	answer.Incident = latest
	return &commandOutput{Status: http.StatusOK, Body: answer}, nil
}

// commandID makes the id of a command. With a key the same request is the same command, however often it comes.
func commandID(key string, c *model.Command) string {
	if key == "" {
		return rand.Text()
	}
	data, err := json.Marshal([]any{key, c.Tenant, c.Incident, c.Action, c.Other, c.Findings, c.Text, c.Feedback.Kind, c.Feedback.Target, c.Feedback.ID})
	if err != nil {
		panic("BUG: a command of texts cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// await waits for what becomes of c; nil is nothing in time. latest is the incident as the brain told of it meanwhile.
func (a *API) await(ctx context.Context, news <-chan board.News, c *model.Command, repeated bool) (outcome *incidents.Outcome, latest *incidents.Brief) {
	if repeated {
		if o := a.lastOutcome(ctx, c); o != nil {
			return o, nil
		}
	}
	timeout := time.NewTimer(commandWait)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-timeout.C:
			return a.lastOutcome(ctx, c), nil // It may have come while the events were not followed.
		case n := <-news:
			switch {
			case n.Incident != nil && n.Incident.ID == c.Incident && c.Incident != "":
				s := incidents.BriefOf(n.Incident)
				latest = &s
			case n.Outcome != nil && n.Outcome.Command == c.ID:
				if latest != nil && n.Outcome.Incident != "" && n.Outcome.Incident != latest.ID {
					latest = nil
				}
				return n.Outcome, latest
			}
		}
	}
}

func (a *API) lastOutcome(ctx context.Context, c *model.Command) *incidents.Outcome {
	e, err := a.bus.LastEvent(ctx, bus.TopicOutcomes, c.Tenant, c.ID)
	if err != nil {
		return nil
	}
	o, err := incidents.DecodeOutcome(e.Data)
	if err != nil {
		return nil
	}
	return &o
}

// refusal turns the brain's refusal into an error.
func refusal(o *incidents.Outcome) error {
	kind := errs.Kind(o.Kind)
	switch kind {
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Exhausted:
	default:
		kind = errs.Conflict // The brain said no; the state of the incident is the reason.
	}
	return errs.WithHint(kind, "look at the incident as it is now: GET /api/v1/incidents/"+o.Incident, "%s", o.Detail)
}

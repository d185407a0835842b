package incidentsapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// defaultSpan is how far back a question without a start looks.
const defaultSpan = 7 * 24 * time.Hour

// lasting are the states of an incident that another did not take in.
var lasting = []string{string(model.IncidentOpen), string(model.IncidentQuiet), string(model.IncidentResolved)}

type listInput struct {
	Start    string   `query:"start" doc:"RFC 3339, Unix seconds or now-24h; seven days before the end by default"`
	End      string   `query:"end" doc:"As start; now by default"`
	State    []string `query:"state" enum:"open,quiet,resolved,merged" maxItems:"4" doc:"Any of these, separated by commas; all but merged by default"`
	Severity []string `query:"severity" enum:"critical,high,medium,low" maxItems:"4" doc:"Any of these"`
	Entity   []string `query:"entity" maxItems:"50" doc:"Concerning any of these, as kind:name"`
	Service  []string `query:"service" maxItems:"50" doc:"Concerning any of these services"`
	Host     []string `query:"host" maxItems:"50" doc:"Concerning any of these hosts"`
	Assignee string   `query:"assignee" maxLength:"200"`
	Q        string   `query:"q" maxLength:"256" doc:"Text in id, title, sentence or entities, whatever its case"`
	Limit    int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor   string   `query:"cursor" doc:"next_cursor of the page before"`
}

// IncidentPage is one page of incidents.
type IncidentPage struct {
	Items      []incidents.Brief `json:"items"`
	NextCursor string            `json:"next_cursor,omitempty"`
	Warnings   []string          `json:"warnings"`
}

type listOutput struct{ Body IncidentPage }

// place is the key of a cursor: where the page ended, and what relative times meant on the first page.
type place[C any] struct {
	After C     `json:"a"`
	Start int64 `json:"f"`
	End   int64 `json:"e"`
}

func (a *API) list(ctx context.Context, in *listInput) (*listOutput, error) {
	span, err := timeparam.ParseRange(in.Start, in.End, a.now(), defaultSpan)
	if err != nil {
		return nil, err
	}
	entities, err := entitiesOf(in.Entity, in.Service, in.Host)
	if err != nil {
		return nil, err
	}
	f := clickhouse.IncidentFilter{
		Tenant: reqctx.Tenant(ctx), StartMS: span.Start.UnixMilli(), EndMS: span.End.UnixMilli(), States: in.State, Severities: in.Severity,
		Entities: entities, Assignee: in.Assignee, Text: in.Q,
	}
	if len(f.States) == 0 {
		f.States = lasting
	}
	hash := paging.FilterHash("incidents", in.Start, in.End, words(in.State), words(in.Severity), words(entities), in.Assignee, in.Q)
	p, more, err := paging.Decode[place[clickhouse.IncidentCursor]](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	var after *clickhouse.IncidentCursor
	if more {
		f.StartMS, f.EndMS, after = p.Start, p.End, &p.After
	}
	items, next, err := a.db.Incidents(ctx, f, after, paging.Limit(in.Limit))
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: IncidentPage{Items: append([]incidents.Brief{}, items...), Warnings: []string{}}}
	if next != nil {
		out.Body.NextCursor, err = paging.Encode(hash, place[clickhouse.IncidentCursor]{After: *next, Start: f.StartMS, End: f.EndMS})
	}
	return out, err
}

func words(ws []string) string { return strings.Join(ws, "\x00") }

// entitiesOf joins the ways in which a question names entities. Errors: errs.Invalid for one that is not kind:name.
func entitiesOf(entities, services, hosts []string) ([]string, error) {
	out := slices.Clone(entities)
	for _, e := range entities {
		if _, ok := model.ParseEntity(e); !ok {
			return nil, problem.InvalidField("query.entity", "is not kind:name, such as service:checkout", e)
		}
	}
	for _, s := range services {
		out = append(out, model.Entity{Kind: model.KindService, Name: s}.String())
	}
	for _, h := range hosts {
		out = append(out, model.Entity{Kind: model.KindHost, Name: h}.String())
	}
	return out, nil
}

type getInput struct {
	ID string `path:"id" maxLength:"128"`
}

type getOutput struct{ Body incidents.Incident }

func (a *API) get(ctx context.Context, in *getInput) (*getOutput, error) {
	whole, err := a.incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &getOutput{Body: whole}, nil
}

// incident returns an incident as it is now. The tables have it whole; where the bus has a later head, what is in that counts, and the
// frozen data of a verdict that is still the same is the tables'.
func (a *API) incident(ctx context.Context, id string) (incidents.Incident, error) {
	tenant := reqctx.Tenant(ctx)
	head, open := a.view.Head(tenant, id)
	whole, err := a.db.Incident(ctx, tenant, id)
	switch {
	case err == nil && (!open || !head.Updated.After(whole.Updated)):
		return whole, nil
	case err == nil:
		return overlay(head, whole), nil
	case open && errs.KindOf(err) != errs.Canceled:
		return head, nil // Not stored yet, or the store does not answer: better the head than nothing.
	}
	return whole, err
}

// overlay takes from whole what head left out.
func overlay(head, whole incidents.Incident) incidents.Incident {
	if head.Verdict.At != nil && whole.Verdict.At != nil && head.Verdict.At.Equal(*whole.Verdict.At) {
		head.Verdict = whole.Verdict
	}
	if len(head.Members) < head.MemberCount {
		head.Members = whole.Members
	}
	if len(whole.History) > len(head.History) && len(head.History) > 0 {
		first := head.History[0].At
		i := slices.IndexFunc(whole.History, func(r incidents.Revision) bool { return !r.At.Before(first) })
		if i > 0 {
			head.History = append(slices.Clone(whole.History[:i]), head.History...)
		}
	}
	return head
}

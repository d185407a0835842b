package incidentsapi

import (
	"context"

	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

type findingsInput struct {
	Start   string   `query:"start" doc:"RFC 3339, Unix seconds or now-24h; seven days before the end by default"`
	End     string   `query:"end" doc:"As start; now by default"`
	Entity  []string `query:"entity" maxItems:"50" doc:"Of any of these, as kind:name"`
	Service []string `query:"service" maxItems:"50"`
	Host    []string `query:"host" maxItems:"50"`
	Kind    []string `query:"kind" enum:"shift,drift,limit,peer,silence,new,gone,forecast,alert" maxItems:"9" doc:"Any of these"`
	Signal  string   `query:"signal" maxLength:"1024" doc:"Name of the signal"`
	State   string   `query:"state" enum:"open,ended" doc:"Only those that last, or only those that ended"`
	Q       string   `query:"q" maxLength:"256" doc:"Text in text, entity or signal, whatever its case"`
	Limit   int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor  string   `query:"cursor" doc:"next_cursor of the page before"`
}

// FindingPage is one page of findings.
type FindingPage struct {
	Items      []incidents.Finding `json:"items"`
	NextCursor string              `json:"next_cursor,omitempty"`
	Warnings   []string            `json:"warnings"`
}

type findingsOutput struct{ Body FindingPage }

func (a *API) listFindings(ctx context.Context, in *findingsInput) (*findingsOutput, error) {
	span, err := timeparam.ParseRange(in.Start, in.End, a.now(), defaultSpan)
	if err != nil {
		return nil, err
	}
	entities, err := entitiesOf(in.Entity, in.Service, in.Host)
	if err != nil {
		return nil, err
	}
	f := clickhouse.FindingFilter{
		Tenant: reqctx.Tenant(ctx), StartMS: span.Start.UnixMilli(), EndMS: span.End.UnixMilli(), Entities: entities, Kinds: in.Kind, Signal: in.Signal, Text: in.Q,
	}
	if in.State != "" {
		open := in.State == "open"
		f.Open = &open
	}
	hash := paging.FilterHash("findings", in.Start, in.End, words(entities), words(in.Kind), in.Signal, in.State, in.Q)
	p, more, err := paging.Decode[place[clickhouse.FindingCursor]](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	var after *clickhouse.FindingCursor
	if more {
		f.StartMS, f.EndMS, after = p.Start, p.End, &p.After
	}
	fs, next, err := a.db.Findings(ctx, f, after, paging.Limit(in.Limit))
	if err != nil {
		return nil, err
	}
	out := &findingsOutput{Body: FindingPage{Items: writtenFindings(fs), Warnings: []string{}}}
	if next != nil {
		out.Body.NextCursor, err = paging.Encode(hash, place[clickhouse.FindingCursor]{After: *next, Start: f.StartMS, End: f.EndMS})
	}
	return out, err
}

func writtenFindings(fs []model.Finding) []incidents.Finding {
	out := make([]incidents.Finding, len(fs))
	for i := range fs {
		out[i] = incidents.FindingOf(&fs[i])
	}
	return out
}

type findingInput struct {
	ID string `path:"id" maxLength:"64" doc:"16 hexadecimal digits"`
}

type findingOutput struct{ Body incidents.Finding }

func (a *API) getFinding(ctx context.Context, in *findingInput) (*findingOutput, error) {
	id, err := incidents.ParseID(in.ID)
	if err != nil {
		return nil, problem.InvalidField("path.id", "is not 16 hexadecimal digits", in.ID)
	}
	f, err := a.db.Finding(ctx, reqctx.Tenant(ctx), id)
	if err != nil {
		return nil, err
	}
	return &findingOutput{Body: incidents.FindingOf(&f)}, nil
}

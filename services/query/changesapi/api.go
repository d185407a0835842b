// Package changesapi answers what was changed and when: a list by time, kind, entity and words, for people, charts and the search for
// causes, and the same in the shape of Grafana's annotations. The contract is in docs/api/contract.md. Changes are taken in by the gateway
// under the same paths.
package changesapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// defaultSpan is how far back a question without a start looks.
const defaultSpan = 24 * time.Hour

// Deps is what the handlers need.
type Deps struct {
	DB *clickhouse.DB
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct {
	reader *clickhouse.ChangeReader
	now    func() time.Time
}

// Register adds the operations to api and Grafana's path to the plain router.
func Register(api huma.API, router gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{reader: clickhouse.NewChangeReader(deps.DB), now: deps.Now}
	huma.Register(api, huma.Operation{
		OperationID: "list-changes", Method: http.MethodGet, Path: "/api/v1/changes", Summary: "List changes, latest first", Tags: []string{"changes"},
		Description: "Deployments, configurations, packages, scalings and the like, as senders told of them. One that lasted is listed when it overlaps the time asked for.",
	}, h.list)
	router.GET("/api/annotations", h.annotations)
}

type listInput struct {
	Start       string   `query:"start" doc:"RFC 3339, Unix seconds or now-24h; a day before the end by default"`
	End         string   `query:"end" doc:"As start; now by default"`
	Kind        []string `query:"kind" doc:"Any of these kinds, separated by commas: deploy, rollback, config, …" maxItems:"50"`
	Service     []string `query:"service" doc:"Of any of these services" maxItems:"100"`
	Host        []string `query:"host" doc:"Of any of these hosts" maxItems:"100"`
	Environment []string `query:"environment" doc:"Of any of these environments" maxItems:"50"`
	Source      []string `query:"source" doc:"Told by any of these: github, argocd, api, …" maxItems:"50"`
	Q           string   `query:"q" maxLength:"256" doc:"Text in title, text, version, actor, service, host or an attribute, whatever its case"`
	Limit       int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor      string   `query:"cursor" doc:"next_cursor of the page before"`
}

// Change is one change.
type Change struct {
	ID              string            `json:"id"`
	Time            string            `json:"time" format:"date-time"`
	TimeMS          int64             `json:"time_ms" doc:"time in Unix milliseconds, for charts"`
	End             string            `json:"end,omitempty" format:"date-time" doc:"Absent for a moment, and while it lasts"`
	EndMS           int64             `json:"end_ms,omitempty"`
	Kind            string            `json:"kind" example:"deploy"`
	Title           string            `json:"title"`
	Text            string            `json:"text"`
	Status          string            `json:"status" doc:"The sender's word: success, failure, in_progress"`
	Service         string            `json:"service"`
	Host            string            `json:"host"`
	Environment     string            `json:"environment"`
	Version         string            `json:"version"`
	PreviousVersion string            `json:"previous_version"`
	Actor           string            `json:"actor"`
	URL             string            `json:"url"`
	Source          string            `json:"source"`
	Attributes      map[string]string `json:"attributes"`
}

// ChangePage is one page of changes.
type ChangePage struct {
	Items      []Change `json:"items"`
	NextCursor string   `json:"next_cursor,omitempty"`
	Warnings   []string `json:"warnings"`
}

type listOutput struct {
	Body ChangePage
}

// place is the key of a cursor: where the page ended, and the bounds that relative times meant on the first page.
type place struct {
	After clickhouse.ChangeCursor `json:"a"`
	Start int64                   `json:"f"`
	End   int64                   `json:"e"`
}

func (h *handlers) list(ctx context.Context, in *listInput) (*listOutput, error) {
	span, err := timeparam.ParseRange(in.Start, in.End, h.now(), defaultSpan)
	if err != nil {
		return nil, err
	}
	f := clickhouse.ChangeFilter{
		Tenant: reqctx.Tenant(ctx), StartNS: span.Start.UnixNano(), EndNS: span.End.UnixNano(), Kinds: in.Kind, Services: in.Service, Hosts: in.Host,
		Environments: in.Environment, Sources: in.Source, Text: in.Q,
	}
	words := func(ws []string) string { return strings.Join(ws, "\x00") }
	hash := paging.FilterHash("changes", words(in.Kind), words(in.Service), words(in.Host), words(in.Environment), words(in.Source), in.Q, in.Start, in.End)
	p, more, err := paging.Decode[place](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	var after *clickhouse.ChangeCursor
	if more {
		f.StartNS, f.EndNS, after = p.Start, p.End, &p.After
	}
	cs, next, err := h.reader.List(ctx, f, after, paging.Limit(in.Limit))
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: ChangePage{Items: make([]Change, len(cs)), Warnings: []string{}}}
	for i := range cs {
		out.Body.Items[i] = changeOf(&cs[i])
	}
	if next != nil {
		if out.Body.NextCursor, err = paging.Encode(hash, place{After: *next, Start: f.StartNS, End: f.EndNS}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func changeOf(c *model.Change) Change {
	out := Change{
		ID: c.ID, Time: time.Unix(0, c.TimeNS).UTC().Format(time.RFC3339Nano), TimeMS: c.TimeNS / 1e6, Kind: c.Kind, Title: c.Title, Text: c.Text, Status: c.Status, Service: c.Service,
		Host: c.Host, Environment: c.Environment, Version: c.Version, PreviousVersion: c.PreviousVersion, Actor: c.Actor, URL: c.URL, Source: c.Source,
		Attributes: make(map[string]string, len(c.Attributes)),
	}
	if c.EndNS > 0 {
		out.End, out.EndMS = time.Unix(0, c.EndNS).UTC().Format(time.RFC3339Nano), c.EndNS/1e6
	}
	for _, a := range c.Attributes {
		out.Attributes[a.Name] = a.Value
	}
	return out
}

// Annotation is a change as Grafana's GET /api/annotations gives it.
type Annotation struct {
	ID           uint64   `json:"id"`
	DashboardUID string   `json:"dashboardUID"`
	PanelID      int64    `json:"panelId"`
	Created      int64    `json:"created"`
	Updated      int64    `json:"updated"`
	Time         int64    `json:"time"`
	TimeEnd      int64    `json:"timeEnd"`
	Tags         []string `json:"tags"`
	Text         string   `json:"text"`
	Login        string   `json:"login"`
}

// annotations answers in Grafana's shape: from and to in Unix milliseconds, tags that must all be there (any of them with matchAny=true
// is not spoken), limit 100.
func (h *handlers) annotations(c *gin.Context) {
	now := h.now()
	from, ok1 := millis(c.Query("from"), now.Add(-defaultSpan))
	to, ok2 := millis(c.Query("to"), now)
	limit, err := strconv.Atoi(c.DefaultQuery("limit", "100"))
	if !ok1 || !ok2 || err != nil || limit < 1 || limit > paging.MaxLimit {
		problem.Write(c, problem.InvalidField("query", "from and to are Unix milliseconds, limit is 1 to 500", c.Request.URL.RawQuery))
		return
	}
	f := clickhouse.ChangeFilter{Tenant: reqctx.Tenant(c.Request.Context()), StartNS: from.UnixNano(), EndNS: to.UnixNano(), Tags: c.QueryArray("tags")}
	if c.Query("type") == "annotation" {
		f.Kinds = []string{"annotation"}
	}
	if len(f.Tags) > 50 {
		problem.Write(c, problem.InvalidField("query.tags", "are more than 50", nil))
		return
	}
	cs, _, err := h.reader.List(c.Request.Context(), f, nil, limit)
	if err != nil {
		problem.Write(c, err)
		return
	}
	out := make([]Annotation, len(cs))
	for i := range cs {
		out[i] = annotationOf(&cs[i])
	}
	c.JSON(http.StatusOK, out)
}

func annotationOf(c *model.Change) Annotation {
	a := Annotation{ID: model.AnnotationID(c.ID), Created: c.TimeNS / 1e6, Updated: c.TimeNS / 1e6, Time: c.TimeNS / 1e6, TimeEnd: c.TimeNS / 1e6, Tags: []string{}, Text: c.Title, Login: c.Actor}
	if c.EndNS > 0 {
		a.TimeEnd = c.EndNS / 1e6
	}
	if c.Kind == "annotation" && c.Text != "" {
		a.Text = c.Text
	}
	a.DashboardUID = model.Lookup(c.Attributes, "grafana.dashboard_uid")
	a.PanelID, _ = strconv.ParseInt(model.Lookup(c.Attributes, "grafana.panel_id"), 10, 64) // 0 where there is none
	if tags := model.Lookup(c.Attributes, "tags"); tags != "" {
		a.Tags = strings.Split(tags, ",")
	} else if c.Kind != "annotation" {
		a.Tags = append(a.Tags, c.Kind)
		if c.Service != "" {
			a.Tags = append(a.Tags, "service:"+c.Service)
		}
	}
	return a
}

// millis reads Unix milliseconds; an empty text is absent.
func millis(s string, absent time.Time) (time.Time, bool) {
	if s == "" {
		return absent, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(n), err == nil && n >= 0 && n < 1<<43
}

package incidentsapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Bounds of a timeline.
const (
	// changesBefore is how long before an incident a change to what is concerned is shown: causes come before their effects.
	changesBefore = 2 * time.Hour
	// maxTimeline bounds the entries; an incident with more has told its story in the first and the last of them.
	maxTimeline = 2000
	// maxTimelineFindings and maxTimelineCommands bound what is read for it.
	maxTimelineFindings = 500
	maxTimelineCommands = 500
)

// TimelineEntry is one thing that happened.
type TimelineEntry struct {
	Time      time.Time         `json:"time"`
	Kind      string            `json:"kind" enum:"finding,finding_end,change,known,comment,acknowledged,feedback,feedback_revoked,command"`
	Title     string            `json:"title"`
	Text      string            `json:"text"`
	Who       string            `json:"who,omitempty"`
	Entity    *incidents.Entity `json:"entity,omitempty"`
	FindingID string            `json:"finding_id,omitempty"`
	ChangeID  string            `json:"change_id,omitempty"`
	Cause     bool              `json:"cause" doc:"A change or finding that is offered as the cause"`
	URL       string            `json:"url,omitempty"`
	Refused   bool              `json:"refused,omitempty" doc:"Of a command: it was not done"`
}

// Timeline is what happened in an incident.
type Timeline struct {
	Items    []TimelineEntry `json:"items" doc:"By time, the earliest first"`
	Warnings []string        `json:"warnings"`
}

type timelineOutput struct{ Body Timeline }

func (a *API) timeline(ctx context.Context, in *getInput) (*timelineOutput, error) {
	whole, err := a.incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t := &Timeline{Items: []TimelineEntry{}, Warnings: []string{}}
	t.addPeople(&whole)
	if err := a.addFindings(ctx, t, &whole); err != nil {
		return nil, err
	}
	if err := a.addChanges(ctx, t, &whole); err != nil {
		return nil, err
	}
	commands, err := a.db.Commands(ctx, reqctx.Tenant(ctx), in.ID, whole.Detected.UnixMilli(), a.now().UnixMilli(), maxTimelineCommands)
	if err != nil {
		return nil, err
	}
	for i := range commands {
		t.addCommand(&commands[i])
	}
	slices.SortStableFunc(t.Items, func(x, y TimelineEntry) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Title, y.Title))
	})
	if n := len(t.Items); n > maxTimeline {
		t.Items = append(t.Items[:maxTimeline/2], t.Items[n-maxTimeline/2:]...)
		t.Warnings = append(t.Warnings, "too many entries: those in the middle are left out")
	}
	return &timelineOutput{Body: *t}, nil
}

// addPeople adds what the incident itself has: what was known when, and what people did.
func (t *Timeline) addPeople(in *incidents.Incident) {
	for _, r := range in.History {
		t.Items = append(t.Items, TimelineEntry{Time: r.At, Kind: "known", Title: r.Text})
	}
	for _, c := range in.Comments {
		t.Items = append(t.Items, TimelineEntry{Time: c.At, Kind: "comment", Title: "Comment", Text: c.Text, Who: c.Who})
	}
	if k := in.Acknowledged; k != nil {
		t.Items = append(t.Items, TimelineEntry{Time: k.At, Kind: "acknowledged", Title: "Acknowledged", Text: k.Text, Who: k.Who})
	}
	for _, f := range in.Feedback {
		t.Items = append(t.Items, TimelineEntry{Time: f.At, Kind: "feedback", Title: feedbackTitle(f.Kind, f.Target), Text: f.Text, Who: f.Who})
		if f.Revoked != nil {
			t.Items = append(t.Items, TimelineEntry{Time: *f.Revoked, Kind: "feedback_revoked", Title: "Taken back: " + feedbackTitle(f.Kind, f.Target), Who: f.Who})
		}
	}
}

func feedbackTitle(kind, target string) string {
	words := map[string]string{"confirm": "Confirmed", "reject": "Rejected", "not_related": "Not related", "expected": "Expected", "mute": "Muted"}
	title := cmp.Or(words[kind], kind)
	if target == "incident" {
		return title
	}
	return title + ": " + target
}

func (a *API) addFindings(ctx context.Context, t *Timeline, in *incidents.Incident) error {
	var ids []uint64
	for i := range in.Members[:min(len(in.Members), maxTimelineFindings)] {
		id, err := incidents.ParseID(in.Members[i].FindingID)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	if len(in.Members) > maxTimelineFindings {
		t.Warnings = append(t.Warnings, "only the first 500 members are shown")
	}
	causes := causesOf(in)
	f := clickhouse.FindingFilter{Tenant: reqctx.Tenant(ctx), StartMS: in.Start.UnixMilli(), EndMS: a.now().UnixMilli(), IDs: ids}
	fs, _, err := a.db.Findings(ctx, f, nil, maxTimelineFindings)
	if err != nil {
		return err
	}
	for i := range fs {
		x := incidents.FindingOf(&fs[i])
		e := TimelineEntry{Time: x.Onset, Kind: "finding", Title: x.Text, Entity: &x.Entity, FindingID: x.ID, Cause: causes.findings[x.Entity.String()+"/"+x.Signal.Name]}
		t.Items = append(t.Items, e)
		if x.End != nil {
			t.Items = append(t.Items, TimelineEntry{Time: *x.End, Kind: "finding_end", Title: "Normal again: " + x.Signal.Name, Entity: &x.Entity, FindingID: x.ID})
		}
	}
	return nil
}

// causes are what is offered as the cause.
type causes struct {
	changes, findings map[string]bool
}

func causesOf(in *incidents.Incident) causes {
	c := causes{changes: map[string]bool{}, findings: map[string]bool{}}
	for i := range in.Verdict.Candidates {
		x := &in.Verdict.Candidates[i]
		if x.ChangeID != "" {
			c.changes[x.ChangeID] = true
		}
		if x.Signal != nil {
			c.findings[x.Entity.String()+"/"+x.Signal.Name] = true
		}
	}
	return c
}

// addChanges adds changes to the services and hosts that are concerned.
func (a *API) addChanges(ctx context.Context, t *Timeline, in *incidents.Incident) error {
	f := clickhouse.ChangeFilter{Tenant: reqctx.Tenant(ctx), StartNS: in.Start.Add(-changesBefore).UnixNano(), EndNS: a.now().UnixNano()}
	if in.End != nil {
		f.EndNS = in.End.UnixNano()
	}
	var services, hosts []string
	for _, e := range in.Entities {
		switch model.EntityKind(e.Kind) {
		case model.KindService:
			services = append(services, e.Name)
		case model.KindHost:
			hosts = append(hosts, e.Name)
		}
	}
	offered, seen := causesOf(in).changes, map[string]bool{}
	add := func(f clickhouse.ChangeFilter) error {
		cs, more, err := a.changes.List(ctx, f, nil, paging.MaxLimit)
		if err != nil {
			return err
		}
		if more != nil {
			t.Warnings = append(t.Warnings, "only the latest 500 changes are shown")
		}
		for i := range cs {
			if c := &cs[i]; !seen[c.ID] {
				seen[c.ID] = true
				t.Items = append(t.Items, changeEntry(c, offered[c.ID]))
			}
		}
		return nil
	}
	if len(services) > 0 {
		byService := f
		byService.Services = services
		if err := add(byService); err != nil {
			return err
		}
	}
	if len(hosts) > 0 {
		byHost := f
		byHost.Hosts = hosts
		return add(byHost)
	}
	return nil
}

func changeEntry(c *model.Change, cause bool) TimelineEntry {
	e := TimelineEntry{Time: time.Unix(0, c.TimeNS).UTC(), Kind: "change", Title: cmp.Or(c.Title, c.Kind), Text: c.Text, Who: c.Actor, ChangeID: c.ID, URL: c.URL, Cause: cause}
	switch {
	case c.Service != "":
		e.Entity = &incidents.Entity{Kind: string(model.KindService), Name: c.Service}
	case c.Host != "":
		e.Entity = &incidents.Entity{Kind: string(model.KindHost), Name: c.Host}
	}
	return e
}

// addCommand adds what the incident itself does not show: that it was assigned, resolved, merged, and what was refused.
func (t *Timeline) addCommand(c *store.CommandRow) {
	titles := map[string]string{
		incidents.ActionUnacknowledge: "Acknowledgement taken back", incidents.ActionAssign: "Assigned to " + cmp.Or(c.Text, "nobody"), incidents.ActionResolve: "Resolved",
		incidents.ActionReopen: "Reopened", incidents.ActionMerge: "Merged with " + c.Other, incidents.ActionSplit: "Split",
	}
	refused := c.Outcome == incidents.Refused
	title, shown := titles[c.Action]
	if !shown && !refused {
		return
	}
	e := TimelineEntry{Time: incidents.Time(c.AtMS), Kind: "command", Title: cmp.Or(title, c.Action), Text: c.Text, Who: c.Who, Refused: refused}
	if c.Action == incidents.ActionAssign {
		e.Text = ""
	}
	if refused {
		e.Title, e.Text = "Refused: "+e.Title, c.Detail
	}
	t.Items = append(t.Items, e)
}

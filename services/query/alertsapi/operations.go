package alertsapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/alertmanager/silence"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// staleAfter is how old the leader's word may be when it still counts: it speaks every five seconds, and a takeover takes as long.
const staleAfter = 30 * time.Second

// State is how alerting fares.
type State struct {
	Leader         string        `json:"leader" doc:"Process that evaluates and notifies; empty when none ever did"`
	LeadsSince     *time.Time    `json:"leads_since,omitempty"`
	PublishedAt    *time.Time    `json:"published_at,omitempty" doc:"When the leader spoke last"`
	Healthy        bool          `json:"healthy" doc:"A leader spoke within half a minute and its last reload was taken"`
	Groups         int           `json:"groups"`
	AlertingRules  int           `json:"alerting_rules"`
	RecordingRules int           `json:"recording_rules"`
	FailingRules   []FailingRule `json:"failing_rules" doc:"Rules whose last evaluation failed, the first hundred"`
	LastEvaluation *time.Time    `json:"last_evaluation,omitempty" doc:"Of any group"`
	Alerts         AlertCounts   `json:"alerts"`
	Silences       SilenceCounts `json:"silences"`
	Integrations   []Integration `json:"integrations"`
	ConfigSource   string        `json:"config_source" doc:"Alertmanager configuration file, or settings"`
	RulesError     string        `json:"rules_error,omitempty" doc:"Why the last reload of rules was not taken"`
	ConfigError    string        `json:"config_error,omitempty" doc:"Why the last reload of routing was not taken"`
	HistoryPending int           `json:"history_pending" doc:"Rows of the history that wait for the store"`
	HistoryDropped uint64        `json:"history_dropped"`
}

// FailingRule is a rule whose last evaluation failed.
type FailingRule struct {
	File      string `json:"file"`
	Group     string `json:"group"`
	Name      string `json:"name"`
	LastError string `json:"last_error"`
}

// AlertCounts counts alerts.
type AlertCounts struct {
	Pending    int `json:"pending" doc:"Of rules: the condition holds, not yet for long enough"`
	Firing     int `json:"firing" doc:"Of all sources"`
	Suppressed int `json:"suppressed" doc:"Firing, and silenced"`
}

// SilenceCounts counts silences.
type SilenceCounts struct {
	Active  int `json:"active"`
	Pending int `json:"pending"`
	Expired int `json:"expired"`
}

// Integration is one way out.
type Integration struct {
	Receiver     string     `json:"receiver"`
	Kind         string     `json:"kind" doc:"webhook, email, …"`
	Sent         uint64     `json:"sent" doc:"Since the leader leads"`
	Failures     uint64     `json:"failures"`
	LastError    string     `json:"last_error,omitempty" doc:"Empty after a success"`
	LastFailedAt *time.Time `json:"last_failed_at,omitempty"`
	LastSentAt   *time.Time `json:"last_sent_at,omitempty"`
}

type stateOutput struct{ Body State }

// maxFailing bounds the failing rules in an answer.
const maxFailing = 100

func (a *API) registerOperations(api huma.API) {
	state := huma.Operation{OperationID: "alerting-state", Method: http.MethodGet, Path: "/api/v1/alerting/state", Summary: "How alerting fares", Tags: []string{"alerts"}}
	limits.Exempt(&state)
	huma.Register(api, state, a.getState)
	huma.Register(api, huma.Operation{
		OperationID: "alert-history", Method: http.MethodGet, Path: "/api/v1/alerts/history", Summary: "When alerts began and ended, newest first", Tags: []string{"alerts"},
	}, a.history)
}

func (a *API) getState(ctx context.Context, _ *struct{}) (*stateOutput, error) {
	s, err := a.state(ctx)
	if err != nil {
		return nil, err
	}
	now := a.deps.Now()
	out := State{FailingRules: []FailingRule{}, Integrations: []Integration{}}
	if st, ok := s.view.Status(); ok {
		out.Leader, out.LeadsSince, out.PublishedAt, out.RulesError, out.ConfigError = st.Leader, &st.LeadsSince, &st.PublishedAt, st.RulesError, st.ConfigError
		out.HistoryPending, out.HistoryDropped = st.HistoryPending, st.HistoryDropped
		out.Healthy = now.Sub(st.PublishedAt) < staleAfter && st.RulesError == "" && st.ConfigError == ""
		for _, i := range st.Integrations {
			out.Integrations = append(out.Integrations, Integration(i))
		}
	}
	if c, ok := s.view.Config(); ok {
		out.ConfigSource = c.Source
	}
	out.countRules(s.view.Groups())
	if err := out.countAlerts(ctx, s, now); err != nil {
		return nil, err
	}
	return &stateOutput{Body: out}, nil
}

func (st *State) countRules(groups []*alertstate.Group) {
	st.Groups = len(groups)
	for _, g := range groups {
		if at := g.LastEvaluation; !at.IsZero() && (st.LastEvaluation == nil || at.After(*st.LastEvaluation)) {
			st.LastEvaluation = &at
		}
		for _, r := range g.Rules {
			if r.Type == alertstate.TypeAlerting {
				st.AlertingRules++
			} else {
				st.RecordingRules++
			}
			if r.LastError != "" && len(st.FailingRules) < maxFailing {
				st.FailingRules = append(st.FailingRules, FailingRule{File: g.File, Group: g.Name, Name: r.Name, LastError: r.LastError})
			}
			for _, x := range r.Alerts {
				if x.State == "pending" {
					st.Alerts.Pending++
				}
			}
		}
	}
}

func (st *State) countAlerts(ctx context.Context, s *served, now time.Time) error {
	it := s.replica.Alerts.GetPending()
	defer it.Close()
	for msg := range it.Next() {
		if msg.Data.ResolvedAt(now) {
			continue
		}
		st.Alerts.Firing++
		if s.replica.Silencer.Mutes(ctx, msg.Data.Labels) {
			st.Alerts.Suppressed++
		}
	}
	for state, n := range map[silence.SilenceState]*int{
		silence.SilenceStateActive: &st.Silences.Active, silence.SilenceStatePending: &st.Silences.Pending, silence.SilenceStateExpired: &st.Silences.Expired,
	} {
		var err error
		if *n, err = s.replica.Silences.CountState(ctx, state); err != nil {
			return err
		}
	}
	return nil
}

type historyInput struct {
	Start       string   `query:"start" default:"now-24h" doc:"RFC 3339, Unix seconds or now-1h"`
	End         string   `query:"end" default:"now"`
	Name        string   `query:"name" maxLength:"1024" doc:"The label alertname"`
	Status      string   `query:"status" enum:"firing,resolved" doc:"Only beginnings, or only ends"`
	Source      string   `query:"source" enum:"rules,api,alertmanager,grafana"`
	Fingerprint string   `query:"fingerprint" pattern:"^[0-9a-f]{16}$"`
	Label       []string `query:"label,explode" maxItems:"20" doc:"name=value that an alert must have; may be repeated"`
	Limit       int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor      string   `query:"cursor" doc:"next_cursor of the page before"`
}

// AlertEvent is the beginning or the end of an alert.
type AlertEvent struct {
	Time         time.Time         `json:"time"`
	Status       string            `json:"status" enum:"firing,resolved"`
	Name         string            `json:"name"`
	Fingerprint  string            `json:"fingerprint"`
	StartsAt     time.Time         `json:"starts_at"`
	EndsAt       *time.Time        `json:"ends_at,omitempty"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Source       string            `json:"source"`
	GeneratorURL string            `json:"generator_url,omitempty"`
}

type historyOutput struct {
	Body struct {
		Items      []AlertEvent `json:"items"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

// place is the key of a cursor: where the page ended, and what relative times meant on the first page.
type place struct {
	After clickhouse.AlertCursor `json:"a"`
	Start int64                  `json:"f"`
	End   int64                  `json:"e"`
}

func (a *API) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	f, err := in.filter(a.deps.Now())
	if err != nil {
		return nil, err
	}
	hash := paging.FilterHash(append([]string{"alerts", in.Start, in.End, in.Name, in.Status, in.Source, in.Fingerprint}, in.Label...)...)
	p, more, err := paging.Decode[place](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	if more {
		f.StartMS, f.EndMS, f.After = p.Start, p.End, &p.After
	}
	f.Tenant = reqctx.Tenant(ctx)
	rows, err := a.deps.History.Alerts(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &historyOutput{}
	out.Body.Items = make([]AlertEvent, len(rows))
	for i := range rows {
		out.Body.Items[i] = event(&rows[i])
	}
	if len(rows) == f.Limit {
		last := rows[len(rows)-1]
		key := place{After: clickhouse.AlertCursor{TimeMS: last.TimeMS, Fingerprint: last.Fingerprint, Status: last.Status}, Start: f.StartMS, End: f.EndMS}
		if out.Body.NextCursor, err = paging.Encode(hash, key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (in *historyInput) filter(now time.Time) (clickhouse.AlertFilter, error) {
	f := clickhouse.AlertFilter{Name: in.Name, Status: in.Status, Source: in.Source, Limit: paging.Limit(in.Limit)}
	start, err := timeparam.Parse("start", in.Start, now)
	if err != nil {
		return f, err
	}
	end, err := timeparam.Parse("end", in.End, now)
	if err != nil {
		return f, err
	}
	if end.Before(start) {
		return f, problem.InvalidField("query.end", "is before start", in.End)
	}
	f.StartMS, f.EndMS = start.UnixMilli(), end.UnixMilli()
	if in.Fingerprint != "" {
		if f.Fingerprint, err = strconv.ParseUint(in.Fingerprint, 16, 64); err != nil {
			return f, problem.InvalidField("query.fingerprint", "is not 16 hexadecimal digits", in.Fingerprint)
		}
	}
	for _, l := range slices.Compact(slices.Clone(in.Label)) {
		name, value, ok := strings.Cut(l, "=")
		if !ok || name == "" {
			return f, problem.InvalidField("query.label", "is not name=value", l)
		}
		f.LabelNames, f.LabelValues = append(f.LabelNames, name), append(f.LabelValues, value)
	}
	return f, nil
}

func event(r *store.AlertRow) AlertEvent {
	e := AlertEvent{
		Time: clickhouse.AlertTime(r.TimeMS), Status: r.Status, Name: r.Name, Fingerprint: fingerprint(r.Fingerprint), StartsAt: clickhouse.AlertTime(r.StartsAtMS),
		Labels: r.Labels, Annotations: r.Annotations, Source: r.Source, GeneratorURL: r.GeneratorURL,
	}
	if r.EndsAtMS != 0 {
		t := clickhouse.AlertTime(r.EndsAtMS)
		e.EndsAt = &t
	}
	return e
}

func fingerprint(v uint64) string {
	s := strconv.FormatUint(v, 16)
	return strings.Repeat("0", 16-len(s)) + s
}

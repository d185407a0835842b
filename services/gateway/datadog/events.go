package datadog

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// CheckMetric is the gauge that service checks become: 0 is ok, 1 a warning, 2 critical, 3 unknown; the check is a label.
const CheckMetric = "service_check_status"

// Checks publishes the body of POST /api/v1/check_run: service checks as gauges.
func (r *Receiver) Checks(ctx context.Context, req *intake.Request, body []byte) error {
	type check struct {
		Check     string   `json:"check"`
		Host      string   `json:"host_name"`
		Timestamp float64  `json:"timestamp"`
		Status    int      `json:"status"`
		Tags      []string `json:"tags"`
	}
	var cs []check
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '{' { // The API takes a single one as well.
		cs = make([]check, 1)
		if err := json.Unmarshal(body, &cs[0]); err != nil {
			return malformed("service check", err)
		}
	} else if err := json.Unmarshal(body, &cs); err != nil {
		return malformed("service checks", err)
	}
	w, end := r.begin(req)
	defer end()
	for i := range cs {
		c := &cs[i]
		if c.Check == "" || c.Status < 0 || c.Status > 3 {
			req.Reject(model.SignalMetrics, limits.InvalidData, 1)
			continue
		}
		w.reset()
		w.add("check", c.Check)
		w.add(labelHost, c.Host)
		for _, t := range c.Tags {
			w.tag(t)
		}
		if w.open(CheckMetric, kindGauge, 1) {
			w.point(kindGauge, c.Timestamp, float64(c.Status))
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	return w.b.Flush(ctx)
}

// Event is an event as agent, API and DogStatsD know it.
type Event struct {
	Title, Text, Host, AlertType, Priority, AggregationKey, SourceType string
	TimeNS                                                             int64
	Tags                                                               []string
}

// Change returns the event as a change; source says who told of it.
func (e *Event) Change(source string) model.Change {
	c := model.Change{
		TimeNS: e.TimeNS, Kind: "event", Title: e.Title, Text: e.Text, Host: e.Host, Status: e.AlertType, Source: source,
	}
	for _, t := range e.Tags {
		k, v, _ := strings.Cut(t, ":")
		switch k {
		case "service":
			c.Service = v
		case "env", "environment":
			c.Environment = v
		case "version":
			c.Version = v
		}
	}
	for _, a := range []model.Label{{Name: "priority", Value: e.Priority}, {Name: "aggregation_key", Value: e.AggregationKey}, {Name: "source_type_name", Value: e.SourceType}, {Name: "tags", Value: strings.Join(e.Tags, ",")}} {
		if a.Value != "" {
			c.Attributes = append(c.Attributes, a)
		}
	}
	var id []byte
	for _, s := range []string{strconv.FormatInt(e.TimeNS, 10), e.Title, e.Text, e.Host, e.AggregationKey} {
		id = model.AppendIdentity(id, "", s)
	}
	c.ID = source + ":" + strconv.FormatUint(model.Hash64(string(id)), 16)
	return c
}

// sec returns seconds as nanoseconds, within what a time can be.
func sec(s float64) int64 {
	if !(s > 0) || s > 9e9 {
		return 0
	}
	return int64(s * 1e9)
}

// APIEvent publishes the body of POST /api/v1/events as a change.
func (r *Receiver) APIEvent(ctx context.Context, req *intake.Request, body []byte) error {
	var e struct {
		Title          string   `json:"title"`
		Text           string   `json:"text"`
		DateHappened   float64  `json:"date_happened"`
		Host           string   `json:"host"`
		AlertType      string   `json:"alert_type"`
		Priority       string   `json:"priority"`
		AggregationKey string   `json:"aggregation_key"`
		SourceType     string   `json:"source_type_name"`
		Tags           []string `json:"tags"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return malformed("event", err)
	}
	return r.events(ctx, req, []Event{{
		Title: e.Title, Text: e.Text, Host: e.Host, AlertType: e.AlertType, Priority: e.Priority, AggregationKey: e.AggregationKey, SourceType: e.SourceType,
		TimeNS: sec(e.DateHappened), Tags: e.Tags,
	}})
}

// Intake publishes what the agent sends to POST /intake/: events become changes; what it says of itself and its host is dropped.
func (r *Receiver) Intake(ctx context.Context, req *intake.Request, body []byte) error {
	var p struct {
		Hostname string `json:"internalHostname"`
		Events   map[string][]struct {
			Title          string   `json:"msg_title"`
			Text           string   `json:"msg_text"`
			Timestamp      float64  `json:"timestamp"`
			Host           string   `json:"host"`
			AlertType      string   `json:"alert_type"`
			Priority       string   `json:"priority"`
			AggregationKey string   `json:"aggregation_key"`
			SourceType     string   `json:"source_type_name"`
			Tags           []string `json:"tags"`
		} `json:"events"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return malformed("intake", err)
	}
	var es []Event
	for source, list := range p.Events {
		for i := range list {
			e := &list[i]
			if e.Host == "" {
				e.Host = p.Hostname
			}
			if e.SourceType == "" {
				e.SourceType = source
			}
			es = append(es, Event{
				Title: e.Title, Text: e.Text, Host: e.Host, AlertType: e.AlertType, Priority: e.Priority, AggregationKey: e.AggregationKey, SourceType: e.SourceType,
				TimeNS: sec(e.Timestamp), Tags: e.Tags,
			})
		}
	}
	slices.SortStableFunc(es, func(a, b Event) int { return int(min(max(a.TimeNS-b.TimeNS, -1), 1)) })
	return r.events(ctx, req, es)
}

func (r *Receiver) events(ctx context.Context, req *intake.Request, es []Event) error {
	b := r.core.Changes(req)
	for i := range es {
		if es[i].Title == "" && es[i].Text == "" {
			req.Reject(model.SignalChanges, limits.InvalidData, 1)
			continue
		}
		if es[i].TimeNS == 0 {
			es[i].TimeNS = req.ReceivedAt.UnixNano()
		}
		b.Add(es[i].Change("datadog"))
		if err := b.Split(ctx); err != nil {
			return err
		}
	}
	return b.Flush(ctx)
}

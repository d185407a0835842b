// Package alertin reads alerts that others raised: Alertmanager's API (what Prometheus, vmalert and Loki's ruler send), Alertmanager's
// webhook (version 4) and Grafana's. It makes records of them and keeps none. Reading costs about what decoding the JSON does.
package alertin

import (
	"encoding/json"
	"errors"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// How long an alert that fires counts as firing when its sender does not say so again.
const (
	// APIHold is Alertmanager's own resolve_timeout: whoever speaks its API repeats each alert about every minute.
	APIHold = 5 * time.Minute
	// WebhookHold is longer than any usual repeat interval, four hours by default: webhooks say when an alert is over, and seldom
	// anything before.
	WebhookHold = 24 * time.Hour
)

// maxAlerts bounds one request; Prometheus sends 64 at a time, a webhook one group.
const maxAlerts = 10_000

// posted is one alert, as all three forms have it.
type posted struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	// Grafana's links, kept as annotations unless the rule has those itself.
	DashboardURL string `json:"dashboardURL"`
	PanelURL     string `json:"panelURL"`
	SilenceURL   string `json:"silenceURL"`
	ValueString  string `json:"valueString"`
}

// webhookBody is what of a webhook's message is used.
type webhookBody struct {
	Version string   `json:"version"`
	Alerts  []posted `json:"alerts"`
}

// ReadAPI reads the body of POST /api/v2/alerts: a list of alerts. Errors: errs.Invalid; valid has what is right all the same.
func ReadAPI(body []byte, now time.Time) (valid []*alerts.Record, err error) {
	var list []posted
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errs.New(errs.Invalid, "the body is not a list of alerts: %w", err)
	}
	return records(list, alerts.SourceAPI, now, APIHold)
}

// ReadAlertmanager reads the body of Alertmanager's webhook. Errors as for ReadAPI.
func ReadAlertmanager(body []byte, now time.Time) ([]*alerts.Record, error) {
	var w webhookBody
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, errs.New(errs.Invalid, "the body is not a message of Alertmanager's webhook: %w", err)
	}
	if w.Version != "4" {
		return nil, errs.New(errs.Invalid, "the message has version %q, only \"4\" is taken", w.Version)
	}
	return records(w.Alerts, alerts.SourceAlertmanager, now, WebhookHold)
}

// ReadGrafana reads the body of the webhook of Grafana's alerting. Errors as for ReadAPI.
func ReadGrafana(body []byte, now time.Time) ([]*alerts.Record, error) {
	var w webhookBody
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, errs.New(errs.Invalid, "the body is not a message of Grafana's webhook: %w", err)
	}
	if len(w.Alerts) == 0 {
		return nil, errs.WithHint(errs.Invalid, "Grafana before 9 sends another form: turn unified alerting on", "the message has no alerts")
	}
	return records(w.Alerts, alerts.SourceGrafana, now, WebhookHold)
}

func records(list []posted, source string, now time.Time, hold time.Duration) ([]*alerts.Record, error) {
	if len(list) > maxAlerts {
		return nil, errs.New(errs.Invalid, "the message has %d alerts, more than %d", len(list), maxAlerts)
	}
	out := make([]*alerts.Record, 0, len(list))
	var bad error
	for i := range list {
		r, err := list[i].record(source, now)
		if err != nil {
			bad = err
			continue
		}
		out = append(out, r)
	}
	valid, err := alerts.NormalizeAll(out, now, hold)
	return valid, errors.Join(bad, err)
}

// record turns an alert into a record.
func (p *posted) record(source string, now time.Time) (*alerts.Record, error) {
	r := &alerts.Record{Source: source}
	r.Labels, r.Annotations = set(p.Labels), set(p.Annotations)
	for name, v := range map[promodel.LabelName]string{"dashboard_url": p.DashboardURL, "panel_url": p.PanelURL, "silence_url": p.SilenceURL, "value_string": p.ValueString} {
		if _, there := r.Annotations[name]; v != "" && !there {
			r.Annotations[name] = promodel.LabelValue(v)
		}
	}
	r.StartsAt, r.EndsAt, r.GeneratorURL = p.StartsAt, p.EndsAt, p.GeneratorURL
	switch p.Status {
	case "", "firing":
		if p.Status == "firing" && !r.EndsAt.After(now) {
			r.EndsAt = time.Time{} // It says that it fires: what it says of its end is no end.
		}
	case "resolved":
		if r.EndsAt.IsZero() || r.EndsAt.After(now) {
			r.EndsAt = now
		}
		if r.StartsAt.After(r.EndsAt) {
			r.StartsAt = r.EndsAt
		}
	default:
		return nil, errs.New(errs.Invalid, "an alert has the status %q, not firing or resolved", clip(p.Status))
	}
	return r, nil
}

func set(m map[string]string) promodel.LabelSet {
	out := make(promodel.LabelSet, len(m))
	for k, v := range m {
		out[promodel.LabelName(k)] = promodel.LabelValue(v)
	}
	return out
}

// clip shortens text for a message.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

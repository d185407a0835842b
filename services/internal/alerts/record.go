// Package alerts is what every part agrees on about alerts: the record of one alert in the control state, how two reports of the same
// alert become one, and the buckets where alerting keeps its state. Rules, webhooks and Alertmanager's API all end in an Inbox; who
// notifies, and whom, is not decided here. A report costs two exchanges with the bus.
package alerts

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// The buckets of alerting.
const (
	// Bucket has one Record an alert, by Key.
	Bucket = "alerts"
	// SilenceBucket has one silence a key, NotifyLogBucket what was told to which receiver about a group; both in Alertmanager's own form.
	SilenceBucket   = "silences"
	NotifyLogBucket = "notify_log"
	// StateBucket has the lease, the configuration in force, the state of the rules and of the notifier, see package alertstate.
	StateBucket = "alerting"
)

// Where an alert came from.
const (
	SourceRules        = "rules"
	SourceAPI          = "api" // POST /api/v2/alerts: Prometheus, vmalert, a Loki ruler, amtool.
	SourceAlertmanager = "alertmanager"
	SourceGrafana      = "grafana"
)

// Bounds of one alert. A bucket of 32 MiB holds some twenty thousand alerts of a usual size.
const (
	maxPairs      = 128
	maxNameBytes  = 1 << 10
	maxValueBytes = 16 << 10
	maxAlertBytes = 64 << 10
)

// Record is one alert: the label set names it, all else is the latest that is known of it.
type Record struct {
	alert.Alert
	// Source is one of the Source constants.
	Source string
}

// wire is a Record as the bucket has it. Fields are added, never changed.
type wire struct {
	Labels       promodel.LabelSet `json:"labels"`
	Annotations  promodel.LabelSet `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"starts_at"`
	EndsAt       time.Time         `json:"ends_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	GeneratorURL string            `json:"generator_url,omitempty"`
	Timeout      bool              `json:"timeout,omitempty"`
	Source       string            `json:"source"`
}

// Encode returns the value of the bucket.
func (r *Record) Encode() ([]byte, error) {
	b, err := json.Marshal(wire{
		Labels: r.Labels, Annotations: r.Annotations, StartsAt: r.StartsAt.UTC(), EndsAt: r.EndsAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		GeneratorURL: r.GeneratorURL, Timeout: r.Timeout, Source: r.Source,
	})
	if err != nil {
		return nil, errs.New(errs.Internal, "encode alert: %w", err)
	}
	return b, nil
}

// Decode reads a value of the bucket. Errors: errs.Invalid.
func Decode(b []byte) (*Record, error) {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, errs.New(errs.Invalid, "decode alert: %w", err)
	}
	r := &Record{Source: w.Source}
	r.Labels, r.Annotations, r.StartsAt, r.EndsAt = w.Labels, w.Annotations, w.StartsAt, w.EndsAt
	r.UpdatedAt, r.GeneratorURL, r.Timeout = w.UpdatedAt, w.GeneratorURL, w.Timeout
	return r, nil
}

// Key returns the key of a tenant's alert.
func Key(tenant model.TenantID, fp promodel.Fingerprint) string {
	return Prefix(tenant) + fp.String()
}

// Prefix begins all keys of a tenant.
func Prefix(tenant model.TenantID) string { return strconv.FormatUint(uint64(tenant), 10) + "." }

// Normalize fills what the sender left out and checks the rest. hold is how long a firing alert without an end counts as firing when
// nobody says so again. Errors: errs.Invalid naming the limit.
func (r *Record) Normalize(now time.Time, hold time.Duration) error {
	for name, value := range r.Labels {
		if value == "" {
			delete(r.Labels, name) // An empty label is an absent one.
		}
	}
	r.UpdatedAt = now
	if r.StartsAt.IsZero() {
		r.StartsAt = now
		if !r.EndsAt.IsZero() && r.EndsAt.Before(now) {
			r.StartsAt = r.EndsAt
		}
	}
	if r.EndsAt.IsZero() {
		r.Timeout, r.EndsAt = true, now.Add(hold)
	}
	if err := r.checkSize(); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return errs.New(errs.Invalid, "alert %s: %w", clip(r.Labels.String()), err)
	}
	return nil
}

// clip shortens text for a message.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (r *Record) checkSize() error {
	total := len(r.GeneratorURL)
	for _, set := range []struct {
		what  string
		pairs promodel.LabelSet
	}{{"labels", r.Labels}, {"annotations", r.Annotations}} {
		if len(set.pairs) > maxPairs {
			return errs.New(errs.Invalid, "an alert has %d %s, more than %d", len(set.pairs), set.what, maxPairs)
		}
		for n, v := range set.pairs {
			if len(n) > maxNameBytes || len(v) > maxValueBytes {
				return errs.New(errs.Invalid, "%s %q has a name of %d bytes and a value of %d; at most %d and %d are taken", set.what, clip(string(n)), len(n), len(v), maxNameBytes, maxValueBytes)
			}
			total += len(n) + len(v)
		}
	}
	if total > maxAlertBytes {
		return errs.New(errs.Invalid, "an alert has %d bytes of text, more than %d", total, maxAlertBytes)
	}
	return nil
}

// merge returns what is known after report next about the same alert as old, by Alertmanager's own rule: reports whose times overlap
// are one, and the later report says how it stands. The source is that of the first report of a firing.
func merge(old, next *Record) *Record {
	overlap := (next.EndsAt.After(old.StartsAt) && next.EndsAt.Before(old.EndsAt)) || (next.StartsAt.After(old.StartsAt) && next.StartsAt.Before(old.EndsAt))
	if !overlap {
		if next.UpdatedAt.Before(old.UpdatedAt) {
			return old
		}
		return next
	}
	out := &Record{Alert: *old.Merge(&next.Alert), Source: next.Source}
	if out.StartsAt.Equal(old.StartsAt) {
		out.Source = old.Source
	}
	return out
}

// String names the alert for people.
func (r *Record) String() string { return fmt.Sprintf("%s from %s", clip(r.Labels.String()), r.Source) }

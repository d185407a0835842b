// Package alertstate is what the one that evaluates rules and notifies publishes about itself, and what everybody else reads of it: the
// rules with their state, the configuration in force without its secrets, and how the notifier fares. One writer, any number of readers,
// by the control state. The types are those of Prometheus' API, so that answers need no translation.
package alertstate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Kinds of rules, as Prometheus names them.
const (
	TypeAlerting  = "alerting"
	TypeRecording = "recording"
)

// Group is one group of rules.
type Group struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []Rule    `json:"rules"`
	Interval       float64   `json:"interval"` // Seconds.
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"` // Seconds.
	LastEvaluation time.Time `json:"lastEvaluation"`
	// AlertsLeftOut says that there were too many active alerts to publish.
	AlertsLeftOut bool `json:"alertsLeftOut,omitempty"`
}

// Rule is a rule of either type; fields that Prometheus gives to alerting rules only are pointers.
type Rule struct {
	State          string            `json:"state,omitempty"`
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       *float64          `json:"duration,omitempty"`
	KeepFiringFor  *float64          `json:"keepFiringFor,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	Alerts         []Alert           `json:"alerts,omitempty"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

// Alert is one active alert of a rule.
type Alert struct {
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
	State           string            `json:"state"`
	ActiveAt        *time.Time        `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time        `json:"keepFiringSince,omitempty"`
	Value           string            `json:"value"`
}

// Config is the configuration of routing in force, as YAML with <secret> in the place of secrets.
type Config struct {
	YAML string `json:"yaml"`
	// Source names the file, or says that the settings made it.
	Source   string    `json:"source"`
	LoadedAt time.Time `json:"loaded_at"`
}

// Status is how the leader fares.
type Status struct {
	Leader      string    `json:"leader"`
	LeadsSince  time.Time `json:"leads_since"`
	PublishedAt time.Time `json:"published_at"`
	// RulesError and ConfigError say why the last reload was not taken; what was in force before still is.
	RulesError   string        `json:"rules_error,omitempty"`
	ConfigError  string        `json:"config_error,omitempty"`
	Integrations []Integration `json:"integrations"`
	// HistoryPending is how many rows wait for the store; HistoryDropped how many were lost because it was away for too long.
	HistoryPending int    `json:"history_pending"`
	HistoryDropped uint64 `json:"history_dropped"`
}

// Integration is one way out of a receiver.
type Integration struct {
	Receiver     string     `json:"receiver"`
	Kind         string     `json:"kind"`
	Sent         uint64     `json:"sent"`
	Failures     uint64     `json:"failures"`
	LastError    string     `json:"last_error,omitempty"`
	LastFailedAt *time.Time `json:"last_failed_at,omitempty"`
	LastSentAt   *time.Time `json:"last_sent_at,omitempty"`
}

// maxValueBytes bounds a published value; the bus takes messages of 1 MiB.
const maxValueBytes = 700 << 10

// Keys of the bucket, below the tenant's prefix.
const (
	keyConfig = "config"
	keyStatus = "status"
	// KeyLease is held by the leader.
	KeyLease = "lease"
	// GroupKeyPrefix begins the keys of groups.
	GroupKeyPrefix = "rules."
)

// GroupKey returns the key of a group, below the tenant's prefix. It is a hash because files and groups may have any name.
func GroupKey(file, name string) string {
	sum := sha256.Sum256([]byte(file + "\x00" + name))
	return GroupKeyPrefix + hex.EncodeToString(sum[:12])
}

// putter writes a value; bus.KV is one.
type putter interface {
	Put(ctx context.Context, key string, value []byte) error
}

// Publisher writes what is published for a tenant. It is safe for concurrent use.
type Publisher struct {
	kv     putter
	prefix string
	enc    *zstd.Encoder
}

// NewPublisher returns a publisher into kv, the bucket alerts.StateBucket.
func NewPublisher(kv putter, tenant model.TenantID) (*Publisher, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errs.New(errs.Internal, "make an encoder: %w", err)
	}
	return &Publisher{kv: kv, prefix: alerts.Prefix(tenant), enc: enc}, nil
}

// PutGroup publishes a group. When it is too large, its active alerts are left out and that is said.
func (p *Publisher) PutGroup(ctx context.Context, g *Group) error {
	b, err := p.encode(g)
	if err != nil {
		return err
	}
	if len(b) > maxValueBytes {
		small := *g
		small.AlertsLeftOut, small.Rules = true, append([]Rule(nil), g.Rules...)
		for i := range small.Rules {
			small.Rules[i].Alerts = nil
		}
		if b, err = p.encode(&small); err != nil {
			return err
		}
		if len(b) > maxValueBytes {
			return errs.New(errs.Exhausted, "group %q of %s takes %d bytes, more than %d: split it", g.Name, g.File, len(b), maxValueBytes)
		}
	}
	return p.kv.Put(ctx, p.prefix+GroupKey(g.File, g.Name), b)
}

// PutConfig publishes the configuration.
func (p *Publisher) PutConfig(ctx context.Context, c Config) error { return p.put(ctx, keyConfig, c) }

// PutStatus publishes the status.
func (p *Publisher) PutStatus(ctx context.Context, s Status) error { return p.put(ctx, keyStatus, s) }

func (p *Publisher) put(ctx context.Context, key string, v any) error {
	b, err := p.encode(v)
	if err != nil {
		return err
	}
	if len(b) > maxValueBytes {
		return errs.New(errs.Exhausted, "%s takes %d bytes, more than %d", key, len(b), maxValueBytes)
	}
	return p.kv.Put(ctx, p.prefix+key, b)
}

func (p *Publisher) encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errs.New(errs.Internal, "encode state of alerting: %w", err)
	}
	return p.enc.EncodeAll(b, nil), nil
}

// Package board is the open incidents as everybody sees them: the writer of incidents puts their heads into a bucket of control state and
// tells of every change by an event; readers follow the bucket and hear what changes and what became of commands. History is in tables and
// no business of this package. It costs a put and an event for each change, and a copy of all heads in each reader.
package board

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/model"
)

// Bus is what the board needs of the bus.
type Bus interface {
	bus.Events
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

var _ Bus = (bus.Bus)(nil)

// Key is the key of an incident in the bucket.
func Key(t model.TenantID, id string) string { return strconv.FormatUint(uint64(t), 10) + "." + id }

func parseKey(key string) (model.TenantID, string, bool) {
	tenant, id, ok := strings.Cut(key, ".")
	t, err := strconv.ParseUint(tenant, 10, 32)
	return model.TenantID(t), id, ok && err == nil
}

// Publisher is the one writer's side. It is used by one goroutine.
type Publisher struct {
	bus Bus
	kv  bus.KV
	// deleted counts keys that went since the bucket was compacted.
	deleted int
}

// NewPublisher opens the bucket.
func NewPublisher(ctx context.Context, b Bus) (*Publisher, error) {
	kv, err := b.KV(ctx, incidents.Bucket)
	if err != nil {
		return nil, err
	}
	return &Publisher{bus: b, kv: kv}, nil
}

// A deleted key leaves a mark in the bucket; marks are forgotten after so many deletions when they are older than markAge, by when every
// reader has seen them.
const (
	compactAfter = 200
	markAge      = 10 * time.Minute
)

// Publish tells of incidents that changed, whose rows are stored already: a reader that hears of a change may ask the tables at once. What is
// over leaves the bucket. Publishing the same again changes nothing for readers. Errors: errs.Exhausted when the bucket is full, with all
// that fits published.
func (p *Publisher) Publish(ctx context.Context, changed ...*model.Incident) error {
	var full error
	events := make([]bus.Event, 0, len(changed))
	for _, in := range changed {
		data, err := incidents.EncodeHead(in)
		if err != nil {
			return err
		}
		if err = p.keep(ctx, in, data); errs.KindOf(err) == errs.Exhausted {
			full = err // The event is news all the same, and the tables have it.
		} else if err != nil {
			return err
		}
		events = append(events, bus.Event{Topic: bus.TopicIncidents, Tenant: in.Tenant, Key: in.ID, Data: data})
	}
	if err := p.bus.PublishEvents(ctx, events...); err != nil {
		return err
	}
	return full
}

func (p *Publisher) keep(ctx context.Context, in *model.Incident, head []byte) error {
	key := Key(in.Tenant, in.ID)
	if in.State == model.IncidentOpen || in.State == model.IncidentQuiet {
		return p.kv.Put(ctx, key, head)
	}
	if err := p.kv.Delete(ctx, key); err != nil {
		return err
	}
	if p.deleted++; p.deleted < compactAfter {
		return nil
	}
	p.deleted = 0
	return p.kv.Compact(ctx, markAge)
}

// Answer tells what became of commands, after Publish of what they changed.
func (p *Publisher) Answer(ctx context.Context, tenant model.TenantID, outcomes ...incidents.Outcome) error {
	events := make([]bus.Event, 0, len(outcomes))
	for _, o := range outcomes {
		data, err := o.Encode()
		if err != nil {
			return err
		}
		events = append(events, bus.Event{Topic: bus.TopicOutcomes, Tenant: tenant, Key: o.Command, Data: data})
	}
	return p.bus.PublishEvents(ctx, events...)
}

// Retain removes from the bucket what the writer does not know, after it started from a snapshot: open holds the keys that stay.
func (p *Publisher) Retain(ctx context.Context, open map[string]bool) error {
	keys, err := p.kv.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if !open[k] {
			if err := p.kv.Delete(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

package natsbus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// The stream of events. It is news for those who listen, so it is small and forgets: tables have the history.
const (
	eventStream   = "FAULTLINE_EVENTS"
	maxEventBytes = 64 << 20
	maxEventAge   = 24 * time.Hour
)

// topics are the events there are, and the subjects of their stream.
var topics = []string{bus.TopicFindings, bus.TopicIncidents, bus.TopicOutcomes}

func (b *Bus) openEvents(ctx context.Context) error {
	subjects := make([]string, len(topics))
	for i, t := range topics {
		subjects[i] = t + ".*.*"
	}
	var err error
	b.events, err = b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: eventStream, Subjects: subjects, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas, Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardOld, MaxBytes: maxEventBytes, MaxAge: maxEventAge, AllowDirect: true,
	})
	if err != nil {
		return busError("create stream "+eventStream, err)
	}
	return nil
}

// word reports whether s can stand in a subject and in a message id.
func word(s string) bool {
	if s == "" || len(s) > bus.MaxKey {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func eventSubject(topic string, t model.TenantID, key string) string {
	return topic + "." + strconv.FormatUint(uint64(t), 10) + "." + key
}

func known(topic string) bool {
	for _, t := range topics {
		if t == topic {
			return true
		}
	}
	return false
}

func checkEvent(topic string, t model.TenantID, key string) error {
	if !known(topic) || t == 0 || !word(key) {
		return errs.New(errs.Invalid, "event %q of tenant %d with key %q", topic, t, key)
	}
	return nil
}

// PublishEvents implements bus.Events. All are sent before the first is waited for, so that many cost little more than one.
func (b *Bus) PublishEvents(ctx context.Context, events ...bus.Event) error {
	for i := range events {
		if err := checkEvent(events[i].Topic, events[i].Tenant, events[i].Key); err != nil {
			return err
		}
	}
	waiting := make([]jetstream.PubAckFuture, 0, len(events))
	for i := range events {
		e := &events[i]
		msg := nats.NewMsg(eventSubject(e.Topic, e.Tenant, e.Key))
		msg.Data = e.Data
		if e.ID != "" {
			msg.Header.Set(nats.MsgIdHdr, msg.Subject+"."+e.ID)
		}
		f, err := b.js.PublishMsgAsync(msg)
		if err != nil {
			return busError("publish "+e.Topic, err)
		}
		waiting = append(waiting, f)
	}
	for _, f := range waiting {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return busError("publish events", err)
		case <-ctx.Done():
			return busError("publish events", ctx.Err())
		}
	}
	return nil
}

// SubscribeEvents implements bus.Events.
func (b *Bus) SubscribeEvents(ctx context.Context, wanted []string, after uint64, f func(bus.Event)) error {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, InactiveThreshold: time.Minute}
	for _, t := range wanted {
		if !known(t) {
			return errs.New(errs.Invalid, "there are no events %q", t)
		}
		cfg.FilterSubjects = append(cfg.FilterSubjects, t+".*.*")
	}
	if after > 0 {
		info, err := b.events.Info(ctx)
		if err != nil {
			return busError("read stream "+eventStream, err)
		}
		if after+1 < info.State.FirstSeq {
			return errs.New(errs.NotFound, "events after %d are gone", after)
		}
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
	}
	c, err := b.events.OrderedConsumer(ctx, cfg)
	if err != nil {
		return busError("follow events", err)
	}
	run, err := c.Consume(func(m jetstream.Msg) {
		if e, ok := readEvent(m); ok {
			f(e)
		}
	})
	if err != nil {
		return busError("follow events", err)
	}
	select {
	case <-ctx.Done():
		run.Stop()
		<-run.Closed() // f is not called any more
		return nil
	case <-run.Closed():
		return errs.New(errs.Unavailable, "events can be followed no more")
	}
}

func readEvent(m jetstream.Msg) (bus.Event, bool) {
	meta, err := m.Metadata()
	if err != nil {
		return bus.Event{}, false
	}
	topic, rest, _ := strings.Cut(m.Subject(), ".")
	tenant, key, ok := strings.Cut(rest, ".")
	t, err := strconv.ParseUint(tenant, 10, 32)
	return bus.Event{Topic: topic, Tenant: model.TenantID(t), Key: key, Data: m.Data(), Seq: meta.Sequence.Stream, At: meta.Timestamp}, ok && err == nil
}

// LastEvent implements bus.Events.
func (b *Bus) LastEvent(ctx context.Context, topic string, tenant model.TenantID, key string) (bus.Event, error) {
	if err := checkEvent(topic, tenant, key); err != nil {
		return bus.Event{}, err
	}
	m, err := b.events.GetLastMsgForSubject(ctx, eventSubject(topic, tenant, key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return bus.Event{}, errs.New(errs.NotFound, "no event %s of %s", topic, key)
	}
	if err != nil {
		return bus.Event{}, busError("read event", err)
	}
	return bus.Event{Topic: topic, Tenant: tenant, Key: key, Data: m.Data, Seq: m.Sequence, At: m.Time}, nil
}

// Package writer moves batches from the bus into the store: exactly once, in order, in groups large enough for the store.
//
// How exactly once comes about: messages of a shard are taken in stream order and cut into groups. Before a group is stored, its
// first and last sequence are put into a bucket (the plan). The inserts of the group carry a token made of the plan, and the group is
// acknowledged after they returned. Whatever is killed in between, the next start finds the plan, forms the very same group and
// repeats the inserts under the same token, which the store ignores where they had gone through.
package writer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// Store is what the writer needs of the store.
type Store interface {
	InsertMetrics(ctx context.Context, token string, batches []*model.Metrics) error
	InsertLogs(ctx context.Context, token string, batches []*model.Logs) error
	InsertSpans(ctx context.Context, token string, batches []*model.Spans) error
	InsertChanges(ctx context.Context, token string, batches []*model.Changes) error
	InsertLedger(ctx context.Context, token string, rows []store.LedgerRow) error
}

// Bus is what the writer needs of the bus.
type Bus interface {
	Consume(ctx context.Context, name string, signal model.Signal, shard int) (bus.Consumer, error)
	KV(ctx context.Context, bucket string) (bus.KV, error)
	PutDeadLetter(ctx context.Context, d bus.Delivery, reason string) error
}

// Config bounds the groups.
type Config struct {
	// Name is the durable reader on the bus.
	Name string
	// MaxItems, MaxMessages and MaxBytes (compressed) bound a group; Linger is how long a group waits to fill.
	MaxItems    int
	MaxMessages int
	MaxBytes    int
	Linger      time.Duration
}

// Default returns the bounds of one signal that fit two cores: a second of 500,000 samples, or about 20 MB of log text. Log lines are
// held several times over on their way (as read, decoded, by column, on the wire), so their bytes decide how much memory a flood takes.
func Default(s model.Signal) Config {
	c := Config{Name: "writer", MaxItems: 600_000, MaxMessages: 8192, MaxBytes: 12 << 20, Linger: time.Second}
	if s != model.SignalMetrics {
		c.MaxBytes = 5 << 20
	}
	return c
}

// Deps is what the writer works with.
type Deps struct {
	Bus   Bus
	Store Store
	Log   *slog.Logger
}

// Writer stores the messages of one signal and shard. It is an app.Service.
type Writer struct {
	cfg    Config
	deps   Deps
	signal model.Signal
	shard  int
	log    *slog.Logger
	stats  Stats
}

// New returns a writer for one signal and shard.
func New(cfg Config, signal model.Signal, shard int, deps Deps) *Writer {
	log := deps.Log.With(slog.String("signal", string(signal)), slog.Int("shard", shard))
	return &Writer{cfg: cfg, deps: deps, signal: signal, shard: shard, log: log}
}

// Name implements app.Service.
func (w *Writer) Name() string { return fmt.Sprintf("writer-%s-%d", w.signal, w.shard) }

// Stats returns the writer's counters.
func (w *Writer) Stats() *Stats { return &w.stats }

// plan is the group that is about to be stored.
type plan struct {
	Epoch uint64 `json:"epoch"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Count int    `json:"count"`
}

func (p plan) token(stream string, shard int) string {
	return fmt.Sprintf("%s:%x:%d:%d-%d", stream, p.Epoch, shard, p.First, p.Last)
}

// Run stores messages until ctx ends. It survives an absent bus or store by waiting for it.
func (w *Writer) Run(ctx context.Context) error {
	back := backoff{}
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.stats.Failures.Add(1)
		w.log.WarnContext(ctx, "writer starts over", slog.Any("error", err), slog.String("hint", errs.HintOf(err)))
		back.wait(ctx)
	}
	return nil
}

// session opens the reader, settles the plan of the time before, and works until something fails.
func (w *Writer) session(ctx context.Context) error {
	plans, err := w.deps.Bus.KV(ctx, "writer_plans")
	if err != nil {
		return err
	}
	c, err := w.deps.Bus.Consume(ctx, w.cfg.Name, w.signal, w.shard)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &session{w: w, c: c, plans: plans, key: fmt.Sprintf("%s.%d", w.signal, w.shard)}
	if err := s.settle(ctx); err != nil {
		return err
	}
	for {
		group, err := s.next(ctx)
		if err != nil {
			return err
		}
		if len(group) == 0 {
			continue
		}
		if err := s.store(ctx, group); err != nil {
			return err
		}
	}
}

type session struct {
	w     *Writer
	c     bus.Consumer
	plans bus.KV
	key   string
	// carry holds deliveries that were read and belong to a later group.
	carry []bus.Delivery
}

// settle finishes the group that was planned when the last session ended, if it is not acknowledged.
func (s *session) settle(ctx context.Context) error {
	raw, err := s.plans.Get(ctx, s.key)
	if errs.KindOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return errs.New(errs.Internal, "read the writer's plan: %w", err)
	}
	var group []bus.Delivery
	for {
		ds, err := s.c.Fetch(ctx, s.w.cfg.MaxMessages, s.w.cfg.MaxBytes, 500*time.Millisecond, 100*time.Millisecond)
		if err != nil {
			return err
		}
		past := len(ds) == 0
		for _, d := range ds {
			switch {
			case d.Epoch != p.Epoch || d.Seq > p.Last:
				s.carry, past = append(s.carry, d), true
			case d.Seq >= p.First:
				group = append(group, d)
			}
			// Below First: stored before this plan was made, or it would not have been made.
		}
		if past || (len(group) > 0 && group[len(group)-1].Seq == p.Last) {
			break
		}
	}
	if len(group) < p.Count {
		// Acknowledging drops a group as a whole, so a part of it means that it was acknowledged, which means that it was stored.
		return s.c.AckThrough(ctx, p.Last)
	}
	s.w.log.InfoContext(ctx, "repeating the group that was under way", slog.Uint64("first", p.First), slog.Uint64("last", p.Last))
	return s.storePlanned(ctx, p, group)
}

// next reads one group.
func (s *session) next(ctx context.Context) ([]bus.Delivery, error) {
	group := s.carry
	s.carry = nil
	items, size := 0, 0
	for i := range group {
		items, size = items+group[i].Items, size+len(group[i].Data)
	}
	// The deadline is set by the first message, so that a trickle is not held up for long and a flood fills a group.
	deadline := time.Now().Add(s.w.cfg.Linger)
	for items < s.w.cfg.MaxItems && len(group) < s.w.cfg.MaxMessages && size < s.w.cfg.MaxBytes {
		wait := time.Until(deadline)
		if len(group) == 0 {
			wait = time.Minute
		}
		if wait <= 0 {
			break
		}
		ds, err := s.c.Fetch(ctx, s.w.cfg.MaxMessages-len(group), min(2<<20, s.w.cfg.MaxBytes-size), wait, 5*time.Millisecond)
		if err != nil {
			return nil, err
		}
		if len(group) == 0 {
			deadline = time.Now().Add(s.w.cfg.Linger)
		}
		for i := range ds {
			items, size = items+ds[i].Items, size+len(ds[i].Data)
		}
		group = append(group, ds...)
		if len(ds) == 0 {
			break
		}
	}
	return group, nil
}

// store plans and stores a group.
func (s *session) store(ctx context.Context, group []bus.Delivery) error {
	p := plan{Epoch: group[0].Epoch, First: group[0].Seq, Last: group[len(group)-1].Seq, Count: len(group)}
	raw, err := json.Marshal(p)
	if err != nil {
		return errs.New(errs.Internal, "write the writer's plan: %w", err)
	}
	if err := s.plans.Put(ctx, s.key, raw); err != nil {
		return err
	}
	return s.storePlanned(ctx, p, group)
}

// storePlanned stores a group under its plan and acknowledges it. It tries until it succeeds or ctx ends: the messages are safe on
// the bus meanwhile, and a full bus makes the gateway refuse more.
func (s *session) storePlanned(ctx context.Context, p plan, group []bus.Delivery) error {
	token := p.token(group[0].Stream, s.w.shard)
	back := backoff{}
	for {
		err := s.w.storeGroup(ctx, token, group)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errs.KindOf(err) == errs.Invalid {
			if err := s.w.storeOneByOne(ctx, group); err != nil {
				return err
			}
			break
		}
		s.w.stats.Retries.Add(1)
		s.w.log.WarnContext(ctx, "store does not take a group; trying again", slog.Any("error", err), slog.Int("messages", len(group)))
		back.wait(ctx)
	}
	return s.c.AckThrough(ctx, p.Last)
}

// backoff waits longer each time, up to a bound, with jitter.
type backoff struct{ n int }

func (b *backoff) wait(ctx context.Context) {
	const first, most = 100 * time.Millisecond, 10 * time.Second
	d := min(first<<min(b.n, 10), most)
	b.n++
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

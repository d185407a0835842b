package live

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// waiting bounds the decoded messages between readers and brain, pending the marks whose output is not stored yet.
const (
	waiting = 32
	pending = 64
)

// term is one time of leading.
type term struct {
	s       *Service
	kv      bus.KV
	lease   *lease.Lease
	journal *journal
	brain   *brain.Brain
	clock   *eventtime.Clock
	// at has the last sequence of each reader that the brain has taken.
	at map[place]uint64
	// acks tells the reader of a place up to where a snapshot has it.
	acks   map[place]chan uint64
	inputs chan input
	// held are inputs that came before the mark of the journal that they belong behind.
	held map[place][]input
	jobs chan job
	// marks wait to be stored together. They belong to the goroutine that stores.
	marks []store.MarkRow
	// commands are those since the last mark, with what became of them.
	commands []answered
	teller   teller
	objects  bus.Objects
	// revision is that of the snapshot that was read or written last.
	revision uint64
	board    *board.Publisher
	// savedAt is when the last snapshot was made.
	savedAt time.Time
}

func newTerm(s *Service, kv bus.KV, l *lease.Lease) *term {
	return &term{
		s: s, kv: kv, lease: l, at: map[place]uint64{}, acks: map[place]chan uint64{}, inputs: make(chan input, waiting), held: map[place][]input{},
		jobs: make(chan job, pending), savedAt: s.deps.Now(), teller: teller{s: s, started: s.deps.Now()},
	}
}

// run leads until ctx ends or something that it cannot do without fails.
func (t *term) run(ctx context.Context) error {
	if err := t.restore(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var below sync.WaitGroup
	defer below.Wait()
	fail := func(f func(context.Context) error) {
		below.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if err := t.open(ctx, fail); err != nil {
		cancel(err)
		return err
	}
	// What was decided is stored also after ctx has ended: the last marks of an orderly stop.
	stored := make(chan struct{})
	go func() { defer close(stored); t.store(context.WithoutCancel(ctx), ctx) }()
	err := t.repeat(ctx)
	if err == nil {
		err = t.loop(ctx)
	}
	close(t.jobs)
	<-stored
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// open opens a reader for each shard of each signal, and one for commands.
func (t *term) open(ctx context.Context, run func(func(context.Context) error)) error {
	for _, p := range places(t.s.cfg.Shards) {
		ack := make(chan uint64, 1)
		t.acks[p] = ack
		if p.signal == signalCommands {
			cons, err := t.s.deps.Bus.Commands(ctx, readerName)
			if err != nil {
				return err
			}
			run((&commandReader{place: p, tenant: t.s.cfg.Tenant, cons: cons, out: t.inputs, acks: ack, log: t.s.deps.Log}).run)
			continue
		}
		cons, err := t.s.deps.Bus.Consume(ctx, readerName, p.signal, p.shard)
		if err != nil {
			return err
		}
		run((&reader{
			place: p, tenant: t.s.cfg.Tenant, cons: cons, out: t.inputs, acks: ack, log: t.s.deps.Log, m: t.s.m, maxBehind: t.s.cfg.MaxBehind,
		}).run)
	}
	return nil
}

// loop takes inputs and makes marks.
func (t *term) loop(ctx context.Context) error {
	tick := time.NewTicker(t.s.cfg.MarkEvery)
	defer tick.Stop()
	ticks := tick.C
	if t.s.hooks.ticks != nil {
		ticks = t.s.hooks.ticks
	}
	for {
		select {
		case <-ctx.Done():
			if t.s.hooks.crash {
				return nil
			}
			return t.snapshot(context.WithoutCancel(ctx))
		case in := <-t.inputs:
			t.take(in)
			if t.s.hooks.taken != nil {
				t.s.hooks.taken(in)
			}
		case <-ticks:
			if err := t.tick(ctx); err != nil {
				return err
			}
		}
	}
}

// take hands an input to the brain, once.
func (t *term) take(in input) {
	if in.seq <= t.at[in.place] {
		return // A snapshot has it.
	}
	t.at[in.place] = in.seq
	if in.lastMS != 0 && in.source != "" && in.source != brain.DerivedSource {
		t.clock.Hear(string(in.signal)+":"+in.source, in.lastMS)
	}
	switch b := in.batch.(type) {
	case *model.Metrics:
		t.brain.Metrics(b)
	case *model.Logs:
		t.brain.Logs(b)
	case *model.Spans:
		t.brain.Spans(b)
	case *model.Changes:
		t.brain.Changes(b)
	case *model.Command:
		now, err := t.brain.Command(*b)
		t.commands = append(t.commands, answered{*b, incidents.OutcomeOf(b, now, t.brain.Last().AtMS, refusal(err))})
	}
}

// refusal gives a refused command a kind.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, group.ErrUnknown):
		return errs.New(errs.NotFound, "%w", err)
	case errors.Is(err, group.ErrConflict):
		return errs.New(errs.Conflict, "%w", err)
	case errors.Is(err, group.ErrTooMany):
		return errs.New(errs.Exhausted, "%w", err)
	}
	return errs.New(errs.Invalid, "%w", err)
}

// tick makes the next mark: first in the journal, then in the brain.
func (t *term) tick(ctx context.Context) error {
	k := t.clock.Tick(t.s.deps.Now().UnixMilli())
	e := entry{Mark: k, Places: map[string]uint64{}}
	for _, f := range t.s.deps.Outside {
		e.Outside = append(e.Outside, f()...)
	}
	t.brain.Findings(e.Outside)
	if len(e.Outside) > maxJournaled {
		e.Outside = nil // A storm of alerts is heard again after a restart.
	}
	for p, seq := range t.at {
		e.Places[placeKey(p)] = seq
	}
	if err := t.journal.append(ctx, e); err != nil {
		return err
	}
	if err := t.mark(ctx, k); err != nil {
		return err
	}
	if t.s.deps.Now().Sub(t.savedAt) < t.s.cfg.SnapshotEvery {
		return nil
	}
	return t.snapshot(ctx)
}

// mark lets the brain decide and queues what it says.
func (t *term) mark(ctx context.Context, k eventtime.Mark) error {
	began := time.Now()
	out, err := t.brain.Mark(k)
	if err != nil {
		return err
	}
	t.s.m.marked(time.Since(began), k, t.brain.Stats())
	t.s.note(k, t.brain.Stats(), t.s.deps.Now())
	select {
	case t.jobs <- job{out: &out, commands: t.commands}:
		t.commands = nil
		return nil
	case <-ctx.Done():
		return nil
	}
}

// snapshot queues the state; it is saved, and what it holds acknowledged, after everything before it was stored.
func (t *term) snapshot(ctx context.Context) error {
	data, err := t.brain.Snapshot()
	if err != nil {
		return err
	}
	t.savedAt = t.s.deps.Now()
	select {
	case t.jobs <- job{snapshot: data, at: maps.Clone(t.at), mark: t.brain.Last().Seq}:
	case <-ctx.Done():
	}
	return nil
}

// repeatWithin bounds the wait for messages that a mark of the journal was made after: some may have left the stream.
const repeatWithin = 30 * time.Second

// repeat makes the marks of the journal again, each at its place in the input.
func (t *term) repeat(ctx context.Context) error {
	entries := t.journal.entries
	deadline := time.NewTimer(repeatWithin)
	defer deadline.Stop()
	for _, e := range entries {
		if e.Mark.Seq <= t.brain.Last().Seq {
			continue
		}
		for !t.reached(e) {
			select {
			case in := <-t.inputs:
				if in.seq <= e.Places[placeKey(in.place)] {
					t.take(in)
				} else {
					t.held[in.place] = append(t.held[in.place], in)
				}
				continue
			case <-ctx.Done():
				return nil
			case <-deadline.C:
				t.s.deps.Log.WarnContext(ctx, "marks cannot be repeated: messages are missing", slog.Uint64("mark", e.Mark.Seq))
				t.release(nil)
				return nil
			}
		}
		t.brain.Findings(e.Outside)
		if err := t.mark(ctx, e.Mark); err != nil {
			return err
		}
		t.clock = eventtime.NewClock(t.s.cfg.Clock, e.Mark)
		t.release(&entries[len(entries)-1])
	}
	t.release(nil)
	return nil
}

// reached reports whether everything that a mark was made after has been taken; what is held and belongs before it is taken now.
func (t *term) reached(e entry) bool {
	all := true
	for _, p := range places(t.s.cfg.Shards) {
		want := e.Places[placeKey(p)]
		for len(t.held[p]) > 0 && t.held[p][0].seq <= want {
			t.take(t.held[p][0])
			t.held[p] = t.held[p][1:]
		}
		all = all && t.at[p] >= want
	}
	return all
}

// release takes what is held, when no mark is left to wait for.
func (t *term) release(waitFor *entry) {
	if waitFor != nil && t.brain.Last().Seq < waitFor.Mark.Seq {
		return
	}
	for _, p := range places(t.s.cfg.Shards) {
		for _, in := range t.held[p] {
			t.take(in)
		}
		delete(t.held, p)
	}
}

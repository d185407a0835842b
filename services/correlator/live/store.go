package live

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// job is what a mark brought, or a snapshot.
type job struct {
	out      *brain.Output
	commands []answered
	snapshot []byte
	at       map[place]uint64
	mark     uint64
}

// snapshotObject is the name of the snapshot.
const snapshotObject = "snapshot"

// Pauses between tries to store; it goes on for as long as it takes, and the brain waits when too much is queued.
const (
	firstPause = 200 * time.Millisecond
	mostPause  = 15 * time.Second
)

// store does the jobs in order. stop ends the tries of a store that does not answer once the term has ended.
func (t *term) store(ctx, stop context.Context) {
	for j := range t.jobs {
		if j.out != nil {
			t.try(ctx, stop, "findings not stored", func() error { return t.save(ctx, j.out) })
			if len(j.commands) > 0 {
				t.try(ctx, stop, "answers to commands not given", func() error { return t.answer(ctx, j) })
			}
			if err := t.teller.tell(ctx); err != nil {
				t.s.deps.Log.DebugContext(ctx, "state not told", slog.Any("error", err))
			}
			continue
		}
		t.try(ctx, stop, "snapshot not stored", func() error { return t.keep(ctx, j) })
	}
}

func (t *term) try(ctx, stop context.Context, what string, f func() error) {
	pause := firstPause
	for {
		err := f()
		if err == nil {
			return
		}
		t.s.m.failures.Inc()
		t.s.deps.Log.WarnContext(ctx, "brain waits", slog.String("what", what), slog.Any("error", err))
		select {
		case <-stop.Done():
			return // The journal and the stream still have it; the next term repeats it.
		case <-time.After(pause):
			pause = min(2*pause, mostPause)
		}
	}
}

// save stores and publishes what a mark brought.
func (t *term) save(ctx context.Context, out *brain.Output) error {
	tenant := t.s.cfg.Tenant
	if len(out.Derived) > 0 {
		if err := t.s.deps.Derived(ctx, tenant, out.Derived); err != nil {
			return fmt.Errorf("derived series: %w", err)
		}
	}
	if err := t.s.deps.Store.Save(ctx, token("brain", tenant, out.Mark), tenant, out); err != nil {
		return fmt.Errorf("findings and incidents: %w", err)
	}
	if n := len(t.marks); n == 0 || t.marks[n-1].Seq < out.Mark.Seq {
		t.marks = append(t.marks, store.MarkRow{Seq: out.Mark.Seq, AtMS: out.Mark.AtMS, WatermarkMS: out.Mark.WatermarkMS})
	}
	if len(t.marks) >= marksTogether {
		if err := t.saveMarks(ctx); err != nil {
			return err
		}
	}
	if err := t.board.Publish(ctx, out.Incidents...); err != nil {
		return fmt.Errorf("publish incidents: %w", err)
	}
	if len(out.Findings) == 0 {
		return nil
	}
	data, err := incidents.EncodeFindings(out.Findings)
	if err != nil {
		return err
	}
	id := token("findings", tenant, out.Mark)
	return t.s.deps.Bus.PublishEvents(ctx, bus.Event{Topic: bus.TopicFindings, Tenant: tenant, Key: "0", ID: id, Data: data})
}

// marksTogether is how many marks are stored at once: a minute of them. Those that a kill takes are in the journal and are stored again.
const marksTogether = 12

// saveMarks stores the marks that wait. Of a mark that is stored twice one row stays.
func (t *term) saveMarks(ctx context.Context) error {
	if len(t.marks) == 0 {
		return nil
	}
	first, last := t.marks[0], t.marks[len(t.marks)-1]
	name := fmt.Sprintf("marks:%d:%d-%d:%d-%d", t.s.cfg.Tenant, first.Seq, last.Seq, first.AtMS, last.AtMS)
	if err := t.s.deps.Store.SaveMarks(ctx, name, t.s.cfg.Tenant, t.marks); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	t.marks = nil
	return nil
}

// token names what a mark brought, so that it is stored once. The time is part of it: a brain that had to begin anew counts its marks from one
// again, and the tables remember the tokens of the one before.
func token(what string, tenant model.TenantID, k eventtime.Mark) string {
	return fmt.Sprintf("%s:%d:%d:%d", what, tenant, k.Seq, k.AtMS)
}

// answered is a command with what became of it.
type answered struct {
	command model.Command
	outcome incidents.Outcome
}

// answer writes down what people asked for and tells them what became of it.
func (t *term) answer(ctx context.Context, j job) error {
	rows := make([]store.CommandRow, len(j.commands))
	outcomes := make([]incidents.Outcome, len(j.commands))
	for i, a := range j.commands {
		outcomes[i] = a.outcome
		rows[i] = store.CommandRow{Command: a.command, AppliedAtMS: j.out.Mark.WatermarkMS, Mark: j.out.Mark.Seq, Outcome: a.outcome.State, Detail: a.outcome.Detail}
	}
	if err := t.s.deps.Store.SaveCommands(ctx, token("commands", t.s.cfg.Tenant, j.out.Mark), rows); err != nil {
		return err
	}
	return t.board.Answer(ctx, t.s.cfg.Tenant, outcomes...)
}

// saved is the envelope of a snapshot.
type saved struct {
	Places map[string]uint64 `json:"places"`
	Epochs map[string]uint64 `json:"epochs"`
	AtMS   int64             `json:"at_ms"`
}

// keep saves a snapshot, then acknowledges what it holds, then shortens the journal: whatever is killed in between, nothing is missing.
func (t *term) keep(ctx context.Context, j job) error {
	if !t.lease.Held() {
		return errs.New(errs.Conflict, "the lease is lost")
	}
	if err := t.saveMarks(ctx); err != nil {
		return err // The journal forgets them next.
	}
	epochs, err := t.epochs(ctx)
	if err != nil {
		return err
	}
	head := saved{Places: map[string]uint64{}, Epochs: epochs, AtMS: t.s.deps.Now().UnixMilli()}
	for p, seq := range j.at {
		head.Places[placeKey(p)] = seq
	}
	b, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	data := append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	data = append(data, j.snapshot...)
	if t.revision, err = t.objects.PutObject(ctx, snapshotObject, data, t.revision); err != nil {
		return err
	}
	t.s.m.snapshotBytes.Set(float64(len(data)))
	for p, seq := range j.at {
		ack := t.acks[p]
		if ack == nil {
			continue
		}
		select { // Only the newest counts.
		case <-ack:
		default:
		}
		ack <- seq
	}
	return t.journal.trim(ctx, j.mark)
}

// epochs are the times at which the streams were made: sequences mean nothing beyond them.
func (t *term) epochs(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	states, err := t.s.deps.Bus.State(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		out[string(s.Signal)] = s.Epoch
	}
	return out, nil
}

// restore reads the snapshot and the journal. A snapshot that cannot be used is said so and left: the brain begins anew.
func (t *term) restore(ctx context.Context) error {
	var err error
	if t.journal, err = openJournal(ctx, t.kv); err != nil {
		return err
	}
	if t.objects, err = t.s.deps.Bus.Objects(ctx, bucket); err != nil {
		return err
	}
	if t.board, err = board.NewPublisher(ctx, t.s.deps.Bus); err != nil {
		return err
	}
	t.brain = brain.New(t.s.cfg.Brain)
	object, err := t.objects.GetObject(ctx, snapshotObject)
	switch {
	case errs.KindOf(err) == errs.NotFound:
	case err != nil:
		return err
	default:
		t.revision = object.Revision
		if err := t.use(ctx, object.Data); err != nil {
			t.s.deps.Log.WarnContext(ctx, "snapshot of the brain not used; it learns anew", slog.Any("error", err))
			t.brain, t.at, t.journal.entries = brain.New(t.s.cfg.Brain), map[place]uint64{}, nil
		}
	}
	last := t.brain.Last()
	if n := len(t.journal.entries); n > 0 && last.Seq == 0 && t.journal.entries[0].Mark.Seq > 1 {
		// Marks without the state that they were made on: go on after the last of them, since marks never go back.
		last, t.journal.entries = t.journal.entries[n-1].Mark, nil
	}
	t.clock = eventtime.NewClock(t.s.cfg.Clock, last)
	return nil
}

func (t *term) use(ctx context.Context, data []byte) error {
	n, used := binary.Uvarint(data)
	if used <= 0 || n > uint64(len(data)-used) {
		return errs.New(errs.Invalid, "the snapshot ends early")
	}
	var head saved
	if err := json.Unmarshal(data[used:used+int(n)], &head); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	b, lost, err := brain.Restore(data[used+int(n):], t.s.cfg.Brain)
	if err != nil {
		return err
	}
	for _, err := range lost {
		t.s.deps.Log.WarnContext(ctx, "a part of the brain begins anew: its snapshot is not of this version", slog.Any("error", err))
	}
	epochs, err := t.epochs(ctx)
	if err != nil {
		return err
	}
	t.brain = b
	for _, p := range places(t.s.cfg.Shards) {
		if head.Epochs[string(p.signal)] == epochs[string(p.signal)] {
			t.at[p] = head.Places[placeKey(p)]
		}
	}
	t.s.deps.Log.InfoContext(ctx, "brain goes on from its snapshot", slog.Uint64("mark", b.Last().Seq), slog.Int("series", b.Stats().Series), slog.Time("of", time.UnixMilli(head.AtMS)))
	return nil
}

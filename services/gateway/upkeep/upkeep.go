// Package upkeep keeps the store in shape: it packs closed buckets of samples, sets the retention, and guards the disk. It runs
// beside the writer, since both own what is written. Every step may be killed and repeated.
package upkeep

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Store is what upkeep needs of the store.
type Store interface {
	Pack(ctx context.Context, before time.Time) (clickhouse.PackStats, error)
	ApplyRetention(ctx context.Context, r clickhouse.Retention) error
	DiskSpace(ctx context.Context) (path string, total, free uint64, err error)
	Partitions(ctx context.Context) ([]store.Partition, error)
	DropPartition(ctx context.Context, p store.Partition) error
}

// Config says what upkeep does and when.
type Config struct {
	Retention clickhouse.Retention
	// WarnRatio and DropRatio are the fill levels of the disk, 0 to 1, at which it is said and at which the oldest days go.
	WarnRatio float64
	DropRatio float64
	// PackDelay is how long after its end a bucket of samples is packed: late messages of it are then stored already.
	PackDelay time.Duration
	// PackEvery and CheckEvery are the periods of the two loops.
	PackEvery  time.Duration
	CheckEvery time.Duration
}

// Default returns the periods of a normal installation; retention and levels are the caller's.
func Default() Config {
	return Config{WarnRatio: 0.80, DropRatio: 0.90, PackDelay: 2 * time.Minute, PackEvery: time.Minute, CheckEvery: 10 * time.Second}
}

// Deps is what upkeep works with.
type Deps struct {
	Store Store
	Bus   bus.Bus
	Log   *slog.Logger
	Clock func() time.Time
	// Disk returns path, size and use of the data disk as this process sees it; nil asks the store, for a server elsewhere.
	Disk func() (path string, total, used, free uint64, err error)
}

// Upkeep is an app.Service.
type Upkeep struct {
	cfg  Config
	deps Deps
	// dropped counts days dropped since the disk was last below the level, for the message.
	dropped int
}

// New returns an Upkeep.
func New(cfg Config, deps Deps) *Upkeep {
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	return &Upkeep{cfg: cfg, deps: deps}
}

// Name implements app.Service.
func (u *Upkeep) Name() string { return "upkeep" }

// Run works until ctx ends. A store that does not answer is tried again at the next turn.
func (u *Upkeep) Run(ctx context.Context) error {
	kv, err := u.deps.Bus.KV(ctx, store.StatusBucket)
	if err != nil {
		return err
	}
	if err := u.deps.Store.ApplyRetention(ctx, u.cfg.Retention); err != nil && ctx.Err() == nil {
		u.deps.Log.WarnContext(ctx, "retention is not set", slog.Any("error", err))
	}
	packDone := make(chan struct{})
	go func() {
		defer close(packDone)
		u.every(ctx, u.cfg.PackEvery, u.pack)
	}()
	u.every(ctx, u.cfg.CheckEvery, func(ctx context.Context) error { return u.guard(ctx, kv) })
	<-packDone
	return nil
}

// every calls f at once and then each period until ctx ends. The same failure in a row is said once.
func (u *Upkeep) every(ctx context.Context, period time.Duration, f func(context.Context) error) {
	t := time.NewTicker(period)
	defer t.Stop()
	failing := false
	for {
		err := f(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			u.deps.Log.WarnContext(ctx, "upkeep waits for the store", slog.Any("error", err), slog.String("hint", errs.HintOf(err)))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (u *Upkeep) pack(ctx context.Context) error {
	st, err := u.deps.Store.Pack(ctx, u.deps.Clock().Add(-u.cfg.PackDelay))
	if err != nil {
		return err
	}
	if st.Buckets > 0 {
		u.deps.Log.DebugContext(ctx, "packed samples", slog.Int("buckets", st.Buckets), slog.Uint64("samples", st.Samples), slog.Uint64("blocks", st.Blocks), slog.Duration("took", st.Elapsed))
	}
	return nil
}

// guard reads the disk, drops the oldest days when it must, and publishes the state.
func (u *Upkeep) guard(ctx context.Context, kv bus.KV) error {
	s, err := u.disk(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.UsedRatio >= u.cfg.DropRatio:
		s.State = store.DiskFull
		if s.Message, err = u.relieve(ctx, s); err != nil {
			s.Message = fmt.Sprintf("The disk of %s is %.0f %% full and the oldest data could not be dropped. Free space there.", s.Path, 100*s.UsedRatio)
			u.deps.Log.ErrorContext(ctx, "disk is full and nothing could be dropped", slog.Any("error", err))
		}
	case s.UsedRatio >= u.cfg.WarnRatio:
		s.State = store.DiskWarn
		s.Message = fmt.Sprintf("The disk of %s is %.0f %% full. At %.0f %% the oldest days are dropped: free space or shorten the retention.", s.Path, 100*s.UsedRatio, 100*u.cfg.DropRatio)
	default:
		u.dropped = 0
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return errs.New(errs.Internal, "encode disk state: %w", err)
	}
	return kv.Put(ctx, store.DiskStateKey, raw)
}

func (u *Upkeep) disk(ctx context.Context) (store.DiskState, error) {
	s := store.DiskState{State: store.DiskOK, CheckedAtMS: u.deps.Clock().UnixMilli()}
	var err error
	if u.deps.Disk != nil {
		s.Path, s.TotalBytes, s.UsedBytes, s.FreeBytes, err = u.deps.Disk()
	} else {
		s.Path, s.TotalBytes, s.FreeBytes, err = u.deps.Store.DiskSpace(ctx)
		s.UsedBytes = s.TotalBytes - min(s.FreeBytes, s.TotalBytes)
	}
	if err != nil {
		return s, err
	}
	if s.UsedBytes+s.FreeBytes > 0 {
		s.UsedRatio = float64(s.UsedBytes) / float64(s.UsedBytes+s.FreeBytes)
	}
	return s, nil
}

// relieve drops the oldest day of raw history, never today's, one day a turn so that the disk is read again in between. It returns
// what to tell people.
//
// Policy: the oldest day goes first, whatever its signal; of one day logs before spans before metrics. Rollups and the ledger stay.
// When our own history is a small part of what fills the disk, dropping it would not help, so it is kept.
func (u *Upkeep) relieve(ctx context.Context, s store.DiskState) (string, error) {
	parts, err := u.deps.Store.Partitions(ctx)
	if err != nil {
		return "", err
	}
	var ours uint64
	for _, p := range parts {
		ours += p.Bytes
	}
	const worthwhile = 0.02
	full := fmt.Sprintf("The disk of %s is %.0f %% full", s.Path, 100*s.UsedRatio)
	if float64(ours) < worthwhile*float64(s.UsedBytes+s.FreeBytes) {
		return full + ", by other files than Faultline's. Free space there: when it is full, senders are refused.", nil
	}
	oldest, ok := pickOldest(parts, today(u.deps.Clock()))
	if !ok {
		return full + " and only today's data is left. Free space there: when it is full, senders are refused.", nil
	}
	if err := u.deps.Store.DropPartition(ctx, oldest); err != nil {
		return "", err
	}
	u.dropped++
	u.deps.Log.WarnContext(ctx, "dropped the oldest day because the disk is full", slog.String("table", oldest.Table), slog.Uint64("day", uint64(oldest.Day)), slog.Uint64("bytes", oldest.Bytes))
	return fmt.Sprintf("%s. The oldest data is being dropped: %d table days so far, last %s of %d. Free space or shorten the retention.", full, u.dropped, oldest.Table, oldest.Day), nil
}

// dropOrder puts the signals of one day in order; what is not named comes last.
var dropOrder = map[string]int{"logs": 1, "spans": 2, "exemplars": 3, "histograms": 4, "samples_packed": 5}

func pickOldest(parts []store.Partition, today uint32) (store.Partition, bool) {
	best, found := store.Partition{}, false
	for _, p := range parts {
		if p.Day >= today {
			continue
		}
		if !found || p.Day < best.Day || (p.Day == best.Day && dropOrder[p.Table] < dropOrder[best.Table]) {
			best, found = p, true
		}
	}
	return best, found
}

func today(t time.Time) uint32 {
	y, m, d := t.UTC().Date()
	return uint32(y*10000 + int(m)*100 + d)
}

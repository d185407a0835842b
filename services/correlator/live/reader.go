package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one fetch: large enough that a fetch is not felt, small enough that what waits in front of the brain stays below some tens of
// megabytes.
const (
	fetchMessages = 64
	fetchBytes    = 8 << 20
	fetchWait     = time.Second
	fetchLinger   = 20 * time.Millisecond
)

// signals are what the brain reads.
var signals = []model.Signal{model.SignalMetrics, model.SignalLogs, model.SignalSpans, model.SignalChanges}

// signalCommands stands for the stream of commands where readers are named.
const signalCommands = model.Signal("commands")

// place names one reader.
type place struct {
	signal model.Signal
	shard  int
}

// input is one decoded message.
type input struct {
	place
	seq    uint64
	source string
	// lastMS is the greatest event time in it, 0 for what says nothing about a source's clock.
	lastMS int64
	batch  any // *model.Metrics, *model.Logs, *model.Spans, *model.Changes, *model.Command; nil for one that cannot be decoded.
}

// reader reads one shard of a signal.
type reader struct {
	place
	tenant model.TenantID
	cons   bus.Consumer
	out    chan<- input
	// acks has the last sequence that a snapshot holds; only the newest counts.
	acks chan uint64
	log  *slog.Logger
	m    *measures
	// maxBehind is how many messages may wait before they are skipped.
	maxBehind uint64
	looked    time.Time
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) error {
	defer r.cons.Close()
	for ctx.Err() == nil {
		if err := errors.Join(r.acknowledge(ctx), r.catchUp(ctx)); err != nil && ctx.Err() == nil {
			return err
		}
		ds, err := r.cons.Fetch(ctx, fetchMessages, fetchBytes, fetchWait, fetchLinger)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for i := range ds {
			select {
			case r.out <- r.decode(ctx, &ds[i]):
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

func (r *reader) acknowledge(ctx context.Context) error {
	select {
	case seq := <-r.acks:
		return r.cons.AckThrough(ctx, seq)
	default:
		return nil
	}
}

// lookEvery is how often a reader looks how far it is behind.
const lookEvery = 10 * time.Second

// catchUp skips what waits when it is too much: findings about now are worth more than findings about then, and a reader that is far behind
// would fill the stream and make the gateway refuse. Learning from what was skipped is the store's part (a backtest shows what it held).
func (r *reader) catchUp(ctx context.Context) error {
	if time.Since(r.looked) < lookEvery {
		return nil
	}
	r.looked = time.Now()
	n, err := r.cons.Behind(ctx)
	if err != nil || n <= r.maxBehind {
		return err
	}
	r.m.skipped.Add(int(n))
	r.log.WarnContext(ctx, "the brain is too far behind and skips", slog.String("signal", string(r.signal)), slog.Int("shard", r.shard), slog.Uint64("messages", n))
	return r.cons.Skip(ctx)
}

// decode turns a delivery into an input. One that cannot be decoded is the writer's to report; here it only moves the place.
func (r *reader) decode(ctx context.Context, d *bus.Delivery) input {
	in := input{place: r.place, seq: d.Seq, source: d.Source}
	if d.Tenant != r.tenant {
		return in
	}
	batch, lastMS, err := decode(d)
	if err != nil {
		r.m.undecoded.Inc()
		r.log.DebugContext(ctx, "batch not decoded", slog.String("signal", string(d.Signal)), slog.Uint64("seq", d.Seq), slog.Any("error", err))
		return in
	}
	in.batch, in.lastMS = batch, lastMS
	return in
}

func decode(d *bus.Delivery) (any, int64, error) {
	switch d.Signal {
	case model.SignalMetrics:
		m := &model.Metrics{Header: d.Header}
		if err := bus.DecodeMetrics(d.Data, m); err != nil {
			return nil, 0, err
		}
		return m, last(m.TimesMS, 1), nil
	case model.SignalLogs:
		l := &model.Logs{Header: d.Header}
		if err := bus.DecodeLogs(d.Data, l); err != nil {
			return nil, 0, err
		}
		return l, last(l.TimesNS, 1_000_000), nil
	case model.SignalSpans:
		s := &model.Spans{Header: d.Header}
		if err := bus.DecodeSpans(d.Data, s); err != nil {
			return nil, 0, err
		}
		return s, 0, nil
	case model.SignalChanges:
		c := &model.Changes{Header: d.Header}
		if err := bus.DecodeChanges(d.Data, c); err != nil {
			return nil, 0, err
		}
		return c, 0, nil
	}
	return nil, 0, errs.New(errs.Invalid, "signal %q", d.Signal)
}

func last(times []int64, per int64) int64 {
	if len(times) == 0 {
		return 0
	}
	return slices.Max(times) / per
}

package writer

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// Stats counts what a writer did since it started.
type Stats struct {
	Groups   atomic.Uint64
	Messages atomic.Uint64
	Items    atomic.Uint64
	Dead     atomic.Uint64
	Retries  atomic.Uint64
	Failures atomic.Uint64
}

// decoded is a group with its batches opened and its ledger rows; the batches of one signal only.
type decoded struct {
	metrics []*model.Metrics
	logs    []*model.Logs
	spans   []*model.Spans
	changes []*model.Changes
	rows    []store.LedgerRow
	items   uint64
}

// storeGroup decodes a group and stores it and its ledger rows under token. Errors of kind Invalid mean that the store refuses the
// data as such.
func (w *Writer) storeGroup(ctx context.Context, token string, group []bus.Delivery) error {
	var g decoded
	for i := range group {
		if err := w.open(ctx, &group[i], &g); err != nil {
			return err
		}
	}
	if err := w.insert(ctx, token, &g); err != nil {
		return err
	}
	if err := w.deps.Store.InsertLedger(ctx, token, g.rows); err != nil {
		return err
	}
	w.stats.Groups.Add(1)
	w.stats.Messages.Add(uint64(len(group)))
	w.stats.Items.Add(g.items)
	return nil
}

func (w *Writer) insert(ctx context.Context, token string, g *decoded) error {
	switch w.signal {
	case model.SignalMetrics:
		return w.deps.Store.InsertMetrics(ctx, token, g.metrics)
	case model.SignalLogs:
		return w.deps.Store.InsertLogs(ctx, token, g.logs)
	case model.SignalSpans:
		return w.deps.Store.InsertSpans(ctx, token, g.spans)
	case model.SignalChanges:
		return w.deps.Store.InsertChanges(ctx, token, g.changes)
	}
	return errs.New(errs.Internal, "no table for signal %q", w.signal)
}

// open decodes one delivery into g, or puts it aside as a dead letter. It errors only when the dead letter cannot be kept.
func (w *Writer) open(ctx context.Context, d *bus.Delivery, g *decoded) error {
	n, err := w.decode(d, g)
	row := ledgerRow(d)
	if err != nil {
		if err := w.bury(ctx, d, err.Error()); err != nil {
			return err
		}
		row.DeadLetter = row.Accepted
	} else {
		row.Stored = uint64(n)
		g.items += uint64(n)
		if row.Stored != row.Accepted {
			w.log.ErrorContext(ctx, "a batch holds another number of items than its sender was told", slog.Uint64("seq", d.Seq), slog.Int("items", n), slog.Int("told", d.Items), slog.String("source", d.Source))
		}
	}
	g.rows = append(g.rows, row)
	return nil
}

func (w *Writer) bury(ctx context.Context, d *bus.Delivery, reason string) error {
	if err := w.deps.Bus.PutDeadLetter(ctx, *d, reason); err != nil {
		return err
	}
	w.stats.Dead.Add(1)
	w.log.WarnContext(ctx, "batch put aside as dead letter", slog.Uint64("seq", d.Seq), slog.String("source", d.Source), slog.String("reason", reason))
	return nil
}

// decode appends the batch of d to g and returns its number of items.
func (w *Writer) decode(d *bus.Delivery, g *decoded) (int, error) {
	switch w.signal {
	case model.SignalMetrics:
		m := &model.Metrics{Header: d.Header}
		if err := bus.DecodeMetrics(d.Data, m); err != nil {
			return 0, err
		}
		g.metrics = append(g.metrics, m)
		return m.Len(), nil
	case model.SignalLogs:
		l := &model.Logs{Header: d.Header}
		if err := bus.DecodeLogs(d.Data, l); err != nil {
			return 0, err
		}
		g.logs = append(g.logs, l)
		return l.Len(), nil
	case model.SignalSpans:
		s := &model.Spans{Header: d.Header}
		if err := bus.DecodeSpans(d.Data, s); err != nil {
			return 0, err
		}
		g.spans = append(g.spans, s)
		return s.Len(), nil
	case model.SignalChanges:
		c := &model.Changes{Header: d.Header}
		if err := bus.DecodeChanges(d.Data, c); err != nil {
			return 0, err
		}
		g.changes = append(g.changes, c)
		return c.Len(), nil
	}
	return 0, errs.New(errs.Internal, "no format for signal %q", w.signal)
}

func ledgerRow(d *bus.Delivery) store.LedgerRow {
	return store.LedgerRow{
		Tenant: d.Tenant, Stream: d.Stream, Epoch: d.Epoch, Seq: d.Seq, ReceivedAtMS: d.ReceivedAtMS, Signal: d.Signal, Source: d.Source, Protocol: d.Protocol,
		Accepted: uint64(d.Items), AgentBatch: d.BatchSeq, AgentSent: d.AgentSent, AgentDropped: d.AgentDropped,
	}
}

// storeOneByOne stores each message of a group that the store refused as a whole; the one at fault becomes a dead letter.
//
// The tokens differ from the group's, so tables that had taken the group's block before another table refused it get those rows
// again. That can only follow a defect of ours, and readers drop repeated samples; losing the group would be worse.
func (w *Writer) storeOneByOne(ctx context.Context, group []bus.Delivery) error {
	for i := range group {
		d := &group[i]
		token := plan{Epoch: d.Epoch, First: d.Seq, Last: d.Seq, Count: 1}.token(d.Stream, w.shard)
		err := w.storeGroup(ctx, token, group[i:i+1])
		if errs.KindOf(err) == errs.Invalid {
			if err := w.bury(ctx, d, err.Error()); err != nil {
				return err
			}
			row := ledgerRow(d)
			row.DeadLetter = row.Accepted
			err = w.deps.Store.InsertLedger(ctx, token, []store.LedgerRow{row})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

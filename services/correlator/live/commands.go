package live

import (
	"context"
	"log/slog"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/model"
)

// commandReader reads what people ask for: part of the brain's ordered input, acknowledged as batches are.
type commandReader struct {
	place
	tenant model.TenantID
	cons   bus.CommandReader
	out    chan<- input
	acks   chan uint64
	log    *slog.Logger
}

// run reads until ctx ends.
func (r *commandReader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case seq := <-r.acks:
			if err := r.cons.AckThrough(ctx, seq); err != nil && ctx.Err() == nil {
				return err
			}
		default:
		}
		cs, err := r.cons.Fetch(ctx, fetchMessages, fetchWait)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, c := range cs {
			in := input{place: r.place, seq: c.Seq}
			if c.Tenant == r.tenant {
				in.batch = r.decode(ctx, c)
			}
			select {
			case r.out <- in:
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

func (r *commandReader) decode(ctx context.Context, c bus.Command) any {
	m, err := incidents.DecodeCommand(c.Data)
	if err != nil {
		r.log.WarnContext(ctx, "a command cannot be read", slog.String("id", c.ID), slog.Any("error", err))
		return nil
	}
	// Who asks says what; the bus says which command it is and when it came.
	m.ID, m.Tenant, m.AtMS = c.ID, c.Tenant, c.At.UnixMilli()
	return &m
}

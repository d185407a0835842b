package query

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// rangeInput is the time of most lists.
type rangeInput struct {
	Start string `query:"start" doc:"RFC 3339, Unix seconds or now-1h" example:"now-1h"`
	End   string `query:"end" doc:"RFC 3339, Unix seconds or now" example:"now"`
}

// Ledger says what arrived and what became of it.
type Ledger struct {
	Items     []LedgerEntry  `json:"items"`
	Streams   []LedgerStream `json:"streams"`
	Balanced  bool           `json:"balanced" doc:"Nothing is missing and nothing is there twice"`
	CheckedAt time.Time      `json:"checked_at"`
}

// LedgerEntry is one sender and signal.
type LedgerEntry struct {
	Source         string          `json:"source"`
	Protocol       string          `json:"protocol"`
	Signal         string          `json:"signal"`
	Sent           *uint64         `json:"sent,omitempty" doc:"What the sender counted itself; our agents only"`
	Accepted       uint64          `json:"accepted"`
	Stored         uint64          `json:"stored"`
	DeadLetter     uint64          `json:"dead_letter"`
	InStream       uint64          `json:"in_stream"`
	Rejected       []RejectedCount `json:"rejected"`
	LastReceivedAt *time.Time      `json:"last_received_at,omitempty"`
	LagMS          int64           `json:"lag_ms" doc:"From reception to the store"`
	Balanced       bool            `json:"balanced"`
}

// RejectedCount is what was refused for one reason.
type RejectedCount struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// LedgerStream is one stream of the bus.
type LedgerStream struct {
	Stream          string `json:"stream"`
	Signal          string `json:"signal"`
	FirstSeq        uint64 `json:"first_seq"`
	LastSeq         uint64 `json:"last_seq"`
	AckFloor        uint64 `json:"ack_floor"`
	PendingMessages uint64 `json:"pending_messages"`
	PendingItems    uint64 `json:"pending_items"`
	Bytes           uint64 `json:"bytes"`
	OldestMS        int64  `json:"oldest_ms" doc:"Age of the oldest message that is not stored; 0 when there is none"`
}

type ledgerOutput struct {
	Body Ledger
}

const (
	// ledgerRows bounds the senders in an answer.
	ledgerRows = 1000
	// balanceWindow is how far back sequences are checked one by one; older parts may have expired.
	balanceWindow = 7 * 24 * time.Hour
)

func (q *Query) registerLedger() {
	huma.Register(q.api, huma.Operation{
		OperationID: "get-ledger", Method: http.MethodGet, Path: "/api/v1/ledger", Summary: "What arrived and what became of it", Tags: []string{"ledger"},
	}, func(ctx context.Context, in *rangeInput) (*ledgerOutput, error) {
		r, err := timeparam.ParseRange(in.Start, in.End, q.deps.Clock(), 24*time.Hour)
		if err != nil {
			return nil, err
		}
		l, err := q.ledger(ctx, reqctx.Tenant(ctx), r)
		if err != nil {
			return nil, err
		}
		return &ledgerOutput{Body: *l}, nil
	})
}

// ledger reads the streams first: what is stored between the two readings is then counted as both in the stream and stored at worst,
// never as missing, and is told from a real surplus by the sequences.
func (q *Query) ledger(ctx context.Context, tenant model.TenantID, r timeparam.Range) (*Ledger, error) {
	streams, err := q.deps.Bus.State(ctx)
	if err != nil {
		return nil, err
	}
	floors := map[string]uint64{}
	for _, s := range streams {
		floors[s.Stream] = s.AckFloor
	}
	reader, all := clickhouse.NewLedgerReader(q.deps.Store), q.deps.Store
	if q.deps.System != nil {
		all = q.deps.System
	}
	var sources []clickhouse.LedgerSource
	var rejections []clickhouse.Rejection
	var known []clickhouse.LedgerStream
	now := q.deps.Clock()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		sources, err = reader.Sources(gctx, tenant, r.Start, r.End, ledgerRows)
		return err
	})
	g.Go(func() (err error) {
		rejections, err = reader.Rejections(gctx, tenant, r.Start, r.End, ledgerRows)
		return err
	})
	g.Go(func() (err error) {
		known, err = clickhouse.NewLedgerReader(all).Streams(gctx, tenant, now.Add(-balanceWindow), floors)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := &Ledger{Items: ledgerEntries(tenant, sources, rejections, streams, now), Streams: []LedgerStream{}, Balanced: true, CheckedAt: now.UTC()}
	for _, s := range streams {
		out.Streams = append(out.Streams, streamOf(&s, now))
		out.Balanced = out.Balanced && streamBalanced(&s, known)
	}
	for i := range out.Items {
		out.Balanced = out.Balanced && out.Items[i].Balanced
	}
	return out, nil
}

// streamBalanced reports whether the ledger has every sequence of a stream from the first it knows up to the acknowledgement floor, each
// once, with sums that match.
func streamBalanced(s *bus.StreamState, known []clickhouse.LedgerStream) bool {
	i := slices.IndexFunc(known, func(k clickhouse.LedgerStream) bool { return k.Stream == s.Stream })
	if i < 0 {
		// Nothing known is right only while nothing was acknowledged within the window, that is, when the stream holds no such message.
		return s.AckFloor == 0 || s.FirstSeq > s.AckFloor || s.LastSeq == 0
	}
	k := &known[i]
	if k.Rows != k.Distinct || !k.Balanced {
		return false
	}
	return s.AckFloor < k.FirstSeq || k.Below == s.AckFloor-k.FirstSeq+1
}

func streamOf(s *bus.StreamState, now time.Time) LedgerStream {
	out := LedgerStream{
		Stream: s.Stream, Signal: string(s.Signal), FirstSeq: s.FirstSeq, LastSeq: s.LastSeq, AckFloor: s.AckFloor, PendingMessages: s.Pending, Bytes: s.Bytes,
	}
	for _, n := range s.PendingItems {
		out.PendingItems += n
	}
	if !s.Oldest.IsZero() {
		out.OldestMS = max(0, now.Sub(s.Oldest).Milliseconds())
	}
	return out
}

type entryKey struct{ source, protocol, signal string }

// ledgerEntries joins what the ledger, the refusals and the streams say of each sender.
func ledgerEntries(tenant model.TenantID, sources []clickhouse.LedgerSource, rejections []clickhouse.Rejection, streams []bus.StreamState, now time.Time) []LedgerEntry {
	entries := map[entryKey]*LedgerEntry{}
	entry := func(source, protocol, signal string) *LedgerEntry {
		k := entryKey{source, protocol, signal}
		if entries[k] == nil {
			entries[k] = &LedgerEntry{Source: source, Protocol: protocol, Signal: signal, Rejected: []RejectedCount{}}
		}
		return entries[k]
	}
	for i := range sources {
		s := &sources[i]
		e := entry(s.Source, s.Protocol, s.Signal)
		last := s.LastReceived.UTC()
		e.Accepted, e.Stored, e.DeadLetter, e.LagMS, e.LastReceivedAt = s.Accepted, s.Stored, s.DeadLetter, s.Lag.Milliseconds(), &last
		if s.LastBatch > 0 {
			e.Sent = &s.AgentSent
		}
	}
	for _, j := range rejections {
		e := entry(j.Source, j.Protocol, j.Signal)
		e.Rejected = append(e.Rejected, RejectedCount{Reason: j.Reason, Count: j.Count})
	}
	for _, s := range streams {
		for key, n := range s.PendingItems {
			if key.Tenant != tenant || n == 0 {
				continue
			}
			e := entry(key.Source, key.Protocol, string(s.Signal))
			e.InStream += n
			e.Accepted += n
			if !s.Oldest.IsZero() {
				e.LagMS = max(e.LagMS, now.Sub(s.Oldest).Milliseconds())
			}
		}
	}
	out := make([]LedgerEntry, 0, len(entries))
	for _, e := range entries {
		e.Balanced = e.Accepted == e.Stored+e.DeadLetter+e.InStream
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b LedgerEntry) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Signal, b.Signal))
	})
	return out
}

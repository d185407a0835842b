package query

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// DeadLetter is a batch that could not be stored.
type DeadLetter struct {
	Seq        uint64    `json:"seq"`
	Signal     string    `json:"signal"`
	Source     string    `json:"source"`
	Reason     string    `json:"reason"`
	ReceivedAt time.Time `json:"received_at"`
	SizeBytes  int       `json:"size_bytes"`
	Items      int       `json:"items"`
}

type deadLettersInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor"`
}

type deadLettersOutput struct {
	Body struct {
		Items      []DeadLetter `json:"items"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

type replayInput struct {
	Seq            uint64 `path:"seq"`
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"The same key again gives the same answer without a second replay"`
}

type replayOutput struct{}

// deadLetterFilter marks the cursors of this list.
const deadLetterFilter = "dead-letters"

func (q *Query) registerDeadLetters() {
	list := huma.Operation{OperationID: "list-dead-letters", Method: http.MethodGet, Path: "/api/v1/dead-letters", Summary: "Batches that could not be stored", Tags: []string{"ledger"}}
	limits.Exempt(&list)
	huma.Register(q.api, list, q.listDeadLetters)
	replay := huma.Operation{
		OperationID: "replay-dead-letter", Method: http.MethodPost, Path: "/api/v1/dead-letters/{seq}/replay", Summary: "Put a batch back on its stream",
		Tags: []string{"ledger"}, DefaultStatus: http.StatusAccepted,
	}
	limits.Exempt(&replay)
	huma.Register(q.api, replay, q.replayDeadLetter)
}

func (q *Query) listDeadLetters(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
	after, _, err := paging.Decode[uint64](in.Cursor, deadLetterFilter)
	if err != nil {
		return nil, err
	}
	limit := paging.Limit(in.Limit)
	letters, err := q.deps.Bus.DeadLetters(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	out := &deadLettersOutput{}
	out.Body.Items = []DeadLetter{}
	for i, d := range letters {
		if i == limit {
			if out.Body.NextCursor, err = paging.Encode(deadLetterFilter, letters[i-1].Seq); err != nil {
				return nil, err
			}
			break
		}
		if d.From.Tenant != reqctx.Tenant(ctx) {
			continue
		}
		out.Body.Items = append(out.Body.Items, DeadLetter{
			Seq: d.Seq, Signal: string(d.From.Signal), Source: d.From.Source, Reason: d.Reason,
			ReceivedAt: time.UnixMilli(d.From.ReceivedAtMS).UTC(), SizeBytes: len(d.From.Data), Items: d.From.Items,
		})
	}
	return out, nil
}

// replayDeadLetter replays a batch once. The bus makes the new message's id from the letter's, so a repetition within its window gives
// one message; a key that was seen with the same letter makes a later repetition succeed too, instead of finding nothing.
func (q *Query) replayDeadLetter(ctx context.Context, in *replayInput) (*replayOutput, error) {
	if q.replayed.done(in.IdempotencyKey, in.Seq) {
		return &replayOutput{}, nil
	}
	if err := q.ownsDeadLetter(ctx, in.Seq); err != nil {
		return nil, err
	}
	if err := q.deps.Bus.ReplayDeadLetter(ctx, in.Seq); err != nil {
		return nil, err
	}
	q.replayed.add(in.IdempotencyKey, in.Seq)
	return &replayOutput{}, nil
}

// ownsDeadLetter checks that a letter is the tenant's.
func (q *Query) ownsDeadLetter(ctx context.Context, seq uint64) error {
	missing := errs.WithHint(errs.NotFound, "list them with GET /api/v1/dead-letters", "there is no dead letter %d", seq)
	if seq == 0 {
		return missing
	}
	letters, err := q.deps.Bus.DeadLetters(ctx, seq-1, 1)
	if err != nil {
		return err
	}
	if len(letters) == 0 || letters[0].Seq != seq || letters[0].From.Tenant != reqctx.Tenant(ctx) {
		return missing
	}
	return nil
}

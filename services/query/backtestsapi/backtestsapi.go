// Package backtestsapi takes requests for backtests and shows what came of them: what the brain would have found in a stored range. The
// correlator does them; this package writes requests into a bucket of control state and reads answers from it.
package backtestsapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/backtests"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Bus is what the handlers need of the bus.
type Bus interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// Deps is what the handlers need.
type Deps struct {
	Bus Bus
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct{ deps Deps }

// Register adds the operations to api.
func Register(api huma.API, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{deps: deps}
	tags := []string{"backtests"}
	huma.Register(api, huma.Operation{
		OperationID: "create-backtest", Method: http.MethodPost, Path: "/api/v1/backtests", Summary: "Replay a stored range through the brain", Tags: tags,
		DefaultStatus: http.StatusAccepted,
		Description:   "Says which incidents and pages there would have been. It is done in the background, one after another; ask for it by its id.",
	}, h.create)
	huma.Register(api, huma.Operation{
		OperationID: "list-backtests", Method: http.MethodGet, Path: "/api/v1/backtests", Summary: "List backtests, latest first, without their incidents", Tags: tags,
	}, h.list)
	huma.Register(api, huma.Operation{OperationID: "get-backtest", Method: http.MethodGet, Path: "/api/v1/backtests/{id}", Summary: "One backtest", Tags: tags}, h.get)
	huma.Register(api, huma.Operation{
		OperationID: "delete-backtest", Method: http.MethodDelete, Path: "/api/v1/backtests/{id}", Summary: "Remove a backtest", Tags: tags, DefaultStatus: http.StatusNoContent,
	}, h.remove)
}

// Limits of a request.
const (
	maxRange      = 31 * 24 * time.Hour
	defaultWarmup = 6 * time.Hour
	maxWaiting    = 5
)

type createInput struct {
	Body struct {
		From        string  `json:"from" doc:"RFC 3339, Unix seconds or now-24h" example:"now-24h"`
		To          string  `json:"to,omitempty" doc:"As from; now when absent"`
		Warmup      string  `json:"warmup,omitempty" doc:"Time before from that is replayed to learn from; 6h when absent" example:"6h"`
		Sensitivity float64 `json:"sensitivity,omitempty" minimum:"0.1" maximum:"10" doc:"1, when absent, is as live; 2 finds about twice as many"`
	}
}

type testOutput struct{ Body backtests.Test }

func (h *handlers) create(ctx context.Context, in *createInput) (*testOutput, error) {
	now := h.deps.Now().UTC()
	r, err := timeparam.ParseRange(in.Body.From, in.Body.To, now, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	if span := r.End.Sub(r.Start); span <= 0 || span > maxRange {
		return nil, errs.WithHint(errs.Invalid, "replay parts of it", "a backtest covers more than nothing and at most %s", maxRange)
	}
	t := backtests.Test{
		ID: strings.ToLower(rand.Text()[:16]), Tenant: uint32(reqctx.Tenant(ctx)), From: r.Start.UTC(), To: r.End.UTC(), Warmup: defaultWarmup,
		Sensitivity: cmp.Or(in.Body.Sensitivity, 1), AskedAt: now, UpdatedAt: now, State: backtests.Queued,
	}
	if in.Body.Warmup != "" {
		if t.Warmup, err = time.ParseDuration(in.Body.Warmup); err != nil || t.Warmup < 0 || t.Warmup > maxRange {
			return nil, errs.WithHint(errs.Invalid, "write it as 6h or 30m", "warmup %q is no duration from 0 to %s", in.Body.Warmup, maxRange)
		}
	}
	if id, ok := reqctx.IdentityOf(ctx); ok {
		t.AskedBy = id.User
	}
	kv, have, err := h.all(ctx)
	if err != nil {
		return nil, err
	}
	if err := makeRoom(ctx, kv, have); err != nil {
		return nil, err
	}
	b, err := json.Marshal(&t)
	if err != nil {
		return nil, errs.New(errs.Internal, "encode backtest: %w", err)
	}
	if _, err := kv.Create(ctx, key(t.Tenant, t.ID), b); err != nil {
		return nil, err
	}
	return &testOutput{t}, nil
}

// makeRoom removes the oldest that are over, and refuses when too many wait.
func makeRoom(ctx context.Context, kv bus.KV, have []backtests.Test) error {
	waiting := 0
	for i := range have {
		if have[i].State == backtests.Queued || have[i].State == backtests.Running {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return errs.WithHint(errs.Exhausted, "wait for one of them, or delete it", "%d backtests are waiting already", waiting)
	}
	for i := backtests.MaxKept - 1; i < len(have); i++ {
		if err := kv.Delete(ctx, key(have[i].Tenant, have[i].ID)); err != nil {
			return err
		}
	}
	return nil
}

func key(tenant uint32, id string) string { return strconv.FormatUint(uint64(tenant), 10) + "." + id }

// all returns the backtests of the tenant who asks, latest first.
func (h *handlers) all(ctx context.Context) (bus.KV, []backtests.Test, error) {
	kv, err := h.deps.Bus.KV(ctx, backtests.Bucket)
	if err != nil {
		return nil, nil, err
	}
	keys, err := kv.Keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := []backtests.Test{}
	prefix := key(uint32(reqctx.Tenant(ctx)), "")
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		t, err := load(ctx, kv, k)
		if errs.KindOf(err) == errs.NotFound {
			continue // Removed meanwhile.
		}
		if err != nil {
			return nil, nil, err
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b backtests.Test) int { return cmp.Or(b.AskedAt.Compare(a.AskedAt), cmp.Compare(a.ID, b.ID)) })
	return kv, out, nil
}

func load(ctx context.Context, kv bus.KV, key string) (backtests.Test, error) {
	var t backtests.Test
	b, err := kv.Get(ctx, key)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, errs.New(errs.Internal, "read backtest %s: %w", key, err)
	}
	return t, nil
}

type listOutput struct {
	Body struct {
		Items []backtests.Test `json:"items"`
	}
}

func (h *handlers) list(ctx context.Context, _ *struct{}) (*listOutput, error) {
	_, have, err := h.all(ctx)
	if err != nil {
		return nil, err
	}
	for i := range have {
		if have[i].Result != nil {
			have[i].Result.Incidents = have[i].Result.Incidents[:0]
		}
	}
	out := &listOutput{}
	out.Body.Items = have
	return out, nil
}

type idInput struct {
	ID string `path:"id" maxLength:"64" pattern:"^[a-z0-9]+$"`
}

func (h *handlers) get(ctx context.Context, in *idInput) (*testOutput, error) {
	kv, err := h.deps.Bus.KV(ctx, backtests.Bucket)
	if err != nil {
		return nil, err
	}
	t, err := load(ctx, kv, key(uint32(reqctx.Tenant(ctx)), in.ID))
	if errs.KindOf(err) == errs.NotFound {
		return nil, errs.New(errs.NotFound, "there is no backtest %s", in.ID)
	}
	return &testOutput{t}, err
}

func (h *handlers) remove(ctx context.Context, in *idInput) (*struct{}, error) {
	kv, err := h.deps.Bus.KV(ctx, backtests.Bucket)
	if err != nil {
		return nil, err
	}
	if _, err := h.get(ctx, in); err != nil {
		return nil, err
	}
	return nil, kv.Delete(ctx, key(uint32(reqctx.Tenant(ctx)), in.ID))
}

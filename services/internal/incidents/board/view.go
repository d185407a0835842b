package board

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of a view.
const (
	// followAgain is the wait before a bus that did not answer is asked again.
	followAgain = time.Second
	// listenerBuffer is what one slow listener may miss before it is told so: some seconds of a storm.
	listenerBuffer = 256
	// maxListeners bounds the live readers of one process: browsers' tabs and waiting commands.
	maxListeners = 1000
)

// News is what a listener hears. One of the fields is set.
type News struct {
	Incident *incidents.Incident
	Findings []model.Finding
	Outcome  *incidents.Outcome
	// Missed says that the listener was too slow, or the bus away: it should ask again for what it shows.
	Missed bool
}

// listener is one who listens.
type listener struct {
	tenant model.TenantID
	ch     chan News
	missed bool
}

// View is a reader's side. Its methods may be called from anywhere while Run runs.
type View struct {
	bus Bus
	log *slog.Logger

	// mu guards what follows.
	mu        sync.Mutex
	loaded    bool
	heads     map[string]incidents.Incident // By Key.
	listeners map[*listener]bool
}

// NewView returns a view that is empty until Run has read the bucket.
func NewView(b Bus, log *slog.Logger) *View {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &View{bus: b, log: log, heads: map[string]incidents.Incident{}, listeners: map[*listener]bool{}}
}

// Run follows the bucket and the events until ctx ends; what breaks is begun again.
func (v *View) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, follow := range map[string]func(context.Context) error{"bucket": v.followHeads, "events": v.followEvents} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := follow(ctx); err != nil && ctx.Err() == nil {
					v.log.WarnContext(ctx, "incidents not followed; trying again", slog.String("what", name), slog.Any("error", err))
				}
				select {
				case <-ctx.Done():
				case <-time.After(followAgain):
				}
				v.missed()
			}
		})
	}
	return nil
}

func (v *View) followHeads(ctx context.Context) error {
	kv, err := v.bus.KV(ctx, incidents.Bucket)
	if err != nil {
		return err
	}
	fresh, current := map[string]incidents.Incident{}, false
	return kv.Watch(ctx, func(e bus.KVEntry) {
		if !current { // What was there before and is not any more must not stay.
			v.take(ctx, fresh, e)
			return
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.take(ctx, v.heads, e)
	}, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		current, v.heads, v.loaded = true, fresh, true
	})
}

func (v *View) take(ctx context.Context, heads map[string]incidents.Incident, e bus.KVEntry) {
	if e.Deleted {
		delete(heads, e.Key)
		return
	}
	h, err := incidents.DecodeHead(e.Value)
	if err != nil {
		v.log.WarnContext(ctx, "an open incident cannot be read", slog.String("key", e.Key), slog.Any("error", err))
		return
	}
	heads[e.Key] = h
}

func (v *View) followEvents(ctx context.Context) error {
	return v.bus.SubscribeEvents(ctx, []string{bus.TopicFindings, bus.TopicIncidents, bus.TopicOutcomes}, 0, func(e bus.Event) {
		n, err := readNews(e)
		if err != nil {
			v.log.WarnContext(ctx, "an event cannot be read", slog.String("topic", e.Topic), slog.Any("error", err))
			return
		}
		v.tell(e.Tenant, n)
	})
}

func readNews(e bus.Event) (n News, err error) {
	switch e.Topic {
	case bus.TopicIncidents:
		var h incidents.Incident
		h, err = incidents.DecodeHead(e.Data)
		n.Incident = &h
	case bus.TopicFindings:
		n.Findings, err = incidents.DecodeFindings(e.Data)
	case bus.TopicOutcomes:
		var o incidents.Outcome
		o, err = incidents.DecodeOutcome(e.Data)
		n.Outcome = &o
	}
	return n, err
}

// tell hands news to the listeners of a tenant. Nobody is waited for: who has no room is told so when there is.
func (v *View) tell(tenant model.TenantID, n News) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for l := range v.listeners {
		if l.tenant == tenant {
			l.put(n)
		}
	}
}

func (v *View) missed() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for l := range v.listeners {
		l.put(News{Missed: true})
	}
}

// put needs the view's mutex held.
func (l *listener) put(n News) {
	if l.missed {
		select {
		case l.ch <- News{Missed: true}:
			l.missed = false
		default:
			return
		}
	}
	select {
	case l.ch <- n:
	default:
		l.missed = true
	}
}

// Listen returns a channel with the news of a tenant and a function that ends it, which must be called. Errors: errs.Exhausted when too
// many listen.
func (v *View) Listen(tenant model.TenantID) (<-chan News, func(), error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.listeners) >= maxListeners {
		return nil, nil, errs.WithHint(errs.Exhausted, "close other tabs", "%d readers follow incidents already", maxListeners)
	}
	l := &listener{tenant: tenant, ch: make(chan News, listenerBuffer)}
	v.listeners[l] = true
	return l.ch, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.listeners, l)
	}, nil
}

// Head returns the head of an incident that is not over.
func (v *View) Head(tenant model.TenantID, id string) (incidents.Incident, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	h, ok := v.heads[Key(tenant, id)]
	return h, ok
}

// Heads returns a tenant's incidents that are not over, the latest first; ok is false while the bucket has not been read.
func (v *View) Heads(tenant model.TenantID) (heads []incidents.Incident, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k, h := range v.heads {
		if t, _, ok := parseKey(k); ok && t == tenant {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(a, b incidents.Incident) int {
		if c := b.Detected.Compare(a.Detected); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return heads, v.loaded
}

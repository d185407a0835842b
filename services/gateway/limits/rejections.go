package limits

import (
	"cmp"
	"slices"
	"sync"

	"github.com/faultline-io/faultline/services/model"
)

// RejectionKey says whose items were refused and why.
type RejectionKey struct {
	Tenant   model.TenantID
	Signal   model.Signal
	Source   string
	Protocol string
	Reason   string
}

// Rejection is a count of refused items.
type Rejection struct {
	RejectionKey
	Count uint64
}

// maxRejectionKeys bounds the map: senders choose their names, so they must not choose its size.
const maxRejectionKeys = 10_000

// otherSource is where the counts of senders beyond maxRejectionKeys go.
const otherSource = "other"

// Rejections counts refused items by sender and reason. It is safe for several goroutines.
type Rejections struct {
	// mu guards pending and total.
	mu sync.Mutex
	// pending are counts since the last Take, total those since the start.
	pending map[RejectionKey]uint64
	total   map[RejectionKey]uint64
}

// NewRejections returns an empty count.
func NewRejections() *Rejections {
	return &Rejections{pending: map[RejectionKey]uint64{}, total: map[RejectionKey]uint64{}}
}

// Add counts n refused items.
func (r *Rejections) Add(o *model.Origin, signal model.Signal, reason string, n uint64) {
	if n == 0 {
		return
	}
	k := RejectionKey{Tenant: o.Tenant, Signal: signal, Source: o.Source, Protocol: o.Protocol, Reason: reason}
	r.mu.Lock()
	defer r.mu.Unlock()
	bump(r.pending, k, n)
	bump(r.total, k, n)
}

func bump(m map[RejectionKey]uint64, k RejectionKey, n uint64) {
	if _, ok := m[k]; !ok && len(m) >= maxRejectionKeys {
		k.Source = otherSource
	}
	m[k] += n
}

// Take returns the counts since the last Take and forgets them.
func (r *Rejections) Take() []Rejection {
	r.mu.Lock()
	m := r.pending
	r.pending = make(map[RejectionKey]uint64, len(m))
	r.mu.Unlock()
	return list(m)
}

// Restore puts counts back that could not be handed on.
func (r *Rejections) Restore(rs []Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range rs {
		bump(r.pending, x.RejectionKey, x.Count)
	}
}

// Total returns the counts since the start, in a stable order.
func (r *Rejections) Total() []Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	return list(r.total)
}

func list(m map[RejectionKey]uint64) []Rejection {
	out := make([]Rejection, 0, len(m))
	for k, n := range m {
		out = append(out, Rejection{k, n})
	}
	slices.SortFunc(out, func(a, b Rejection) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

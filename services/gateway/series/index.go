package series

import (
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// announceEvery is how often a series is announced: readers of the bus that start in the middle know every live series after it.
const announceEvery = time.Hour

// Index remembers the series of all tenants: whether they were announced, and when they are due again.
// It is safe for several goroutines.
type Index struct {
	limits *limits.Limits
	// mu guards tenants; the tables have their own locks.
	mu      sync.RWMutex
	tenants map[model.TenantID]*table
}

// NewIndex returns an empty index under lim.
func NewIndex(lim *limits.Limits) *Index {
	return &Index{limits: lim, tenants: map[model.TenantID]*table{}}
}

// Ref is what a batch needs of a series.
type Ref struct {
	ID       uint64
	MetricID uint32
	// Shard is the shard hash of the series modulo MaxShards.
	Shard uint8
}

// Tenant returns the series of one tenant.
func (x *Index) Tenant(t model.TenantID) *Table {
	x.mu.RLock()
	tab := x.tenants[t]
	x.mu.RUnlock()
	if tab == nil {
		x.mu.Lock()
		if tab = x.tenants[t]; tab == nil {
			tab = newTable(x.limits.MaxSeries)
			x.tenants[t] = tab
		}
		x.mu.Unlock()
	}
	return &Table{limits: x.limits, table: tab}
}

// Active returns the number of series a tenant has had within about two hours.
func (x *Index) Active(t model.TenantID) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if tab := x.tenants[t]; tab != nil {
		return int(tab.count.Load())
	}
	return 0
}

// Table is the view of one tenant's series.
type Table struct {
	limits *limits.Limits
	table  *table
}

// Known returns the series of l when it was announced and is not due again.
func (t *Table) Known(l *Labels, nowSec uint32) (Ref, bool) {
	return t.table.known(l.Hash(), nowSec)
}

// Resolve gives the series of l its identity. When the series must be announced with this batch, announce is called with a copy
// of it. A series that cannot be is refused with a reason. shard is the hash of the resource or target the series belongs to; it
// is asked for only when the series is not known.
//
// A batch that is not published must Forget what it announced.
func (t *Table) Resolve(l *Labels, nowSec uint32, shard func(*Labels) uint64, announce func(model.Series)) (Ref, string) {
	id := l.Hash()
	if ref, ok := t.table.known(id, nowSec); ok {
		return ref, ""
	}
	if reason := l.Check(t.limits); reason != "" {
		return Ref{}, reason
	}
	target := shard(l)
	ref := Ref{ID: id, MetricID: model.MetricID(l.Get(model.LabelName)), Shard: uint8(target % MaxShards)}
	switch t.table.claim(id, ref.MetricID, nowSec, ref.Shard) {
	case claimed:
		announce(l.build(id, target))
	case full:
		return Ref{}, limits.SeriesLimit
	case present:
	}
	return ref, ""
}

// Forget makes the series be announced again at its next sample, for a batch whose publication failed.
func (t *Table) Forget(announced []model.Series) {
	if len(announced) == 0 {
		return
	}
	defer t.table.epoch.Add(1) // after the table was changed: who remembers in between is found out
	for i := range announced {
		t.table.forget(announced[i].ID)
	}
}

// TargetHash is the shard hash of a series that came without a resource: the hash of its job, instance and host labels, which
// are the same for all series of one target.
func TargetHash(l *Labels) uint64 {
	var target [4]model.Label
	n := 0
	for _, name := range [...]string{model.LabelJob, model.LabelInstance, "host_id", "host_name"} {
		if v := l.Get(name); v != "" {
			target[n] = model.Label{Name: name, Value: v}
			n++
		}
	}
	return model.ResourceHash(target[:n])
}

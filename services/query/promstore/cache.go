package promstore

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// foundCache keeps the series of recent selectors, least recently used out first, bounded by the series in it.
type foundCache struct {
	ttl time.Duration
	max int
	// mu guards what follows.
	mu     sync.Mutex
	order  *list.List
	byKey  map[string]*list.Element
	series int
}

type foundEntry struct {
	key   string
	found *foundSeries
	at    time.Time
}

func newFoundCache(ttl time.Duration, maxSeries int) *foundCache {
	return &foundCache{ttl: ttl, max: maxSeries, order: list.New(), byKey: map[string]*list.Element{}}
}

// weight counts a selector that found nothing as one, so that such entries are bounded too.
func (e *foundEntry) weight() int { return len(e.found.series) + 1 }

func (c *foundCache) get(key string, now time.Time) *foundSeries {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[key]
	if !ok {
		return nil
	}
	e := el.Value.(*foundEntry)
	if now.Sub(e.at) >= c.ttl {
		c.remove(el)
		return nil
	}
	c.order.MoveToFront(el)
	return e.found
}

func (c *foundCache) put(key string, f *foundSeries, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		c.remove(el)
	}
	e := &foundEntry{key: key, found: f, at: at}
	c.byKey[key] = c.order.PushFront(e)
	c.series += e.weight()
	for c.series > c.max {
		c.remove(c.order.Back())
	}
}

// remove needs c.mu held.
func (c *foundCache) remove(el *list.Element) {
	e := el.Value.(*foundEntry)
	c.order.Remove(el)
	delete(c.byKey, e.key)
	c.series -= e.weight()
}

// labelCache keeps the labels of series by id: they never change, and building them is most of finding series. Two generations bound
// it: when the young one is full it becomes the old one, and what is not asked for again goes with the old one.
type labelCache struct {
	max int
	// mu guards what follows.
	mu    sync.Mutex
	young map[labelKey]labels.Labels
	old   map[labelKey]labels.Labels
}

type labelKey struct {
	tenant model.TenantID
	metric uint32
	series uint64
}

func newLabelCache(maxSeries int) *labelCache {
	return &labelCache{max: maxSeries / 2, young: map[labelKey]labels.Labels{}}
}

// of returns the labels of a row; b is scratch space.
func (c *labelCache) of(tenant model.TenantID, row *clickhouse.SeriesRow, b *labels.ScratchBuilder) (labels.Labels, error) {
	key := labelKey{tenant, row.MetricID, row.ID}
	c.mu.Lock()
	ls, ok := c.young[key]
	if !ok {
		if ls, ok = c.old[key]; ok {
			c.keep(key, ls)
		}
	}
	c.mu.Unlock()
	if ok {
		return ls, nil
	}
	b.Reset()
	b.Add(model.LabelName, row.Name)
	if err := row.ForEachLabel(b.Add); err != nil {
		return labels.EmptyLabels(), err
	}
	b.Sort()
	ls = b.Labels()
	c.mu.Lock()
	c.keep(key, ls)
	c.mu.Unlock()
	return ls, nil
}

// keep needs c.mu held.
func (c *labelCache) keep(key labelKey, ls labels.Labels) {
	if len(c.young) >= c.max {
		c.old, c.young = c.young, make(map[labelKey]labels.Labels, len(c.young)/2)
	}
	c.young[key] = ls
}

// nativeTenants remembers which tenants have native histograms: most have none, and their queries are spared asking for them.
type nativeTenants struct {
	// mu guards until.
	mu    sync.Mutex
	until map[model.TenantID]answer
}

type answer struct {
	yes   bool
	until time.Time
}

// nativeTTL is how long a yes holds; a no holds as long as found series do, since the first histogram is news like a new series.
const nativeTTL = 10 * time.Minute

func (n *nativeTenants) has(ctx context.Context, s *Store, tenant model.TenantID) (bool, error) {
	now := s.now()
	n.mu.Lock()
	a, ok := n.until[tenant]
	n.mu.Unlock()
	if ok && now.Before(a.until) {
		return a.yes, nil
	}
	yes, err := s.reader.HasHistograms(ctx, tenant)
	if err != nil {
		return false, err
	}
	ttl := s.cfg.SeriesTTL
	if yes {
		ttl = nativeTTL
	}
	n.mu.Lock()
	n.until[tenant] = answer{yes, now.Add(ttl)}
	n.mu.Unlock()
	return yes, nil
}

package warm

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// maxMetricSeries is up to how many series a metric's are kept: looking through more takes longer than asking the table for the few that
// a selector wants.
const maxMetricSeries = 50_000

// announceEvery is how long a series may live between two announcements, with room for a late writer; as in the tables' reader.
const announceEvery = 70 * time.Minute

type metricKey struct {
	tenant model.TenantID
	metric uint32
}

// metric is the series of one metric. busy is held while it is used: a channel of one, so that who waits can give up.
type metric struct {
	busy chan struct{}
	rows []clickhouse.IndexRow
	byID map[uint64]int32
	// known are the parts of the table whose rows are in; nil before the first reading.
	known []string
	// large says that the metric has too many series to keep.
	large bool
	// size is the number of rows as counted; the index's lock guards it.
	size int
}

// index keeps the series of metrics in two generations, as blocks does.
type index struct {
	max int
	// mu guards what follows.
	mu         sync.Mutex
	young, old map[metricKey]*metric
	// used is the number of series in young, and one more a metric.
	used int
}

func newIndex(maxSeries int) *index { return &index{max: maxSeries, young: map[metricKey]*metric{}} }

// take returns the metric of key, made where there is none.
func (x *index) take(key metricKey) *metric {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m, ok := x.young[key]; ok {
		return m
	}
	m, ok := x.old[key]
	if !ok {
		m = &metric{busy: make(chan struct{}, 1)}
	}
	delete(x.old, key)
	x.enter(key, m)
	return m
}

// enter puts a metric among the young ones, which become the old ones when they are too many. It needs x.mu held.
func (x *index) enter(key metricKey, m *metric) {
	if n := m.size + 1; x.used+n > x.max/2 {
		x.old, x.young, x.used = x.young, map[metricKey]*metric{}, 0
		delete(x.old, key)
	}
	x.young[key] = m
	x.used += m.size + 1
}

// resized counts the series of a metric again.
func (x *index) resized(key metricKey, m *metric, size int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.young[key] == m {
		x.used -= m.size + 1
	}
	delete(x.old, key)
	m.size = size
	x.enter(key, m)
}

// ids returns the series of metrics that are kept as a whole; nil where one is not.
func (x *index) ids(tenant model.TenantID, metrics []uint32) []uint64 {
	var out []uint64
	for _, id := range metrics {
		x.mu.Lock()
		m, ok := x.young[metricKey{tenant, id}]
		x.mu.Unlock()
		if !ok {
			return nil
		}
		select {
		case m.busy <- struct{}{}:
		default:
			return nil // somebody reads it: the tables answer
		}
		for i := range m.rows {
			out = append(out, m.rows[i].ID)
		}
		usable := m.known != nil && !m.large
		<-m.busy
		if !usable {
			return nil
		}
	}
	return out
}

// Series returns the series that match, from memory where the selector names a metric.
func (r *Reader) Series(ctx context.Context, tenant model.TenantID, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]clickhouse.SeriesRow, error) {
	name := nameOf(matchers)
	if r.off() || name == "" {
		statsOf(ctx).statement()
		return r.MetricReader.Series(ctx, tenant, matchers, notBefore, limit)
	}
	parts, err := r.lately(ctx)
	if err != nil {
		return nil, err
	}
	key := metricKey{tenant, model.MetricID(name)}
	m := r.index.take(key)
	select {
	case m.busy <- struct{}{}:
		defer func() { <-m.busy }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if parts != nil && !m.large {
		if err := r.refresh(ctx, key, m, parts.Series); err != nil {
			return nil, err
		}
	}
	if parts == nil || m.large {
		statsOf(ctx).statement()
		return r.MetricReader.Series(ctx, tenant, matchers, notBefore, limit)
	}
	return m.match(matchers, notBefore, limit)
}

// refresh reads the rows of the metric in parts that are not known yet. m must be held.
func (r *Reader) refresh(ctx context.Context, key metricKey, m *metric, parts []string) error {
	known := make([]string, 0, len(m.known))
	for _, p := range parts {
		if slices.Contains(m.known, p) {
			known = append(known, p)
		}
	}
	stats := statsOf(ctx)
	if m.known != nil && len(known) == len(parts) {
		stats.series(len(m.rows), 0)
		return nil
	}
	stats.statement()
	rows, err := r.SeriesOf(ctx, key.tenant, key.metric, known, maxMetricSeries+1)
	if err != nil {
		return err
	}
	stats.series(len(m.rows), len(rows))
	if m.byID == nil {
		m.byID = make(map[uint64]int32, len(rows))
	}
	for i := range rows {
		if at, ok := m.byID[rows[i].ID]; ok {
			m.rows[at].LastSeen = max(m.rows[at].LastSeen, rows[i].LastSeen)
			continue
		}
		m.byID[rows[i].ID] = int32(len(m.rows))
		m.rows = append(m.rows, rows[i])
	}
	if len(m.rows) > maxMetricSeries {
		m.rows, m.byID, m.known, m.large = nil, nil, nil, true
		r.index.resized(key, m, 0)
		return nil
	}
	// The parts were looked at before the rows were read, so what they held is in.
	m.known = slices.Clone(parts)
	if m.known == nil {
		m.known = []string{}
	}
	r.index.resized(key, m, len(m.rows))
	return nil
}

// match returns the rows that match.
func (m *metric) match(matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]clickhouse.SeriesRow, error) {
	conditions, err := compile(matchers)
	if err != nil {
		return nil, err
	}
	oldest := notBefore.Add(-announceEvery).Unix()
	var out []clickhouse.SeriesRow
	values := make([]string, len(conditions))
	for i := range m.rows {
		row := &m.rows[i]
		if int64(row.LastSeen) < oldest {
			continue
		}
		clear(values)
		err := row.ForEachLabel(func(name, value string) {
			for j, c := range conditions {
				if c.Name == name {
					values[j] = value
				}
			}
		})
		if err != nil {
			return nil, err
		}
		matches := true
		for j, c := range conditions {
			if c.Name == model.LabelName {
				values[j] = row.Name
			}
			if matches = c.Matches(values[j]); !matches {
				break
			}
		}
		if !matches {
			continue
		}
		if len(out) == limit {
			return nil, clickhouse.TooManySeries(limit)
		}
		out = append(out, row.SeriesRow)
	}
	return out, nil
}

// compile turns the tables' matchers into PromQL's.
func compile(matchers []clickhouse.Matcher) ([]*labels.Matcher, error) {
	types := map[clickhouse.MatchOp]labels.MatchType{
		clickhouse.MatchEqual: labels.MatchEqual, clickhouse.MatchNotEqual: labels.MatchNotEqual,
		clickhouse.MatchRegexp: labels.MatchRegexp, clickhouse.MatchNotRegexp: labels.MatchNotRegexp,
	}
	out := make([]*labels.Matcher, len(matchers))
	for i, m := range matchers {
		var err error
		if out[i], err = labels.NewMatcher(types[m.Op], m.Name, m.Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nameOf returns the metric that a selector names; "" for one that does not name one.
func nameOf(matchers []clickhouse.Matcher) string {
	for _, m := range matchers {
		if m.Op == clickhouse.MatchEqual && m.Name == model.LabelName {
			return m.Value
		}
	}
	return ""
}

package responder

import (
	"context"
	"time"

	promodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// forState is the series in which Prometheus keeps since when the condition of an alert holds.
const forState = "ALERTS_FOR_STATE"

// before shows the alerts that were active when the leader before this one published last, as the series that Prometheus restores the
// state of rules from. The control state has it at once and also when the telemetry's streams are full; the store is asked for rules
// that are not there.
type before struct {
	series []storage.Series
	store  storage.Queryable
	// fired are the alerts that fired, by group and rule.
	fired map[ruleKey][]firedAlert
	// seen are the groups, by key, that this term has not evaluated yet; read is when all of this was read.
	seen map[string]seen
	read time.Time
}

// firedAlert is an alert that fired.
type firedAlert struct{ labels, annotations labels.Labels }

// ruleKey names a rule; two of one name in a group share it.
type ruleKey struct{ group, rule string }

// readBefore reads what the leader before published.
func readBefore(ctx context.Context, t *term) (*before, error) {
	view, err := alertstate.NewView(t.kv, t.r.cfg.Tenant, t.r.deps.Log, nil)
	if err != nil {
		return nil, err
	}
	viewCtx, cancel := context.WithTimeout(ctx, loadWithin)
	done := make(chan struct{})
	go func() {
		defer close(done)
		view.Run(viewCtx)
	}()
	defer func() { cancel(); <-done }()
	select {
	case <-view.Loaded():
	case <-viewCtx.Done():
		return nil, errs.New(errs.KindOf(viewCtx.Err()), "read the state of rules: %w", viewCtx.Err())
	}
	b := &before{store: t.r.deps.Queryable, fired: map[ruleKey][]firedAlert{}, seen: map[string]seen{}, read: time.Now()}
	for _, g := range view.Groups() {
		b.seen[alertstate.GroupKey(g.File, g.Name)] = b.lastOf(g)
		for _, r := range g.Rules {
			for _, a := range r.Alerts {
				b.add(g, r.Name, a)
			}
		}
	}
	return b, nil
}

// takeoverTime is how long after the last evaluation a takeover may be and nobody counts it as an outage: the wait for a condition to have
// held goes on as if somebody had looked all the time. Longer outages do not count, as in Prometheus.
const takeoverTime = 30 * time.Second

// lastOf returns when a group was evaluated last.
func (b *before) lastOf(g *alertstate.Group) seen {
	outage := b.read.Sub(g.LastEvaluation)
	return seen{at: g.LastEvaluation, short: outage > 0 && outage < takeoverTime+time.Duration(g.Interval*float64(time.Second))}
}

func (b *before) add(g *alertstate.Group, rule string, a alertstate.Alert) {
	if a.ActiveAt == nil || (a.State != "pending" && a.State != "firing") {
		return
	}
	at := g.LastEvaluation
	if b.lastOf(g).short {
		at = b.read
	}
	if a.State == "firing" {
		key := ruleKey{alertstate.GroupKey(g.File, g.Name), rule}
		b.fired[key] = append(b.fired[key], firedAlert{labels.FromMap(a.Labels), labels.FromMap(a.Annotations)})
	}
	l := labels.NewBuilder(labels.FromMap(a.Labels))
	l.Set(promodel.MetricNameLabel, forState)
	b.series = append(b.series, storage.NewListSeries(l.Labels(), []chunks.Sample{point{ms: at.UnixMilli(), v: float64(a.ActiveAt.Unix())}}))
}

// Querier implements storage.Queryable.
func (b *before) Querier(minMS, maxMS int64) (storage.Querier, error) {
	q := &beforeQuerier{b: b, minMS: minMS}
	if b.store == nil {
		return q, nil
	}
	var err error
	q.store, err = b.store.Querier(minMS, maxMS)
	return q, err
}

type beforeQuerier struct {
	b     *before
	minMS int64
	store storage.Querier
}

// Select returns the series of one rule.
func (q *beforeQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, s := range q.b.series {
		if matchesAll(s.Labels(), matchers) && q.recent(s) {
			found = append(found, s)
		}
	}
	if len(found) == 0 && q.store != nil {
		return q.store.Select(ctx, sorted, hints, matchers...)
	}
	return &list{series: found, at: -1}
}

// recent reports whether a series has a sample within the time that counts.
func (q *beforeQuerier) recent(s storage.Series) bool {
	it := s.Iterator(nil)
	for it.Next() == chunkenc.ValFloat {
		if ms, _ := it.At(); ms >= q.minMS {
			return true
		}
	}
	return false
}

func matchesAll(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// LabelValues implements storage.Querier; nobody asks.
func (*beforeQuerier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.Querier; nobody asks.
func (*beforeQuerier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.Querier.
func (q *beforeQuerier) Close() error {
	if q.store == nil {
		return nil
	}
	return q.store.Close()
}

// list is a set of series that are at hand.
type list struct {
	series []storage.Series
	at     int
}

func (l *list) Next() bool {
	l.at++
	return l.at < len(l.series)
}
func (l *list) At() storage.Series              { return l.series[l.at] }
func (*list) Err() error                        { return nil }
func (*list) Warnings() annotations.Annotations { return nil }

// point is one sample.
type point struct {
	ms int64
	v  float64
}

func (p point) ST() int64                     { return 0 }
func (p point) T() int64                      { return p.ms }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

// labelSet turns Prometheus' labels into Alertmanager's.
func labelSet(l labels.Labels) promodel.LabelSet {
	out := make(promodel.LabelSet, l.Len())
	l.Range(func(x labels.Label) { out[promodel.LabelName(x.Name)] = promodel.LabelValue(x.Value) })
	return out
}

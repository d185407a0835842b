package promstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// errTruncated is the warning of a list that a limit cut.
var errTruncated = errors.New("results truncated due to limit")

// entry is one series.
type entry struct {
	id     uint64
	metric uint32
	labels labels.Labels
}

// foundSeries are the series of a selector, sorted by labels. It is shared between queries and never changed.
type foundSeries struct {
	series  []entry
	index   map[uint64]int32
	metrics []uint32
	// whole says that the selector names metrics only, so that their rows need no list of ids.
	whole bool
}

// find returns the series that match. Series that were not announced since an hour before notBefore are left out.
func (s *Store) find(ctx context.Context, tenant model.TenantID, matchers []*labels.Matcher, notBefore time.Time) (*foundSeries, error) {
	// Hours keep the number of different cache keys small while a page's time moves on.
	notBefore = notBefore.Truncate(time.Hour)
	key := cacheKey(tenant, matchers, notBefore)
	if f := s.found.get(key, s.now()); f != nil {
		return f, nil
	}
	started := s.now()
	rows, err := s.reader.Series(ctx, tenant, toMatchers(matchers), notBefore, s.cfg.MaxSeries)
	if err != nil {
		return nil, err
	}
	f := &foundSeries{whole: onlyNames(matchers)}
	var b labels.ScratchBuilder
	for i := range rows {
		ls, err := s.labels.of(tenant, &rows[i], &b)
		if err != nil {
			return nil, err
		}
		// The engine has matched already; this holds where its expressions differ from PromQL's, and where two names share an id.
		if matchesAll(ls, matchers) {
			f.series = append(f.series, entry{id: rows[i].ID, metric: rows[i].MetricID, labels: ls})
		}
	}
	f.finish()
	s.found.put(key, f, started)
	return f, nil
}

func (f *foundSeries) finish() {
	slices.SortFunc(f.series, func(a, b entry) int { return labels.Compare(a.labels, b.labels) })
	f.index = make(map[uint64]int32, len(f.series))
	for i, e := range f.series {
		f.index[e.id] = int32(i)
		if len(f.metrics) == 0 || f.metrics[len(f.metrics)-1] != e.metric {
			f.metrics = append(f.metrics, e.metric)
		}
	}
	slices.Sort(f.metrics)
	f.metrics = slices.Compact(f.metrics)
}

// onlyNames reports whether every matcher is about the metric's name.
func onlyNames(matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name != model.LabelName })
}

func matchesAll(ls labels.Labels, matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

func cacheKey(tenant model.TenantID, matchers []*labels.Matcher, notBefore time.Time) string {
	parts := make([]string, len(matchers))
	for i, m := range matchers {
		parts[i] = string(model.AppendIdentity(nil, m.Name, m.Type.String()+m.Value))
	}
	slices.Sort(parts)
	return string(model.AppendIdentity(nil, notBefore.UTC().Format(time.RFC3339), strconv.FormatUint(uint64(tenant), 10))) + strings.Join(parts, "")
}

// toMatchers translates PromQL's matchers. Those that match everything are left out.
func toMatchers(matchers []*labels.Matcher) []clickhouse.Matcher {
	out := make([]clickhouse.Matcher, 0, len(matchers))
	for _, m := range matchers {
		c := clickhouse.Matcher{Name: m.Name, Value: m.Value}
		switch m.Type {
		case labels.MatchEqual:
			c.Op = clickhouse.MatchEqual
		case labels.MatchNotEqual:
			c.Op = clickhouse.MatchNotEqual
		case labels.MatchRegexp:
			c.Op, c.OneOf = clickhouse.MatchRegexp, m.SetMatches()
		case labels.MatchNotRegexp:
			c.Op, c.OneOf = clickhouse.MatchNotRegexp, m.SetMatches()
		}
		if m.Type == labels.MatchRegexp && m.Value == ".*" {
			continue
		}
		out = append(out, c)
	}
	return out
}

func insertSorted(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found {
		return names
	}
	return slices.Insert(names, i, name)
}

func truncate(values []string, limit int, err error) ([]string, annotations.Annotations, error) {
	if err != nil || len(values) <= limit {
		return values, nil, err
	}
	var warnings annotations.Annotations
	warnings.Add(errTruncated)
	return values[:limit], warnings, nil
}

package clickhouse

import (
	"context"
	"errors"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// codeCannotCompileRegexp is ClickHouse's error for an expression that its library does not take.
const codeCannotCompileRegexp = 427

// MetricReader reads series and samples. It is safe for concurrent use.
type MetricReader struct {
	db *DB
}

// NewMetricReader returns a reader of db.
func NewMetricReader(db *DB) *MetricReader { return &MetricReader{db: db} }

// SeriesRow is one series as stored. Labels is the encoded label map; see ForEachLabel.
type SeriesRow struct {
	ID       uint64
	MetricID uint32
	Name     string
	Labels   string
}

// ForEachLabel calls f with the labels of the row in stored order, __name__ not among them. It returns an error when the encoding is
// broken, which means a bug or a broken connection.
func (r *SeriesRow) ForEachLabel(f func(name, value string)) error {
	d := rowDecoder{s: r.Labels}
	for range d.uvarint() {
		name := d.str()
		value := d.str()
		if d.err != nil {
			return d.err
		}
		f(name, value)
	}
	return d.err
}

// Labels travel as one string a row (format RowBinary): a column of maps would be taken apart into columns and put together again.
const selectSeries = `
SELECT
    series_id,
    metric_id,
    CAST(any(name), 'String') AS metric,
    formatRow('RowBinary', any(labels)) AS pairs
FROM series
WHERE /*condition*/
GROUP BY metric_id, series_id
LIMIT {limit:UInt64}`

// Series returns the series of tenant that match and were announced at or after notBefore (less an hour), in no order. Errors:
// errs.Exhausted when there are more than limit.
func (r *MetricReader) Series(ctx context.Context, tenant model.TenantID, matchers []Matcher, notBefore time.Time, limit int) ([]SeriesRow, error) {
	var ids proto.ColUInt64
	var metrics proto.ColUInt32
	var names, pairs proto.ColStr
	var out []SeriesRow
	result := proto.Results{{Name: "series_id", Data: &ids}, {Name: "metric_id", Data: &metrics}, {Name: "metric", Data: &names}, {Name: "pairs", Data: &pairs}}
	m := matching{tenant: tenant, matchers: matchers, notBefore: notBefore, limit: limit + 1}
	err := r.matching(ctx, m, selectSeries, result, func(rows int) error {
		name := "" // rows of one metric share its name
		for i := range rows {
			if n := names.RowBytes(i); string(n) != name {
				name = string(n)
			}
			out = append(out, SeriesRow{ID: ids[i], MetricID: metrics[i], Name: name, Labels: pairs.Row(i)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out) > limit {
		return nil, TooManySeries(limit)
	}
	return out, nil
}

// TooManySeries is the error of a selector that matches more than limit series.
func TooManySeries(limit int) error {
	return errs.WithHint(errs.Exhausted, "name a metric and more labels, or raise query.max_series",
		"query.max_series: the selector matches more than %d series", limit)
}

const selectLabelNames = `
SELECT DISTINCT CAST(arrayJoin(mapKeys(labels)), 'String') AS label
FROM series
WHERE /*condition*/
ORDER BY label
LIMIT {limit:UInt64}`

const selectMetricNames = `
SELECT DISTINCT CAST(name, 'String') AS label
FROM series
WHERE /*condition*/
ORDER BY label
LIMIT {limit:UInt64}`

const selectLabelValues = `
SELECT DISTINCT labels[{label:String}] AS label
FROM series
WHERE /*condition*/
  AND label != ''
ORDER BY label
LIMIT {limit:UInt64}`

// LabelNames returns the names of the labels of matching series in order, __name__ not among them.
func (r *MetricReader) LabelNames(ctx context.Context, tenant model.TenantID, matchers []Matcher, notBefore time.Time, limit int) ([]string, error) {
	return r.labels(ctx, matching{tenant: tenant, matchers: matchers, notBefore: notBefore, limit: limit}, selectLabelNames)
}

// LabelValues returns the values of a label of matching series in order, without the empty one.
func (r *MetricReader) LabelValues(ctx context.Context, tenant model.TenantID, label string, matchers []Matcher, notBefore time.Time, limit int) ([]string, error) {
	m := matching{tenant: tenant, matchers: matchers, notBefore: notBefore, limit: limit}
	if label == model.LabelName {
		return r.labels(ctx, m, selectMetricNames)
	}
	m.extra.str("label", label)
	return r.labels(ctx, m, selectLabelValues)
}

func (r *MetricReader) labels(ctx context.Context, m matching, text string) ([]string, error) {
	var col proto.ColStr
	out := []string{}
	err := r.matching(ctx, m, text, proto.Results{{Name: "label", Data: &col}}, func(rows int) error {
		for i := range rows {
			out = append(out, col.Row(i))
		}
		return nil
	})
	return out, err
}

// matching says which series a statement is about.
type matching struct {
	tenant    model.TenantID
	matchers  []Matcher
	notBefore time.Time
	limit     int
	extra     params
}

// matching runs a statement over the table series; when the engine does not take a regular expression, it runs without them.
func (r *MetricReader) matching(ctx context.Context, m matching, text string, result proto.Results, onBlock func(rows int) error) error {
	run := func(withRegexps bool) error {
		c := seriesCondition(m.tenant, m.matchers, m.notBefore, withRegexps)
		c.params = append(c.params, m.extra...)
		c.params.uint("limit", uint64(m.limit))
		q := chgo.Query{Body: strings.Replace(text, "/*condition*/", c.text.String(), 1), Parameters: c.params, Result: result}
		return r.db.read(ctx, m.tenant, q, onBlock)
	}
	err := run(true)
	var refused *chgo.Exception
	if errors.As(err, &refused) && refused.Code == codeCannotCompileRegexp {
		return run(false)
	}
	return err
}

const selectMetadata = `
SELECT family, argMax(type, seen_at) AS last_type, argMax(unit, seen_at) AS last_unit, argMax(help, seen_at) AS last_help, argMax(original, seen_at) AS last_original
FROM metric_metadata
WHERE tenant_id = {tenant:UInt32}
  AND ({family:String} = '' OR family = {family:String})
GROUP BY family
ORDER BY family
LIMIT {limit:UInt64}`

// Metadata returns what metric families mean, in order of their names; family "" is all of them.
func (r *MetricReader) Metadata(ctx context.Context, tenant model.TenantID, family string, limit int) ([]model.MetricMetadata, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.str("family", family)
	p.uint("limit", uint64(limit))
	var families, types, units, helps, originals proto.ColStr
	var out []model.MetricMetadata
	result := proto.Results{
		{Name: "family", Data: &families}, {Name: "last_type", Data: &types}, {Name: "last_unit", Data: &units},
		{Name: "last_help", Data: &helps}, {Name: "last_original", Data: &originals},
	}
	err := r.db.read(ctx, tenant, chgo.Query{Body: selectMetadata, Parameters: p, Result: result}, func(rows int) error {
		for i := range rows {
			out = append(out, model.MetricMetadata{
				Family: families.Row(i), Type: types.Row(i), Unit: units.Row(i), Help: helps.Row(i), Original: originals.Row(i),
			})
		}
		return nil
	})
	return out, err
}

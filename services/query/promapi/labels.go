package promapi

import (
	"errors"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/faultline-io/faultline/services/query/reqctx"
)

// defaultSeries bounds lists of series and labels for clients that ask for no limit.
const defaultSeries = 100_000

// scope is what requests about series and labels have in common.
type scope struct {
	querier   storage.Querier
	selectors [][]*labels.Matcher
	limit     int
	minMS     int64
	maxMS     int64
}

func (a *API) scopeOf(c *gin.Context) (*scope, error) {
	r := c.Request
	now := a.deps.Clock()
	start, err := optionalTime(r, "start", minTime, now)
	if err != nil {
		return nil, err
	}
	end, err := optionalTime(r, "end", maxTime, now)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(r, "limit")
	if err != nil {
		return nil, err
	}
	s := &scope{limit: limit, minMS: start.UnixMilli(), maxMS: end.UnixMilli()}
	if s.limit == 0 || s.limit > defaultSeries {
		s.limit = defaultSeries
	}
	if s.selectors, err = a.selectorsOf(r); err != nil {
		return nil, err
	}
	s.querier, err = a.deps.Queryable.Querier(s.minMS, s.maxMS)
	return s, err
}

func (a *API) series(c *gin.Context) (reply, error) {
	if len(c.Request.Form["match[]"]) == 0 {
		return reply{}, badData("no match[] parameter provided")
	}
	s, err := a.scopeOf(c)
	switch {
	case errors.Is(err, errSelector):
		return reply{}, badData("invalid parameter %q: %v", "match[]", err)
	case err != nil:
		return reply{}, err
	}
	defer s.querier.Close()
	hints := &storage.SelectHints{Start: s.minMS, End: s.maxMS, Func: "series", Limit: s.limit}
	sets := make([]storage.SeriesSet, len(s.selectors))
	for i, selector := range s.selectors {
		sets[i] = s.querier.Select(c.Request.Context(), true, hints, selector...)
	}
	set := storage.NewMergeSeriesSet(sets, s.limit, storage.ChainedSeriesMerge)
	buf := []byte{'['}
	for n := 0; set.Next(); n++ {
		if n > 0 {
			buf = append(buf, ',')
		}
		buf = appendLabels(buf, set.At().Labels())
	}
	if err := set.Err(); err != nil {
		return reply{}, &evalError{err}
	}
	out := reply{data: append(buf, ']')}
	out.warnings, out.infos = set.Warnings().AsStrings("", maxNotes, maxNotes)
	return out, nil
}

// collect asks once for each selector (or once for everything) and returns the union in order.
func (s *scope) collect(ask func(matchers []*labels.Matcher) ([]string, annotations.Annotations, error)) (reply, error) {
	sets := s.selectors
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	var notes annotations.Annotations
	for _, matchers := range sets {
		names, more, err := ask(matchers)
		if err != nil {
			return reply{}, &evalError{err}
		}
		all = append(all, names...)
		notes.Merge(more)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	out, err := replyJSON(all[:min(len(all), s.limit)])
	out.warnings, out.infos = notes.AsStrings("", maxNotes, maxNotes)
	if len(all) > s.limit && len(out.warnings) == 0 {
		out.warnings = append(out.warnings, errLimit)
	}
	return out, err
}

func (a *API) labels(c *gin.Context) (reply, error) {
	s, err := a.scopeOf(c)
	if err != nil {
		return reply{}, err
	}
	defer s.querier.Close()
	return s.collect(func(m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return s.querier.LabelNames(c.Request.Context(), &storage.LabelHints{Limit: s.limit}, m...)
	})
}

func (a *API) labelValues(c *gin.Context) (reply, error) {
	name, err := labelName(c.Param("name"))
	if err != nil {
		return reply{}, err
	}
	s, err := a.scopeOf(c)
	if err != nil {
		return reply{}, err
	}
	defer s.querier.Close()
	return s.collect(func(m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return s.querier.LabelValues(c.Request.Context(), name, &storage.LabelHints{Limit: s.limit}, m...)
	})
}

// family is Prometheus' form of metric metadata.
type family struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

func (a *API) metadata(c *gin.Context) (reply, error) {
	limit, err := limitOf(c.Request, "limit")
	if err != nil {
		return reply{}, err
	}
	if limit == 0 {
		limit = defaultSeries
	}
	ctx := c.Request.Context()
	found, err := a.deps.Metadata.Metadata(ctx, reqctx.Tenant(ctx), c.Request.FormValue("metric"), limit)
	if err != nil {
		return reply{}, &evalError{err}
	}
	out := make(map[string][]family, len(found))
	for _, m := range found {
		out[m.Family] = []family{{Type: m.Type, Help: m.Help, Unit: m.Unit}}
	}
	return replyJSON(out)
}

package promapi

import (
	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/promql/parser"
)

func (a *API) queryExemplars(c *gin.Context) (reply, error) {
	r := c.Request
	now := a.deps.Clock()
	start, err := optionalTime(r, "start", minTime, now)
	if err != nil {
		return reply{}, err
	}
	end, err := optionalTime(r, "end", maxTime, now)
	if err != nil {
		return reply{}, err
	}
	if end.Before(start) {
		return reply{}, badData("end timestamp must not be before start timestamp")
	}
	if err := checkText(r.FormValue("query")); err != nil {
		return reply{}, err
	}
	expr, err := a.parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return reply{}, badData("%v", err)
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return reply{none: true}, nil
	}
	found, cut, err := a.deps.Exemplars(r.Context(), start.UnixMilli(), end.UnixMilli(), selectors...)
	if err != nil {
		return reply{}, &evalError{err}
	}
	out := reply{data: encodeExemplars(found)}
	if cut {
		out.warnings = []string{errLimit}
	}
	return out, nil
}

func encodeExemplars(found []exemplar.QueryResult) []byte {
	buf := []byte{'['}
	for i, s := range found {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendLabels(append(buf, `{"seriesLabels":`...), s.SeriesLabels)
		buf = append(buf, `,"exemplars":[`...)
		for j, e := range s.Exemplars {
			if j > 0 {
				buf = append(buf, ',')
			}
			buf = appendLabels(append(buf, `{"labels":`...), e.Labels)
			buf = appendFloat(append(buf, `,"value":`...), e.Value)
			buf = append(appendTime(append(buf, `,"timestamp":`...), e.Ts), '}')
		}
		buf = append(buf, "]}"...)
	}
	return append(buf, ']')
}

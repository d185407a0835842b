package promapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/faultline-io/faultline/services/query/timeparam"
)

// The times that clients send for "no bound": what Prometheus' own client library calls minimum and maximum.
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

// timeOf reads a time: as everywhere in this server, and beyond the years that those allow.
func timeOf(r *http.Request, name string, or time.Time, now time.Time) (time.Time, error) {
	s := r.FormValue(name)
	switch {
	case s == "":
		return or, nil
	case s == minTime.Format(time.RFC3339Nano):
		return minTime, nil
	case s == maxTime.Format(time.RFC3339Nano):
		return maxTime, nil
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(sec) && math.Abs(sec) < math.MaxInt64/1000 {
		whole, frac := math.Modf(sec)
		return time.Unix(int64(whole), int64(math.Round(frac*1000)*1e6)).UTC(), nil
	}
	t, err := timeparam.Parse(name, s, now)
	if err != nil {
		return time.Time{}, badData("invalid parameter %q: cannot parse %q to a valid timestamp", name, s)
	}
	return t, nil
}

// durationOf reads a duration: seconds, or 5m.
func durationOf(name, s string) (time.Duration, error) {
	if sec, err := strconv.ParseFloat(s, 64); err == nil {
		if ns := sec * float64(time.Second); !math.IsNaN(ns) && math.Abs(ns) < math.MaxInt64 {
			return time.Duration(ns), nil
		}
		return 0, badData("invalid parameter %q: cannot parse %q to a valid duration. It overflows int64", name, s)
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, badData("invalid parameter %q: cannot parse %q to a valid duration", name, s)
	}
	return time.Duration(d), nil
}

// limitOf reads a limit; 0 is none.
func limitOf(r *http.Request, name string) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badData("invalid parameter %q: must be a number that is not negative", name)
	}
	return n, nil
}

func optsOf(r *http.Request) (promql.QueryOpts, error) {
	var delta time.Duration
	if s := r.FormValue("lookback_delta"); s != "" {
		var err error
		if delta, err = durationOf("lookback_delta", s); err != nil {
			return nil, err
		}
	}
	return promql.NewPrometheusQueryOpts(r.FormValue("stats") == statsAll, delta), nil
}

// selectorsOf reads the match[] parameters.
func (a *API) selectorsOf(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := a.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, badData("invalid parameter %q: %v", "match[]", err)
	}
	for _, set := range sets {
		if !selective(set) {
			return nil, badData("invalid parameter %q: match[] must contain at least one non-empty matcher", "match[]")
		}
	}
	return sets, nil
}

// selective reports whether some matcher does not match the absent label: a selector without one would match everything.
func selective(set []*labels.Matcher) bool {
	for _, m := range set {
		if m != nil && !m.Matches("") {
			return true
		}
	}
	return false
}

// labelName undoes the escaping that clients use for names with characters outside of a path.
func labelName(s string) (string, error) {
	if strings.HasPrefix(s, "U__") {
		s = model.UnescapeName(s, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(s) {
		return "", badData("invalid label name: %q", s)
	}
	return s, nil
}

package promapi

import (
	"errors"
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

// optionalTime reads a time that has a default.
func optionalTime(r *http.Request, name string, or time.Time, now time.Time) (time.Time, error) {
	if r.FormValue(name) == "" {
		return or, nil
	}
	t, err := timeOf(r, name, now)
	if err != nil {
		return t, badData("invalid parameter %q: invalid time value for '%s': %v", name, name, err)
	}
	return t, nil
}

// requiredTime reads a time that must be there.
func requiredTime(r *http.Request, name string, now time.Time) (time.Time, error) {
	t, err := timeOf(r, name, now)
	if err != nil {
		return t, badData("invalid parameter %q: %v", name, err)
	}
	return t, nil
}

// timeOf reads a time: as everywhere in this server, and beyond the years that those allow.
func timeOf(r *http.Request, name string, now time.Time) (time.Time, error) {
	s := r.FormValue(name)
	switch {
	case s == "":
		return time.Time{}, badData("cannot parse %q to a valid timestamp", s)
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
		return time.Time{}, badData("cannot parse %q to a valid timestamp", s)
	}
	return t, nil
}

// durationOf reads a duration: seconds, or 5m.
func durationOf(name, s string) (time.Duration, error) {
	d, err := duration(s)
	if err != nil {
		return 0, badData("invalid parameter %q: %v", name, err)
	}
	return d, nil
}

func duration(s string) (time.Duration, error) {
	if sec, err := strconv.ParseFloat(s, 64); err == nil {
		if ns := sec * float64(time.Second); !math.IsNaN(ns) && math.Abs(ns) < math.MaxInt64 {
			return time.Duration(ns), nil
		}
		return 0, badData("cannot parse %q to a valid duration. It overflows int64", s)
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, badData("cannot parse %q to a valid duration", s)
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
	if err != nil {
		return 0, badData("invalid parameter %q: %v", name, err)
	}
	if n < 0 {
		return 0, badData("invalid parameter %q: limit must be non-negative", name)
	}
	return n, nil
}

func optsOf(r *http.Request) (promql.QueryOpts, error) {
	var delta time.Duration
	if s := r.FormValue("lookback_delta"); s != "" {
		var err error
		if delta, err = duration(s); err != nil {
			return nil, badData("error parsing lookback delta duration: %v", err)
		}
	}
	return promql.NewPrometheusQueryOpts(r.FormValue("stats") == statsAll, delta), nil
}

// errSelector marks what is wrong with a match[]: one of the requests names the parameter in its error, the others do not.
var errSelector = errors.New("")

// selectorsOf reads the match[] parameters.
func (a *API) selectorsOf(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := a.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, badData("%v%w", err, errSelector)
	}
	for _, set := range sets {
		if !selective(set) {
			return nil, badData("match[] must contain at least one non-empty matcher%w", errSelector)
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

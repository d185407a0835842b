package lokiapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// span is the time of a question, in Unix nanoseconds: start inclusive, end exclusive.
type span struct{ start, end int64 }

// timeOf reads a time as Loki does: nanoseconds, seconds of up to ten digits, seconds with a fraction, RFC 3339.
func timeOf(r *http.Request, name string, or time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" {
		return or, nil
	}
	if strings.Contains(s, ".") {
		if sec, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(sec) < math.MaxInt64/2e9 {
			whole, frac := math.Modf(sec)
			return time.Unix(int64(whole), int64(math.Round(frac*1000)*1e6)), nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(s) <= 10 {
			return time.Unix(n, 0), nil
		}
		return time.Unix(0, n), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1900 || t.Year() > 2250 {
		return time.Time{}, errs.New(errs.Invalid, "could not parse '%s' parameter: %q is not a time in nanoseconds, seconds or RFC 3339", name, s)
	}
	return t, nil
}

// spanOf reads start, end and since; an hour up to now by default.
func (a *API) spanOf(r *http.Request) (span, error) {
	now := a.deps.Clock()
	end, err := timeOf(r, "end", now)
	if err != nil {
		return span{}, err
	}
	since := time.Hour
	if s := r.FormValue("since"); s != "" {
		d, err := model.ParseDuration(s)
		if err != nil {
			return span{}, errs.New(errs.Invalid, "could not parse 'since' parameter: %w", err)
		}
		since = time.Duration(d)
	}
	from := end
	if end.After(now) {
		from = now
	}
	start, err := timeOf(r, "start", from.Add(-since))
	if err != nil {
		return span{}, err
	}
	if end.Before(start) {
		return span{}, errs.New(errs.Invalid, "end timestamp must not be before or equal to start time")
	}
	return span{start.UnixNano(), end.UnixNano()}, nil
}

// stepOf reads a duration in seconds or as 5m; the default is a 250th of the span, at least a second.
func stepOf(r *http.Request, name string, s span) (int64, error) {
	text := r.FormValue(name)
	if text == "" {
		return max((s.end-s.start)/250/1e9, 1) * 1e9, nil
	}
	if sec, err := strconv.ParseFloat(text, 64); err == nil && sec > 0 && sec < 1e9 {
		return int64(sec * 1e9), nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errs.New(errs.Invalid, "could not parse '%s' parameter: zero or negative query resolution step widths are not accepted. Try a positive duration such as 30s", name)
	}
	return int64(d), nil
}

func limitOf(r *http.Request, name string, or, most int) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return or, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "could not parse '%s' parameter: it must be a positive number", name)
	}
	if n > most {
		return 0, errs.New(errs.Invalid, "max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", n, most)
	}
	if n == 0 {
		return or, nil
	}
	return n, nil
}

// forwardOf reads the direction.
func forwardOf(r *http.Request) (bool, error) {
	switch s := strings.ToLower(r.FormValue("direction")); s {
	case "", "backward":
		return false, nil
	case "forward":
		return true, nil
	default:
		return false, errs.New(errs.Invalid, "invalid direction '%s'", s)
	}
}

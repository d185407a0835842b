// Package timeparam reads the times of requests: RFC 3339, Unix seconds with a fraction, and times relative to now. It reads no clock.
package timeparam

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/query/problem"
)

// maxUnixSeconds bounds numbers that are taken for Unix seconds: the year 2262, the last one that int64 nanoseconds hold.
const maxUnixSeconds = math.MaxInt64 / 1e9

// Range is a span of time, both ends included.
type Range struct {
	Start time.Time
	End   time.Time
}

// Parse returns the time that s names: "now", "now-1h30m", "now+5m", RFC 3339, or Unix seconds. name is the parameter, for errors.
func Parse(name, s string, now time.Time) (time.Time, error) {
	if rest, ok := strings.CutPrefix(s, "now"); ok {
		return relative(name, s, rest, now)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	sec, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(sec) || math.Abs(sec) > maxUnixSeconds {
		return time.Time{}, problem.InvalidField("query."+name, "is not a time: use RFC 3339, Unix seconds or now-1h", s)
	}
	whole, frac := math.Modf(sec)
	// Milliseconds are all that a float64 of today's seconds holds with certainty.
	return time.Unix(int64(whole), int64(math.Round(frac*1000))*int64(time.Millisecond)).UTC(), nil
}

func relative(name, s, rest string, now time.Time) (time.Time, error) {
	if rest == "" {
		return now.UTC(), nil
	}
	sign := rest[0]
	d, err := Duration(rest[1:])
	if err != nil || (sign != '-' && sign != '+' && sign != ' ') {
		return time.Time{}, problem.InvalidField("query."+name, "is not a time relative to now: use now-15m, now-1h or now-7d", s)
	}
	if sign == '-' {
		d = -d
	}
	// A plus sign that a client forgot to escape arrives as a space.
	return now.Add(d).UTC(), nil
}

// Duration reads a duration as people write it: 30s, 5m, 1h30m, 7d, 2w, 1.5s.
func Duration(s string) (time.Duration, error) {
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, problem.InvalidField("duration", "is not a duration: use 30s, 5m, 1h30m or 7d", s)
	}
	return d, nil
}

// ParseRange reads the parameters start and end. An empty end is now, an empty start is span before the end.
func ParseRange(start, end string, now time.Time, span time.Duration) (Range, error) {
	r := Range{End: now.UTC()}
	var err error
	if end != "" {
		if r.End, err = Parse("end", end, now); err != nil {
			return Range{}, err
		}
	}
	r.Start = r.End.Add(-span)
	if start != "" {
		if r.Start, err = Parse("start", start, now); err != nil {
			return Range{}, err
		}
	}
	if r.Start.After(r.End) {
		return Range{}, problem.InvalidField("query.start", "is after end", start)
	}
	return r, nil
}

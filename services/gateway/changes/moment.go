package changes

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// moment is a time in one of the forms that senders use: RFC 3339, GitLab's, or a number of seconds, milliseconds, microseconds or
// nanoseconds since 1970, told apart by its size. It holds nanoseconds; 0 is none.
type moment int64

// layouts are the forms of times as text.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05", "2006-01-02 15:04:05"}

var _ json.Unmarshaler = (*moment)(nil)

// UnmarshalJSON reads a time.
func (m *moment) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		return nil
	}
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	v, err := parseMoment(text)
	*m = v
	return err
}

func parseMoment(text string) (moment, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return numericMoment(text, n)
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil && t.Year() > 1970 && t.Year() < 2262 {
			return moment(t.UnixNano()), nil
		}
	}
	return 0, errs.New(errs.Invalid, "%.64q is not a time: use RFC 3339 or a number of seconds or milliseconds since 1970", text)
}

// numericMoment: a number below 10^11 is seconds (to the year 5138), below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds.
func numericMoment(text string, n float64) (moment, error) {
	switch {
	case math.IsNaN(n) || n < 0 || n >= math.MaxInt64:
		return 0, errs.New(errs.Invalid, "%.64q is not a time", text)
	case n < 1e11:
		n *= 1e9
		if n >= math.MaxInt64 {
			return 0, errs.New(errs.Invalid, "%.64q is not a time", text)
		}
		// Milliseconds are what a fraction of today's seconds holds with certainty.
		return moment(math.Round(n/1e6)) * 1e6, nil
	case n < 1e14:
		return moment(n) * 1e6, nil
	case n < 1e17:
		return moment(n) * 1e3, nil
	}
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return moment(whole), nil
	}
	return moment(n), nil
}

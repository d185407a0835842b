package event

import (
	"math"
	"strings"
	"time"
)

// ParseTime reads a time as log shippers write it: RFC 3339 and what is like it (a space for the T, a comma for the dot, an offset
// without its colon, none at all: UTC), a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its
// size, the form of access logs, and that of HTTP. The result is in nanoseconds.
func ParseTime(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 5 || len(s) > 64 {
		return 0, false
	}
	if len(s) > 10 && s[4] == '-' {
		return parseISO(s)
	}
	if c := s[0]; c >= '0' && c <= '9' {
		if ns, ok := parseEpoch(s); ok {
			return ns, true
		}
	}
	for _, layout := range []string{"02/Jan/2006:15:04:05 -0700", time.RFC1123, time.RFC1123Z, time.ANSIC, time.UnixDate, "2006/01/02 15:04:05", "2006/01/02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil && inRange(t) {
			return t.UnixNano(), true
		}
	}
	return 0, false
}

// inRange reports whether a time fits 64 bits of nanoseconds.
func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2262 }

// digits reads n decimal digits.
func digits(s string, n int) (int, bool) {
	if len(s) < n {
		return 0, false
	}
	v := 0
	for i := range n {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		v = v*10 + int(c)
	}
	return v, true
}

// parseISO reads 2006-01-02T15:04:05.999999999Z07:00 and its relatives.
func parseISO(s string) (int64, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') {
		return 0, false
	}
	year, ok1 := digits(s, 4)
	month, ok2 := digits(s[5:], 2)
	day, ok3 := digits(s[8:], 2)
	hour, ok4 := digits(s[11:], 2)
	minute, ok5 := digits(s[14:], 2)
	sec, ok6 := digits(s[17:], 2)
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 60 || year < 1970 || year > 2261 {
		return 0, false
	}
	rest := s[19:]
	nanos := 0
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nanos += int(rest[i]-'0') * scale
			scale /= 10
		}
		if i == 1 {
			return 0, false
		}
		rest = rest[i:]
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nanos, time.UTC)
	return t.UnixNano() - int64(offset)*int64(time.Second), true
}

// parseOffset reads Z, +07:00, +0700, +07, " UTC", or nothing, which is UTC; the result is in seconds.
func parseOffset(s string) (int, bool) {
	s = strings.TrimPrefix(s, " ")
	switch s {
	case "", "Z", "z", "UTC", "GMT":
		return 0, true
	}
	if len(s) < 3 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	h, ok := digits(s[1:], 2)
	rest := strings.TrimPrefix(s[3:], ":")
	m := 0
	if rest != "" {
		var okMinute bool
		m, okMinute = digits(rest, 2)
		ok = ok && okMinute && len(rest) == 2
	}
	if !ok || h > 23 || m > 59 {
		return 0, false
	}
	n := h*3600 + m*60
	if s[0] == '-' {
		n = -n
	}
	return n, true
}

// parseEpoch reads a count since 1970 exactly, with or without a fraction.
func parseEpoch(s string) (int64, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(whole) > 19 || strings.ContainsAny(s, "eE") {
		return 0, false
	}
	var n int64
	for i := 0; i < len(whole); i++ {
		c := whole[i] - '0'
		if c > 9 || n > (math.MaxInt64-int64(c))/10 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	unit := int64(1)
	switch {
	case n < 100_000_000_000: // seconds, to the year 5138
		unit = 1_000_000_000
	case n < 100_000_000_000_000:
		unit = 1_000_000
	case n < 100_000_000_000_000_000:
		unit = 1_000
	}
	if n > math.MaxInt64/unit {
		return 0, false
	}
	n *= unit
	scale := unit / 10
	for i := 0; i < len(frac); i++ {
		c := frac[i] - '0'
		if c > 9 {
			return 0, false
		}
		n += int64(c) * scale
		scale /= 10
	}
	return n, n >= 0
}

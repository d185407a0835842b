package logs

import (
	"strings"
	"time"
)

// maxFuture is how far ahead of its reading a line may claim to be; a claim beyond it is a wrong clock or a wrong year.
const maxFuture = 5 * time.Minute

// ParseTime finds the time of a line: ISO 8601 at the start (also in brackets, or behind time=, ts=, "time":" and the like in the
// first bytes), "2006/01/02 15:04:05", syslog's "Jan _2 15:04:05", or the bracketed time of access logs. Times without a zone are in
// loc. now settles the year that syslog leaves out. Zero means that there is none to be believed.
func ParseTime(line string, now time.Time, loc *time.Location) time.Time {
	t := findTime(line, now, loc)
	if t.IsZero() || t.Year() < 1990 || t.Sub(now) > maxFuture {
		return time.Time{}
	}
	return t
}

func findTime(line string, now time.Time, loc *time.Location) time.Time {
	head := strings.TrimLeft(line, "[( \t")
	if t, ok := parseISO(head, loc); ok {
		return t
	}
	if t, ok := parseSyslog(head, now, loc); ok {
		return t
	}
	if len(line) > severityWindow {
		line = line[:severityWindow]
	}
	if strings.HasPrefix(head, "{") || strings.Contains(line, "=") {
		for _, key := range [...]string{`"time":"`, `"ts":"`, `"timestamp":"`, `"@timestamp":"`, `time="`, "time=", "ts="} {
			if i := strings.Index(line, key); i >= 0 {
				if t, ok := parseISO(line[i+len(key):], loc); ok {
					return t
				}
			}
		}
	}
	if i := strings.IndexByte(line, '['); i >= 0 && i < 128 {
		if t, ok := parseCLF(line[i+1:]); ok {
			return t
		}
	}
	return time.Time{}
}

// digits parses n digits at the start of s.
func digits(s string, n int) (int, bool) {
	if len(s) < n {
		return 0, false
	}
	v := 0
	for i := range n {
		if !isDigit(s[i]) {
			return 0, false
		}
		v = v*10 + int(s[i]-'0')
	}
	return v, true
}

// parseISO parses 2006-01-02T15:04:05 with blank or T, - or /, an optional fraction behind . or comma, and an optional zone.
func parseISO(s string, loc *time.Location) (time.Time, bool) {
	if len(s) < 19 || s[4] != '-' && s[4] != '/' || s[7] != s[4] || s[10] != 'T' && s[10] != ' ' && s[10] != '_' {
		return time.Time{}, false
	}
	year, ok1 := digits(s, 4)
	month, ok2 := digits(s[5:], 2)
	day, ok3 := digits(s[8:], 2)
	hour, minute, sec, ok4 := parseClock(s[11:])
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	nanos, rest := parseFraction(s[19:])
	if zone, ok := parseZone(rest); ok {
		loc = zone
	}
	return time.Date(year, time.Month(month), day, hour, minute, sec, nanos, loc), true
}

func parseClock(s string) (hour, minute, sec int, ok bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0, 0, 0, false
	}
	hour, ok1 := digits(s, 2)
	minute, ok2 := digits(s[3:], 2)
	sec, ok3 := digits(s[6:], 2)
	return hour, minute, sec, ok1 && ok2 && ok3 && hour < 24 && minute < 60 && sec < 61
}

func parseFraction(s string) (nanos int, rest string) {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || !isDigit(s[1]) {
		return 0, s
	}
	i, scale := 1, 100_000_000
	for i < len(s) && isDigit(s[i]) {
		nanos += int(s[i]-'0') * scale
		scale /= 10
		i++
	}
	return nanos, s[i:]
}

func parseZone(s string) (*time.Location, bool) {
	if strings.HasPrefix(s, "Z") {
		return time.UTC, true
	}
	s = strings.TrimPrefix(s, " ")
	if len(s) < 5 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	h, ok1 := digits(s[1:], 2)
	m, ok2 := digits(strings.TrimPrefix(s[3:], ":"), 2)
	if !ok1 || !ok2 || h > 14 || m > 59 {
		return nil, false
	}
	offset := h*3600 + m*60
	if s[0] == '-' {
		offset = -offset
	}
	if offset == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", offset), true
}

const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

func parseMonth(s string) (time.Month, bool) {
	if len(s) < 3 {
		return 0, false
	}
	i := strings.Index(monthNames, s[:3])
	if i < 0 || i%3 != 0 {
		return 0, false
	}
	return time.Month(i/3 + 1), true
}

// parseSyslog parses "Jan _2 15:04:05". The year is this one, or the last one when that would be in the future: a line of December
// read in January.
func parseSyslog(s string, now time.Time, loc *time.Location) (time.Time, bool) {
	month, ok := parseMonth(s)
	if !ok || len(s) < 15 || s[3] != ' ' || s[6] != ' ' {
		return time.Time{}, false
	}
	day, ok := digits(strings.TrimPrefix(s[4:6], " "), len(strings.TrimPrefix(s[4:6], " ")))
	hour, minute, sec, ok2 := parseClock(s[7:])
	if !ok || !ok2 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	year := now.In(loc).Year()
	t := time.Date(year, month, day, hour, minute, sec, 0, loc)
	if t.Sub(now) > 48*time.Hour {
		t = time.Date(year-1, month, day, hour, minute, sec, 0, loc)
	}
	return t, true
}

// parseCLF parses "02/Jan/2006:15:04:05 -0700".
func parseCLF(s string) (time.Time, bool) {
	if len(s) < 26 || s[2] != '/' || s[6] != '/' || s[11] != ':' {
		return time.Time{}, false
	}
	day, ok1 := digits(s, 2)
	month, ok2 := parseMonth(s[3:])
	year, ok3 := digits(s[7:], 4)
	hour, minute, sec, ok4 := parseClock(s[12:])
	zone, ok5 := parseZone(s[20:])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	return time.Date(year, month, day, hour, minute, sec, 0, zone), true
}

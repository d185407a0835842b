package template

import (
	"net/netip"
	"strings"
)

// kindOf tells what a run is from its form alone; Word when the form says nothing.
func kindOf(s string) Kind {
	digits, letters, hexOnly := 0, 0, true
	for i := range len(s) {
		switch {
		case isNumeral(s[i]):
			digits++
		case isLetter(s[i]):
			letters++
			hexOnly = hexOnly && isHexByte(s[i])
		default:
			hexOnly = false
		}
	}
	switch {
	case strings.Contains(s, "://"):
		return URL
	case s[0] == '/' && strings.IndexByte(s[1:], '/') >= 0, strings.HasPrefix(s, "./"), strings.HasPrefix(s, "~/"):
		return Path
	case digits == 0 && hexOnly && len(s) >= 8:
		return Hex
	case strings.IndexByte(s, '@') > 0 && strings.LastIndexByte(s, '.') > strings.IndexByte(s, '@'):
		return Email
	case digits == 0:
		switch {
		case isCalendar(s):
			return Time
		case isLiteral(s):
			return Bool
		}
		return Word
	}
	return kindOfDigits(s, digits, letters, hexOnly)
}

// kindOfDigits is kindOf for runs with digits.
func kindOfDigits(s string, digits, letters int, hexOnly bool) Kind {
	switch {
	case isUUID(s):
		return UUID
	case isIP(s):
		return IP
	case isClock(s):
		return Time
	case isNumber(s):
		return Number
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X"):
		return Hex
	case hexOnly && len(s) >= 6:
		return Hex
	case letters > 0 && digits > 0:
		return measure(s)
	}
	if letters == 0 {
		return Number // 12-34, 1/2, +3.4.5
	}
	return Word
}

// isNumber reports whether s is a number with an optional sign, fraction or per cent.
func isNumber(s string) bool {
	s = strings.TrimSuffix(strings.TrimLeft(s, "+-#$"), "%")
	if s == "" {
		return false
	}
	for i := range len(s) {
		if !isNumeral(s[i]) && (s[i] != '.' && s[i] != '_' || i == 0) {
			return false
		}
	}
	return true
}

// isUUID reports whether s has a UUID's form.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if !isHexByte(s[i]) {
			return false
		}
	}
	return true
}

// isIP reports whether s is an address, with a slash before it as Java writes it, or a port or prefix length after it.
func isIP(s string) bool {
	s = strings.TrimPrefix(s, "/")
	if len(s) < 2 || len(s) > 56 {
		return false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// isClock reports whether s is a time or a date: digits joined by : - / . T Z + only, with at least two joints of one kind.
func isClock(s string) bool {
	joints, colons, dashes := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isNumeral(c):
		case c == ':':
			colons++
			joints++
		case c == '-' || c == '/':
			dashes++
			joints++
		case c == '.' || c == ',' || c == 'T' || c == 'Z' || c == '+':
		default:
			return false
		}
	}
	return joints > 0 && isNumeral(s[0]) && (colons >= 1 && len(s) >= 5 && (colons >= 2 || dashes >= 1 || len(s) == 5) || dashes == 2 && len(s) >= 8)
}

// measure tells numbers with a unit: durations and sizes.
func measure(s string) Kind {
	i := 0
	for i < len(s) && (isNumeral(s[i]) || s[i] == '.' || s[i] == '-' && i == 0) {
		i++
	}
	if i == 0 {
		return Word
	}
	return unitOf(s[i:])
}

// unitOf tells what a number before s measures; Word when s is no unit.
func unitOf(s string) Kind {
	if len(s) > len("milliseconds") {
		return Word
	}
	switch strings.ToLower(s) {
	case "ns", "us", "µs", "ms", "s", "sec", "secs", "m", "min", "mins", "h", "hr", "d", "seconds", "milliseconds":
		return Span
	case "b", "k", "kb", "kib", "mb", "mib", "g", "gb", "gib", "tb", "tib", "bytes":
		return Size
	}
	return Word
}

// isLiteral reports whether s is a value that programs write for yes, no and nothing.
func isLiteral(s string) bool {
	switch s {
	case "true", "false", "True", "False", "TRUE", "FALSE", "null", "NULL", "nil", "<nil>", "None", "undefined", "NaN":
		return true
	}
	return false
}

// isCalendar reports whether s is an English month or weekday as logs write them.
func isCalendar(s string) bool {
	if len(s) != 3 {
		return false
	}
	switch s {
	case "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

func onlyNumerals(s string) bool {
	for i := range len(s) {
		if !isNumeral(s[i]) {
			return false
		}
	}
	return s != ""
}

func onlyLetters(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return false
		}
	}
	return s != ""
}

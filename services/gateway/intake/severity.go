package intake

import "strings"

// OpenTelemetry's severity numbers, first of each range.
const (
	severityTrace = 1
	severityDebug = 5
	severityInfo  = 9
	severityWarn  = 13
	severityError = 17
	severityFatal = 21
)

// severities are the names that senders use, in lower case.
var severities = map[string]uint8{
	"trace": severityTrace, "trc": severityTrace, "finest": severityTrace, "verbose": severityTrace,
	"debug": severityDebug, "dbg": severityDebug, "fine": severityDebug,
	"info": severityInfo, "inf": severityInfo, "information": severityInfo, "informational": severityInfo, "notice": severityInfo + 1,
	"warn": severityWarn, "warning": severityWarn, "wrn": severityWarn,
	"error": severityError, "err": severityError, "eror": severityError, "severe": severityError,
	"critical": severityFatal, "crit": severityFatal, "fatal": severityFatal, "panic": severityFatal, "alert": severityFatal + 1,
	"emerg": severityFatal + 3, "emergency": severityFatal + 3,
	"i": severityInfo, "w": severityWarn, "e": severityError, "d": severityDebug, "f": severityFatal,
}

// maxSeverityName is the length of the longest name.
const maxSeverityName = len("informational")

// SeverityOf returns OpenTelemetry's severity number for a level's name, or 0. It does not allocate.
func SeverityOf(name string) uint8 {
	name = strings.TrimSpace(name)
	if len(name) == 0 || len(name) > maxSeverityName {
		return 0
	}
	var lower [maxSeverityName]byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return severities[string(lower[:len(name)])]
}

// severityPrefix bounds how far into a line a level is looked for.
const severityPrefix = 128

// GuessSeverity looks for a level in the first bytes of a line: a word such as ERROR, [warn] or level=info. It returns 0 when it
// finds none. O(1), no allocation.
func GuessSeverity(line string) uint8 {
	if len(line) > severityPrefix {
		line = line[:severityPrefix]
	}
	for i := 0; i < len(line); {
		if !letter(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && letter(line[i]) {
			i++
		}
		word := line[start:i]
		if len(word) < 3 || len(word) > maxSeverityName {
			continue
		}
		if key := keyword(word); key {
			if s := SeverityOf(valueAfter(line[i:])); s != 0 {
				return s
			}
			continue
		}
		if upper(word) || bracketed(line, start, i) {
			if s := SeverityOf(word); s != 0 {
				return s
			}
		}
	}
	return 0
}

func keyword(w string) bool {
	return strings.EqualFold(w, "level") || strings.EqualFold(w, "lvl") || strings.EqualFold(w, "severity") || strings.EqualFold(w, "loglevel")
}

// valueAfter returns the word after =, : and quotes.
func valueAfter(s string) string {
	i := 0
	for i < len(s) && strings.IndexByte(`"'=: `, s[i]) >= 0 {
		i++
	}
	j := i
	for j < len(s) && letter(s[j]) {
		j++
	}
	if i == 0 {
		return ""
	}
	return s[i:j]
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func upper(w string) bool {
	for i := 0; i < len(w); i++ {
		if 'a' <= w[i] && w[i] <= 'z' {
			return false
		}
	}
	return true
}

// bracketed reports whether a word stands in brackets, or at the start of the line before a colon.
func bracketed(line string, start, end int) bool {
	if end >= len(line) {
		return false
	}
	if start > 0 {
		open, shut := line[start-1], line[end]
		return open == '[' && shut == ']' || open == '<' && shut == '>' || open == '(' && shut == ')' || open == '|' && shut == '|'
	}
	return line[end] == ':'
}

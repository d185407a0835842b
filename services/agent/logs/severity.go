package logs

import (
	"strings"
)

// Severity is OpenTelemetry's severity number; 0 means that the record does not say.
type Severity uint8

// The severities that the agent tells apart.
const (
	Unspecified Severity = 0
	Trace       Severity = 1
	Debug       Severity = 5
	Info        Severity = 9
	Notice      Severity = 10
	Warn        Severity = 13
	Error       Severity = 17
	Critical    Severity = 18
	Alert       Severity = 19
	Fatal       Severity = 21
)

// Text returns the short name of the severity's range, or "".
func (s Severity) Text() string {
	switch {
	case s == Unspecified:
		return ""
	case s < 5:
		return "TRACE"
	case s < 9:
		return "DEBUG"
	case s < 13:
		return "INFO"
	case s < 17:
		return "WARN"
	case s < 21:
		return "ERROR"
	}
	return "FATAL"
}

// syslogSeverities are OpenTelemetry's numbers for syslog's priorities 0 (emergency) to 7 (debug).
var syslogSeverities = [8]Severity{Fatal, Alert, Critical, Error, Warn, Notice, Info, Debug}

// severityWindow is how much of a line is searched. Levels stand near the beginning; farther on they are words of the message.
const severityWindow = 256

// ParseSeverity finds the level in the usual shapes: a key (level=warn, "severity":"ERROR", "level":40), a bracketed or upper-case
// word ([error], ERROR, WARN:), glog's first letter (E1123), or a lower-case word with a colon (error: …). It allocates nothing.
func ParseSeverity(line string) Severity {
	if len(line) > severityWindow {
		line = line[:severityWindow]
	}
	if s := severityByKey(line); s != Unspecified {
		return s
	}
	if len(line) > 5 && isDigit(line[1]) && isDigit(line[2]) && isDigit(line[3]) && isDigit(line[4]) && line[5] == ' ' {
		switch line[0] {
		case 'I':
			return Info
		case 'W':
			return Warn
		case 'E':
			return Error
		case 'F':
			return Fatal
		}
	}
	return severityByWord(line)
}

func severityByKey(line string) Severity {
	for _, key := range [...]string{"level", "lvl", "severity", "loglevel"} {
		i := strings.Index(line, key)
		for i >= 0 {
			if s := severityValue(line[i+len(key):]); s != Unspecified && (i == 0 || !isLetter(line[i-1])) {
				return s
			}
			next := strings.Index(line[i+1:], key)
			if next < 0 {
				break
			}
			i += 1 + next
		}
	}
	return Unspecified
}

// severityValue reads what follows a key: quote, = or :, blanks, quote, then a word or pino's and bunyan's number.
func severityValue(s string) Severity {
	s = strings.TrimPrefix(s, `"`)
	if s == "" || s[0] != '=' && s[0] != ':' {
		return Unspecified
	}
	s = strings.TrimLeft(s[1:], ` "'`)
	n := 0
	for n < len(s) && isLetter(s[n]) {
		n++
	}
	if n > 0 {
		return severityOfWord(s[:n])
	}
	if len(s) >= 2 && s[0] >= '1' && s[0] <= '6' && s[1] == '0' && (len(s) == 2 || !isDigit(s[2])) {
		return [...]Severity{Trace, Debug, Info, Warn, Error, Fatal}[s[0]-'1']
	}
	return Unspecified
}

func severityByWord(line string) Severity {
	for i := 0; i < len(line); {
		if !isLetter(line[i]) {
			i++
			continue
		}
		j := i
		for j < len(line) && isLetter(line[j]) {
			j++
		}
		if w := line[i:j]; len(w) >= 3 && len(w) <= 9 {
			if s := severityOfWord(w); s != Unspecified && markedLevel(line, i, j) {
				return s
			}
		}
		i = j
	}
	return Unspecified
}

// markedLevel tells a level from a word of the sentence: it is upper case and stands alone, or stands in brackets, or is lower case
// before a colon.
func markedLevel(line string, i, j int) bool {
	before, after := byte(' '), byte(' ')
	if i > 0 {
		before = line[i-1]
	}
	if j < len(line) {
		after = line[j]
	}
	if before == '[' && after == ']' || before == '<' && after == '>' || before == '(' && after == ')' {
		return true
	}
	if strings.IndexByte(" \t|:[-", before) < 0 {
		return false
	}
	upper := line[i] < 'a' && line[j-1] < 'a'
	if upper {
		return strings.IndexByte(" \t|:]-,", after) >= 0
	}
	return after == ':' && (j+1 == len(line) || line[j+1] == ' ')
}

func severityOfWord(w string) Severity {
	switch len(w) {
	case 3:
		if fold(w, "err") {
			return Error
		}
		if fold(w, "wrn") {
			return Warn
		}
		if fold(w, "inf") {
			return Info
		}
		if fold(w, "dbg") {
			return Debug
		}
	case 4:
		if fold(w, "info") {
			return Info
		}
		if fold(w, "warn") {
			return Warn
		}
		if fold(w, "crit") {
			return Critical
		}
	case 5:
		if fold(w, "error") {
			return Error
		}
		if fold(w, "debug") {
			return Debug
		}
		if fold(w, "trace") {
			return Trace
		}
		if fold(w, "fatal") || fold(w, "panic") || fold(w, "emerg") {
			return Fatal
		}
		if fold(w, "alert") {
			return Alert
		}
	default:
		return longSeverity(w)
	}
	return Unspecified
}

func longSeverity(w string) Severity {
	switch {
	case fold(w, "notice"):
		return Notice
	case fold(w, "severe"):
		return Error
	case fold(w, "warning"):
		return Warn
	case fold(w, "critical"):
		return Critical
	case fold(w, "emergency"):
		return Fatal
	}
	return Unspecified
}

// fold compares w with a lower-case ASCII word.
func fold(w, lower string) bool {
	if len(w) != len(lower) {
		return false
	}
	for i := range len(w) {
		if w[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

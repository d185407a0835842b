package logs

import (
	"strings"
	"time"
)

const (
	// maxEventLines, maxEventBytes and maxEventAge bound a joined event: beyond them it is cut, and the rest is a new one.
	maxEventLines = 500
	maxEventBytes = 128 << 10
	maxEventAge   = time.Second
)

// trace is the kind of stack trace that an event is inside of.
type trace uint8

const (
	noTrace trace = iota
	goTrace
	pythonTrace
)

// event joins the lines of one record: the first line and those that continue it.
type event struct {
	body     strings.Builder
	lines    int
	time     time.Time
	severity Severity
	observed time.Time
	end      int64 // offset behind the last line
	stream   string
	trace    trace
	indented bool // the last line of a Python trace was indented
}

func (e *event) empty() bool { return e.lines == 0 }

// continues says whether line belongs to the event that is being joined.
func (e *event) continues(line string) bool {
	if e.lines == 0 || e.lines >= maxEventLines || e.body.Len()+len(line) > maxEventBytes {
		return false
	}
	if line == "" {
		return e.trace == goTrace
	}
	if line[0] == '\t' || line[0] == ' ' {
		return true
	}
	switch {
	case strings.HasPrefix(line, "Caused by: "), strings.HasPrefix(line, "Suppressed: "):
		return true
	case strings.HasPrefix(line, "Traceback (most recent call last)"):
		return e.severity >= Error || e.trace == pythonTrace
	case e.trace == pythonTrace:
		return e.indented || strings.HasPrefix(line, "During handling of") || strings.HasPrefix(line, "The above exception")
	case e.trace == goTrace:
		return goTraceLine(line)
	}
	return false
}

// goTraceLine recognises the lines of a Go crash that are not indented.
func goTraceLine(line string) bool {
	for _, prefix := range [...]string{"goroutine ", "created by ", "[signal ", "exit status ", "runtime stack:"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	i := strings.IndexByte(line, '(')
	return i > 0 && strings.HasSuffix(line, ")") && strings.IndexByte(line[:i], ' ') < 0 && strings.IndexByte(line[:i], '.') > 0
}

// add appends a line; the caller asked continues or starts a new event.
func (e *event) add(line string, end int64) {
	if e.lines > 0 {
		e.body.WriteByte('\n')
	}
	e.body.WriteString(line)
	e.lines++
	e.end = end
	switch {
	case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "), strings.HasPrefix(line, "goroutine "):
		e.trace = goTrace
		e.severity = max(e.severity, Fatal)
	case strings.HasPrefix(line, "Traceback (most recent call last)"):
		e.trace = pythonTrace
		e.severity = max(e.severity, Error)
		e.indented = false
	case e.trace == pythonTrace:
		e.indented = line != "" && (line[0] == ' ' || line[0] == '\t')
	}
}

func (e *event) reset() { *e = event{} }

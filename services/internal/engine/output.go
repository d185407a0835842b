package engine

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept of the engine's output: the last lines explain why it ended; more lines a window than this would drown the
// log when a condition repeats.
const (
	keptLines      = 20
	keptLineBytes  = 600
	linesPerWindow = 10
	outputWindow   = 10 * time.Second
)

// logLine matches the engine's log format: time [ thread ] {query id} <Level> Component: text.
var logLine = regexp.MustCompile(`^\d{4}\.\d\d\.\d\d [\d:.]+ \[ *\d+ *\] \{[^}]*\} <(\w+)> (.*)$`)

// output turns what the child prints into log records, at a bounded rate, and keeps the last lines.
type output struct {
	log *slog.Logger

	// mu guards what is below.
	mu      sync.Mutex
	last    []string
	window  time.Time
	count   int
	dropped int
}

func newOutput(log *slog.Logger) *output { return &output{log: log} }

// read consumes r until its end.
func (o *output) read(r io.Reader) {
	br := bufio.NewReaderSize(r, 4096)
	for {
		line, isPrefix, err := br.ReadLine()
		if err != nil {
			return
		}
		s := string(line)
		for isPrefix && err == nil { // The rest of an overlong line is left out.
			_, isPrefix, err = br.ReadLine()
		}
		o.add(s, time.Now())
	}
}

// add takes one line.
func (o *output) add(line string, now time.Time) {
	line = strings.TrimSpace(line)
	if line == "" || strings.Contains(line, "QUERY_WAS_CANCELLED") { // The latter is how script ends, always.
		return
	}
	if len(line) > keptLineBytes {
		line = strings.ToValidUTF8(line[:keptLineBytes], "") + "…"
	}
	level, text := classify(line)
	o.mu.Lock()
	if len(o.last) == keptLines {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, text)
	pass, dropped := o.pass(level, now)
	o.mu.Unlock()
	ctx := context.Background()
	if dropped > 0 {
		o.log.WarnContext(ctx, "engine output left out", slog.Int("lines", dropped))
	}
	if pass {
		o.log.Log(ctx, level, "engine says", slog.String("line", text))
	}
}

// pass reports whether a line may be logged, and how many were not in the window that just ended. It needs mu.
func (o *output) pass(level slog.Level, now time.Time) (ok bool, dropped int) {
	if level < slog.LevelInfo {
		return true, 0 // Debug is off in production, and wanted in full where it is on.
	}
	if now.Sub(o.window) >= outputWindow {
		dropped, o.dropped = o.dropped, 0
		o.window, o.count = now, 0
	}
	o.count++
	if o.count > linesPerWindow {
		o.dropped++
		return false, dropped
	}
	return true, dropped
}

// classify gives the level of a line and the line without its time stamp. An error of a single query belongs to the client that
// sent it, which gets it as the answer; here it is a detail.
func classify(line string) (slog.Level, string) {
	m := logLine.FindStringSubmatch(line)
	if m == nil {
		if strings.Contains(line, "DB::Exception") {
			return slog.LevelWarn, line
		}
		return slog.LevelDebug, line
	}
	text := m[2]
	switch m[1] {
	case "Fatal", "Critical":
		return slog.LevelError, text
	case "Error", "Warning":
		for _, p := range []string{"executeQuery:", "TCPHandler:", "DynamicQueryHandler:", "HTTPHandler:", "ServerErrorHandler:"} {
			if strings.HasPrefix(text, p) {
				return slog.LevelDebug, text
			}
		}
		return slog.LevelWarn, text
	}
	return slog.LevelDebug, text
}

// quote returns the last lines for an error message, "" if there are none.
func (o *output) quote() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == 0 {
		return ""
	}
	const shown = 3
	return "; the engine's last words: " + strings.Join(o.last[max(0, len(o.last)-shown):], " | ")
}

// forget drops the kept lines, so that an error quotes the child that failed and not the one before.
func (o *output) forget() {
	o.mu.Lock()
	o.last = o.last[:0]
	o.mu.Unlock()
}

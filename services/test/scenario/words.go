package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Error is a mistake in a file of the language.
type Error struct {
	File string
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Limits of a file: what people write by hand stays far below.
const (
	maxFile  = 1 << 20
	maxLines = 5000
	maxWords = 200
)

// words is a line of a file that is read word by word. Its first error stays.
type words struct {
	file string
	line int
	all  []string
	at   int
	err  error
}

// lines cuts a text into its lines with words; comments begin with # where a word could.
func lines(file, text string) ([]*words, error) {
	if len(text) > maxFile {
		return nil, &Error{file, 1, fmt.Sprintf("more than %d bytes", maxFile)}
	}
	var out []*words
	for n, l := range strings.Split(text, "\n") {
		all, err := split(l)
		if err != nil {
			return nil, &Error{file, n + 1, err.Error()}
		}
		if n >= maxLines || len(all) > maxWords {
			return nil, &Error{file, n + 1, fmt.Sprintf("more than %d lines or %d words in one", maxLines, maxWords)}
		}
		if len(all) > 0 {
			out = append(out, &words{file: file, line: n + 1, all: all})
		}
	}
	return out, nil
}

// split cuts a line into words; one in quotes may have spaces.
func split(l string) ([]string, error) {
	var out []string
	for {
		l = strings.TrimLeft(l, " \t\r")
		switch {
		case l == "" || l[0] == '#':
			return out, nil
		case l[0] == '"':
			end := strings.IndexByte(l[1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("a quote that is not closed")
			}
			out = append(out, l[1:1+end])
			l = l[2+end:]
		default:
			end := strings.IndexAny(l, " \t\r")
			if end < 0 {
				end = len(l)
			}
			out = append(out, l[:end])
			l = l[end:]
		}
	}
}

func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = &Error{w.file, w.line, fmt.Sprintf(format, args...)}
	}
}

func (w *words) more() bool { return w.at < len(w.all) && w.err == nil }

func (w *words) peek() string {
	if !w.more() {
		return ""
	}
	return w.all[w.at]
}

// next returns the next word, which must be there.
func (w *words) next(what string) string {
	if w.at >= len(w.all) {
		w.fail("%s is missing at the end of the line", what)
		return ""
	}
	w.at++
	return w.all[w.at-1]
}

// opt takes a word when it is the next one.
func (w *words) opt(word string) bool {
	if w.peek() == word && w.more() {
		w.at++
		return true
	}
	return false
}

// end reports what is left over.
func (w *words) end() error {
	if w.more() {
		w.fail("%q is not understood here", w.peek())
	}
	return w.err
}

func (w *words) duration(what string) time.Duration {
	s := w.next(what)
	d, err := parseDuration(s)
	if err != nil {
		w.fail("%s: %q is no duration such as 90s, 10m, 2h or 3d", what, s)
	}
	return d
}

// parseDuration knows days beside what time.ParseDuration knows; a sign is allowed.
func parseDuration(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		f, err := strconv.ParseFloat(n, 64)
		if err != nil || f > 1000 || f < -1000 {
			return 0, fmt.Errorf("no duration")
		}
		return time.Duration(f * 24 * float64(time.Hour)), nil
	}
	return time.ParseDuration(s)
}

// units of amounts; the binary ones, since memory and disks are what is measured.
var units = map[string]float64{"k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "%": 0.01}

// number reads an amount: 3, 0.5, 20%, 300M, x4, 5/s, 300M/h.
func (w *words) number(what string) float64 {
	s := w.next(what)
	f, err := parseNumber(s)
	if err != nil {
		w.fail("%s: %q is no amount such as 3, 20%%, 300M, x4 or 5/s", what, s)
	}
	return f
}

func parseNumber(s string) (float64, error) {
	s, per, rate := strings.Cut(s, "/")
	div := 1.0
	if rate {
		switch per {
		case "s":
		case "m", "min":
			div = 60
		case "h":
			div = 3600
		case "d":
			div = 86400
		default:
			return 0, fmt.Errorf("no rate")
		}
	}
	s = strings.TrimPrefix(s, "x")
	mult := 1.0
	if len(s) > 0 {
		if u, ok := units[s[len(s)-1:]]; ok {
			mult, s = u, s[:len(s)-1]
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != f || f > 1e15 || f < -1e15 {
		return 0, fmt.Errorf("no number")
	}
	return f * mult / div, nil
}

func (w *words) count(what string) int {
	f := w.number(what)
	if f != float64(int(f)) {
		w.fail("%s must be a whole number", what)
	}
	return int(f)
}

// Package naming makes names of metrics and labels that PromQL can write without quotes from the names of other systems: dots, dashes
// and the like become underscores. It keeps nothing; a name that is good already costs one look at its bytes.
package naming

import "github.com/faultline-io/faultline/services/gateway/wire"

// Arena lends memory for the names of one request, so that a name that has to be changed costs no allocation of its own. Names stay
// valid until Reset. It is not safe for several goroutines.
type Arena struct {
	buf []byte
}

// maxArena bounds what an arena keeps from one request to the next.
const maxArena = 1 << 20

// Reset takes all names back.
func (a *Arena) Reset() {
	if cap(a.buf) > maxArena {
		a.buf = nil
	}
	a.buf = a.buf[:0]
}

// Metric returns s as the name of a metric.
func (a *Arena) Metric(s string) string { return a.name(s, true) }

// Label returns s as the name of a label.
func (a *Arena) Label(s string) string { return a.name(s, false) }

// Join returns parts as one name of a metric, with an underscore between those that are not empty.
func (a *Arena) Join(parts ...string) string {
	start := len(a.buf)
	for _, p := range parts {
		if p == "" {
			continue
		}
		if len(a.buf) > start {
			a.buf = append(a.buf, '_')
		}
		a.buf = append(a.buf, p...)
	}
	return a.Metric(wire.String(a.buf[start:]))
}

// Append returns parts one after the other, as they are.
func (a *Arena) Append(parts ...string) string {
	start := len(a.buf)
	for _, p := range parts {
		a.buf = append(a.buf, p...)
	}
	return wire.String(a.buf[start:])
}

func (a *Arena) name(s string, colon bool) string {
	bad := len(s) > 0 && s[0] >= '0' && s[0] <= '9'
	for i := 0; i < len(s) && !bad; i++ {
		bad = !good(s[i], colon)
	}
	if !bad {
		return s
	}
	start := len(a.buf)
	if s[0] >= '0' && s[0] <= '9' {
		a.buf = append(a.buf, '_')
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case good(c, colon):
			a.buf = append(a.buf, c)
		case c >= 0x80 && c < 0xc0: // Within a character of several bytes, which is one underscore.
		default:
			a.buf = append(a.buf, '_')
		}
	}
	return wire.String(a.buf[start:])
}

func good(c byte, colon bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || colon && c == ':'
}

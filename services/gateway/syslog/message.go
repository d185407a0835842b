// Package syslog reads syslog messages: RFC 5424, and RFC 3164 as devices and programs write it, which is hardly ever as it was written down:
// with and without year, zone, host name and tag, with sequence numbers before and Cisco's mnemonics after. Everything is taken: what cannot be
// told apart is the message. It does no I/O and allocates nothing for a message.
package syslog

import (
	"bytes"
	"time"
	"unsafe"

	"github.com/faultline-io/faultline/services/gateway/event"
)

// maxParams bounds the parameters of structured data that are kept.
const maxParams = 128

// Param is one parameter of structured data. A value with escapes still has them when Escaped is set.
type Param struct {
	ID, Name, Value []byte
	Escaped         bool
}

// Message is one message; its slices share the bytes that it was parsed from.
type Message struct {
	// Facility and Severity are -1 when the message has no priority.
	Facility, Severity int
	// TimeNS is 0 when there is none that can be told.
	TimeNS                   int64
	Host, App, ProcID, MsgID []byte
	Body                     []byte
	Params                   []Param
}

// Parser parses messages. Its zero value reads times without a zone as UTC. It belongs to one goroutine.
type Parser struct {
	// Zone is that of times that name none.
	Zone *time.Location
	m    Message
}

// ahead is how far a time without a zone may be ahead of us before it is taken for one of another zone, and left out.
const ahead = 5 * time.Minute

// Parse reads one message; now tells the year where it is missing. The result is valid until the next call, and as long as data.
func (p *Parser) Parse(data []byte, now time.Time) *Message {
	m := &p.m
	*m = Message{Facility: -1, Severity: -1, Params: m.Params[:0]}
	data = bytes.TrimRight(data, "\r\n\x00 ")
	rest := m.priority(bytes.TrimLeft(data, " \r\n\x00"))
	if len(rest) > 2 && rest[0] == '1' && rest[1] == ' ' && m.Facility >= 0 {
		if p.rfc5424(rest[2:], now) {
			return m
		}
		m.TimeNS, m.Host, m.App, m.ProcID, m.MsgID, m.Params = 0, nil, nil, nil, nil, m.Params[:0]
		rest = rest[2:]
	}
	p.rfc3164(rest, now)
	return m
}

// priority reads <PRI> and returns what follows.
func (m *Message) priority(b []byte) []byte {
	if len(b) < 3 || b[0] != '<' {
		return b
	}
	n := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		c := b[i]
		if c == '>' && i > 1 {
			if n > 191 {
				return b
			}
			m.Facility, m.Severity = n>>3, n&7
			return b[i+1:]
		}
		if c < '0' || c > '9' {
			return b
		}
		n = n*10 + int(c-'0')
	}
	return b
}

// word takes the text up to the next space.
func word(b []byte) (w, rest []byte) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i+1:]
}

// value is a header field; a dash is none.
func value(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// rfc5424 reads what follows the version; false when it is not that format.
func (p *Parser) rfc5424(b []byte, now time.Time) bool {
	m := &p.m
	var w []byte
	w, b = word(b)
	if len(w) != 1 || w[0] != '-' {
		ns, ok := event.ParseTime(text(w))
		if !ok {
			return false
		}
		m.TimeNS = ns
	}
	for _, dst := range [...]*[]byte{&m.Host, &m.App, &m.ProcID, &m.MsgID} {
		if w, b = word(b); len(w) == 0 {
			return false
		}
		*dst = value(w)
	}
	if len(b) == 0 {
		return true // Without structured data: it is not allowed, and it happens.
	}
	if b[0] == '-' && (len(b) == 1 || b[1] == ' ') {
		b = b[1:]
	} else if rest, ok := m.structured(b); ok {
		b = rest
	}
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	m.Body = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), []byte{' '}) // rsyslog adds a space of its own.
	return true
}

// structured reads [id name="value" …]…; what is not that is left to the message.
func (m *Message) structured(b []byte) ([]byte, bool) {
	start := len(m.Params)
	fail := func() ([]byte, bool) { m.Params = m.Params[:start]; return nil, false }
	for len(b) > 0 && b[0] == '[' {
		i := bytes.IndexAny(b, " ]")
		if i < 2 {
			return fail()
		}
		id := b[1:i]
		b = b[i:]
		for len(b) > 0 && b[0] == ' ' {
			b = bytes.TrimLeft(b, " ")
			if len(b) > 0 && b[0] == ']' {
				break
			}
			eq := bytes.IndexByte(b, '=')
			if eq < 1 || eq+1 >= len(b) || b[eq+1] != '"' {
				return fail()
			}
			end, escaped := quoted(b[eq+2:])
			if end < 0 {
				return fail()
			}
			if len(m.Params) < maxParams {
				m.Params = append(m.Params, Param{ID: id, Name: b[:eq], Value: b[eq+2 : eq+2+end], Escaped: escaped})
			}
			b = b[eq+2+end+1:]
		}
		if len(b) == 0 || b[0] != ']' {
			return fail()
		}
		b = b[1:]
	}
	return b, true
}

// quoted finds the quote that ends a value.
func quoted(b []byte) (end int, escaped bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			return i, escaped
		}
	}
	return -1, false
}

// Unescape appends a value without its escapes.
func Unescape(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) && (v[i+1] == '"' || v[i+1] == '\\' || v[i+1] == ']') {
			i++
		}
		dst = append(dst, v[i])
	}
	return dst
}

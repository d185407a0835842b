// Package parse takes log lines apart: JSON, logfmt, access logs, grok and plain expressions, and lists of keys and values. A parser
// gives names and values as text; what they mean is decided by who asked. It does not guess formats.
//
// Cost: a line of 150 bytes takes about a microsecond with the parsers written here and several with an expression.
package parse

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/model"
)

// Parser takes text apart. It is safe for several goroutines.
type Parser interface {
	// Append adds the fields of text to dst, and reports whether text has the form; if not, dst is as it was. Values may alias text.
	// At most maxFields are added.
	Append(dst []model.Label, text string) ([]model.Label, bool)
}

// maxFields bounds the fields of one line; a record has room for 128 attributes by default.
const maxFields = 256

// Func makes a parser of a function.
type Func func(dst []model.Label, text string) ([]model.Label, bool)

// Append calls f.
func (f Func) Append(dst []model.Label, text string) ([]model.Label, bool) { return f(dst, text) }

// Logfmt reads name=value pairs: values may be in quotes with Go's escapes; a name without a value is a word of the message and is
// passed over. There must be a pair.
func Logfmt(dst []model.Label, text string) ([]model.Label, bool) {
	return pairs(dst, text, ' ', '=')
}

// KeyValue returns a parser of pairs with other separators than logfmt's.
func KeyValue(field, value byte) Parser {
	return Func(func(dst []model.Label, text string) ([]model.Label, bool) { return pairs(dst, text, field, value) })
}

func pairs(dst []model.Label, text string, field, sep byte) ([]model.Label, bool) {
	start := len(dst)
	i := 0
	for i < len(text) && len(dst)-start < maxFields {
		for i < len(text) && (text[i] == field || text[i] == ' ' || text[i] == '\n' || text[i] == '\t') {
			i++
		}
		from := i
		for i < len(text) && text[i] != sep && text[i] != field && text[i] != '\n' && (text[i] > ' ' || sep <= ' ') {
			i++
		}
		name := text[from:i]
		if i >= len(text) || text[i] != sep {
			for i < len(text) && text[i] != field && text[i] != ' ' && text[i] != '\n' && text[i] != '\t' {
				i++
			}
			if i == from {
				i++ // a byte that is neither name nor separator
			}
			continue
		}
		i++
		var v string
		if v, i = pairValue(text, i, field); name != "" && nameLike(name) {
			dst = append(dst, model.Label{Name: name, Value: v})
		}
	}
	return dst, len(dst) > start
}

// maxName bounds the name of a parsed field.
const maxName = 128

// nameLike reports whether text can be the name of a field: a URL's query in a line of prose is none.
func nameLike(s string) bool {
	return len(s) <= maxName && !strings.ContainsAny(s, "\"'/?&()<>{}")
}

// pairValue reads a value from i on, and returns where it ends.
func pairValue(text string, i int, field byte) (string, int) {
	if i < len(text) && text[i] == '"' {
		if q, err := strconv.QuotedPrefix(text[i:]); err == nil {
			if v, err := strconv.Unquote(q); err == nil {
				return strings.ToValidUTF8(v, "\uFFFD"), i + len(q)
			}
		}
		if end := strings.IndexByte(text[i+1:], '"'); end >= 0 { // quoted by somebody who does not escape as Go does
			return text[i+1 : i+1+end], i + 1 + end + 1
		}
	}
	from := i
	for i < len(text) && text[i] != field && text[i] != '\n' && (field != ' ' || text[i] != '\t') {
		i++
	}
	return strings.TrimSpace(text[from:i]), i
}

// Names of access log fields; they are OpenTelemetry's.
const (
	fieldClient  = "client.address"
	fieldUser    = "user.name"
	fieldMethod  = "http.request.method"
	fieldPath    = "url.path"
	fieldQuery   = "url.query"
	fieldVersion = "network.protocol.version"
	fieldStatus  = "http.response.status_code"
	fieldSize    = "http.response.body.size"
	fieldReferer = "http.request.header.referer"
	fieldAgent   = "user_agent.original"
	fieldTime    = "time"
	fieldRest    = "access.rest"
)

// Access reads the common and the combined format of Apache and nginx:
//
//	host ident user [25/Nov/2026:03:34:27 +0000] "GET /path?query HTTP/1.1" 200 5123 "referer" "agent" whatever
//
// The fields have OpenTelemetry's names; what was logged as - is left out.
func Access(dst []model.Label, text string) ([]model.Label, bool) {
	start := len(dst)
	host, rest, ok := strings.Cut(text, " ")
	if !ok || host == "" {
		return dst, false
	}
	_, rest, ok1 := strings.Cut(rest, " ")
	user, rest, ok2 := strings.Cut(rest, " [")
	at, rest, ok3 := strings.Cut(rest, `] "`)
	if !ok1 || !ok2 || !ok3 || len(user) > maxName || len(at) > maxName {
		return dst, false
	}
	request, rest, ok := quoted(rest)
	if !ok {
		return dst, false
	}
	status, rest, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if len(status) != 3 || status[0] < '1' || status[0] > '5' {
		return dst, false
	}
	size, rest, _ := strings.Cut(rest, " ")
	add := func(name, value string) {
		if value != "" && value != "-" {
			dst = append(dst, model.Label{Name: name, Value: value})
		}
	}
	add(fieldClient, host)
	add(fieldUser, user)
	add(fieldTime, at)
	method, target, ok := strings.Cut(request, " ")
	if ok {
		add(fieldMethod, method)
		target, version, _ := strings.Cut(target, " ")
		path, query, _ := strings.Cut(target, "?")
		add(fieldPath, path)
		add(fieldQuery, query)
		add(fieldVersion, strings.TrimPrefix(version, "HTTP/"))
	}
	add(fieldStatus, status)
	add(fieldSize, size)
	if referer, after, ok := quoted(strings.TrimPrefix(rest, `"`)); ok && strings.HasPrefix(rest, `"`) {
		add(fieldReferer, referer)
		rest = strings.TrimLeft(after, " ")
		if agent, after, ok := quoted(strings.TrimPrefix(rest, `"`)); ok && strings.HasPrefix(rest, `"`) {
			add(fieldAgent, agent)
			rest = strings.TrimLeft(after, " ")
		}
	}
	add(fieldRest, rest)
	return dst, len(dst) > start
}

// quoted returns what is before the next quote that is not escaped, and what is after it.
func quoted(s string) (in, after string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return "", s, false
}

// StatusSeverity returns the OpenTelemetry severity number that a HTTP status speaks of: error, warning, info, or 0.
func StatusSeverity(status string) uint8 {
	if len(status) != 3 {
		return 0
	}
	switch status[0] {
	case '5':
		return 17
	case '4':
		return 13
	case '1', '2', '3':
		return 9
	}
	return 0
}

// Layouts are the forms of time tried when a user names none, besides numbers.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999 -0700", "02/Jan/2006:15:04:05 -0700",
	time.RFC1123Z, time.RFC1123, time.RFC850, time.ANSIC, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05,999999999", "2006/01/02 15:04:05.999999999",
}

// Time reads a time: by one of the layouts given (as Go writes them, or unix, unix_ms, unix_us, unix_ns), or without any by what it
// looks like. A time without a zone is in loc. It returns Unix nanoseconds.
func Time(text string, formats []string, loc *time.Location) (int64, bool) {
	text = strings.TrimSpace(text)
	if len(text) < 8 || len(text) > 64 {
		return 0, false
	}
	if len(formats) == 0 {
		if ns, ok := number(text, 0); ok {
			return ns, true
		}
		formats = layouts
	}
	for _, f := range formats {
		if scale, ok := scales[f]; ok {
			if ns, ok := number(text, scale); ok {
				return ns, true
			}
			continue
		}
		if t, err := time.ParseInLocation(f, text, loc); err == nil && inNanoseconds(t) {
			return t.UnixNano(), true
		}
	}
	return 0, false
}

// inNanoseconds reports whether a time fits into nanoseconds since 1970.
func inNanoseconds(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2260 }

// scales are the names of numeric forms.
var scales = map[string]int64{"unix": 1e9, "unix_ms": 1e6, "unix_us": 1e3, "unix_ns": 1}

// number reads Unix time. Scale 0 tells seconds, milli-, micro- and nanoseconds apart by size: each covers 1973 to 2286.
func number(text string, scale int64) (int64, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	if scale == 0 {
		switch {
		case n < 1e8:
			return 0, false
		case n < 1e10:
			scale = 1e9
		case n < 1e13:
			scale = 1e6
		case n < 1e16:
			scale = 1e3
		default:
			scale = 1
		}
	}
	if n > (1<<63-1)/scale-1 {
		return 0, false
	}
	ns := n * scale
	for unit := scale / 10; fraction != "" && unit > 0; unit /= 10 {
		if fraction[0] < '0' || fraction[0] > '9' {
			return 0, false
		}
		ns += int64(fraction[0]-'0') * unit
		fraction = fraction[1:]
	}
	return ns, true
}

// valid returns s as valid text.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

package logshape

// emitRun hashes one run: as it is when nothing in it varies, masked in whole or in parts otherwise.
func (m *masker) emitRun(run string, seen uint8) {
	if seen&digit == 0 {
		if seen&nonHex == 0 && seen&alpha != 0 && len(run) >= 8 || isCalendar(run) {
			m.mask()
			return
		}
		m.word(run)
		return
	}
	if opaque(run, seen) {
		m.mask()
		return
	}
	m.segments(run)
}

// opaque reports whether run looks like a key or a fingerprint: long, of mixed case and digits, and no path or dotted name.
func opaque(run string, seen uint8) bool {
	return len(run) >= 24 && seen&upper != 0 && seen&dot == 0 && run[0] != '/'
}

// segments splits a run that has digits at its punctuation. Segments with a digit, and those that can only be hexadecimal, are
// masked; the others are words. Punctuation counts where it is next to a word only, so that 10.0.0.1, a UUID and a time are
// one mask each.
func (m *masker) segments(run string) {
	afterWord := false
	for i := 0; i < len(run); {
		if classes[run[i]]&sep != 0 {
			if afterWord {
				m.punct(run[i])
			}
			i++
			continue
		}
		var seen uint8
		j := i
		for j < len(run) && classes[run[j]]&sep == 0 {
			seen |= classes[run[j]]
			j++
		}
		if seen&digit != 0 || seen&nonHex == 0 || isCalendar(run[i:j]) {
			m.mask()
			afterWord = false
		} else {
			m.word(run[i:j])
			afterWord = true
		}
		i = j
	}
}

// isCalendar reports whether w is an English month or weekday as syslog and HTTP write them; they are parts of times.
func isCalendar(w string) bool {
	if len(w) == 4 && (w[3] == ',' || w[3] == '.') {
		w = w[:3]
	}
	if len(w) != 3 {
		return false
	}
	switch w {
	case "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// method returns the method of an HTTP request line as access logs quote it ("GET /path HTTP/1.1"), or nothing. What was asked for
// varies; whether something was read or written is the kind of line.
func method(s string) string {
	i := 0
	for i < len(s) && i < len("OPTIONS ") && s[i] != ' ' {
		i++
	}
	if i+1 >= len(s) || s[i] != ' ' {
		return ""
	}
	switch s[:i] {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE":
		return s[:i]
	}
	return ""
}

// IsTextKey reports whether the value of a key says what kind of event a line is, so that its words belong to the shape.
func IsTextKey(k string) bool { return isTextKey(k) }

// isTextKey reports whether the value of a key says what kind of event a line is, so that its words belong to the shape.
func isTextKey(k string) bool {
	switch k {
	case "msg", "message", "MESSAGE", "Message", "@message", "event", "event_name", "event.name", "error", "err", "exception",
		"reason", "log", "text", "body", "level", "lvl", "severity", "Severity", "log.level", "levelname", "level_name",
		"LEVEL", "@l", "@m", "@mt", "logger", "logger_name", "log.logger", "component", "module":
		return true
	}
	return false
}

// Classes of bytes. Bytes above ASCII are letters.
const (
	space uint8 = 1 << iota
	delim
	digit
	alpha
	upper
	nonHex
	sep
	dot
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		switch {
		case b <= ' ' || b == 0x7f:
			t[c] = space
		case b >= '0' && b <= '9':
			t[c] = digit
		case b >= 'a' && b <= 'f':
			t[c] = alpha
		case b >= 'A' && b <= 'F':
			t[c] = alpha | upper
		case b >= 'A' && b <= 'Z':
			t[c] = alpha | upper | nonHex
		case b >= 'a' && b <= 'z', b >= 0x80:
			t[c] = alpha | nonHex
		case b == '.':
			t[c] = sep | nonHex | dot
		default:
			t[c] = sep | nonHex
		}
	}
	for _, b := range []byte("()[]{}<>,;|=\"`\\") {
		t[b] = delim
	}
	return t
}()

package logshape

// objectAhead reports whether s, which starts with a brace, looks like a JSON object: its first byte after white space is a quote
// or the closing brace.
func objectAhead(s string) bool {
	for i := 1; i < len(s); i++ {
		if classes[s[i]]&space == 0 {
			return s[i] == '"' || s[i] == '}'
		}
	}
	return false
}

// object reads a JSON object at m.i: keys are words, values are masked unless the key carries text. It reports false when the
// text is not an object; an object that is cut off by the end of the line counts as one.
func (m *masker) object(end, depth int) bool {
	m.comma()
	m.mix(markObject)
	m.last = kindNone
	m.i++
	for {
		m.skipSpace(end)
		if m.tokens >= maxTokens {
			m.i = end
		}
		if m.i >= end {
			return true
		}
		if m.s[m.i] == '}' {
			break
		}
		if m.s[m.i] != '"' {
			return false
		}
		j := closing(m.s, m.i, end)
		if j < 0 {
			m.i = end
			return true
		}
		key := m.s[m.i+1 : j]
		m.i = j + 1
		m.skipSpace(end)
		if m.i >= end {
			return true
		}
		if m.s[m.i] != ':' {
			return false
		}
		m.i++
		m.word(key)
		if !m.member(key, end, depth) {
			return false
		}
		m.skipSpace(end)
		if m.i < end && m.s[m.i] == ',' {
			m.i++
		} else if m.i < end && m.s[m.i] != '}' {
			return false
		}
	}
	m.i++
	m.mix(markObject + 1)
	m.last = kindNone
	return true
}

// member reads the value of a key.
func (m *masker) member(key string, end, depth int) bool {
	m.skipSpace(end)
	if m.i >= end {
		return true
	}
	switch c := m.s[m.i]; c {
	case '"':
		j := closing(m.s, m.i, end)
		if j < 0 {
			m.i = end
			return true
		}
		if isTextKey(key) {
			m.i++
			m.text(j, depth+1)
			m.comma()
		} else {
			m.mask()
		}
		m.i = j + 1
		m.last = kindNone
	case '{':
		if depth+1 < maxDepth {
			return m.object(end, depth+1)
		}
		m.skipNested(end)
		m.mask()
	case '[':
		m.skipNested(end)
		m.mask()
	default:
		if classes[c]&(digit|alpha) == 0 && c != '-' {
			return false
		}
		for m.i < end && classes[m.s[m.i]]&(space|delim) == 0 {
			m.i++
		}
		m.mask()
	}
	m.last = kindNone
	return true
}

// skipNested moves behind the array or object at m.i, without looking into it.
func (m *masker) skipNested(end int) {
	depth := 0
	for m.i < end {
		switch m.s[m.i] {
		case '"':
			j := closing(m.s, m.i, end)
			if j < 0 {
				m.i = end
				return
			}
			m.i = j
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		m.i++
		if depth == 0 {
			return
		}
	}
}

func (m *masker) skipSpace(end int) {
	for m.i < end && classes[m.s[m.i]]&space != 0 {
		m.i++
	}
}

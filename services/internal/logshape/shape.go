// Package logshape gives a log line the identity of its kind: a hash over the words that stay, with everything that varies from
// line to line (numbers, times, addresses, identifiers, quoted values) masked. It keeps no state, so any gateway gives the same
// line the same hash, for ever: the hash is stored beside every line and is part of the sort key of the log table.
//
// It does not find templates; merging shapes into templates is the correlator's work. The rules are in docs/formats/log-shape.md.
// A line costs about a microsecond and no allocation.
package logshape

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Version names the rules. A change of rules that changes any hash needs a new version and a migration plan, since stored rows
// keep the hashes of the old one.
const Version = 1

const (
	// maxBytes bounds the part of a line that is looked at. Real messages say what they are within it.
	maxBytes = 4096
	// maxTokens bounds the tokens that count. Counting tokens rather than bytes keeps the hash independent of how long the
	// masked values are.
	maxTokens = 64
	// maxDepth bounds how deep objects within objects are looked at.
	maxDepth = 4
)

// Numbers mixed into the hash for what is not a word. They are part of the format.
const (
	markMask   = 0x2545f4914f6cdd1d
	markPunct  = 0x9e3779b97f4a7c15
	markText   = 0xd6e8feb86659fd93
	markObject = 0xa0761d6478bd642f
	seed       = 0xe7037ed1a0b428db
)

// Hash returns the shape of line, never 0. Bytes are taken as they are; the line need not be UTF-8.
// O(len(line)) up to 4096 bytes, no allocation, safe for concurrent use.
func Hash(line string) uint64 {
	if len(line) > maxBytes {
		line = line[:maxBytes]
	}
	m := masker{s: line, h: seed}
	m.text(len(line), 0)
	m.comma()
	h := m.h
	h ^= h >> 32
	h *= 0x9fb21c651e98df25
	h ^= h >> 29
	if h == 0 {
		return 1
	}
	return h
}

// masker walks over one line. Masks that follow each other count once, also with one comma between them, so that the length of a
// list of values and the spelling of a time do not matter.
type masker struct {
	s      string
	i      int
	h      uint64
	tokens int
	// last is the kind of the token before; pendingComma says that a comma after a mask waits for what follows.
	last         kind
	lastPunct    byte
	pendingComma bool
	noObject     bool
}

type kind uint8

const (
	kindNone kind = iota
	kindWord
	kindMask
	kindPunct
)

func (m *masker) mix(v uint64) { m.h = (bits.RotateLeft64(m.h, 23) ^ v) * 0x9fb21c651e98df25 }

func (m *masker) comma() {
	if m.pendingComma {
		m.pendingComma = false
		m.mix(markPunct + ',')
		m.last, m.lastPunct = kindPunct, ','
	}
}

func (m *masker) word(w string) {
	m.comma()
	m.mix(xxhash.Sum64String(w))
	m.tokens++
	m.last = kindWord
}

func (m *masker) mask() {
	m.pendingComma = false
	if m.last == kindMask {
		return
	}
	m.mix(markMask)
	m.tokens++
	m.last = kindMask
}

func (m *masker) punct(c byte) {
	if c == ',' && m.last == kindMask {
		m.pendingComma = true
		return
	}
	m.comma()
	if m.last == kindPunct && m.lastPunct == c {
		return // a ruler of dashes is as long as it likes
	}
	m.mix(markPunct + uint64(c))
	m.last, m.lastPunct = kindPunct, c
}

// text reads words, quoted strings, objects and punctuation up to end.
func (m *masker) text(end, depth int) {
	for m.i < end && m.tokens < maxTokens {
		c := m.s[m.i]
		switch {
		case classes[c]&(space) != 0:
			m.i++
		case c == '"' || c == '\'' || c == '`':
			m.quoted(end)
		case c == '{' && !m.noObject && depth < maxDepth && objectAhead(m.s[m.i:end]):
			m.tryObject(end, depth)
		case classes[c]&delim != 0:
			m.punct(c)
			m.i++
		default:
			m.run(end, depth)
		}
	}
}

// tryObject reads a JSON object, and goes on as text where it turns out not to be one. Only one failure is allowed a line, so
// that no line is read more than twice.
func (m *masker) tryObject(end, depth int) {
	before := *m
	if m.object(end, depth) {
		return
	}
	*m = before
	m.noObject = true
	m.punct('{')
	m.i++
}

// quoted masks a quoted string but for the method of a request line; a quote without an end is punctuation.
func (m *masker) quoted(end int) {
	q := m.s[m.i]
	if j := closing(m.s, m.i, end); j >= 0 {
		if w := method(m.s[m.i+1 : j]); w != "" {
			m.word(w)
		}
		m.i = j + 1
		m.mask()
		return
	}
	m.punct(q)
	m.i++
}

// closing returns the index of the quote that ends the string starting at i, or -1.
func closing(s string, i, end int) int {
	q := s[i]
	for j := i + 1; j < end; j++ {
		switch s[j] {
		case '\\':
			j++
		case q:
			if q == '\'' && j+1 < end && classes[s[j+1]]&(digit|alpha) != 0 {
				continue // an apostrophe
			}
			return j
		}
	}
	return -1
}

// run reads what stands between delimiters, and the value after "key=".
func (m *masker) run(end, depth int) {
	start := m.i
	var seen uint8
	i := m.i
	for i < end {
		cl := classes[m.s[i]]
		if cl&(space|delim) != 0 {
			break
		}
		seen |= cl
		i++
	}
	m.i = i
	run := m.s[start:i]
	m.emitRun(run, seen)
	if i < end && m.s[i] == '=' && i > start {
		m.punct('=')
		m.i++
		m.value(run, end, depth)
	}
}

// value reads what follows "key=": words of keys that carry text are kept, everything else is masked.
func (m *masker) value(key string, end, depth int) {
	if m.i >= end || classes[m.s[m.i]]&space != 0 {
		m.mask() // an empty value is a value
		return
	}
	c := m.s[m.i]
	keep := isTextKey(key)
	if c == '"' || c == '\'' || c == '`' {
		j := closing(m.s, m.i, end)
		if j < 0 || !keep {
			m.quoted(end)
			return
		}
		m.i++
		m.mix(markText)
		m.last = kindNone
		m.text(j, depth)
		m.i = j + 1
		m.mix(markText)
		m.last = kindNone
		return
	}
	if keep || classes[c]&delim != 0 {
		return // read as text
	}
	for m.i < end && classes[m.s[m.i]]&(space|delim) == 0 {
		m.i++
	}
	m.mask()
}

// Package logquery is the language of log search: words and "quoted phrases" that a body must contain, -word for what it must not.
// It parses and matches; the store translates the same terms into SQL, and a test holds the two together. It does no I/O.
//
// A term matches a body that contains it, whatever the case of ASCII letters. A part of a term that is made of letters and digits
// and has a digit is an identifier: it must be a whole word of the body, so that 500 does not find 15003, and so that the word index
// can be asked for it. A star at either end of an unquoted word lifts that: ord_c95* finds ord_c9592a.
package logquery

import (
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of a query; they keep the statement and the matching of a live tail small.
const (
	MaxTerms     = 32
	MaxTermBytes = 1024
)

// Term is one word or phrase.
type Term struct {
	// Text is what the body must contain, ASCII letters in lower case.
	Text string
	// Words are the identifiers within Text that must be whole words of the body.
	Words []string
	// Negated says that the body must not match.
	Negated bool
}

// Query is a list of terms; all of them must hold.
type Query []Term

// Parse reads a query. Errors: errs.Invalid for more terms or longer ones than are allowed.
func Parse(s string) (Query, error) {
	var q Query
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return q, nil
		}
		negated := len(s) > 1 && s[0] == '-' && s[1] != ' '
		if negated {
			s = s[1:]
		}
		var text string
		loose := false
		if s[0] == '"' {
			text, s = phrase(s[1:])
		} else {
			text, s = word(s)
			trimmed := strings.Trim(text, "*")
			loose = trimmed != text
			text = trimmed
		}
		if text == "" {
			continue
		}
		if len(text) > MaxTermBytes {
			return nil, errs.New(errs.Invalid, "a search term has %d bytes, more than %d", len(text), MaxTermBytes)
		}
		if len(q) == MaxTerms {
			return nil, errs.New(errs.Invalid, "the search has more than %d terms", MaxTerms)
		}
		t := Term{Text: lower(text), Negated: negated}
		if !loose {
			t.Words = identifiers(t.Text)
		}
		q = append(q, t)
	}
}

// phrase reads up to the closing quote, which a backslash escapes; without one, to the end.
func phrase(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

func word(s string) (text, rest string) {
	i := strings.IndexAny(s, " \t\r\n")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// isWordByte reports whether b belongs to a word, as the store's word index sees it.
func isWordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

func identifiers(text string) []string {
	var out []string
	for i := 0; i < len(text); {
		if !isWordByte(text[i]) {
			i++
			continue
		}
		j, digits := i, false
		for j < len(text) && isWordByte(text[j]) {
			digits = digits || text[j] >= '0' && text[j] <= '9'
			j++
		}
		if digits {
			out = append(out, text[i:j])
		}
		i = j
	}
	return out
}

// lower changes the case of ASCII letters only and leaves every other byte, as the store's lower does.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Match reports whether body matches every term.
func (q Query) Match(body string) bool {
	if len(q) == 0 {
		return true
	}
	body = lower(body)
	for i := range q {
		if q[i].match(body) == q[i].Negated {
			return false
		}
	}
	return true
}

func (t *Term) match(lowerBody string) bool {
	for _, w := range t.Words {
		if !hasWord(lowerBody, w) {
			return false
		}
	}
	return strings.Contains(lowerBody, t.Text)
}

func hasWord(s, w string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], w)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(w)
		if (i == 0 || !isWordByte(s[i-1])) && (end == len(s) || !isWordByte(s[end])) {
			return true
		}
		from = i + 1
	}
}

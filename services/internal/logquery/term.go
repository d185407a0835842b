// Package logquery is the condition on log records that store and live tail share, and the language of log search that people type:
// words, "phrases", -without, service:checkout, level>=warn, duration>500ms, (a OR b). LogQL compiles to the same conditions. The
// package parses and matches; the store translates the same conditions into SQL, and a test holds the two together. It does no I/O.
//
// A term matches a body that contains it, whatever the case of ASCII letters. A part of a term that is made of letters and digits
// and has a digit is an identifier: it must be a whole word of the body, so that 500 does not find 15003, and so that the word index
// can be asked for it. A star at either end of an unquoted word lifts that: ord_c95* finds ord_c9592a.
package logquery

import "strings"

// Bounds of a query; they keep the statement and the matching of a live tail small.
const (
	MaxTerms     = 32
	MaxTermBytes = 1024
	// maxDepth bounds parentheses, since the parser recurses.
	maxDepth = 16
)

// Term is one word or phrase.
type Term struct {
	// Text is what the body must contain, ASCII letters in lower case.
	Text string
	// Words are the identifiers within Text that must be whole words of the body.
	Words []string
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

// InnerWords returns the words of text, ASCII letters in lower case, that have something that is no word on both sides: they are whole
// words wherever text is found.
func InnerWords(text string) []string {
	var out []string
	for i := 0; i < len(text); {
		if !isWordByte(text[i]) {
			i++
			continue
		}
		j := i
		for j < len(text) && isWordByte(text[j]) {
			j++
		}
		if i > 0 && j < len(text) && len(out) < MaxTerms {
			out = append(out, lower(text[i:j]))
		}
		i = j
	}
	return out
}

package traceql

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/internal/errs"
)

type tokenKind uint8

const (
	endToken   tokenKind = iota
	punctToken           // { } ( ) , | && || ! and comparisons
	wordToken            // a field or a keyword; dots, colons and dashes belong to it
	stringToken
	numberToken
	durationToken
)

type token struct {
	kind tokenKind
	text string // of strings without quotes and escapes
	num  float64
	pos  int
}

// puncts in the order in which they are tried: the longer first.
var puncts = []string{
	"&&", "||", "!>>", "!<<", "&>>", "&<<", "!>", "!<", "&>", "&<", "&~", "!~", "!=", "=~", ">>", "<<", ">=", "<=",
	"{", "}", "(", ")", ",", "|", "!", "=", "<", ">", "~", "+", "*", "/", "%", "^", "-",
}

// lex cuts a query into tokens.
func lex(s string) ([]token, error) {
	if len(s) > MaxBytes {
		return nil, errs.New(errs.Invalid, "the query has %d bytes; at most %d are read", len(s), MaxBytes)
	}
	if !utf8.ValidString(s) {
		return nil, errs.New(errs.Invalid, "the query is not UTF-8")
	}
	var out []token
	for pos := 0; ; {
		for pos < len(s) && strings.IndexByte(" \t\r\n", s[pos]) >= 0 {
			pos++
		}
		if pos >= len(s) {
			return append(out, token{kind: endToken, pos: pos}), nil
		}
		t, n, err := lexOne(s[pos:])
		if err != nil {
			return nil, errs.New(errs.Invalid, "at byte %d: %w", pos+1, err)
		}
		t.pos = pos
		out = append(out, t)
		pos += n
	}
}

// lexOne reads the token at the beginning of s, which is not empty and not space, and returns its length.
func lexOne(s string) (token, int, error) {
	switch c := s[0]; {
	case c == '"' || c == '`':
		return lexString(s)
	case c >= '0' && c <= '9', (c == '-' || c == '.') && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
		return lexNumber(s)
	case c == '.' || wordRune(rune(c)) || c >= utf8.RuneSelf:
		return lexWord(s)
	}
	for _, p := range puncts {
		if strings.HasPrefix(s, p) {
			return token{kind: punctToken, text: p}, len(p), nil
		}
	}
	return token{}, 0, errs.New(errs.Invalid, "unexpected %q", s[:1])
}

func lexString(s string) (token, int, error) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return token{}, 0, errs.New(errs.Invalid, "a string is not closed or has an unknown escape")
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return token{}, 0, errs.New(errs.Invalid, "a string has an unknown escape")
	}
	return token{kind: stringToken, text: text}, len(quoted), nil
}

// lexNumber reads a number or a duration such as 1.5s or 1h30m.
func lexNumber(s string) (token, int, error) {
	n := 1
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || strings.HasPrefix(s[n:], "µ") || s[n] == 0xb5) {
		n++
	}
	text := s[:n]
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return token{kind: numberToken, num: v, text: text}, n, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return token{kind: durationToken, num: float64(d), text: text}, n, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if v, err := strconv.ParseFloat(days, 64); err == nil {
			return token{kind: durationToken, num: v * float64(24*time.Hour), text: text}, n, nil
		}
	}
	return token{}, 0, errs.New(errs.Invalid, "%q is neither a number nor a duration", text)
}

// lexWord reads a field or keyword. A part of an attribute's name may be in quotes: span."with space".
func lexWord(s string) (token, int, error) {
	var b strings.Builder
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case r == '"' && n > 0 && s[n-1] == '.':
			t, length, err := lexString(s[n:])
			if err != nil {
				return token{}, 0, err
			}
			b.WriteString(t.text)
			n += length
			continue
		case !wordRune(r):
			return token{kind: wordToken, text: b.String()}, n, nil
		}
		b.WriteRune(r)
		n += size
	}
	return token{kind: wordToken, text: b.String()}, n, nil
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._:-/@$#", r)
}

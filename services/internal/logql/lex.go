package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/internal/errs"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokString
	tokNumber // digits and what follows them: a number, a duration or a size
	tokFlag   // --strict
	tokPunct
)

type token struct {
	kind tokenKind
	// text is the identifier, the unquoted string, the digits, or the operator.
	text string
	pos  int
}

func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of the query"
	case tokString:
		return "string " + strconv.Quote(t.text)
	default:
		return fmt.Sprintf("%q", t.text)
	}
}

// operators, longest first.
var operators = []string{"|=", "!=", "|~", "!~", "|>", "!>", "=~", "==", ">=", "<=", "|", "{", "}", "(", ")", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/", "%", "^"}

// ParseError is a query that cannot be read, with the place.
type ParseError struct {
	Line, Col int
	Msg       string
}

// Error is worded as Loki's.
func (e *ParseError) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

func errorAt(src string, pos int, format string, args ...any) error {
	before := src[:min(pos, len(src))]
	line := 1 + strings.Count(before, "\n")
	col := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &errs.Error{Kind: errs.Invalid, Err: &ParseError{Line: line, Col: col, Msg: fmt.Sprintf(format, args...)}}
}

func isIdentStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool      { return c >= '0' && c <= '9' }

// lex cuts src into tokens. O(len(src)).
func lex(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '#':
			for i < len(src) && src[i] != '\n' {
				i++
			}
		case c == '"' || c == '`':
			t, n, err := lexString(src, i)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			i += n
		case isIdentStart(c):
			j := i
			for j < len(src) && (isIdentStart(src[j]) || isDigit(src[j])) {
				j++
			}
			out = append(out, token{tokIdent, src[i:j], i})
			i = j
		case isDigit(c) || c == '.' && i+1 < len(src) && isDigit(src[i+1]):
			n := lexNumber(src[i:])
			out = append(out, token{tokNumber, src[i : i+n], i})
			i += n
		case strings.HasPrefix(src[i:], "--") && i+2 < len(src) && isIdentStart(src[i+2]):
			j := i + 2
			for j < len(src) && (isIdentStart(src[j]) || src[j] == '-') {
				j++
			}
			out = append(out, token{tokFlag, src[i:j], i})
			i = j
		default:
			op := operatorAt(src[i:])
			if op == "" {
				r, _ := utf8.DecodeRuneInString(src[i:])
				return nil, errorAt(src, i, "syntax error: unexpected character %q", r)
			}
			out = append(out, token{tokPunct, op, i})
			i += len(op)
		}
	}
	return append(out, token{tokEOF, "", len(src)}), nil
}

func operatorAt(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func lexString(src string, i int) (token, int, error) {
	quoted, err := strconv.QuotedPrefix(src[i:])
	if err != nil {
		return token{}, 0, errorAt(src, i, "syntax error: the string has no end, or an escape that does not exist (inside \"…\" write \\\\d, or use `\\d`)")
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return token{}, 0, errorAt(src, i, "syntax error: %v", err)
	}
	return token{tokString, text, i}, len(quoted), nil
}

// lexNumber returns the length of the number, duration or size at the beginning of s.
func lexNumber(s string) int {
	i := 0
	for i < len(s) {
		c := s[i]
		switch {
		case isDigit(c) || c == '.' || isIdentStart(c) && c != '_' || c >= 0x80:
			i++
		case (c == '+' || c == '-') && (s[i-1] == 'e' || s[i-1] == 'E') && i+1 < len(s) && isDigit(s[i+1]) && onlyNumber(s[:i-1]):
			i++
		default:
			return i
		}
	}
	return i
}

func onlyNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

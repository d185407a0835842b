package sqlapi

import (
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

type tokenKind uint8

const (
	wordToken  tokenKind = iota // a name or keyword, quoted or not; its text is lower case and without quotes
	textToken                   // a string
	otherToken                  // a number or one character of punctuation
)

type token struct {
	kind tokenKind
	text string
}

// scanner cuts a statement into tokens and writes it again without comments. Where it and the engine could see different things, it
// refuses.
type scanner struct {
	text   string
	pos    int
	tokens []token
	out    strings.Builder
	ended  bool // a semicolon was seen
}

func (s *scanner) scan() error {
	for s.pos < len(s.text) {
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// next reads one token, comment or space.
func (s *scanner) next() error {
	c := s.text[s.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		s.out.WriteByte(c)
		s.pos++
		return nil
	case s.skipComment():
		s.out.WriteByte(' ')
		return nil
	case s.ended:
		return errs.WithHint(errs.Invalid, "send one statement at a time", "something follows the semicolon at the end of the statement")
	case c == ';':
		s.ended = true
		s.pos++
		return nil
	case c == '\'':
		return s.quoted('\'')
	case c == '"' || c == '`':
		return s.quoted(c)
	case isWordStart(c):
		s.word()
		return nil
	case c >= '0' && c <= '9':
		s.number()
		return nil
	case c < ' ' || c >= 0x7f || c == '\\' || c == '$':
		return errs.WithHint(errs.Invalid, "use plain ASCII outside of quotes", "the character %q cannot stand outside of quotes", s.rune())
	}
	s.emit(otherToken, s.text[s.pos:s.pos+1], s.text[s.pos:s.pos+1])
	s.pos++
	return nil
}

func (s *scanner) rune() string {
	for i, r := range s.text[s.pos:] {
		if i == 0 {
			return string(r)
		}
	}
	return ""
}

func (s *scanner) emit(kind tokenKind, text, raw string) {
	s.tokens = append(s.tokens, token{kind, text})
	s.out.WriteString(raw)
}

// skipComment passes over a comment in any of the engine's forms.
func (s *scanner) skipComment() bool {
	rest := s.text[s.pos:]
	end := -1
	switch {
	case strings.HasPrefix(rest, "/*"):
		if i := strings.Index(rest[2:], "*/"); i >= 0 {
			end = i + 4
		} else {
			end = len(rest)
		}
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"), rest[0] == '#':
		if end = strings.IndexByte(rest, '\n'); end < 0 {
			end = len(rest)
		}
	default:
		return false
	}
	s.pos += end
	return true
}

// quoted reads a string or a quoted name, up to its closing quote; doubled quotes and backslashes as the engine reads them.
func (s *scanner) quoted(quote byte) error {
	begin := s.pos
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			if quote != '\'' {
				return errs.New(errs.Invalid, "a quoted name cannot have a backslash")
			}
			s.pos++
		case quote:
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == quote {
				s.pos++
				continue
			}
			s.pos++
			raw := s.text[begin:s.pos]
			if quote == '\'' {
				s.emit(textToken, "", raw)
			} else {
				inside := strings.ReplaceAll(raw[1:len(raw)-1], string([]byte{quote, quote}), string(quote))
				s.emit(wordToken, strings.ToLower(inside), raw)
			}
			return nil
		case 0:
			return errs.New(errs.Invalid, "a NUL byte cannot stand in a statement")
		}
	}
	return errs.New(errs.Invalid, "a quote that is opened is not closed")
}

func (s *scanner) word() {
	begin := s.pos
	for s.pos < len(s.text) && (isWordStart(s.text[s.pos]) || isDigit(s.text[s.pos])) {
		s.pos++
	}
	raw := s.text[begin:s.pos]
	s.emit(wordToken, strings.ToLower(raw), raw)
}

// number reads a number. The engine lets a name follow a number without a space ("1file" is 1 AS file), so the letters after the
// digits are a word of their own here, except those of an exponent or a prefix.
func (s *scanner) number() {
	begin := s.pos
	for s.pos < len(s.text) && (isDigit(s.text[s.pos]) || s.text[s.pos] == '_') {
		s.pos++
	}
	s.emit(otherToken, "0", s.text[begin:s.pos])
}

func isWordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

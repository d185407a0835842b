package template

import (
	"strings"

	"github.com/faultline-io/faultline/services/internal/logshape"
)

// Kind says what a token of a line is.
type Kind uint8

// The kinds. Everything from Number on is a slot: its text varies from line to line.
const (
	Word   Kind = iota // A word that belongs to the kind of line.
	Punct              // Punctuation that holds a line together.
	Any                // A slot without a type: a word that was seen to vary.
	Number             // 12, -3.5, 0x1f, 12%
	Hex                // deadbeef00, a hash, a key
	UUID               // 550e8400-e29b-41d4-a716-446655440000
	IP                 // 10.0.0.1, 10.0.0.1:443, ::1
	Path               // /var/log/x.1
	URL                // https://example.com/12
	Time               // 2026-11-20T10:00:00Z, 10:00:00.123
	Size               // 12MB, 3KiB
	Span               // 12ms, 1.5s: a duration
	Quoted             // "…"
	Email
	Bool  // true, false, null and their like
	Empty // Nothing, where a value may be: user= , init()
	More  // The frames of a stack trace.
)

// kindNames are how slots are written in the text of a template.
var kindNames = [...]string{
	Word: "", Punct: "", Any: "*", Number: "num", Hex: "hex", UUID: "uuid", IP: "ip", Path: "path", URL: "url", Time: "time", Size: "size", Span: "duration",
	Quoted: "quoted", Email: "email", Bool: "bool", More: "more",
}

// String returns the name of a kind of slot, as in <num>.
func (k Kind) String() string { return kindNames[k] }

// Token is a piece of a line. Text aliases the line.
type Token struct {
	Kind Kind
	// Glued says that no white space stands before the token.
	Glued bool
	Text  string
	// Unit is the word behind an amount that tells its kind, as ms and bytes.
	Unit string
}

// Bounds of what is looked at. A line says what it is within them.
const (
	maxBytes  = 4096
	maxTokens = 96
)

// Tokenize appends the tokens of a line to dst. Values whose form tells what they are become slots; which words vary, only other lines can
// tell (Miner). Values that follow each other are one slot, so that the length of a list does not matter, and a place for a value that is
// empty is a slot too. O(len(line)) up to 4096 bytes; it allocates nothing when dst has room.
func Tokenize(dst []Token, line string) []Token {
	if len(line) > maxBytes {
		line = line[:maxBytes]
	}
	t := tokenizer{out: dst, base: len(dst), line: line}
	head, cause := stackTrace(line)
	if head < 0 {
		t.text(len(line), true)
		return t.out
	}
	t.text(head, true)
	t.out = append(t.out, Token{Kind: More})
	if cause > 0 {
		t.i, t.glued = cause, false
		t.text(len(line), true)
	}
	return t.out
}

// stackTrace finds the frames of a stack trace in a line that has several lines: they end the first of these, and what is said again behind them is
// the cause, as Java and Python write it. It returns where the first line ends, -1 when there is no trace, and where the cause begins, 0 for none.
func stackTrace(line string) (head, cause int) {
	head = strings.IndexByte(line, '\n')
	if head <= 0 || !hasFrames(line[head+1:]) {
		return -1, 0
	}
	at := strings.LastIndex(line, "\nCaused by: ")
	if at > 0 {
		at++
	} else if strings.Contains(line, "Traceback (most recent call last)") {
		at = strings.LastIndexByte(strings.TrimRight(line, "\n "), '\n') + 1
		if at <= head || at >= len(line) || line[at] == ' ' {
			at = 0
		}
	}
	if at <= head {
		return head, 0
	}
	return head, at
}

// hasFrames reports whether one of the next lines is a frame of a stack trace.
func hasFrames(rest string) bool {
	for range 4 {
		line, after, more := strings.Cut(rest, "\n")
		line = strings.TrimLeft(line, " \t")
		for _, p := range []string{"at ", "File \"", "Traceback (", "Caused by: ", "goroutine "} {
			if strings.HasPrefix(line, p) {
				return true
			}
		}
		if !more {
			break
		}
		rest = after
	}
	return false
}

// tokenizer walks over one line.
type tokenizer struct {
	out   []Token
	base  int
	line  string
	i     int
	glued bool
	// closing says that a closing bracket comes next whose opening one was dropped.
	closing bool
}

// text reads up to end; quotes within quotes are punctuation.
func (t *tokenizer) text(end int, quotes bool) {
	for t.i < end && !t.full() {
		c := t.line[t.i]
		switch {
		case c <= ' ' || c == 0x7f:
			t.emptyValue()
			t.glued = false
			t.i++
			continue
		case c == '"' || c == '\'' || c == '`':
			j := 0
			if quotes {
				j = quoteEnd(t.line[:end], t.i)
			}
			t.punct()
			if j > 0 {
				t.quoted(j)
			}
		case c == '<' && t.i+1 < end && isNumeral(t.line[t.i+1]):
			t.i++ // less than that many
			continue
		case c == ')' && t.closing:
			t.closing = false
			t.i++
		case isDelim(c):
			if c == ')' || c == ']' || c == '}' {
				t.emptyBrackets()
			}
			t.punct()
		default:
			j := runEnd(t.line[:end], t.i)
			t.run(t.line[t.i:j])
			t.i = j
		}
		t.glued = true
	}
	if t.i >= len(t.line) {
		t.emptyValue()
	}
}

// full reports whether no more tokens count.
func (t *tokenizer) full() bool { return len(t.out)-t.base >= maxTokens }

// punct adds the byte at i.
func (t *tokenizer) punct() {
	t.out = append(t.out, Token{Kind: Punct, Glued: t.glued, Text: t.line[t.i : t.i+1]})
	t.i++
	t.glued = true
}

// slot adds a value, or lets it be part of the one before: of the same kind, of a time with its words and numbers, or the same amount once
// more in brackets.
func (t *tokenizer) slot(k Kind, text string) {
	if n := len(t.out); n > t.base {
		last := &t.out[n-1]
		if last.Kind == k && k != Word || last.Kind == Time && k == Number || k == Time && last.Kind == Number {
			if last.Kind == Number {
				last.Kind = k
			}
			return
		}
	}
	t.out = append(t.out, Token{Kind: k, Glued: t.glued, Text: text})
	t.glued = true
}

// last returns the kind and text of the token n places back.
func (t *tokenizer) last(n int) Token {
	if i := len(t.out) - n; i >= t.base {
		return t.out[i]
	}
	return Token{Kind: Punct}
}

// valueOfKey reports whether what comes next is the value of key=value, which the shape of a line masks too, unless the key carries text.
func (t *tokenizer) valueOfKey() bool {
	eq, key := t.last(1), t.last(2)
	return t.glued && eq.Kind == Punct && eq.Text == "=" && eq.Glued && key.Kind == Word && !logshape.IsTextKey(key.Text)
}

// opens reports whether the run that is being read is the name of a value in brackets: Rect(1, 2).
func (t *tokenizer) opens(run string) bool {
	end := t.i + len(run)
	return end < len(t.line) && (t.line[end] == '(' || t.line[end] == '{') && strings.HasPrefix(t.line[t.i:], run)
}

// emptyValue adds a slot where a value is missing: "user= ".
func (t *tokenizer) emptyValue() {
	if l := t.last(1); t.glued && l.Glued && l.Kind == Punct && l.Text == "=" && t.last(2).Kind == Word {
		t.out = append(t.out, Token{Kind: Empty, Glued: true})
	}
}

// emptyBrackets adds a slot between brackets that hold nothing.
func (t *tokenizer) emptyBrackets() {
	if l := t.last(1); t.glued && l.Kind == Punct && (l.Text == "(" || l.Text == "[" || l.Text == "{") {
		t.out = append(t.out, Token{Kind: Empty, Glued: true})
	}
}

// quoted reads what stands in quotes up to j: sentences as text, a single word or value as one slot.
func (t *tokenizer) quoted(j int) {
	inner := t.line[t.i:j]
	key := t.last(3) // Before the equals sign and the opening quote.
	if value := t.last(2); sentence(inner) && (value.Text != "=" || logshape.IsTextKey(key.Text)) {
		t.text(j, false)
	} else {
		t.out = append(t.out, Token{Kind: Quoted, Glued: true, Text: inner})
	}
	t.i = j
	t.glued = true
	t.punct()
}

// sentence reports whether a quoted text is words rather than a value.
func sentence(s string) bool {
	return strings.IndexByte(s, ' ') > 0 && isLetter(s[0])
}

func isDelim(c byte) bool { return strings.IndexByte("()[]{}<>,;|=!?", c) >= 0 }

// runEnd returns where a run ends that starts at i: at white space, a delimiter or a quote that follows a delimiter.
func runEnd(s string, i int) int {
	for i < len(s) && s[i] > ' ' && s[i] != 0x7f && !isDelim(s[i]) && s[i] != '"' && s[i] != '`' {
		i++
	}
	return i
}

// quoteEnd returns the index of the quote that ends the string starting at i, or 0. An apostrophe within a word ends nothing.
func quoteEnd(s string, i int) int {
	q := s[i]
	if q == '\'' && i > 0 && isLetter(s[i-1]) {
		return 0
	}
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\':
			j++
		case s[j] == q:
			if q == '\'' && j+1 < len(s) && isLetter(s[j+1]) {
				continue
			}
			return j
		}
	}
	return 0
}

// run adds what stands between white space and delimiters: trailing colons and stops are punctuation; the rest is a slot when its form
// says so, and is parted at its own punctuation when it mixes words and values.
func (t *tokenizer) run(run string) {
	end := len(run)
	for end > 0 && (run[end-1] == ':' || run[end-1] == '.') {
		end--
	}
	if body := run[:end]; body != "" {
		t.body(body)
		t.glued = true
	}
	for i := end; i < len(run); i++ {
		t.out = append(t.out, Token{Kind: Punct, Glued: t.glued, Text: run[i : i+1]})
		t.glued = true
	}
}

func (t *tokenizer) body(body string) {
	if k := unitOf(body); k != Word && t.last(1).Kind == Number && !t.glued {
		t.amount(k, body)
		return
	}
	if k := kindOf(body); k == IP && strings.Count(body, ":") == 1 {
		addr, port, _ := strings.Cut(body, ":")
		t.slot(IP, addr)
		t.out = append(t.out, Token{Kind: Punct, Glued: true, Text: ":"}, Token{Kind: Number, Glued: true, Text: port})
		return
	} else if k != Word {
		t.slot(k, body)
		return
	}
	if t.valueOfKey() && !(t.opens(body) && onlyLetters(body)) {
		t.slot(Any, body)
		return
	}
	if !hasDigit(body) && strings.IndexByte(body, ':') < 0 {
		t.out = append(t.out, Token{Kind: Word, Glued: t.glued, Text: body})
		return
	}
	// host:port, key:12, worker-7: parts of their own.
	for start := 0; start < len(body) && !t.full(); {
		end := start
		for end < len(body) && !isSplit(body[end]) {
			end++
		}
		if end > start {
			t.part(body[start:end])
		}
		if end < len(body) {
			t.out = append(t.out, Token{Kind: Punct, Glued: t.glued, Text: body[end : end+1]})
			t.glued = true
			end++
		}
		start = end
	}
}

func (t *tokenizer) part(part string) {
	if t.full() {
		return
	}
	if i := strings.Index(part, ".."); i > 0 { // name......: a line of dots to the value.
		end := i
		for end < len(part) && part[end] == '.' {
			end++
		}
		t.part(part[:i])
		t.out = append(t.out, Token{Kind: Punct, Glued: true, Text: part[i:end]})
		if end < len(part) {
			t.part(part[end:])
		}
		return
	}
	if i := strings.LastIndexByte(part, '.'); i > 1 && onlyLetters(part[:i]) && onlyNumerals(part[i+1:]) { // core.862: a name with its number.
		t.out = append(t.out, Token{Kind: Word, Glued: t.glued, Text: part[:i]}, Token{Kind: Punct, Glued: true, Text: "."})
		t.glued = true
		t.slot(Number, part[i+1:])
		return
	}
	k := kindOf(part)
	if k == Word && hasDigit(part) {
		k = Any
	}
	if k == Word {
		t.out = append(t.out, Token{Kind: Word, Glued: t.glued, Text: part})
		t.glued = true
		return
	}
	t.slot(k, part)
	t.glued = true
}

// amount makes the number before a unit an amount of that kind; the same amount once more in brackets is part of it.
func (t *tokenizer) amount(k Kind, unit string) {
	n := len(t.out)
	t.out[n-1].Kind, t.out[n-1].Unit = k, unit
	if b := t.last(2); b.Kind == Punct && b.Text == "(" && t.last(3).Kind == k {
		t.out = t.out[:n-2]
		t.closing = true
	}
}

// isSplit reports whether a run that mixes words and values is parted at c.
func isSplit(c byte) bool { return strings.IndexByte(":/#@&+~^%", c) >= 0 }

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }
func isLetter(c byte) bool   { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80 }
func isNumeral(c byte) bool  { return '0' <= c && c <= '9' }
func isHexByte(c byte) bool  { return isNumeral(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

package logql

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// extraction is one label that json or logfmt extract by expression.
type extraction struct {
	Name, Path string
	// Given says that the path was written, and is not the name.
	Given bool
	keys  []string
}

// extractor is a parser that may be told what to extract.
type extractor interface {
	Stage
	extract(e extraction) error
}

func extractionsString(word string, es []extraction) string {
	parts := make([]string, len(es))
	for i, e := range es {
		if parts[i] = e.Name; e.Given {
			parts[i] += "=" + strconv.Quote(e.Path)
		}
	}
	return strings.TrimRight("| "+word+" "+strings.Join(parts, ", "), " ")
}

const (
	// maxJSONNesting bounds the recursion of the flattening; fastjson's own bound is 300.
	maxJSONNesting = 50
	// maxExtracted bounds the labels of one line.
	maxExtracted = 1000
)

// JSONStage makes labels of the keys of an object; nested keys are joined by underscores, arrays are left out.
type JSONStage struct {
	Extract []extraction
	parser  fastjson.Parser
	names   map[string]string
}

func (s *JSONStage) extract(e extraction) error {
	keys, err := jsonPath(e.Path)
	e.keys = keys
	s.Extract = append(s.Extract, e)
	return err
}

// jsonPath cuts a.b[0]["c d"] into keys.
func jsonPath(path string) ([]string, error) {
	var out []string
	for i := 0; i < len(path); {
		switch {
		case path[i] == '.' && i > 0:
			i++
			if i == len(path) || path[i] == '.' {
				return nil, errors.New("a key is missing behind a dot")
			}
		case path[i] == '[':
			end := strings.IndexByte(path[i:], ']')
			if end < 0 {
				return nil, errors.New("a bracket is not closed")
			}
			key := path[i+1 : i+end]
			if strings.HasPrefix(key, `"`) {
				quoted, err := strconv.QuotedPrefix(path[i+1:])
				if err != nil || i+1+len(quoted) >= len(path) || path[i+1+len(quoted)] != ']' {
					return nil, errors.New("a quoted key has no end")
				}
				key, _ = strconv.Unquote(quoted)
				end = len(quoted) + 1
			} else if _, err := strconv.Atoi(key); err != nil {
				return nil, fmt.Errorf("%q is not an index", key)
			}
			out = append(out, key)
			i += end + 1
		default:
			j := i
			for j < len(path) && path[j] != '.' && path[j] != '[' {
				if !isIdentStart(path[j]) && !isDigit(path[j]) && path[j] != '-' && path[j] != '@' && path[j] < 0x80 {
					return nil, fmt.Errorf("unexpected %q", path[j])
				}
				j++
			}
			if i == j {
				return nil, fmt.Errorf("unexpected %q", path[i])
			}
			out = append(out, path[i:j])
			i = j
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

func (s *JSONStage) run(r *record) bool {
	line := strings.TrimLeft(r.line, " \t\r\n")
	if line == "" || line[0] != '{' && len(s.Extract) == 0 {
		r.fail("JSONParserErr", "the line is not a JSON object")
		return true
	}
	v, err := s.parser.Parse(line)
	if err != nil {
		r.fail("JSONParserErr", shorten(err.Error()))
		return true
	}
	if len(s.Extract) > 0 {
		for i := range s.Extract {
			e := &s.Extract[i]
			r.extracted(e.Name, jsonText(v.Get(e.keys...)))
		}
		return true
	}
	s.flatten(r, "", v, 0)
	return true
}

func (s *JSONStage) flatten(r *record, prefix string, v *fastjson.Value, depth int) {
	obj, err := v.Object()
	if err != nil {
		return
	}
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if len(r.parsed) >= maxExtracted {
			return
		}
		name := s.name(k)
		if prefix != "" {
			name = prefix + "_" + strings.TrimPrefix(name, "_")
		}
		switch v.Type() {
		case fastjson.TypeObject:
			if depth < maxJSONNesting {
				s.flatten(r, name, v, depth+1)
			}
		case fastjson.TypeArray, fastjson.TypeNull:
		default:
			if name != "" && r.wants(name) {
				r.extracted(name, jsonText(v))
			}
		}
	})
}

// jsonText returns a string's content, "" for null and nothing, and all else as JSON.
func jsonText(v *fastjson.Value) string {
	if v == nil || v.Type() == fastjson.TypeNull {
		return ""
	}
	if b, err := v.StringBytes(); err == nil {
		return string(b)
	}
	return string(v.MarshalTo(nil))
}

// maxNames bounds the keys that a stage remembers the names of.
const maxNames = 4096

// name returns the label name of a key. Keys repeat from line to line, so their names are remembered.
func (s *JSONStage) name(key []byte) string {
	if n, ok := s.names[string(key)]; ok {
		return n
	}
	if s.names == nil || len(s.names) >= maxNames {
		s.names = map[string]string{}
	}
	n := SanitizeName(string(key))
	s.names[string(key)] = n
	return n
}

// shorten keeps error details, which may quote the line, small.
func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// String writes the stage.
func (s *JSONStage) String() string { return extractionsString("json", s.Extract) }

// LogfmtStage makes labels of key=value pairs.
type LogfmtStage struct {
	Strict, KeepEmpty bool
	Extract           []extraction
}

func (s *LogfmtStage) extract(e extraction) error {
	if e.Path == "" || strings.ContainsAny(e.Path, " =\"") {
		return errors.New("it is not a key")
	}
	s.Extract = append(s.Extract, e)
	return nil
}

func (s *LogfmtStage) run(r *record) bool {
	// With expressions, what the line does not have is an empty label.
	for i := range s.Extract {
		if e := &s.Extract[i]; !r.own(e.Name) {
			r.parsed = set(r.parsed, e.Name, "")
		}
	}
	if msg := eachLogfmt(r.line, func(k, v string) { s.pair(r, k, v) }); msg != "" && s.Strict {
		r.fail("LogfmtParserErr", msg)
	}
	return true
}

func (s *LogfmtStage) pair(r *record, k, v string) {
	if len(s.Extract) > 0 {
		for i := range s.Extract {
			e := &s.Extract[i]
			if e.Path != k {
				continue
			}
			if r.own(e.Name) {
				r.extracted(e.Name, v)
			} else {
				r.parsed = set(r.parsed, e.Name, v)
			}
		}
		return
	}
	if (v != "" || s.KeepEmpty) && len(r.parsed) < maxExtracted {
		r.extracted(SanitizeName(k), v)
	}
}

// eachLogfmt calls f with each key and value, and returns what is wrong with the first pair that is none; "" for nothing.
func eachLogfmt(line string, f func(k, v string)) (problem string) {
	note := func(msg string, at int) {
		if problem == "" {
			problem = msg + " at position " + strconv.Itoa(at+1)
		}
	}
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key := line[start:i]
		switch {
		case i < len(line) && line[i] == '"' || key == "":
			note("unexpected "+strconv.QuoteRune(rune(line[i])), i)
			for i < len(line) && line[i] > ' ' {
				i++
			}
			continue
		case i == len(line) || line[i] != '=':
			f(key, "")
			continue
		}
		i++
		if i < len(line) && line[i] == '"' {
			quoted, end, ok := logfmtQuoted(line[i:])
			if !ok {
				note("a quoted value has no end", i)
			} else {
				f(key, quoted)
			}
			i += end
			continue
		}
		start = i
		for i < len(line) && line[i] > ' ' {
			if line[i] == '=' || line[i] == '"' {
				note("unexpected "+strconv.QuoteRune(rune(line[i])), i)
			}
			i++
		}
		f(key, line[start:i])
	}
	return problem
}

// logfmtQuoted reads a quoted value; end is its length with the quotes.
func logfmtQuoted(s string) (value string, end int, ok bool) {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			raw := s[1:i]
			if !escaped {
				return raw, i + 1, true
			}
			if v, err := strconv.Unquote(s[:i+1]); err == nil {
				return v, i + 1, true
			}
			return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(raw), i + 1, true
		}
	}
	return "", len(s), false
}

// String writes the stage.
func (s *LogfmtStage) String() string {
	word := "logfmt"
	if s.Strict {
		word += " --strict"
	}
	if s.KeepEmpty {
		word += " --keep-empty"
	}
	return extractionsString(word, s.Extract)
}

// RegexpStage makes labels of named groups.
type RegexpStage struct {
	text  string
	re    *regexp.Regexp
	names []string
}

func newRegexpStage(text string, re *regexp.Regexp) (*RegexpStage, error) {
	s := &RegexpStage{text: text, re: re, names: re.SubexpNames()}
	found := map[string]bool{}
	for _, n := range s.names {
		if n == "" {
			continue
		}
		if !validLabelName(n) {
			return nil, fmt.Errorf("invalid extracted label name '%s'", n)
		}
		if found[n] {
			return nil, fmt.Errorf("duplicate extracted label name '%s'", n)
		}
		found[n] = true
	}
	if len(found) == 0 {
		return nil, errors.New("at least one named capture must be supplied")
	}
	return s, nil
}

func (s *RegexpStage) run(r *record) bool {
	m := s.re.FindStringSubmatchIndex(r.line)
	if m == nil {
		return true
	}
	for i, n := range s.names {
		if n != "" && m[2*i] >= 0 {
			r.extracted(n, r.line[m[2*i]:m[2*i+1]])
		}
	}
	return true
}

// String writes the stage.
func (s *RegexpStage) String() string { return "| regexp " + strconv.Quote(s.text) }

// PatternStage makes labels of what stands between literals: <ip> - <_> [<_>] "<method> <path> <_>".
type PatternStage struct {
	text string
	// literals are in front of each capture; tail is behind the last.
	literals, names []string
	tail            string
}

var captureRE = regexp.MustCompile(`<([a-zA-Z_][a-zA-Z0-9_]*)>`)

func newPatternStage(text string) (*PatternStage, error) {
	s := &PatternStage{text: text}
	if len(text) > maxPatternBytes {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxPatternBytes)
	}
	at, named := 0, map[string]bool{}
	for _, m := range captureRE.FindAllStringSubmatchIndex(text, -1) {
		name, literal := text[m[2]:m[3]], text[at:m[0]]
		if at > 0 && literal == "" {
			return nil, errors.New("found consecutive capture: a literal must stand between two captures")
		}
		if name != "_" && named[name] {
			return nil, fmt.Errorf("duplicate capture name (%s)", name)
		}
		named[name] = true
		s.literals, s.names = append(s.literals, literal), append(s.names, name)
		at = m[1]
	}
	delete(named, "_")
	if len(named) == 0 {
		return nil, errors.New("at least one named capture is required")
	}
	s.tail = text[at:]
	return s, nil
}

func (s *PatternStage) run(r *record) bool {
	rest := r.line
	if !strings.HasPrefix(rest, s.literals[0]) {
		i := strings.Index(rest, s.literals[0])
		if i < 0 {
			return true
		}
		rest = rest[i:]
	}
	rest = rest[len(s.literals[0]):]
	for i, n := range s.names {
		next, last := s.tail, i == len(s.names)-1
		if !last {
			next = s.literals[i+1]
		}
		end, found := len(rest), true
		if next != "" {
			if j := strings.Index(rest, next); j >= 0 {
				end = j
			} else {
				found = false
			}
		}
		if n != "_" && (end > 0 || found) {
			r.extracted(n, rest[:end])
		}
		if !found {
			return true
		}
		rest = rest[min(end+len(next), len(rest)):]
	}
	return true
}

// String writes the stage.
func (s *PatternStage) String() string { return "| pattern " + strconv.Quote(s.text) }

// UnpackStage undoes Promtail's pack stage: the keys become labels, _entry the line.
type UnpackStage struct{ parser fastjson.Parser }

func (s *UnpackStage) run(r *record) bool {
	if r.line == "" {
		return true
	}
	v, err := s.parser.Parse(r.line)
	if err != nil || v.Type() != fastjson.TypeObject {
		r.fail("JSONParserErr", "expecting json object(6), but it is not")
		return true
	}
	obj, _ := v.Object()
	line, packed := "", false
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if v.Type() != fastjson.TypeString || len(r.parsed) >= maxExtracted {
			return
		}
		if string(k) == "_entry" {
			line, packed = jsonText(v), true
			return
		}
		r.extracted(SanitizeName(string(k)), jsonText(v))
	})
	if packed {
		r.line = line
	}
	return true
}

// String writes the stage.
func (s *UnpackStage) String() string { return "| unpack" }

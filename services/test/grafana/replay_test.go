//go:build linux

package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exchange is one request with what is expected of its answer. In a file it is written as
//
//	> POST /api/v1/query          the request; {{start}}, {{end}} (Unix seconds) and {{trace}} are filled in
//	> Content-Type: …             its headers
//	>> query=up                   its body
//	= 200                         the status; several are alternatives
//	$ data.result[0].value[1] == "1"      a check of the JSON: ==, !=, >=, contains; # counts a list, * is any element
//	~ text                        text that the body contains
//	@ name silenceID              keeps a value of the JSON: {{name}} stands for it in what follows
//
// Lines that begin with # are remarks.
type exchange struct {
	line         int
	method, path string
	headers      [][2]string
	body         string
	statuses     []int
	checks       []check
	texts        []string
	keeps        map[string]string // path of the answer by name
}

// filled returns the exchange with what was kept of the answers before it.
func (x exchange) filled(kept map[string]string) exchange {
	for name, value := range kept {
		mark := "{{" + name + "}}"
		x.path, x.body = strings.ReplaceAll(x.path, mark, value), strings.ReplaceAll(x.body, mark, value)
		for i, c := range x.checks {
			if text, ok := c.want.(string); ok {
				x.checks[i].want = strings.ReplaceAll(text, mark, value)
			}
		}
	}
	return x
}

type check struct {
	path, op string
	want     any
}

var checkLine = regexp.MustCompile(`^(\S+) (==|!=|>=|contains) (.+)$`)

// parse reads a file of exchanges.
func parse(text string) ([]exchange, error) {
	var out []exchange
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " ")
		bad := func(why string) error { return fmt.Errorf("line %d: %s: %s", n+1, why, line) }
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		mark, rest, _ := strings.Cut(line, " ")
		method, path, isRequest := strings.Cut(rest, " ")
		if mark == ">" && isRequest && strings.HasPrefix(path, "/") {
			out = append(out, exchange{line: n + 1, method: method, path: path})
			continue
		}
		if len(out) == 0 {
			return nil, bad("stands before the first request")
		}
		x := &out[len(out)-1]
		switch mark {
		case ">":
			name, value, ok := strings.Cut(rest, ": ")
			if !ok {
				return nil, bad("is neither a request nor a header")
			}
			x.headers = append(x.headers, [2]string{name, value})
		case ">>":
			x.body += rest
		case "=":
			for _, f := range strings.Fields(rest) {
				status, err := strconv.Atoi(f)
				if err != nil {
					return nil, bad("is no status")
				}
				x.statuses = append(x.statuses, status)
			}
		case "$":
			m := checkLine.FindStringSubmatch(rest)
			if m == nil {
				return nil, bad("is no check")
			}
			c := check{path: m[1], op: m[2]}
			if err := json.Unmarshal([]byte(m[3]), &c.want); err != nil {
				return nil, bad("has no JSON value")
			}
			x.checks = append(x.checks, c)
		case "@":
			name, path, ok := strings.Cut(rest, " ")
			if !ok {
				return nil, bad("keeps nothing")
			}
			if x.keeps == nil {
				x.keeps = map[string]string{}
			}
			x.keeps[name] = path
		case "~":
			x.texts = append(x.texts, rest)
		default:
			return nil, bad("begins with an unknown mark")
		}
	}
	for _, x := range out {
		if len(x.statuses) == 0 {
			return nil, fmt.Errorf("line %d: no status is expected", x.line)
		}
	}
	return out, nil
}

// values returns what a path leads to: fields by name, [2] of lists, * for each element, # for the length.
func values(v any, path string) []any {
	if path == "" {
		return []any{v}
	}
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "[") {
		inside, rest, _ := strings.Cut(path[1:], "]")
		list, _ := v.([]any)
		if inside == "*" {
			var out []any
			for _, e := range list {
				out = append(out, values(e, rest)...)
			}
			return out
		}
		if i, err := strconv.Atoi(inside); err == nil && i < len(list) {
			return values(list[i], rest)
		}
		return nil
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	name, rest := path[:end], path[end:]
	if name == "#" {
		list, ok := v.([]any)
		if !ok {
			return nil
		}
		return []any{float64(len(list))}
	}
	object, _ := v.(map[string]any)
	inner, ok := object[name]
	if !ok {
		return nil
	}
	return values(inner, rest)
}

// holds reports whether a check is fulfilled by some value at its path.
func (c check) holds(doc any) bool {
	for _, v := range values(doc, c.path) {
		if c.one(v) {
			return true
		}
	}
	return false
}

func (c check) one(v any) bool {
	a, b := fmt.Sprintf("%T %v", v, v), fmt.Sprintf("%T %v", c.want, c.want)
	switch c.op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">=":
		x, xok := v.(float64)
		y, yok := c.want.(float64)
		return xok && yok && x >= y
	}
	if list, ok := v.([]any); ok {
		for _, e := range list {
			if (check{op: "==", want: c.want}).one(e) {
				return true
			}
		}
		return false
	}
	s, _ := v.(string)
	want, _ := c.want.(string)
	return want != "" && strings.Contains(s, want)
}

func TestFilesAreReadable(t *testing.T) {
	for _, bad := range []string{"= 200", "> GET /x", "> GET /x\n? what", "> GET /x\n= ok", "> GET /x\n= 200\n$ a is 1", "> GET /x\n= 200\n$ a == what", "> GET /x\n= 200\n@ a"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	doc := map[string]any{"a": []any{map[string]any{"b": "x"}, map[string]any{"b": "y"}}, "n": 2.0}
	f := func(path, op string, want any, holds bool) {
		t.Helper()
		if (check{path, op, want}).holds(doc) != holds {
			t.Errorf("%s %s %v: want %v", path, op, want, holds)
		}
	}
	f("a[*].b", "==", "y", true)
	f("a[*].b", "==", "z", false)
	f("a[0].b", "==", "y", false)
	f("a.#", "==", 2.0, true)
	f("a[5].b", "!=", "y", false) // what is not there fulfils nothing
	f("n", ">=", 1.0, true)
	f("n", ">=", 3.0, false)
	f("a[0].b", "contains", "x", true)
	if entries, err := os.ReadDir("testdata"); err != nil || len(entries) < 3 {
		t.Errorf("testdata: %v, %d files", err, len(entries))
	}
}

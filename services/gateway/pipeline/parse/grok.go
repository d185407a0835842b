package parse

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/elastic/go-grok/patterns"

	"github.com/faultline-io/faultline/services/model"
)

// Expression is a parser made of expressions; the first that matches counts.
type Expression struct {
	res   []*regexp.Regexp
	names [][]string
}

// maxExpanded bounds a grok expression after its patterns are put in: the largest public one has 8 kB.
const maxExpanded = 64 << 10

// Regex compiles expressions (RE2) whose named groups are fields. A double underscore in a group's name is a dot.
func Regex(texts []string) (*Expression, error) {
	e := &Expression{}
	for _, text := range texts {
		if err := e.add(text); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Expression) add(text string) error {
	re, err := regexp.Compile(text)
	if err != nil {
		return err
	}
	named := false
	names := slices.Clone(re.SubexpNames())
	for i, n := range names {
		named = named || n != ""
		names[i] = strings.ReplaceAll(n, "__", ".")
	}
	if !named {
		return fmt.Errorf("expression %q has no named group", text)
	}
	e.res, e.names = append(e.res, re), append(e.names, names)
	return nil
}

// Grok compiles grok expressions: %{PATTERN:field} takes what a named pattern matches as a field, %{PATTERN} only matches it, and
// (?<field>…) is an own group. The patterns are the public ones that Logstash and Elasticsearch have, plus own ones.
func Grok(texts []string, own map[string]string) (*Expression, error) {
	g := grok{own: own, public: public()}
	e := &Expression{}
	for _, text := range texts {
		expanded, err := g.expand(text, nil)
		if err != nil {
			return nil, err
		}
		if err := e.add(expanded); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// public returns the public patterns by name.
func public() map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{
		patterns.Default, patterns.AWS, patterns.Bind9, patterns.Bro, patterns.Exim, patterns.HAProxy, patterns.Httpd, patterns.Firewalls,
		patterns.Java, patterns.Junos, patterns.Maven, patterns.MCollective, patterns.MongoDB, patterns.PostgreSQL, patterns.Rails,
		patterns.Redis, patterns.Ruby, patterns.Squid, patterns.Syslog,
	} {
		maps.Copy(all, m)
	}
	return all
}

type grok struct {
	own, public map[string]string
}

var (
	// reference is %{PATTERN}, %{PATTERN:field} or %{PATTERN:field:type}.
	reference = regexp.MustCompile(`%\{(\w+)(?::([\w.@\-\[\]]+))?(?::(\w+))?\}`)
	ownGroup  = regexp.MustCompile(`\(\?P?<([\w.@]+)>`)
)

// expand puts the patterns in. open are the patterns being expanded, to see one within itself.
func (g *grok) expand(text string, open []string) (string, error) {
	var out strings.Builder
	done := 0
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(ownGroup.ReplaceAllStringFunc(text[done:m[0]], renameGroup))
		done = m[1]
		name := text[m[2]:m[3]]
		pattern, ok := g.own[name]
		if !ok {
			pattern, ok = g.public[name]
		}
		if !ok {
			return "", fmt.Errorf("there is no grok pattern %q", name)
		}
		if slices.Contains(open, name) {
			return "", fmt.Errorf("grok pattern %q contains itself (%s)", name, strings.Join(append(open, name), " → "))
		}
		inner, err := g.expand(pattern, append(open, name))
		if err != nil {
			return "", err
		}
		if m[4] >= 0 {
			out.WriteString("(?P<" + groupName(text[m[4]:m[5]]) + ">" + inner + ")")
		} else {
			out.WriteString("(?:" + inner + ")")
		}
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("grok expression is longer than %d bytes with its patterns", maxExpanded)
		}
	}
	out.WriteString(ownGroup.ReplaceAllStringFunc(text[done:], renameGroup))
	return out.String(), nil
}

func renameGroup(s string) string {
	return "(?P<" + groupName(ownGroup.FindStringSubmatch(s)[1]) + ">"
}

// groupName writes a field's name as Go's groups may be called: [a][b] and a.b become a__b.
func groupName(s string) string {
	s = strings.ReplaceAll(strings.Trim(s, "[]"), "][", ".")
	s = strings.NewReplacer(".", "__", "@", "", "-", "_").Replace(s)
	return s
}

// Append implements Parser. Groups that did not take part, or took nothing, are left out.
func (e *Expression) Append(dst []model.Label, text string) ([]model.Label, bool) {
	for i, re := range e.res {
		m := re.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		for k, name := range e.names[i] {
			if name != "" && m[2*k] >= 0 && m[2*k+1] > m[2*k] {
				dst = append(dst, model.Label{Name: name, Value: text[m[2*k]:m[2*k+1]]})
			}
		}
		return dst, true
	}
	return dst, false
}

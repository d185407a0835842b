package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Sources are the places where settings come from, the weakest first.
type Sources struct {
	File  string            // YAML file; empty is none.
	Env   []string          // As os.Environ returns it.
	Flags map[string]string // Text by key, for the flags that were given.
}

// maxFileBytes bounds the configuration file: ours are a page long.
const maxFileBytes = 1 << 20

// Load builds the configuration from its defaults and the sources, and validates it. All mistakes are reported at once.
func Load(s Sources) (Config, error) {
	c := Default()
	byKey := map[string]Option{}
	for _, o := range c.Options() {
		byKey[o.Key] = o
	}
	var all []error
	if s.File != "" {
		all = append(all, readFile(s.File, byKey))
	}
	all = append(all, readEnv(s.Env, byKey))
	for _, key := range slices.Sorted(maps.Keys(s.Flags)) {
		o, ok := byKey[key]
		if !ok {
			return c, errs.New(errs.Internal, "BUG: flag for the unknown key %q", key)
		}
		if err := o.Set(s.Flags[key]); err != nil {
			all = append(all, fmt.Errorf("--%s: %w", o.Flag(), err))
		}
	}
	if err := errors.Join(all...); err != nil {
		return c, invalid(err)
	}
	c.applyExpose()
	return c, c.Validate()
}

// invalid gives err its kind.
func invalid(err error) error {
	return &errs.Error{Kind: errs.Invalid, Msg: "configuration", Err: err, Hint: "`faultline --help` lists every setting with its accepted values"}
}

// readEnv applies the variables. Unknown ones with our prefix are errors: a misspelt limit must not be taken for a set one.
func readEnv(env []string, byKey map[string]Option) error {
	byName := map[string]Option{}
	for _, o := range byKey {
		byName[o.Env()] = o
	}
	var all []error
	for _, kv := range env {
		name, text, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(name, EnvPrefix) || name == EnvPrefix+"CONFIG" || name == EnvPrefix+"ENGINE" {
			continue // CONFIG names the file, ENGINE is a short name that the engine reads itself.
		}
		o, known := byName[name]
		if !known {
			all = append(all, fmt.Errorf("unknown variable %s%s", name, suggest(name, maps.Keys(byName))))
			continue
		}
		if err := o.Set(text); err != nil {
			all = append(all, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(all...)
}

// readFile applies the YAML file at path.
func readFile(path string, byKey map[string]Option) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	if info.Size() > maxFileBytes {
		return fmt.Errorf("configuration file %s has %d bytes, more than %d", path, info.Size(), maxFileBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	return parse(path, b, byKey)
}

// parse applies YAML text; name is for messages.
func parse(name string, text []byte, byKey map[string]Option) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil // An empty file sets nothing.
	}
	p := parser{name: name, byKey: byKey, seen: map[string]int{}}
	p.mapping("", doc.Content[0])
	return errors.Join(p.errs...)
}

// parser walks the nodes of a file and gathers what is wrong with it.
type parser struct {
	name  string
	byKey map[string]Option
	seen  map[string]int // Line of each key.
	errs  []error
}

// fail notes a mistake at a node.
func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.name, n.Line, fmt.Sprintf(format, args...)))
}

// mapping applies the keys below prefix.
func (p *parser) mapping(prefix string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		if n.Tag != "!!null" {
			p.fail(n, "expected settings as `key: value`%s", under(prefix))
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := k.Value
		if prefix != "" {
			key = prefix + "." + key
		}
		if line, twice := p.seen[key]; twice {
			p.fail(k, "%s is already set in line %d", key, line)
			continue
		}
		p.seen[key] = k.Line
		p.entry(key, k, v)
	}
}

// entry applies one key.
func (p *parser) entry(key string, k, v *yaml.Node) {
	o, ok := p.byKey[key]
	if !ok {
		if p.isSection(key) {
			p.mapping(key, v)
			return
		}
		p.fail(k, "unknown key %s%s", key, suggest(key, maps.Keys(p.byKey)))
		return
	}
	text := v.Value
	switch {
	case v.Kind == yaml.SequenceNode && o.Type() == "list":
		items := make([]string, len(v.Content))
		for i, item := range v.Content {
			if items[i] = item.Value; item.Kind != yaml.ScalarNode || strings.Contains(item.Value, ",") {
				p.fail(item, "%s: each item must be text without a comma", key)
				return
			}
		}
		text = strings.Join(items, ",")
	case v.Kind != yaml.ScalarNode:
		p.fail(v, "%s: expected one value of type %s", key, o.Type())
		return
	}
	if err := o.Set(text); err != nil {
		p.fail(v, "%s: %v", key, err)
	}
}

// isSection reports whether key is the first part of some settings.
func (p *parser) isSection(key string) bool {
	for k := range p.byKey {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// under is " under <prefix>", or "" at the top.
func under(prefix string) string {
	if prefix == "" {
		return ""
	}
	return " under " + prefix
}

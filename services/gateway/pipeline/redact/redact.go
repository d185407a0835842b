// Package redact replaces secrets in text: keys of cloud and code services, passwords beside their names, credentials in URLs,
// private keys, payment cards, and on demand e-mail and IP addresses and what own expressions match. It judges one piece of text
// at a time and keeps no state, so a secret that is spread over several records is not found.
//
// Clean text costs one pass over its bytes through a table, and no allocation; only a byte that can be part of a secret is looked
// at closer. Own expressions cost what Go's regexp costs, for each text.
package redact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is a kind of secret.
type Kind uint8

// The kinds. Their names are what configuration, metrics and the replacement say.
const (
	Token Kind = iota
	JWT
	Bearer
	PrivateKey
	Password
	URLAuth
	Card
	Email
	IPv4
	IPv6
	Custom
	kinds
)

var kindNames = [kinds]string{"token", "jwt", "bearer", "private_key", "password", "url_auth", "card", "email", "ipv4", "ipv6", "custom"}

// String returns the kind's name.
func (k Kind) String() string { return kindNames[k] }

// Kinds returns all kinds.
func Kinds() []Kind {
	out := make([]Kind, kinds)
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

// ParseKind returns the kind of a name.
func ParseKind(name string) (Kind, error) {
	for i, n := range kindNames {
		if n == name && Kind(i) != Custom {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown kind %q (known: %s)", name, strings.Join(kindNames[:Custom], ", "))
}

// Secrets are the kinds that are redacted unless a user says otherwise: what lets its reader act as somebody else or pay with
// somebody else's money. Addresses are not among them, because they say what is wrong and where.
func Secrets() []Kind { return []Kind{Token, JWT, Bearer, PrivateKey, Password, URLAuth, Card} }

// Pattern is an own expression. Of a match the first group is replaced, or all of it when there is none.
type Pattern struct {
	Name   string
	Regexp *regexp.Regexp
}

// Config says what to look for.
type Config struct {
	Kinds    []Kind
	Patterns []Pattern
	// Keys are more names whose values are passwords, without regard to case, _, - and dots.
	Keys []string
	// Replacement is what is written in place of a secret; {kind} stands for the kind or the pattern's name. Empty is "[redacted:{kind}]".
	Replacement string
}

// Hits says how many secrets of each kind were replaced.
type Hits [kinds]uint32

// Any reports whether there was one.
func (h *Hits) Any() bool { return *h != Hits{} }

// Add adds the counts of o.
func (h *Hits) Add(o *Hits) {
	for i := range h {
		h[i] += o[i]
	}
}

// Redactor replaces secrets. It is safe for several goroutines.
type Redactor struct {
	on       [kinds]bool
	patterns []Pattern
	keys     []string
	with     [kinds]string
	own      []string
	// class says of each byte whether it may be part of a secret, and which check decides.
	class [256]class
}

// New returns a redactor. Its config is not kept.
func New(c Config) *Redactor {
	r := &Redactor{patterns: slices.Clone(c.Patterns)}
	for _, k := range c.Kinds {
		r.on[k] = true
	}
	for _, k := range c.Keys {
		if n := normal(k); n != "" {
			r.keys = append(r.keys, n)
		}
	}
	text := c.Replacement
	if text == "" {
		text = "[redacted:{kind}]"
	}
	for i := range r.with {
		r.with[i] = strings.ReplaceAll(text, "{kind}", kindNames[i])
	}
	for _, p := range c.Patterns {
		r.own = append(r.own, strings.ReplaceAll(text, "{kind}", p.Name))
	}
	r.classify()
	return r
}

// normal returns a name in lower case without what joins words.
func normal(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
			return -1
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, name)
}

// Text returns s with its secrets replaced, and adds them to hits. Clean text is returned as it is, without an allocation.
func (r *Redactor) Text(s string, hits *Hits) string {
	w := walk{r: r, s: s, hits: hits}
	w.run()
	if len(w.out) > 0 {
		s = string(append(w.out, s[w.done:]...))
	}
	for i := range r.patterns {
		s = r.own1(s, i, hits)
	}
	return s
}

// own1 applies one own expression.
func (r *Redactor) own1(s string, i int, hits *Hits) string {
	re := r.patterns[i].Regexp
	if !re.MatchString(s) { // this alone is much cheaper than to find where
		return s
	}
	var out []byte
	done := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		a, b := m[0], m[1]
		if len(m) > 2 && m[2] >= 0 {
			a, b = m[2], m[3]
		}
		if a == b {
			continue
		}
		out = append(append(out, s[done:a]...), r.own[i]...)
		done = b
		hits[Custom]++
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// Value is Text for a value that has a name: when the name says that it is a secret, all of it is.
func (r *Redactor) Value(name, value string, hits *Hits) string {
	if r.on[Password] && value != "" {
		if strength := r.keyStrength(name); strength != notKey && secretValue(name, value, strength) && !strings.HasPrefix(value, redacted) {
			hits[Password]++
			return r.with[Password]
		}
		if headerName(name) {
			hits[Password]++
			return r.with[Password]
		}
	}
	return r.Text(value, hits)
}

// redacted begins what was redacted before, by us or a sender with the same habit.
const redacted = "[redacted"

// headerName reports whether an attribute holds a header that is nothing but credentials: cookie, set-cookie, set_cookie.
func headerName(name string) bool { return hasSuffixFold(name, "cookie") }

// walk is one pass over a text.
type walk struct {
	r    *Redactor
	s    string
	hits *Hits
	out  []byte
	// done is how much of s is in out already.
	done int
	// i is where the pass is.
	i int
}

// replace writes what is before a, and then a replacement for s[a:b].
func (w *walk) replace(a, b int, k Kind, with string) {
	if a < w.done || b <= a {
		return
	}
	w.out = append(append(w.out, w.s[w.done:a]...), with...)
	w.done, w.i = b, b
	w.hits[k]++
}

func (w *walk) found(a, b int, k Kind) { w.replace(a, b, k, w.r.with[k]) }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func alnum(c byte) bool { return digit(c) || letter(c) }

func hexDigit(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// Package template finds the templates of log lines: what the lines of one kind have in common, with typed slots for what varies. It needs
// no configuration and no training. A line comes with its shape (package logshape); a shape is looked at once, so the cost of a known
// line is one look into a map. Templates merge when their difference turns out to be a value, and never part again: the id that a shape had
// first stays a name of the merged template for ever.
//
// It does no I/O, reads no clock and starts no goroutine. State is bounded by Config; what does not fit is counted and gets its shape as id.
//
// Source: the fixed-depth bucket of Drain (He et al., ICWS 2017) by token count, here by count and punctuation; instead of its similarity
// threshold, a position becomes a slot when it was seen with enough different words beside the same rest, after the observation
// of Brain (Yu et al., TSC 2023) that constants are what many lines share.
package template

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Config bounds the state.
type Config struct {
	// MaxShapes is how many shapes are known at once, over all scopes.
	MaxShapes int
	// MaxTemplates is how many templates one scope may have.
	MaxTemplates int
}

// Default returns bounds for a machine with some hundred services: about 200 bytes a shape and a kilobyte a template.
func Default() Config { return Config{MaxShapes: 200_000, MaxTemplates: 5_000} }

// Template is one kind of line.
type Template struct {
	// ID is the shape of the first line of this kind.
	ID uint64
	// Tokens have the text of words and punctuation; slots have none.
	Tokens []Token
	// Shapes counts the shapes that belong to it.
	Shapes int
	// into is the template that took this one in.
	into *Template
	// words are the positions of tokens that are still words.
	words int
}

// String writes the template as a line, with slots as <num>, <ip>, <*>, and nothing for places that were always empty.
func (t *Template) String() string {
	var b strings.Builder
	for i, k := range t.Tokens {
		if i > 0 && !k.Glued {
			b.WriteByte(' ')
		}
		k.write(&b)
	}
	return b.String()
}

// write writes a token. An amount whose unit is always the same keeps it.
func (k *Token) write(b *strings.Builder) {
	switch {
	case k.Kind <= Punct:
		b.WriteString(k.Text)
	case k.Kind == Empty:
	case k.Unit != "":
		b.WriteString("<num> ")
		b.WriteString(k.Unit)
	default:
		b.WriteByte('<')
		b.WriteString(k.Kind.String())
		b.WriteByte('>')
	}
}

// root follows merges to the template that counts.
func (t *Template) root() *Template {
	for t.into != nil {
		t = t.into
	}
	return t
}

// Miner learns templates. It belongs to one goroutine.
type Miner struct {
	cfg    Config
	scopes map[string]*scope
	shapes int
	// Overflow counts lines whose shape or template had no room.
	Overflow uint64
	tokens   []Token
}

// scope are the templates of one service: words mean the same within it.
type scope struct {
	shapes  map[uint64]*Template
	buckets map[uint64]*bucket
	live    int
}

// bucket are the templates with the same number of tokens and the same punctuation at the same places.
type bucket struct {
	live []*Template
	// variants holds, for a template with one word blanked, the templates that differ from each other in that word only.
	variants map[uint64][]*Template
}

// New returns an empty miner.
func New(cfg Config) *Miner {
	return &Miner{cfg: cfg, scopes: map[string]*scope{}}
}

// Find returns the template that a shape belongs to by now, or nil.
func (m *Miner) Find(service string, shape uint64) *Template {
	if s := m.scopes[service]; s != nil {
		if t := s.shapes[shape]; t != nil {
			return t.root()
		}
	}
	return nil
}

// Template returns the id of the template that a shape belongs to by now; false when the shape is not known.
func (m *Miner) Template(service string, shape uint64) (uint64, bool) {
	if t := m.Find(service, shape); t != nil {
		return t.ID, true
	}
	return shape, false
}

// Learn takes a line of a service with its shape and returns its template, nil when there is no room for it. A shape that is known costs
// one look-up; the text of the line is read for a new one only, and not kept beyond the words of its template.
func (m *Miner) Learn(service string, shape uint64, line string) *Template {
	s := m.scopes[service]
	if s == nil {
		s = &scope{shapes: map[uint64]*Template{}, buckets: map[uint64]*bucket{}}
		m.scopes[service] = s
	}
	if t := s.shapes[shape]; t != nil {
		if t.into != nil {
			t = t.root()
			s.shapes[shape] = t
		}
		return t
	}
	if m.shapes >= m.cfg.MaxShapes || s.live >= m.cfg.MaxTemplates {
		m.Overflow++
		return nil
	}
	m.shapes++
	m.tokens = Tokenize(m.tokens[:0], line)
	t := m.place(s, shape, m.tokens)
	t.Shapes++
	s.shapes[shape] = t
	return t
}

// place finds the template that tokens belong to, or makes one.
func (m *Miner) place(s *scope, shape uint64, tokens []Token) *Template {
	key := skeleton(tokens)
	b := s.buckets[key]
	if b == nil {
		b = &bucket{variants: map[uint64][]*Template{}}
		s.buckets[key] = b
	}
	if t := b.match(tokens); t != nil {
		t.widen(tokens)
		return t
	}
	t := newTemplate(shape, tokens)
	s.live++
	b.live = append(b.live, t)
	s.live -= settle(b, t)
	return t.root()
}

func newTemplate(id uint64, tokens []Token) *Template {
	t := &Template{ID: id, Tokens: make([]Token, len(tokens))}
	for i, k := range tokens {
		if k.Kind > Punct {
			k.Text, k.Unit = "", strings.Clone(k.Unit)
		} else {
			k.Text = strings.Clone(k.Text)
		}
		if k.Kind == Word {
			t.words++
		}
		t.Tokens[i] = k
	}
	return t
}

// skeleton hashes what lines must share to be compared: the number of tokens, and the punctuation. The hash has no seed, since it is part of
// snapshots; covers makes sure that lines which share it by bad luck or bad will are not taken for alike.
func skeleton(tokens []Token) uint64 {
	var h xxhash.Digest
	h.Reset()
	for _, k := range tokens {
		if k.Kind == Punct {
			_, _ = h.WriteString(k.Text)
		} else {
			_, _ = h.WriteString("\x00")
		}
	}
	return h.Sum64()
}

// match returns a template that has tokens for an instance.
func (b *bucket) match(tokens []Token) *Template {
	for _, t := range b.live {
		if t.covers(tokens) {
			return t
		}
	}
	return nil
}

// covers reports whether tokens are an instance: the same words, and something at each slot. A word fits a slot that was seen with words.
func (t *Template) covers(tokens []Token) bool {
	if len(t.Tokens) != len(tokens) {
		return false
	}
	for i := range t.Tokens {
		a, b := &t.Tokens[i], &tokens[i]
		switch {
		case (a.Kind == Punct) != (b.Kind == Punct):
			return false
		case a.Kind == Punct:
		case a.Kind == Word:
			if b.Kind != Word || a.Text != b.Text {
				return false
			}
		case b.Kind == Word && a.Kind != Any:
			return false
		}
	}
	return true
}

// widen makes the type of each slot hold for tokens as well.
func (t *Template) widen(tokens []Token) {
	for i := range t.Tokens {
		a := &t.Tokens[i]
		if a.Kind > Any && a.Kind != tokens[i].Kind {
			a.Kind = Any
		}
		if a.Unit != tokens[i].Unit {
			a.Unit = ""
		}
	}
}

// Forget drops a shape, and its template when that was the last one of it. O(templates of its length and punctuation).
func (m *Miner) Forget(service string, shape uint64) {
	s := m.scopes[service]
	if s == nil || s.shapes[shape] == nil {
		return
	}
	t := s.shapes[shape].root()
	delete(s.shapes, shape)
	m.shapes--
	if t.Shapes--; t.Shapes > 0 {
		return
	}
	key := skeleton(t.Tokens)
	if b := s.buckets[key]; b != nil {
		n := len(b.live)
		b.live = without(b.live, t)
		s.live -= n - len(b.live)
		for k, group := range b.variants {
			if group = without(group, t); len(group) == 0 {
				delete(b.variants, k)
			} else {
				b.variants[k] = group
			}
		}
		if len(b.live) == 0 {
			delete(s.buckets, key)
		}
	}
	if len(s.shapes) == 0 {
		delete(m.scopes, service)
	}
}

// without returns list without t and without what has become part of it.
func without(list []*Template, t *Template) []*Template {
	kept := list[:0]
	for _, o := range list {
		if o.root() != t {
			kept = append(kept, o)
		}
	}
	clear(list[len(kept):])
	return kept
}

package template

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// settle compares a template with its like and merges while it finds what to merge. It returns how many templates went.
func settle(b *bucket, t *Template) int {
	gone := 0
	for {
		merged := step(b, t)
		if merged == nil {
			return gone
		}
		// What the merged template covers now goes into it as well.
		before := len(b.live)
		b.absorb(merged)
		gone += before - len(b.live)
		t = merged
	}
}

// step looks at every word of t and returns the template that t became part of, nil when t stays as it is.
func step(b *bucket, t *Template) *Template {
	for p := range t.Tokens {
		if t.Tokens[p].Kind == Punct {
			continue
		}
		key := blank(t, p)
		group := prune(b.variants[key], t, p)
		group = append(group, t)
		b.variants[key] = group
		if len(group) < 2 || len(group) < need(group, p) {
			continue
		}
		first := group[0]
		first.Tokens[p].Kind, first.Tokens[p].Text, first.Tokens[p].Unit = Any, "", ""
		first.words--
		delete(b.variants, key)
		return first
	}
	return nil
}

// prune drops what has been merged away since, and t itself.
func prune(group []*Template, t *Template, p int) []*Template {
	kept := group[:0]
	for _, g := range group {
		if g.into == nil && g != t && len(g.Tokens) == len(t.Tokens) && g.Tokens[p].Kind != Any {
			kept = append(kept, g)
		}
	}
	return kept
}

// absorb merges every template that t covers into it.
func (b *bucket) absorb(t *Template) {
	kept := b.live[:0]
	for _, o := range b.live {
		if o != t && t.covers(o.Tokens) {
			t.widen(o.Tokens)
			t.Shapes += o.Shapes
			o.into = t
			continue
		}
		kept = append(kept, o)
	}
	clear(b.live[len(kept):])
	b.live = kept
}

// blank hashes a template with position p left out.
func blank(t *Template, p int) uint64 {
	var h xxhash.Digest
	h.Reset()
	_, _ = h.Write([]byte{byte(p)})
	for i, k := range t.Tokens {
		switch {
		case i == p:
			_, _ = h.WriteString("\x01")
		case k.Kind == Punct:
		case k.Kind == Word:
			_, _ = h.WriteString(k.Text)
			_, _ = h.WriteString("\x02")
		default:
			_, _ = h.WriteString("\x03")
		}
	}
	return h.Sum64()
}

// need returns how many different words at position p beside the same rest make it a slot. One word against another is as likely two kinds
// of lines as one kind with a value; the more words they share, and the more the word looks like a name and its place like that of a
// value, the fewer it takes. Figures: chosen on the development part of Loghub-2k, see docs/quality.md.
func need(group []*Template, p int) int {
	t := group[0]
	shared := t.words
	slotSeen, named, verb := false, true, false
	for _, g := range group {
		k := g.Tokens[p]
		if k.Kind > Punct {
			slotSeen = true
			continue
		}
		named = named && nameLike(k.Text)
		verb = verb || eventLike(k.Text)
	}
	if t.Tokens[p].Kind == Word {
		shared--
	}
	value := valuePlace(t, p)
	switch {
	case shared == 0, p == 0 && !slotSeen:
		return never
	case value, slotSeen && shared >= 2, named && shared >= 3:
		return 2
	case named && shared == 2:
		return 3
	case verb:
		return 4 * wordsNeeded(shared)
	}
	return wordsNeeded(shared)
}

// wordsNeeded is need for plain words beside so many shared ones.
func wordsNeeded(shared int) int {
	switch {
	case shared >= 6:
		return 3
	case shared >= 3:
		return 4
	}
	return 8
}

// never is more than any group has.
const never = 1 << 30

// valuePlace reports whether position p is where values stand: after an equals sign.
func valuePlace(t *Template, p int) bool {
	if p == 0 {
		return false
	}
	before := t.Tokens[p-1]
	return before.Kind == Punct && before.Text == "="
}

// eventLike reports whether a word looks like what happened: started, stopping.
func eventLike(w string) bool { return strings.HasSuffix(w, "ed") || strings.HasSuffix(w, "ing") }

// nameLike reports whether a word looks like the name of something rather than like a word of a language: joined parts, or capitals inside.
func nameLike(w string) bool {
	lower := false
	for i := range len(w) {
		c := w[i]
		switch {
		case !isLetter(c):
			return true
		case 'A' <= c && c <= 'Z' && lower:
			return true
		}
		lower = lower || 'a' <= c && c <= 'z'
	}
	return false
}

package spanstage

import (
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// table has groups by key, bounded and in order, with one group for all keys beyond the bound.
type table[K comparable, G any] struct {
	order func(a, b K) int
	own   func(K) K // Makes a key that holds on to nothing else.
	rest  K         // The key of what is beyond the bound.
	byKey map[K]*G
	keys  []K // In order.
}

func stringTable[G any]() table[string, G] {
	return table[string, G]{order: strings.Compare, own: strings.Clone, rest: other, byKey: map[string]*G{}}
}

func entityTable[G any]() table[model.Entity, G] {
	own := func(e model.Entity) model.Entity { return model.Entity{Kind: e.Kind, Name: strings.Clone(e.Name)} }
	rest := model.Entity{Kind: model.KindExternal, Name: other}
	return table[model.Entity, G]{order: model.Entity.Compare, own: own, rest: rest, byKey: map[model.Entity]*G{}}
}

// get returns the group of a key; it makes one while there is room, and else returns the one of the rest.
func (t *table[K, G]) get(key K, limit int, create func(K) *G) *G {
	if g := t.byKey[key]; g != nil {
		return g
	}
	if len(t.byKey) >= limit {
		key = t.rest
		if g := t.byKey[key]; g != nil {
			return g
		}
	}
	key = t.own(key)
	g := create(key)
	t.byKey[key] = g
	at, _ := slices.BinarySearchFunc(t.keys, key, t.order)
	t.keys = slices.Insert(t.keys, at, key)
	return g
}

// each calls f with every group in order, and removes those for which f says so.
func (t *table[K, G]) each(f func(K, *G) (remove bool)) {
	kept := t.keys[:0]
	for _, k := range t.keys {
		if f(k, t.byKey[k]) {
			delete(t.byKey, k)
			continue
		}
		kept = append(kept, k)
	}
	clear(t.keys[len(kept):])
	t.keys = kept
}

// Package series gives time series their identity: it hashes label sets without copying them, remembers which series the gateway
// has announced, and bounds how many a tenant may have. It does no I/O. A known series costs a copy of its labels into a scratch
// buffer, one hash and one table look-up; only a new one, or one that is due again, allocates.
package series

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Labels is a reusable label set of one series. Its strings may alias a request's buffer: nothing is kept beyond Reset.
// It is not safe for several goroutines.
type Labels struct {
	pairs   []model.Label
	scratch []byte
	// sorted says that names came in strictly ascending order; then nothing needs sorting and no name comes twice.
	sorted bool
}

// Reset empties the set.
func (l *Labels) Reset() {
	l.pairs = l.pairs[:0]
	l.sorted = true
}

// Add adds a pair. An empty value means that the label is absent, as in Prometheus' data model, and is left out.
func (l *Labels) Add(name, value string) {
	if value == "" {
		return
	}
	if n := len(l.pairs); n > 0 && l.sorted && l.pairs[n-1].Name >= name {
		l.sorted = false
	}
	l.pairs = append(l.pairs, model.Label{Name: name, Value: value})
}

// Set adds a pair or replaces the value of the name when the set has it.
func (l *Labels) Set(name, value string) {
	for i := range l.pairs {
		if l.pairs[i].Name == name {
			if value == "" {
				l.pairs = slices.Delete(l.pairs, i, i+1)
				return
			}
			l.pairs[i].Value = value
			return
		}
	}
	l.Add(name, value)
}

// Len returns the number of pairs.
func (l *Labels) Len() int { return len(l.pairs) }

// Truncate drops all pairs after the first n, which must still be where they were added: call it before Hash only.
func (l *Labels) Truncate(n int) {
	l.pairs = l.pairs[:n]
	l.sorted = true
	for i := 1; i < n; i++ {
		if l.pairs[i-1].Name >= l.pairs[i].Name {
			l.sorted = false
			return
		}
	}
}

// Pairs returns the pairs; they belong to l.
func (l *Labels) Pairs() []model.Label { return l.pairs }

// Get returns the value of name, or "".
func (l *Labels) Get(name string) string { return model.Lookup(l.pairs, name) }

// Hash sorts the pairs and returns the identity of the set: xxhash64 over each name and value with its length.
// O(n) for sorted pairs, no allocation once the scratch buffer has its size.
func (l *Labels) Hash() uint64 {
	if !l.sorted {
		sortPairs(l.pairs)
		l.sorted = true
	}
	b := l.scratch[:0]
	for i := range l.pairs {
		b = appendPair(b, &l.pairs[i])
	}
	l.scratch = b
	if h := xxhash.Sum64(b); h != 0 {
		return h
	}
	return 1 // 0 marks a free slot of the table
}

// appendPair is model.AppendIdentity for the common case of lengths below 128, written so that it stays in one frame.
func appendPair(b []byte, p *model.Label) []byte {
	if len(p.Name) >= 0x80 || len(p.Value) >= 0x80 {
		b = binary.AppendUvarint(b, uint64(len(p.Name)))
		b = append(b, p.Name...)
		b = binary.AppendUvarint(b, uint64(len(p.Value)))
		return append(b, p.Value...)
	}
	b = append(b, byte(len(p.Name)))
	b = append(b, p.Name...)
	b = append(b, byte(len(p.Value)))
	return append(b, p.Value...)
}

// sortPairs is an insertion sort: sets are small and nearly sorted. It is stable, so of two equal names the first stays first.
func sortPairs(p []model.Label) {
	if len(p) > 32 {
		slices.SortStableFunc(p, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
		return
	}
	for i := 1; i < len(p); i++ {
		for j := i; j > 0 && p[j-1].Name > p[j].Name; j-- {
			p[j-1], p[j] = p[j], p[j-1]
		}
	}
}

// Check returns why the set cannot be a series under lim, or "". The pairs must be sorted (after Hash).
func (l *Labels) Check(lim *limits.Limits) string {
	if len(l.pairs) > lim.MaxLabels+1 { // __name__ is not counted
		return limits.TooManyLabels
	}
	named := false
	for i := range l.pairs {
		p := &l.pairs[i]
		switch {
		case p.Name == "":
			return limits.MissingName
		case len(p.Name) > lim.MaxLabelNameBytes, len(p.Value) > lim.MaxLabelValueBytes:
			return limits.LabelTooLong
		case i > 0 && l.pairs[i-1].Name == p.Name:
			return limits.DuplicateLabel
		case !utf8.ValidString(p.Name), !utf8.ValidString(p.Value):
			return limits.InvalidUTF8
		}
		named = named || p.Name == model.LabelName
	}
	if !named {
		return limits.MissingName
	}
	return ""
}

// build copies the set into a series of its own.
func (l *Labels) build(id uint64, shard uint64) model.Series {
	size := 0
	for i := range l.pairs {
		size += len(l.pairs[i].Name) + len(l.pairs[i].Value)
	}
	var text strings.Builder
	text.Grow(size)
	for i := range l.pairs {
		text.WriteString(l.pairs[i].Name)
		text.WriteString(l.pairs[i].Value)
	}
	all := text.String()
	s := model.Series{ID: id, ShardHash: shard, Labels: make([]model.Label, 0, len(l.pairs))}
	for i := range l.pairs {
		n, v := len(l.pairs[i].Name), len(l.pairs[i].Value)
		pair := model.Label{Name: all[:n], Value: all[n : n+v]}
		all = all[n+v:]
		if pair.Name == model.LabelName {
			s.Name = pair.Value
			s.MetricID = model.MetricID(pair.Value)
			continue
		}
		s.Labels = append(s.Labels, pair)
	}
	return s
}

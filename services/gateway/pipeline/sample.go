package pipeline

import (
	"encoding/binary"
	"math"
	"regexp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/gateway/intake"
)

// sampling keeps a part of what passes. What is kept follows from the item alone, so that a batch that is sent again meets the same
// fate, every gateway keeps the same traces, and the spans and logs of a trace stay together.
type sampling struct {
	// below is the bound of the hashes that are kept; all says that every one is.
	below uint64
	all   bool
}

func newSampling(ratio float64) sampling {
	if ratio >= 1 {
		return sampling{all: true}
	}
	return sampling{below: uint64(ratio * math.MaxUint64)}
}

// trace decides by a trace id. The hash makes the decision independent of how ids are made and of a sampler that came before.
func (s sampling) trace(id string) bool {
	return s.all || mix(xxhash.Sum64String(id)) < s.below
}

// record decides by the trace when the record has one, else by its time, its text and its place among the records of its request.
func (s sampling) record(r *intake.Record, place int) bool {
	if r.TraceID != "" {
		return s.trace(r.TraceID)
	}
	if s.all {
		return true
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(r.TimeNS))
	binary.LittleEndian.PutUint64(b[8:], uint64(place))
	return mix(xxhash.Sum64(b[:])^xxhash.Sum64String(r.Body)) < s.below
}

// mix spreads a hash once more: ids that are hashes themselves, or combined ones, are not always even.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// maxExpression bounds an expression of the configuration.
const maxExpression = 4 << 10

func compileExpression(text string) (*regexp.Regexp, error) {
	if text == "" || len(text) > maxExpression {
		return nil, errExpression
	}
	return regexp.Compile(text)
}

// sortedKeys returns the keys of m in order, so that a file always means the same.
func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

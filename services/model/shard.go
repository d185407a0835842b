package model

import "strconv"

// Shard returns the shard, of n, that the entity with the given hash lives on. Gateways name subjects by it and the correlator's
// shards take what is theirs by it, so it is one function. n is a power of two: a series keeps only the low bits of its hash, and
// a shard of two then splits in two without moving anything else.
func Shard(hash uint64, n int) int {
	if n < 1 {
		return 0
	}
	return int(hash % uint64(n))
}

// FindingID returns the identity of a finding: one entity's signal leaving its normal at one moment of event time. Live, replayed
// and restarted runs name the same finding alike, so storing it again changes nothing.
func FindingID(entity uint64, signal string, onsetMS int64) uint64 {
	b := AppendIdentity(nil, strconv.FormatUint(entity, 16), signal)
	return Hash64(string(strconv.AppendInt(b, onsetMS, 10)))
}

package model

import "testing"

// A gateway keeps only the low bits of a hash; the shard must be the same from them, and a shard must split without moving others.
func TestShard(t *testing.T) {
	for i := range 1000 {
		h := Hash64(string(rune('a'+i%26)) + string(rune(i)))
		for _, n := range []int{1, 2, 4, 8, 16} {
			s := Shard(h, n)
			if s < 0 || s >= n || Shard(h%16, n) != s {
				t.Fatalf("shard of %x: %d of %d, from its low bits %d", h, s, n, Shard(h%16, n))
			}
			if n > 1 && s%(n/2) != Shard(h, n/2) {
				t.Fatalf("%x is on %d of %d and on %d of %d", h, s, n, Shard(h, n/2), n/2)
			}
		}
	}
	if Shard(7, 0) != 0 {
		t.Error("no shards at all")
	}
}

func TestFindingID(t *testing.T) {
	id := FindingID(1, "cpu", 1000)
	if id != FindingID(1, "cpu", 1000) {
		t.Error("not stable")
	}
	for _, other := range []uint64{FindingID(2, "cpu", 1000), FindingID(1, "cpu2", 1000), FindingID(1, "cpu", 1001), FindingID(1, "cp", 0)} {
		if other == id {
			t.Error("another finding has the same id")
		}
	}
}

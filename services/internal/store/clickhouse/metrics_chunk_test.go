package clickhouse

import (
	"testing"
)

func FuzzDecodeRow(f *testing.F) {
	f.Add("")
	f.Add("\x01\x01a\x01b")
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, row string) {
		h, err := decodeHistogram(row)
		if err == nil && len(h.PositiveBuckets)*8 > len(row) {
			t.Errorf("%d buckets out of %d bytes", len(h.PositiveBuckets), len(row))
		}
		s := SeriesRow{Labels: row}
		n := 0
		_ = s.ForEachLabel(func(name, value string) {
			if n += len(name) + len(value); n > len(row) {
				t.Fatalf("%d bytes of labels out of %d", n, len(row))
			}
		})
	})
}

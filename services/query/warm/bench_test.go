package warm

import (
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// BenchmarkQuestions asks for an hour of eight of four hundred series: from memory, with and without samples that are not packed yet, and
// from the tables; and for a look at the parts alone.
func BenchmarkQuestions(b *testing.B) {
	w := newWorld(b, Default())
	w.warm.deps.Now = time.Now
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	w.put("a", 0, 400, day, day+120*minute, 15_000)
	w.pack()
	q := question("a", day+60*minute, day+120*minute, 0, 1, 2, 3, 4, 5, 6, 7)
	ask := func(name string, r samplesReader) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := r.Samples(b.Context(), q, func(clickhouse.Chunk) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("parts", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.db.Admin.MetricParts(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	ask("tables", w.plain)
	ask("memory", w.warm)
	w.put("a", 0, 400, day+120*minute, day+130*minute, 15_000)
	ask("tables/recent", w.plain)
	ask("memory/recent", w.warm)
	b.Run("recent_only", func(b *testing.B) {
		for b.Loop() {
			if err := w.plain.RecentSamples(b.Context(), q, func(clickhouse.Chunk) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package query

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// TestCancelReachesTheEngine posts a question that takes the engine long, hangs up, and waits for the engine to stop working on it.
func TestCancelReachesTheEngine(t *testing.T) {
	// Without memory for packed samples every table is read; with it, a table that has no parts is not, and a view has none.
	s := startWith(t, func(c *Config) { c.Warm.BlockBytes = 0 })
	slow := testSeries{name: "slow", labels: labelsOf("a", "b")}
	for i := range 200 {
		slow.times, slow.values = append(slow.times, int64(i)*1000), append(slow.values, 1)
	}
	s.insert(t, slow)
	// Each sample stands for 1.6 billion outside of the time asked for: minutes of work, and no memory.
	for _, stmt := range []string{
		"RENAME TABLE samples_packing TO nothing, samples_recent TO samples_packing", // The reader may read this name.
		`CREATE VIEW samples_recent AS
		 SELECT x.tenant_id AS tenant_id, x.metric_id AS metric_id, x.series_id AS series_id, x.value AS value, x.stale AS stale, x.bucket AS bucket,
		        x.ts + toIntervalDay(1 + sipHash64(v.ts, w.ts, y.ts, z.ts) % 2) AS ts
		 FROM samples_packing AS x, samples_packing AS y, samples_packing AS z, samples_packing AS v, samples_packing AS w`,
	} {
		if err := s.db.Admin.Conn().Exec(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	running := func() int {
		var n uint64
		const q = "SELECT count() FROM system.processes WHERE query LIKE '%samples_packing%' AND query NOT LIKE '%system.processes%'"
		if err := s.db.Admin.Conn().QueryRow(t.Context(), q).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/query?query=slow[1h]&time=1000", nil)
		if err != nil {
			return
		}
		req.SetBasicAuth("admin", s.password)
		if resp, err := s.Client().Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	eventually(t, "the engine working on the query", func() bool { return running() > 0 })
	select {
	case <-ended:
		t.Fatal("the query ended by itself, so this proves nothing")
	case <-time.After(2 * time.Second):
	}
	cancel()
	<-ended
	eventually(t, "the end of the query in the engine", func() bool { return running() == 0 })
}

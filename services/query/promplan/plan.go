package promplan

// The ways in which a query is evaluated.
const (
	// ModeNative means that the engine was not needed.
	ModeNative = "native"
	// ModePartial means that the engine evaluated what was left around the planner's parts.
	ModePartial = "partial"
	// ModeEngine means that Prometheus' engine evaluated everything.
	ModeEngine = "engine"
)

// Plan says how a query was evaluated, and why.
type Plan struct {
	// Mode is native, partial or engine.
	Mode string `json:"mode" enum:"native,partial,engine"`
	// Reason says why the engine was left with everything, where it was.
	Reason string `json:"reason,omitempty"`
	Steps  []Step `json:"steps"`
	// EngineMS is the time that Prometheus' engine took for its part.
	EngineMS  float64 `json:"engine_ms"`
	ElapsedMS float64 `json:"elapsed_ms"`
}

// Step is one part of a query that the planner knows.
type Step struct {
	// Expr is the part as PromQL.
	Expr string `json:"expr"`
	// Native says that it was evaluated here and not by the engine; Reason says why not.
	Native bool   `json:"native"`
	Reason string `json:"reason,omitempty"`
	// Points is the number of steps in time.
	Points int `json:"points"`
	// Series and Samples were read; Groups came out.
	Series  int   `json:"series"`
	Samples int64 `json:"samples"`
	Groups  int   `json:"groups"`
	// LoadMS is the time until the samples were there, EvalMS that of decoding and computing.
	LoadMS float64 `json:"load_ms"`
	EvalMS float64 `json:"eval_ms"`
}

func (p *Plan) leave(reason string) { p.Mode, p.Reason = ModeEngine, reason }

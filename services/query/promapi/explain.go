package promapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/promplan"
	"github.com/faultline-io/faultline/services/query/warm"
)

// planHeader says what to do about the plan of a query: off leaves it to Prometheus' engine, show adds it to the answer. The parameter
// plan says the same.
const planHeader = "X-Faultline-Plan"

// planned returns the engine with the planner before it.
func (a *API) planned() *promplan.Engine {
	return promplan.New(a.engine, promplan.Config{
		MaxSamples: a.cfg.MaxSamples, Timeout: a.cfg.Timeout, Off: a.cfg.PlanOff,
		NoStepSubqueryInterval: func(int64) int64 { return time.Minute.Milliseconds() },
	})
}

// planWish is what a request wants of the plan.
type planWish struct {
	show bool
	read *warm.Stats
}

// planOf returns the context for a request's query and what it wants of the plan. Statistics are the engine's, so whoever asks for them
// gets its evaluation.
func planOf(r *http.Request) (context.Context, planWish, error) {
	wish := r.FormValue("plan")
	if wish == "" {
		wish = r.Header.Get(planHeader)
	}
	ctx := r.Context()
	switch {
	case wish == "off", wish == "" && r.FormValue("stats") != "":
		return promplan.Without(ctx), planWish{}, nil
	case wish == "" || wish == "on":
		return ctx, planWish{}, nil
	case wish == "show":
		ctx, read := warm.WithStats(ctx)
		return ctx, planWish{show: true, read: read}, nil
	}
	return nil, planWish{}, badData("invalid parameter %q: %q is not one of on, off, show", "plan", wish)
}

// explained is a plan with what was read for it.
type explained struct {
	*promplan.Plan
	Read reading `json:"read"`
}

// reading is what a query read, from memory and from the tables.
type reading struct {
	// Statements is how many statements the store ran.
	Statements int64 `json:"statements"`
	// SeriesKept and SeriesRead are the series that selectors looked through, in memory and in the tables.
	SeriesKept int64 `json:"series_kept"`
	SeriesRead int64 `json:"series_read"`
	// BlocksKept and BlocksRead are packed blocks; RecentSamples are those that were not packed yet.
	BlocksKept    int64 `json:"blocks_kept"`
	BlocksRead    int64 `json:"blocks_read"`
	RecentSamples int64 `json:"recent_samples"`
	// Bytes is about the size of what was read from the tables.
	Bytes int64 `json:"bytes"`
}

func explainedOf(q promql.Query, s *warm.Stats) explained {
	return explained{promplan.PlanOf(q), reading{
		Statements: s.Statements.Load(), SeriesKept: s.SeriesKept.Load(), SeriesRead: s.SeriesRead.Load(), BlocksKept: s.Kept.Load(),
		BlocksRead: s.Read.Load(), RecentSamples: s.Recent.Load(), Bytes: s.Bytes.Load(),
	}}
}

// withPlan adds the plan to the data of an answer.
func withPlan(out reply, q promql.Query, read *warm.Stats) (reply, error) {
	b, err := json.Marshal(explainedOf(q, read))
	if err != nil {
		return reply{}, errs.New(errs.Internal, "encode plan: %w", err)
	}
	out.data = append(append(out.data[:len(out.data)-1], `,"plan":`...), b...)
	out.data = append(out.data, '}')
	return out, nil
}

// explain evaluates a query as query and query_range do, the latter where there is a step, and answers with the plan instead of the result.
func (a *API) explain(c *gin.Context) (reply, error) {
	r := c.Request
	if r.Form.Get("plan") == "" {
		r.Form.Set("plan", "show")
	}
	ask := a.query
	if r.FormValue("step") != "" {
		ask = a.queryRange
	}
	out, err := ask(c)
	if err != nil {
		return reply{}, err
	}
	var answer struct {
		ResultType string            `json:"resultType"`
		Result     []json.RawMessage `json:"result"`
		Plan       json.RawMessage   `json:"plan"`
	}
	if err := json.Unmarshal(out.data, &answer); err != nil {
		return reply{}, errs.New(errs.Internal, "read own answer: %w", err)
	}
	text, err := replyJSON(struct {
		Query        string          `json:"query"`
		ResultType   string          `json:"result_type"`
		ResultSeries int             `json:"result_series"`
		Plan         json.RawMessage `json:"plan"`
	}{r.FormValue("query"), answer.ResultType, len(answer.Result), answer.Plan})
	text.warnings, text.infos = out.warnings, out.infos
	return text, err
}

package promapi

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/features"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	ours "github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// headSpan is how far back the statistics of series look: about what Prometheus keeps in its head.
const headSpan = 2 * time.Hour

// Bounds of the lists of statistics, as Prometheus has them.
const (
	defaultStats = 10
	maxStats     = 10_000
)

// StatsReader returns what the series of a tenant are made of.
type StatsReader interface {
	SeriesStats(ctx context.Context, tenant ours.TenantID, since time.Time, limit int) (clickhouse.SeriesStats, error)
}

// Targets returns the data of Prometheus' /api/v1/targets, a JSON object; state is active, dropped, any or "", pool "" for all.
type Targets func(state, pool string) ([]byte, error)

// registerStatus adds what is not a query.
func (a *API) registerStatus(r gin.IRouter, prefix string, gate gin.HandlerFunc) {
	r.GET(prefix+"/status/buildinfo", a.handle(a.buildInfo))
	r.GET(prefix+"/status/runtimeinfo", a.handle(a.runtimeInfo))
	r.GET(prefix+"/status/config", a.handle(a.config))
	r.GET(prefix+"/status/flags", a.handle(a.flags))
	r.GET(prefix+"/status/walreplay", a.handle(a.walReplay))
	r.GET(prefix+"/status/tsdb", gate, a.handle(a.tsdb))
	r.GET(prefix+"/features", a.handle(a.features))
	r.GET(prefix+"/alertmanagers", a.handle(a.alertmanagers))
	r.GET(prefix+"/targets", a.handle(a.targets))
	r.GET(prefix+"/notifications", a.handle(func(*gin.Context) (reply, error) { return reply{data: []byte("[]")}, nil }))
}

func (a *API) buildInfo(*gin.Context) (reply, error) {
	return replyJSON(map[string]string{
		"version": apiVersion, "revision": a.deps.Revision, "branch": "faultline", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

func (a *API) runtimeInfo(*gin.Context) (reply, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // It is decoration here.
	}
	return replyJSON(map[string]any{
		"startTime": a.started, "CWD": "", "hostname": host, "serverTime": a.deps.Clock().UTC(), "reloadConfigSuccess": true, "lastConfigTime": a.started,
		"corruptionCount": 0, "goroutineCount": runtime.NumGoroutine(), "GOMAXPROCS": runtime.GOMAXPROCS(0), "GOMEMLIMIT": debug.SetMemoryLimit(-1),
		"GOGC": os.Getenv("GOGC"), "GODEBUG": "", "storageRetention": a.retention(),
	})
}

func (a *API) retention() string {
	if a.cfg.Retention <= 0 {
		return "0s"
	}
	return model.Duration(a.cfg.Retention).String()
}

// config answers in Prometheus' form without telling anything: our configuration has another form, and may name secrets.
func (*API) config(*gin.Context) (reply, error) {
	return replyJSON(map[string]string{"yaml": "# Faultline's configuration has a form of its own: faultline --help, docs/configuration.md.\nglobal: {}\n"})
}

// flags are those of Prometheus' flags that have a meaning here, with what holds.
func (a *API) flags(*gin.Context) (reply, error) {
	return replyJSON(map[string]string{
		"query.lookback-delta":        model.Duration(lookback).String(),
		"query.max-samples":           strconv.Itoa(a.cfg.MaxSamples),
		"query.timeout":               model.Duration(a.cfg.Timeout).String(),
		"query.max-concurrency":       strconv.Itoa(a.deps.Gate.MaxConcurrent()),
		"storage.tsdb.retention.time": a.retention(),
		"enable-feature":              "promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,promql-binop-fill-modifiers,promql-per-step-stats",
		"web.enable-admin-api":        "false",
	})
}

// walReplay is always over: there is no log to replay before questions are answered.
func (*API) walReplay(*gin.Context) (reply, error) {
	return replyJSON(map[string]int{"min": 0, "max": 0, "current": 0})
}

// features are those of the language, as the engine and the parser tell them.
func (a *API) features(*gin.Context) (reply, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.known.Get()); err != nil {
		return reply{}, errs.New(errs.Internal, "encode features: %w", err)
	}
	return reply{data: bytes.TrimSpace(buf.Bytes())}, nil
}

func (a *API) collectFeatures() features.Collector {
	known := features.NewRegistry()
	known.Enable(features.API, "query_warnings")
	known.Enable(features.API, "query_stats")
	known.Enable(features.API, "label_values_match")
	return known
}

func (*API) alertmanagers(*gin.Context) (reply, error) {
	return reply{data: []byte(`{"activeAlertmanagers":[],"droppedAlertmanagers":[]}`)}, nil
}

func (a *API) targets(c *gin.Context) (reply, error) {
	if a.deps.Targets == nil {
		return reply{
			data:     []byte(`{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}`),
			warnings: []string{"this process does not scrape: the gateway knows the targets of its scraping"},
		}, nil
	}
	data, err := a.deps.Targets(c.Query("state"), c.Query("scrapePool"))
	return reply{data: data}, err
}

// stat is one entry of a list of statistics.
type stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

func statList(counts []clickhouse.Count) []stat {
	out := make([]stat, len(counts))
	for i, c := range counts {
		out[i] = stat{c.Name, c.N}
	}
	return out
}

func (a *API) tsdb(c *gin.Context) (reply, error) {
	limit := defaultStats
	if s := c.Query("limit"); s != "" {
		var err error
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return reply{}, badData("limit must be a positive number")
		}
		if limit > maxStats {
			return reply{}, badData("limit must not exceed %d", maxStats)
		}
	}
	ctx := c.Request.Context()
	s, err := a.deps.Stats.SeriesStats(ctx, reqctx.Tenant(ctx), a.deps.Clock().Add(-headSpan), limit)
	if err != nil {
		return reply{}, &evalError{err}
	}
	return replyJSON(map[string]any{
		"headStats": map[string]any{
			"numSeries": s.Series, "numLabelPairs": s.LabelPairs, "chunkCount": 0, "minTime": s.FirstMS, "maxTime": s.LastMS,
		},
		"seriesCountByMetricName": statList(s.ByMetric), "labelValueCountByLabelName": statList(s.ByLabel),
		"memoryInBytesByLabelName": statList(s.BytesByLabel), "seriesCountByLabelValuePair": statList(s.ByPair),
	})
}

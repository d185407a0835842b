package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

const protoDatadog = "datadog"

func (g *Gateway) datadogEndpoints() []*endpoint {
	r := g.datadog
	v2 := func(ctx context.Context, req *intake.Request, body []byte) error { return r.SeriesV2(ctx, req, body) }
	var out []*endpoint
	for _, e := range []struct {
		path   string
		signal model.Signal
		take   func(context.Context, *intake.Request, []byte) error
	}{
		{"/datadog/api/v1/series", model.SignalMetrics, r.SeriesV1},
		{"/datadog/api/v2/series", model.SignalMetrics, v2},
		{"/datadog/api/beta/sketches", model.SignalMetrics, r.Sketches},
		{"/datadog/api/v1/check_run", model.SignalMetrics, r.Checks},
		{"/datadog/api/v1/events", model.SignalChanges, r.APIEvent},
		{"/datadog/intake", model.SignalChanges, r.Intake},
		{"/datadog/intake/", model.SignalChanges, r.Intake},
	} {
		out = append(out, &endpoint{
			path: e.path, signal: e.signal, protocol: fixedProtocol(protoDatadog), encoding: contentEncoding, key: datadogKey,
			handle: func(ctx context.Context, x *call) error {
				take := e.take
				if e.path == "/datadog/api/v2/series" && isJSON(x) {
					take = r.SeriesV2JSON
				}
				return take(ctx, x.req, x.body)
			},
			answer: answerDatadog, fail: failDatadog,
		})
	}
	return out
}

// datadogKey is where the agent, its clients and old forwarders put their key: a header, the query, or the end of the path.
func datadogKey(r *http.Request) string {
	if k := r.Header.Get("DD-API-KEY"); k != "" {
		return k
	}
	q := r.URL.Query()
	for _, name := range []string{"api_key", "dd-api-key"} {
		if k := q.Get(name); k != "" {
			return k
		}
	}
	_, key, _ := strings.Cut(r.URL.Path, "/v1/input/")
	return key
}

// answerDatadog says 202 also when some items were refused: the agent would send all of them again after anything else. What was refused is
// in the ledger, and in the answer.
func answerDatadog(x *call) {
	errors := []string{}
	if x.req.Rejected() > 0 {
		errors = append(errors, "refused: "+x.req.Reasons())
	}
	x.gin.JSON(http.StatusAccepted, gin.H{"status": "ok", "errors": errors})
}

func failDatadog(x *call, status int, err error) {
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden // What the agent takes for a bad key.
	}
	x.gin.JSON(status, gin.H{"errors": []string{explain(err)}})
}

// datadogStubs answer what the agent asks and tells beside its data.
func (g *Gateway) datadogStubs() []stub {
	ok := func(c *gin.Context) {
		if g.datadogAllowed(c) {
			c.JSON(http.StatusAccepted, gin.H{"status": "ok"})
		}
	}
	return []stub{
		{"/datadog/api/v1/validate", []string{http.MethodGet, http.MethodHead}, func(c *gin.Context) {
			if g.datadogAllowed(c) {
				c.JSON(http.StatusOK, gin.H{"valid": true})
			}
		}},
		{"/datadog/api/v1/metadata", []string{http.MethodPost}, ok},
		{"/datadog/api/v2/host_metadata", []string{http.MethodPost}, ok},
		{"/datadog/api/v1/collector", []string{http.MethodPost}, ok},
		{"/datadog/api/v1/container", []string{http.MethodPost}, ok},
	}
}

// datadogAllowed reports whether the sender's key is good, and answers when it is not.
func (g *Gateway) datadogAllowed(c *gin.Context) bool {
	_, err := g.tenantOf(c.Request, datadogKey)
	if err == nil {
		return true
	}
	status := http.StatusForbidden
	if errs.KindOf(err) != errs.Unauthenticated {
		status, _ = statusOf(err)
	}
	c.JSON(status, gin.H{"errors": []string{explain(err)}})
	return false
}

package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/gateway/datadoglogs"
	"github.com/faultline-io/faultline/services/gateway/elastic"
	"github.com/faultline-io/faultline/services/gateway/gelf"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/journald"
	"github.com/faultline-io/faultline/services/gateway/jsonline"
	"github.com/faultline-io/faultline/services/gateway/splunkhec"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// logReceivers are those of the protocols for logs alone.
type logReceivers struct {
	elastic  *elastic.Receiver
	jsonline *jsonline.Receiver
	splunk   *splunkhec.Receiver
	datadog  *datadoglogs.Receiver
	journald *journald.Receiver
}

func newLogReceivers(core *intake.Core) logReceivers {
	return logReceivers{
		elastic: elastic.New(core), jsonline: jsonline.New(core), splunk: splunkhec.New(core), datadog: datadoglogs.New(core), journald: journald.New(core),
	}
}

// logEndpoints are the paths of the protocols for logs.
func (g *Gateway) logEndpoints() []*endpoint {
	return slices.Concat(g.elasticEndpoints(), g.jsonEndpoints(), g.splunkEndpoints(), g.datadogLogEndpoints())
}

// jsonEndpoints take JSON and text in the forms that name no product, GELF over HTTP, and journald's uploads.
func (g *Gateway) jsonEndpoints() []*endpoint {
	base := endpoint{signal: model.SignalLogs, methods: []string{http.MethodPost, http.MethodPut}, stream: true, encoding: contentEncoding, fail: failText}
	lines, anyJSON, gelfHTTP, journal := base, base, base, base
	lines.path, lines.protocol, lines.handle, lines.answer = "/insert/jsonline", fixedProtocol(protoJSONLine), g.handleJSONLine, answerOK
	anyJSON.path, anyJSON.protocol, anyJSON.handle, anyJSON.answer = "/api/v1/logs/json", fixedProtocol(protoJSONLine), g.handleAnyJSON, answerNoContent
	journal.path, journal.protocol, journal.handle, journal.answer = "/journald/upload", fixedProtocol(protoJournald), g.handleJournald, answerOK
	gelfHTTP.path, gelfHTTP.protocol, gelfHTTP.handle, gelfHTTP.answer = "/gelf", fixedProtocol(protoGELF), g.handleGELF, answerTaken
	gelfHTTP.stream = false
	return []*endpoint{&lines, &anyJSON, &gelfHTTP, &journal}
}

func (g *Gateway) handleJSONLine(ctx context.Context, x *call) error {
	r := x.gin.Request
	return g.logs.jsonline.Lines(ctx, x.req, x.stream, jsonline.Options(r.URL.Query(), r.Header.Get), true, x.lease.Grow)
}

func (g *Gateway) handleAnyJSON(ctx context.Context, x *call) error {
	r := x.gin.Request
	return g.logs.jsonline.Any(ctx, x.req, x.stream, jsonline.Options(r.URL.Query(), r.Header.Get), x.lease.Grow)
}

func (g *Gateway) handleJournald(ctx context.Context, x *call) error {
	if t, _ := mediaType(x.gin.Request); t != "" && t != journald.ContentType {
		return fmt.Errorf("%w %q (%s is taken)", errContentType, t, journald.ContentType)
	}
	return g.logs.journald.Upload(ctx, x.req, x.stream, x.lease.Grow)
}

func (g *Gateway) handleGELF(ctx context.Context, x *call) error {
	d := gelf.NewDecoder(g.core, x.req)
	defer d.Close()
	if err := d.Message(ctx, x.body); err != nil {
		return err
	}
	return d.Flush(ctx)
}

// answerOK says 200, or 400 when lines were refused; the others are stored.
func answerOK(x *call) { answerStatus(x, http.StatusOK) }

// answerTaken says 202, or 400 when lines were refused.
func answerTaken(x *call) { answerStatus(x, http.StatusAccepted) }

func answerStatus(x *call, status int) {
	if x.req.Rejected() > 0 {
		answerNoContent(x)
		return
	}
	x.gin.Status(status)
	x.gin.Writer.WriteHeaderNow()
}

// splunkPaths are the collector's, as Splunk has them, and below a prefix.
func splunkPaths(rest ...string) []string {
	var out []string
	for _, prefix := range []string{"/services/collector", "/splunk/services/collector"} {
		for _, r := range rest {
			out = append(out, prefix+r)
		}
	}
	return out
}

func (g *Gateway) splunkEndpoints() []*endpoint {
	var out []*endpoint
	add := func(paths []string, handle func(context.Context, *call) error) {
		for _, path := range paths {
			out = append(out, &endpoint{
				path: path, signal: model.SignalLogs, protocol: fixedProtocol(protoSplunk), encoding: contentEncoding, key: splunkToken,
				handle: handle, answer: g.answerSplunk, fail: failSplunk,
			})
		}
	}
	add(splunkPaths("", "/event", "/event/1.0"), func(ctx context.Context, x *call) error { return g.logs.splunk.Events(ctx, x.req, x.body) })
	add(splunkPaths("/raw", "/raw/1.0"), func(ctx context.Context, x *call) error {
		q := x.gin.Request.URL.Query()
		return g.logs.splunk.Raw(ctx, x.req, x.body, splunkhec.Meta{Host: q.Get("host"), Source: q.Get("source"), Sourcetype: q.Get("sourcetype"), Index: q.Get("index"), Time: q.Get("time")})
	})
	return out
}

// splunkToken is the token in the query, which Splunk takes where it is told to.
func splunkToken(r *http.Request) string { return r.URL.Query().Get("token") }

// splunkStubs answer whether we are well, and which events have arrived: all that were answered.
func (g *Gateway) splunkStubs() []stub {
	var out []stub
	for _, path := range splunkPaths("/health", "/health/1.0") {
		out = append(out, stub{path, []string{http.MethodGet}, func(c *gin.Context) {
			c.JSON(http.StatusOK, gin.H{"text": "HEC is healthy", "code": splunkhec.CodeHealthy})
		}})
	}
	for _, path := range splunkPaths("", "/event", "/event/1.0") { // Docker's driver asks so whether the address is right.
		out = append(out, stub{path, []string{http.MethodOptions}, func(c *gin.Context) { c.Status(http.StatusOK) }})
	}
	for _, path := range splunkPaths("/ack") {
		out = append(out, stub{path, []string{http.MethodPost}, splunkAcks})
	}
	return out
}

// maxAcks bounds how many ids are asked for at a time, maxAckBytes the request.
const (
	maxAcks     = 100_000
	maxAckBytes = 1 << 20
)

func splunkAcks(c *gin.Context) {
	var body struct {
		Acks []uint64 `json:"acks"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, maxAckBytes)).Decode(&body); err != nil || len(body.Acks) > maxAcks {
		c.JSON(http.StatusBadRequest, gin.H{"text": "Invalid data format", "code": splunkhec.CodeInvalidFormat})
		return
	}
	acks := map[string]bool{}
	for _, id := range body.Acks {
		acks[fmt.Sprint(id)] = true
	}
	c.JSON(http.StatusOK, gin.H{"acks": acks})
}

func (g *Gateway) answerSplunk(x *call) {
	r := x.gin.Request
	if r.Header.Get("X-Splunk-Request-Channel") != "" || r.URL.Query().Get("channel") != "" {
		x.gin.JSON(http.StatusOK, gin.H{"text": "Success", "code": splunkhec.CodeSuccess, "ackId": g.logs.splunk.Ack()})
		return
	}
	x.gin.JSON(http.StatusOK, gin.H{"text": "Success", "code": splunkhec.CodeSuccess})
}

func failSplunk(x *call, status int, err error) {
	code, text, at := splunkhec.Code(err, status)
	if status == http.StatusTooManyRequests {
		status = http.StatusServiceUnavailable // What Splunk says when it is busy, and what its senders repeat on.
	}
	answer := gin.H{"text": text, "code": code}
	if at >= 0 {
		answer["invalid-event-number"] = at
	}
	x.gin.JSON(status, answer)
}

// datadogLogEndpoints are the intake's paths below a prefix, and as they are, since the agent's setting for logs is a host without a path.
func (g *Gateway) datadogLogEndpoints() []*endpoint {
	var out []*endpoint
	for _, path := range []string{"/datadog/api/v2/logs", "/api/v2/logs", "/datadog/v1/input", "/datadog/v1/input/:key", "/v1/input", "/v1/input/:key"} {
		out = append(out, &endpoint{
			path: path, signal: model.SignalLogs, protocol: fixedProtocol(protoDatadogLogs), encoding: contentEncoding, key: datadogKey,
			handle: g.handleDatadogLogs, answer: answerDatadogLogs, fail: failDatadogLogs,
		})
	}
	return out
}

func (g *Gateway) handleDatadogLogs(ctx context.Context, x *call) error {
	q := x.gin.Request.URL.Query()
	m := datadoglogs.Meta{Source: q.Get("ddsource"), Tags: q.Get("ddtags"), Host: q.Get("hostname"), Service: q.Get("service")}
	if t, _ := mediaType(x.gin.Request); t == "text/plain" || t == "application/logplex-1" {
		return g.logs.datadog.Text(ctx, x.req, x.body, m)
	}
	return g.logs.datadog.JSON(ctx, x.req, x.body, m)
}

// answerDatadogLogs says that the logs arrived, also when some were refused: the agent would drop the rest on anything else.
func answerDatadogLogs(x *call) {
	status := http.StatusAccepted
	if strings.Contains(x.ep.path, "/v1/input") {
		status = http.StatusOK
	}
	x.gin.JSON(status, gin.H{})
}

func failDatadogLogs(x *call, status int, err error) {
	x.gin.JSON(status, gin.H{"errors": []gin.H{{"status": fmt.Sprint(status), "title": http.StatusText(status), "detail": explain(err)}}})
}

// allowed checks the key of a request that asks and sends nothing, so that a wrong one shows before there is something to lose.
func (g *Gateway) allowed(r *http.Request) error {
	if crossOrigin(r.Host, r.Header.Get) {
		return errs.New(errs.Forbidden, "a page of another site may not ask here")
	}
	_, err := g.tenant(senderFacts{r.RemoteAddr, r.Header.Get})
	return err
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/gateway/changes"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Protocol names, as the ledger has them.
const (
	protoOTLPHTTP      = "otlp_http"
	protoOTLPGRPC      = "otlp_grpc"
	protoRemoteWrite   = "remote_write"
	protoRemoteWriteV2 = "remote_write_v2"
	protoLoki          = "loki"
	protoScrape        = "scrape"
	protoElastic       = "elastic_bulk"
	protoJSONLine      = "jsonline"
	protoSplunk        = "splunk_hec"
	protoDatadogLogs   = "datadog_logs"
	protoGELF          = "gelf"
	protoFluent        = "fluent_forward"
	protoSyslog        = "syslog"
	protoJournald      = "journald"
)

// minLeaseBytes is what even an empty request is taken to hold, so that a flood of small ones is bounded too.
const minLeaseBytes = 64 << 10

// endpoint is one path that takes telemetry.
type endpoint struct {
	// path may have parameters as gin writes them: /:index/_bulk, /elastic/*rest.
	path   string
	signal model.Signal
	// methods that take telemetry; nil is POST alone.
	methods []string
	// shared says that other methods of the path are answered by another part of the process.
	shared bool
	// webhook says that senders may sign the body with the secret for webhooks instead of sending a key.
	webhook bool
	// stream says that handle reads the body from call.stream as it comes, in bounded memory, instead of being given it whole.
	stream bool
	// key finds the key where the protocol's own clients put it; nil is the places of all protocols alone.
	key func(*http.Request) string
	// protocol of a request; encoding is what is assumed when Content-Encoding is absent.
	protocol func(*http.Request) (string, error)
	encoding func(*http.Request) string
	// handle publishes the decoded body; answer writes the reply of what it left in req, fail that of an error.
	handle func(ctx context.Context, c *call) error
	answer func(c *call)
	fail   func(c *call, status int, err error)
}

// call is one HTTP request on its way through an endpoint.
type call struct {
	gin  *gin.Context
	ep   *endpoint
	req  *intake.Request
	body []byte
	// stream is the body of an endpoint that reads it as it comes; lease is the memory that it may grow.
	stream io.Reader
	lease  *limits.Lease
	// out is what handle leaves for answer beside what is in req.
	out any
}

// stub is a path on which a sender asks something before it sends: what server this is, whether a key is good. It takes no telemetry.
type stub struct {
	path    string
	methods []string
	serve   gin.HandlerFunc
}

func (g *Gateway) endpoints() []*endpoint {
	return slices.Concat(g.otlpEndpoints(), g.otlpAliases(), g.promEndpoints(), g.lokiEndpoints(), g.influxEndpoints(), g.datadogEndpoints(),
		g.traceEndpoints(), g.changeEndpoints(), g.logEndpoints(), g.alertEndpoints())
}

func (g *Gateway) stubs() []stub {
	return slices.Concat(g.influxStubs(), g.datadogStubs(), g.elasticStubs(elasticPrefix), g.splunkStubs())
}

// Patterns returns what Handler serves, as http.ServeMux writes it, for the shared listener.
func (g *Gateway) Patterns() []string {
	var out []string
	for _, ep := range g.endpoints() {
		if !ep.shared {
			out = append(out, muxPattern(ep.path))
			continue
		}
		for _, m := range ep.accepts() {
			out = append(out, m+" "+muxPattern(ep.path))
		}
	}
	for _, s := range g.stubs() {
		for _, m := range s.methods {
			out = append(out, m+" "+muxPattern(s.path))
		}
	}
	return out
}

// muxPattern turns a path of gin's into one of http.ServeMux: /:index/_bulk into /{index}/_bulk, /elastic/*rest into /elastic/{rest...}.
func muxPattern(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		switch {
		case p == "" && i > 0: // a slash at the end, which ServeMux would take for everything below
			parts[i] = "{$}"
		case strings.HasPrefix(p, ":"):
			parts[i] = "{" + p[1:] + "}"
		case strings.HasPrefix(p, "*"):
			parts[i] = "{" + p[1:] + "...}"
		}
	}
	return strings.Join(parts, "/")
}

// accepts returns the methods of an endpoint.
func (ep *endpoint) accepts() []string {
	if ep.methods == nil {
		return []string{http.MethodPost}
	}
	return ep.methods
}

// Handler serves all receivers that speak HTTP.
func (g *Gateway) Handler() http.Handler { return g.handler }

func (g *Gateway) router() http.Handler { return g.engine(g.endpoints(), g.stubs()) }

func (g *Gateway) engine(eps []*endpoint, stubs []stub) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true // gin names the methods that there are in Allow.
	e.Use(g.recover)
	for _, ep := range eps {
		e.Match(ep.accepts(), ep.path, func(c *gin.Context) { g.serve(c, ep) })
	}
	for _, s := range stubs {
		e.Match(s.methods, s.path, s.serve)
	}
	e.NoMethod(func(c *gin.Context) {
		c.String(http.StatusMethodNotAllowed, "telemetry is sent with %s\n", c.Writer.Header().Get("Allow"))
	})
	return e
}

// recover turns a panic of a handler into an answer; the process goes on for all others.
func (g *Gateway) recover(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			g.deps.Log.ErrorContext(c.Request.Context(), "receiver panicked", "path", c.FullPath(), "panic", fmt.Sprint(p))
			c.AbortWithStatus(http.StatusInternalServerError)
		}
	}()
	c.Next()
}

// serve takes a request through its endpoint: who sends it, its body, its publication, its answer.
func (g *Gateway) serve(c *gin.Context, ep *endpoint) {
	start := time.Now()
	x := &call{gin: c, ep: ep}
	sender, err := g.sender(c.Request, ep)
	if err == nil {
		x.req = g.core.NewRequest(sender)
		err = g.receive(x)
	}
	if err != nil {
		if x.req == nil {
			x.req = g.core.NewRequest(sender)
		}
		g.refuse(x, err)
		g.measures.request(sender.Protocol, string(errs.KindOf(err)), start)
		return
	}
	g.core.Finish(x.req)
	ep.answer(x)
	g.measures.request(sender.Protocol, "ok", start)
}

// sender establishes who sends a request. Its result names source and protocol also beside an error, for the ledger.
func (g *Gateway) sender(r *http.Request, ep *endpoint) (intake.Sender, error) {
	s := intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Protocol: ep.path}}
	proto, err := ep.protocol(r)
	s.Protocol, s.Source = proto, proto
	if err != nil {
		return s, err
	}
	if crossOrigin(r.Host, r.Header.Get) {
		return s, errs.WithHint(errs.Forbidden, "send telemetry from a program, or from a page of this server", "a page of another site may not send telemetry here")
	}
	if ep.webhook && g.webhookSecret != "" {
		return g.webhookSender(s, r)
	}
	if s.Tenant, err = g.tenantOf(r, ep.key); err != nil && ep.signal == signalAlerts {
		s.Tenant, err = g.tenantOfPerson(r, err)
	}
	if err != nil {
		return s, err
	}
	return agentSender(s, r.Header.Get)
}

// maxAgentName bounds the id that an agent gives itself: it becomes part of message ids and ledger keys.
const maxAgentName = 128

// agentSender adds what our agent says of itself.
func agentSender(s intake.Sender, header func(string) string) (intake.Sender, error) {
	id := header(headerAgent)
	if id == "" {
		return s, nil
	}
	if len(id) > maxAgentName || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return s, errs.New(errs.Invalid, "%s is longer than %d characters or not plain ASCII", headerAgent, maxAgentName)
	}
	for _, f := range []struct {
		name string
		dst  *uint64
	}{{headerBatch, &s.BatchSeq}, {headerSent, &s.AgentSent}, {headerDropped, &s.AgentDropped}} {
		v := header(f.name)
		if v == "" && f.name != headerBatch {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return s, errs.New(errs.Invalid, "%s is %q, must be a number", f.name, v)
		}
		*f.dst = n
	}
	s.AgentID, s.Source = id, "agent:"+id
	return s, nil
}

// receive reads, opens and publishes the body.
func (g *Gateway) receive(x *call) error {
	if x.ep.stream {
		return g.receiveStream(x)
	}
	r := x.gin.Request
	lim := &g.cfg.Limits
	if r.ContentLength > lim.MaxBodyBytes {
		if r.Header.Get("Expect") == "" { // One that waits for leave has sent nothing yet, and reading would give it.
			g.drain(x.gin)
		}
		return fmt.Errorf("%w: %d bytes, limit %d", limits.ErrTooLarge, r.ContentLength, lim.MaxBodyBytes)
	}
	lease := limits.Lease{Budget: g.budget}
	defer lease.Release()
	if err := lease.Grow(max(r.ContentLength, minLeaseBytes)); err != nil {
		return err
	}
	raw := g.buffers.Get()
	defer g.buffers.Put(raw)
	if n := r.ContentLength; n > int64(cap(*raw)) {
		*raw = make([]byte, 0, n+1) // one more, to see the end without growing
	}
	var err error
	if *raw, err = limits.ReadAll(*raw, r.Body, lim.MaxBodyBytes, 0, &lease); err != nil {
		if errors.Is(err, limits.ErrTooLarge) {
			g.drain(x.gin)
		}
		return readError(err)
	}
	x.body = *raw
	if enc := x.ep.encoding(r); enc != "" && enc != "identity" {
		opened := g.buffers.Get()
		defer g.buffers.Put(opened)
		if x.body, err = g.decoder.Decode(*opened, *raw, enc, lim.MaxDecodedBytes, &lease); err != nil {
			return err
		}
		*opened = x.body
	}
	if x.ep.webhook && g.webhookSecret != "" && changes.Signed(r.Header.Get) {
		if err := changes.Verify(g.webhookSecret, r.Header.Get, *raw); err != nil {
			return err
		}
	}
	return x.ep.handle(r.Context(), x)
}

// How much of a refused body is read all the same, and for how long: a sender that is still writing when its connection is closed sees
// a reset instead of the refusal, and would send the same again.
const (
	drainBytes  = 64 << 20
	drainWithin = 2 * time.Second
)

// drain reads the rest of a body that is refused, within bounds, so that its sender gets to read the answer.
func (g *Gateway) drain(c *gin.Context) {
	ctl := http.NewResponseController(c.Writer)
	if err := ctl.SetReadDeadline(time.Now().Add(drainWithin)); err != nil {
		return // A connection without deadlines could hold us for ever.
	}
	c.Header("Connection", "close")
	buf := g.buffers.Get()
	defer g.buffers.Put(buf)
	*buf = slices.Grow((*buf)[:0], drainChunk)
	for left := drainBytes; left > 0; {
		n, err := c.Request.Body.Read((*buf)[:drainChunk])
		if left -= n; err != nil {
			return
		}
	}
}

// drainChunk is read at a time.
const drainChunk = 64 << 10

// readError says whose fault a body that could not be read is: limits keep their kind, all else is the sender's connection.
func readError(err error) error {
	var ne net.Error
	switch {
	case errors.Is(err, limits.ErrTooLarge), errs.KindOf(err) == errs.Exhausted:
		return err
	case errors.As(err, &ne) && ne.Timeout():
		return errs.New(errs.Timeout, "read body: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errs.New(errs.Invalid, "the body ends early: %w", err)
	}
	return errs.New(errs.Canceled, "read body: %w", err)
}

// refuse answers a request that failed, and counts it when the sender will not repeat it.
func (g *Gateway) refuse(x *call, err error) {
	status, reason := statusOf(err)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		x.gin.Header("Retry-After", retryAfter(status))
	}
	if status == http.StatusUnauthorized {
		x.gin.Header("WWW-Authenticate", `Basic realm="faultline", charset="UTF-8"`)
	}
	if status >= http.StatusInternalServerError {
		g.deps.Log.WarnContext(x.gin.Request.Context(), "batch not taken", "protocol", x.req.Protocol, "source", x.req.Source, "error", err.Error())
	}
	g.core.Rejected.Add(&x.req.Origin, x.ep.signal, reason, 1)
	x.ep.fail(x, status, err)
}

// Retry hints in seconds: a full bus drains in moments, one that is away takes longer.
func retryAfter(status int) string {
	if status == http.StatusTooManyRequests {
		return "2"
	}
	return "5"
}

// statusOf maps an error to its HTTP status and the ledger's reason.
func statusOf(err error) (int, string) {
	switch {
	case errors.Is(err, limits.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, limits.BodyTooLarge
	case errors.Is(err, limits.ErrEncoding), errors.Is(err, errContentType):
		return http.StatusUnsupportedMediaType, limits.InvalidType
	}
	if errors.Is(err, limits.ErrRateLimited) {
		return http.StatusTooManyRequests, limits.RateLimited
	}
	switch errs.KindOf(err) {
	case errs.Invalid:
		return http.StatusBadRequest, limits.InvalidData
	case errs.Unauthenticated:
		return http.StatusUnauthorized, limits.Unauthenticated
	case errs.Forbidden:
		return http.StatusForbidden, limits.CrossOrigin
	case errs.Exhausted:
		return http.StatusTooManyRequests, limits.BusFull
	case errs.Unavailable, errs.Timeout, errs.Canceled:
		return http.StatusServiceUnavailable, limits.BusUnavailable
	}
	return http.StatusInternalServerError, "internal"
}

// errContentType is wrapped by errors about a body of a type that the path does not take.
var errContentType = errors.New("unsupported content type")

func mediaType(r *http.Request) (string, map[string]string) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", nil
	}
	return t, params
}

func contentEncoding(r *http.Request) string {
	return strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
}

// explain is the text of an error for a sender, with the hint when there is one.
func explain(err error) string {
	if hint := errs.HintOf(err); hint != "" {
		return err.Error() + " (" + hint + ")"
	}
	return err.Error()
}

// failText answers an error as plain text.
func failText(x *call, status int, err error) { x.gin.String(status, "%s\n", explain(err)) }

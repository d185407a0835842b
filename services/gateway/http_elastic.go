package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/gateway/elastic"
	"github.com/faultline-io/faultline/services/model"
)

// elasticPrefix is below which we are an Elasticsearch on the main port. The bulk path is there without it as well; GET / is the console's, and what
// begins with an index would collide with the prefixes of other protocols. On a port of its own there is no prefix.
const elasticPrefix = "/elastic"

// bulkPath ends the path of a bulk request.
const bulkPath = "/_bulk"

func (g *Gateway) elasticEndpoints() []*endpoint { return []*endpoint{g.elasticBulk(bulkPath)} }

func (g *Gateway) elasticBulk(path string) *endpoint {
	return &endpoint{
		path: path, signal: model.SignalLogs, methods: []string{http.MethodPost, http.MethodPut}, stream: true,
		protocol: fixedProtocol(protoElastic), encoding: contentEncoding,
		handle: g.handleElastic, answer: answerElastic, fail: failElastic,
	}
}

func (g *Gateway) handleElastic(ctx context.Context, x *call) error {
	index := strings.Trim(strings.TrimSuffix(x.gin.Param("rest"), bulkPath), "/")
	res, err := g.logs.elastic.Bulk(ctx, x.req, index, x.stream, x.lease.Grow)
	if err != nil {
		return err
	}
	x.out = res
	return nil
}

// elasticHeaders are what Elasticsearch's own clients look for in every answer.
func elasticHeaders(c *gin.Context) {
	c.Header("X-Elastic-Product", "Elasticsearch")
	contentType := "application/json"
	if strings.Contains(c.GetHeader("Accept"), "application/vnd.elasticsearch+json") {
		contentType = "application/vnd.elasticsearch+json;compatible-with=8"
	}
	c.Header("Content-Type", contentType)
}

func answerElastic(x *call) {
	res, ok := x.out.(*elastic.Result)
	if !ok {
		x.gin.Status(http.StatusInternalServerError)
		return
	}
	elasticHeaders(x.gin)
	x.gin.Status(http.StatusOK)
	_, _ = res.WriteTo(x.gin.Writer) // A sender that is gone sends again.
}

// elasticErrors are the types of Elasticsearch's errors for our statuses.
var elasticErrors = map[int]string{
	http.StatusBadRequest: "illegal_argument_exception", http.StatusUnauthorized: "security_exception", http.StatusForbidden: "security_exception",
	http.StatusRequestEntityTooLarge: "content_too_long_exception", http.StatusTooManyRequests: "es_rejected_execution_exception",
	http.StatusServiceUnavailable: "unavailable_shards_exception", http.StatusUnsupportedMediaType: "media_type_header_exception",
}

func failElastic(x *call, status int, err error) { elasticError(x.gin, status, err) }

func elasticError(c *gin.Context, status int, err error) {
	elasticHeaders(c)
	kind := elasticErrors[status]
	if kind == "" {
		kind = "exception"
	}
	cause := gin.H{"type": kind, "reason": explain(err)}
	c.JSON(status, gin.H{"error": gin.H{"root_cause": []gin.H{cause}, "type": kind, "reason": explain(err)}, "status": status})
}

// elasticStubs are all paths below a prefix: bulk requests, and what shippers ask before they send.
func (g *Gateway) elasticStubs(prefix string) []stub {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost}
	bulk := g.elasticBulk(prefix + bulkPath)
	serve := func(c *gin.Context) {
		rest := c.Param("rest")
		index := strings.TrimSuffix(rest, bulkPath)
		if index != rest && strings.Count(index, "/") <= 1 && (c.Request.Method == http.MethodPost || c.Request.Method == http.MethodPut) {
			g.serve(c, bulk)
			return
		}
		g.answerElasticStub(c, rest)
	}
	below := stub{prefix + "/*rest", methods, serve}
	if prefix == "" {
		return []stub{below}
	}
	return []stub{{prefix, methods, serve}, below}
}

func (g *Gateway) answerElasticStub(c *gin.Context, path string) {
	if err := g.allowed(c.Request); err != nil {
		status, _ := statusOf(err)
		if status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", `Basic realm="faultline", charset="UTF-8"`)
		}
		elasticError(c, status, err)
		return
	}
	status, body := elastic.Answer(c.Request.Method, path)
	elasticHeaders(c)
	c.Status(status)
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.WriteString(body)
	}
}

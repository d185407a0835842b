package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/gateway/influx"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

const protoInflux = "influx"

// influxVersion is what we say we are: clients ask for it to choose their dialect.
const influxVersion = "1.8.0-faultline"

func (g *Gateway) influxEndpoints() []*endpoint {
	var out []*endpoint
	for _, path := range []string{"/write", "/api/v2/write", "/influx/write", "/influx/api/v2/write"} {
		out = append(out, &endpoint{
			path: path, signal: model.SignalMetrics, protocol: fixedProtocol(protoInflux), encoding: contentEncoding, key: influxKey,
			handle: g.handleInflux, answer: answerInflux, fail: failInflux,
		})
	}
	return out
}

// fixedProtocol is the protocol of a path that speaks one.
func fixedProtocol(name string) func(*http.Request) (string, error) {
	return func(*http.Request) (string, error) { return name, nil }
}

// influxKey: version 2 has Authorization: Token, version 1 the password as ?p=.
func influxKey(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "token") {
		if _, password, ok := strings.Cut(token, ":"); ok { // user:password, as clients of version 2 say to a server of version 1.
			return password
		}
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("p")
}

func (g *Gateway) handleInflux(ctx context.Context, x *call) error {
	q := x.gin.Request.URL.Query()
	db := q.Get("db")
	if db == "" {
		db = q.Get("bucket")
	}
	bad, err := g.influx.Write(ctx, x.req, x.body, influx.Options{DB: db, Precision: q.Get("precision")})
	x.out = bad
	return err
}

// answerInflux says 204, or 400 in both versions' form when something was refused: senders then drop the batch, whose good lines are stored.
func answerInflux(x *call) {
	if n := x.req.Rejected(); n > 0 {
		text := fmt.Sprintf("partial write: %d of %d refused (%s); the others are stored", n, n+x.req.Accepted(), x.req.Reasons())
		if bad, ok := x.out.(error); ok {
			text += ": " + bad.Error()
		}
		sayInflux(x, http.StatusBadRequest, "invalid", text)
		return
	}
	x.gin.Header("X-Influxdb-Version", influxVersion)
	x.gin.Status(http.StatusNoContent)
	x.gin.Writer.WriteHeaderNow()
}

func failInflux(x *call, status int, err error) {
	code := map[errs.Kind]string{errs.Unauthenticated: "unauthorized", errs.Invalid: "invalid", errs.Exhausted: "too many requests", errs.Unavailable: "unavailable", errs.Forbidden: "forbidden"}[errs.KindOf(err)]
	if code == "" {
		code = "internal error"
	}
	sayInflux(x, status, code, explain(err))
}

func sayInflux(x *call, status int, code, text string) {
	x.gin.Header("X-Influxdb-Version", influxVersion)
	x.gin.Header("X-Influxdb-Error", strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text))
	x.gin.JSON(status, gin.H{"code": code, "message": text, "error": text})
}

// influxStubs answer what clients ask before they write.
func (g *Gateway) influxStubs() []stub {
	read := []string{http.MethodGet, http.MethodHead}
	return []stub{
		{"/ping", read, influxPing}, {"/influx/ping", read, influxPing},
		{"/health", read, influxHealth}, {"/influx/health", read, influxHealth},
		{"/query", []string{http.MethodPost}, influxQuery}, {"/influx/query", []string{http.MethodGet, http.MethodPost}, influxQuery},
	}
}

func influxPing(c *gin.Context) {
	c.Header("X-Influxdb-Version", influxVersion)
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

func influxHealth(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "checks": []any{}, "version": influxVersion})
}

// maxInfluxQuery bounds the form of a question.
const maxInfluxQuery = 64 << 10

// influxQuery answers the statements by which writers make sure that their database is there. Databases are labels here, so that all are.
func influxQuery(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxInfluxQuery)
	c.Header("X-Influxdb-Version", influxVersion)
	q := strings.ToUpper(strings.Join(strings.Fields(c.Request.FormValue("q")), " "))
	result := gin.H{"statement_id": 0}
	switch {
	case strings.HasPrefix(q, "CREATE DATABASE"), strings.HasPrefix(q, "CREATE RETENTION POLICY"):
	case strings.HasPrefix(q, "SHOW DATABASES"):
		result["series"] = []gin.H{{"name": "databases", "columns": []string{"name"}, "values": [][]string{{"faultline"}}}}
	default:
		result["error"] = "only CREATE DATABASE and SHOW DATABASES are answered here: query with PromQL"
	}
	c.JSON(http.StatusOK, gin.H{"results": []gin.H{result}})
}

package gateway

import (
	"context"
	"fmt"
	"net/http"

	"github.com/faultline-io/faultline/services/model"
)

func (g *Gateway) lokiEndpoints() []*endpoint {
	var out []*endpoint
	for _, path := range []string{"/loki/api/v1/push", "/api/prom/push"} { // The second is that of Loki's first clients.
		out = append(out, &endpoint{
			path: path, signal: model.SignalLogs, protocol: lokiProtocol, encoding: lokiEncoding,
			handle: g.handleLoki, answer: answerNoContent, fail: failText,
		})
	}
	return out
}

func lokiProtocol(r *http.Request) (string, error) {
	if r.Header.Get("Content-Type") == "" {
		return protoLoki, nil
	}
	switch t, _ := mediaType(r); t {
	case typeProtobuf, typeJSON:
		return protoLoki, nil
	}
	return protoLoki, fmt.Errorf("%w %q (%s and %s are taken)", errContentType, r.Header.Get("Content-Type"), typeProtobuf, typeJSON)
}

// lokiEncoding: protobuf is always snappy, JSON plain unless it says otherwise.
func lokiEncoding(r *http.Request) string {
	enc := contentEncoding(r)
	if t, _ := mediaType(r); enc == "" && t != typeJSON {
		return "snappy"
	}
	return enc
}

func (g *Gateway) handleLoki(ctx context.Context, x *call) error {
	if isJSON(x) {
		return g.loki.PushJSON(ctx, x.req, x.body)
	}
	return g.loki.Push(ctx, x.req, x.body)
}

// answerNoContent says 204, or 400 when lines were refused; the others are stored.
func answerNoContent(x *call) {
	if n := x.req.Rejected(); n > 0 {
		x.gin.String(http.StatusBadRequest, "%d of %d lines refused (%s); the others are stored\n", n, n+x.req.Accepted(), x.req.Reasons())
		return
	}
	x.gin.Status(http.StatusNoContent)
	x.gin.Writer.WriteHeaderNow()
}

package gateway

import (
	"context"
	"net/http"

	"github.com/faultline-io/faultline/services/gateway/zipkin"
	"github.com/faultline-io/faultline/services/model"
)

// Protocols of traces besides OTLP.
const (
	protoZipkin     = "zipkin"
	protoJaegerHTTP = "jaeger_thrift"
	protoJaegerGRPC = "jaeger_grpc"
)

// traceEndpoints are the paths of Zipkin and Jaeger below their prefixes on the shared listener.
func (g *Gateway) traceEndpoints() []*endpoint {
	return append(g.zipkinEndpoints("/zipkin"), g.jaegerEndpoints("/jaeger")...)
}

// zipkinEndpoints are the paths of a Zipkin collector below prefix.
func (g *Gateway) zipkinEndpoints(prefix string) []*endpoint {
	var out []*endpoint
	for version, path := range []string{1: "/api/v1/spans", 2: "/api/v2/spans"} {
		if path == "" {
			continue
		}
		out = append(out, &endpoint{
			path: prefix + path, signal: model.SignalSpans, protocol: fixedProtocol(protoZipkin), encoding: contentEncoding,
			handle: func(ctx context.Context, x *call) error {
				return g.zipkin.Write(ctx, x.req, zipkinForm(x.gin.Request, version), x.body)
			},
			answer: answerAccepted, fail: failText,
		})
	}
	return out
}

func zipkinForm(r *http.Request, version int) zipkin.Form {
	t, _ := mediaType(r)
	switch {
	case version == 1 && t == "application/x-thrift":
		return zipkin.ThriftV1
	case version == 1:
		return zipkin.JSONv1
	case t == typeProtobuf || t == "application/protobuf":
		return zipkin.ProtobufV2
	}
	return zipkin.JSONv2
}

// jaegerEndpoints is the path of a Jaeger collector below prefix.
func (g *Gateway) jaegerEndpoints(prefix string) []*endpoint {
	return []*endpoint{{
		// GET of the path is a search, in Jaeger's API for readers.
		path: prefix + "/api/traces", shared: true, signal: model.SignalSpans, protocol: fixedProtocol(protoJaegerHTTP), encoding: contentEncoding,
		handle: func(ctx context.Context, x *call) error { return g.jaeger.Thrift(ctx, x.req, x.body) },
		answer: answerAccepted, fail: failText,
	}}
}

// answerAccepted says 202, or 400 when all spans were refused; when only some were, their sender could do nothing about it.
func answerAccepted(x *call) {
	n := x.req.Rejected()
	if n > 0 && x.req.Accepted() == 0 {
		x.gin.String(http.StatusBadRequest, "all %d spans refused (%s)\n", n, x.req.Reasons())
		return
	}
	x.gin.Status(http.StatusAccepted)
	x.gin.Writer.WriteHeaderNow()
}

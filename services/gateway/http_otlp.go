package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/model"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

func (g *Gateway) otlpEndpoints() []*endpoint {
	return g.otlpPaths([]otlpPath{{"/v1/metrics", model.SignalMetrics}, {"/v1/logs", model.SignalLogs}, {"/v1/traces", model.SignalSpans}})
}

// otlpAliases are the paths of OTLP under which Loki, Prometheus and VictoriaMetrics take it, so that their senders need a new host only.
func (g *Gateway) otlpAliases() []*endpoint {
	paths := []otlpPath{{"/otlp/v1/logs", model.SignalLogs}}
	for _, prefix := range []string{"/api/v1/otlp", "/opentelemetry"} {
		paths = append(paths, otlpPath{prefix + "/v1/metrics", model.SignalMetrics}, otlpPath{prefix + "/v1/logs", model.SignalLogs}, otlpPath{prefix + "/v1/traces", model.SignalSpans})
	}
	return g.otlpPaths(paths)
}

// otlpPath is where a signal is taken.
type otlpPath struct {
	path   string
	signal model.Signal
}

func (g *Gateway) otlpPaths(paths []otlpPath) []*endpoint {
	var out []*endpoint
	for _, s := range paths {
		out = append(out, &endpoint{
			path: s.path, signal: s.signal, protocol: otlpProtocol, encoding: contentEncoding,
			handle: g.handleOTLP, answer: answerOTLP, fail: failOTLP,
		})
	}
	return out
}

func otlpProtocol(r *http.Request) (string, error) {
	switch t, _ := mediaType(r); t {
	case typeProtobuf, typeJSON:
		return protoOTLPHTTP, nil
	}
	return protoOTLPHTTP, fmt.Errorf("%w %q (%s and %s are taken)", errContentType, r.Header.Get("Content-Type"), typeProtobuf, typeJSON)
}

func isJSON(x *call) bool {
	t, _ := mediaType(x.gin.Request)
	return t == typeJSON
}

func (g *Gateway) handleOTLP(ctx context.Context, x *call) error {
	body := x.body
	if isJSON(x) {
		var err error
		if body, err = otlp.FromJSON(x.ep.signal, body); err != nil {
			return err
		}
	}
	return g.export(ctx, x.req, x.ep.signal, body)
}

// export publishes an OTLP export request of any signal.
func (g *Gateway) export(ctx context.Context, req *intake.Request, signal model.Signal, body []byte) error {
	switch signal {
	case model.SignalMetrics:
		return g.otlp.Metrics(ctx, req, body)
	case model.SignalLogs:
		return g.otlp.Logs(ctx, req, body)
	default:
		return g.otlp.Traces(ctx, req, body)
	}
}

func answerOTLP(x *call) {
	asJSON := isJSON(x)
	contentType := typeProtobuf
	if asJSON {
		contentType = typeJSON
	}
	x.gin.Data(http.StatusOK, contentType, otlp.Response(x.ep.signal, x.req.Rejected(), x.req.Reasons(), asJSON))
}

// failOTLP answers with a google.rpc.Status in the type of the request, as the protocol asks.
func failOTLP(x *call, status int, err error) {
	code, message := int(grpcCode(status)), explain(err)
	if isJSON(x) {
		text, jsonErr := json.Marshal(message)
		if jsonErr != nil {
			text = []byte(`""`)
		}
		x.gin.Data(status, typeJSON, fmt.Appendf(nil, `{"code":%d,"message":%s}`, code, text))
		return
	}
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(code))
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendString(b, message)
	x.gin.Data(status, typeProtobuf, b)
}

// grpcCode maps an HTTP status to the code with the same consequence for an OTLP sender: of these it repeats a request only after
// Unavailable, and after ResourceExhausted that comes with a retry hint.
func grpcCode(status int) codes.Code {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return codes.InvalidArgument
	case http.StatusRequestEntityTooLarge:
		return codes.OutOfRange
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

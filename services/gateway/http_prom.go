package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/promwrite"
	"github.com/faultline-io/faultline/services/model"
)

// Message names in the content type of remote write.
const (
	protoMessageV1 = "prometheus.WriteRequest"
	protoMessageV2 = "io.prometheus.write.v2.Request"
)

func (g *Gateway) promEndpoints() []*endpoint {
	var out []*endpoint
	for _, path := range []string{"/api/v1/write", "/api/v1/push", "/prometheus/api/v1/write"} {
		out = append(out, &endpoint{
			path: path, signal: model.SignalMetrics, protocol: remoteWriteProtocol, encoding: snappyByDefault,
			handle: g.handleRemoteWrite, answer: answerRemoteWrite, fail: failRemoteWrite,
		})
	}
	return out
}

// remoteWriteProtocol tells the version from the content type; old senders give none.
func remoteWriteProtocol(r *http.Request) (string, error) {
	if r.Header.Get("Content-Type") == "" {
		return protoRemoteWrite, nil
	}
	t, params := mediaType(r)
	if t != "application/x-protobuf" {
		return protoRemoteWrite, fmt.Errorf("%w %q (application/x-protobuf is taken)", errContentType, r.Header.Get("Content-Type"))
	}
	switch params["proto"] {
	case "", protoMessageV1:
		return protoRemoteWrite, nil
	case protoMessageV2:
		return protoRemoteWriteV2, nil
	}
	return protoRemoteWrite, fmt.Errorf("%w: message %q (%s and %s are taken)", errContentType, params["proto"], protoMessageV1, protoMessageV2)
}

func snappyByDefault(r *http.Request) string {
	if enc := contentEncoding(r); enc != "" {
		return enc
	}
	return "snappy"
}

func (g *Gateway) handleRemoteWrite(ctx context.Context, x *call) error {
	var w promwrite.Written
	var err error
	if x.req.Protocol == protoRemoteWriteV2 {
		w, err = g.promw.WriteV2(ctx, x.req, x.body)
		if err != nil {
			w = promwrite.Written{}
		}
	} else {
		w, err = g.promw.WriteV1(ctx, x.req, x.body)
	}
	if x.req.Protocol == protoRemoteWriteV2 {
		h := x.gin.Writer.Header()
		h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(w.Samples))
		h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(w.Histograms))
		h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(w.Exemplars))
	}
	return err
}

// answerRemoteWrite says 204, or 400 when samples were refused: the specification wants the sender not to repeat the request,
// and the valid samples of it are stored.
func answerRemoteWrite(x *call) {
	if n := x.req.Rejected(); n > 0 {
		x.gin.String(http.StatusBadRequest, "%d of %d samples refused (%s); the others are stored\n", n, n+x.req.Accepted(), x.req.Reasons())
		return
	}
	x.gin.Status(http.StatusNoContent)
	x.gin.Writer.WriteHeaderNow()
}

func failRemoteWrite(x *call, status int, err error) {
	if h := x.gin.Writer.Header(); x.req.Protocol == protoRemoteWriteV2 && h.Get("X-Prometheus-Remote-Write-Samples-Written") == "" {
		for _, kind := range []string{"Samples", "Histograms", "Exemplars"} {
			h.Set(strings.Join([]string{"X-Prometheus-Remote-Write", kind, "Written"}, "-"), "0")
		}
	}
	failText(x, status, err)
}

package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// rawMessage is a message that stays as it came: the receivers read the wire format themselves.
type rawMessage struct {
	data mem.Buffer
	out  []byte
}

// rawCodec hands messages through undecoded. It is forced on our server alone and not registered with the library.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*rawMessage)
	if !ok {
		return nil, fmt.Errorf("cannot marshal a %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(m.out)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*rawMessage)
	if !ok {
		return fmt.Errorf("cannot unmarshal into a %T", v)
	}
	m.data = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// grpcMethod is the only method of a collector's service.
type grpcMethod struct {
	service, method string
	signal          model.Signal
	protocol        string
	// take publishes a message, answer writes the reply of what it left in req.
	take   func(ctx context.Context, req *intake.Request, body []byte) error
	answer func(req *intake.Request) []byte
}

// grpcService describes one collector service on raw messages.
func (g *Gateway) grpcService(m grpcMethod) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: m.service,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: m.method,
			Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var in rawMessage
				if err := dec(&in); err != nil {
					return nil, err
				}
				defer in.data.Free()
				return g.grpcExport(ctx, &m, in.data.ReadOnlyData())
			},
		}},
	}
}

// Limits of gRPC connections. Streams bound the messages that one connection has in flight; pings closer than every ten seconds
// are refused.
const (
	grpcMaxStreams  = 64
	grpcMinPingTime = 10 * time.Second
	grpcIdle        = 15 * time.Minute
	grpcPing        = 2 * time.Minute
)

func (g *Gateway) newGRPCServer(services ...*grpc.ServiceDesc) (*grpc.Server, error) {
	opts := []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.MaxRecvMsgSize(int(g.cfg.Limits.MaxDecodedBytes)),
		grpc.MaxConcurrentStreams(grpcMaxStreams),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcMinPingTime, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: grpcIdle, Time: grpcPing}),
		grpc.InTapHandle(g.grpcAdmit),
		grpc.WaitForHandlers(true),
	}
	if g.cfg.TLSCertFile != "" {
		cert, err := tls.LoadX509KeyPair(g.cfg.TLSCertFile, g.cfg.TLSKeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate of the gRPC listener: %w", err)
		}
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})))
	}
	s := grpc.NewServer(opts...)
	for _, d := range services {
		s.RegisterService(d, nil)
	}
	return s, nil
}

// otlpServices are the collector's services of OTLP.
func (g *Gateway) otlpServices() []*grpc.ServiceDesc {
	var out []*grpc.ServiceDesc
	for _, s := range []struct {
		name   string
		signal model.Signal
	}{
		{colmetrics.MetricsService_ServiceDesc.ServiceName, model.SignalMetrics}, {collogs.LogsService_ServiceDesc.ServiceName, model.SignalLogs},
		{coltrace.TraceService_ServiceDesc.ServiceName, model.SignalSpans},
	} {
		out = append(out, g.grpcService(grpcMethod{
			service: s.name, method: "Export", signal: s.signal, protocol: protoOTLPGRPC,
			take: func(ctx context.Context, req *intake.Request, body []byte) error {
				return g.export(ctx, req, s.signal, body)
			},
			answer: func(req *intake.Request) []byte { return otlp.Response(s.signal, req.Rejected(), req.Reasons(), false) },
		}))
	}
	return out
}

// jaegerService is the collector's service of Jaeger.
func (g *Gateway) jaegerService() *grpc.ServiceDesc {
	return g.grpcService(grpcMethod{
		service: "jaeger.api_v2.CollectorService", method: "PostSpans", signal: model.SignalSpans, protocol: protoJaegerGRPC, take: g.jaeger.Proto,
		answer: func(*intake.Request) []byte { return nil },
	})
}

// grpcAdmit refuses a call before its message is read, when memory is short or the sender has no key: what is not admitted is
// never buffered.
func (g *Gateway) grpcAdmit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if g.budget.Used()+minLeaseBytes > g.budget.Max() {
		return ctx, grpcError(errs.New(errs.Exhausted, "requests in flight hold %d of %d bytes", g.budget.Used(), g.budget.Max()))
	}
	return ctx, nil
}

func (g *Gateway) grpcExport(ctx context.Context, m *grpcMethod, body []byte) (any, error) {
	start := time.Now()
	sender, err := g.grpcSender(ctx, m.protocol)
	req := g.core.NewRequest(sender)
	if err == nil {
		lease := limits.Lease{Budget: g.budget}
		defer lease.Release()
		if err = lease.Grow(max(int64(len(body)), minLeaseBytes)); err == nil {
			err = m.take(ctx, req, body)
		}
	}
	g.measures.request(m.protocol, resultOf(err), start)
	if err != nil {
		_, reason := statusOf(err)
		g.core.Rejected.Add(&req.Origin, m.signal, reason, 1)
		return nil, grpcError(err)
	}
	g.core.Finish(req)
	return &rawMessage{out: m.answer(req)}, nil
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	return string(errs.KindOf(err))
}

func (g *Gateway) grpcSender(ctx context.Context, protocol string) (intake.Sender, error) {
	s := intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: protocol, Protocol: protocol}}
	md, _ := metadata.FromIncomingContext(ctx)
	header := func(name string) string {
		if v := md.Get(name); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	addr := ""
	if p, ok := peer.FromContext(ctx); ok && p.Addr != net.Addr(nil) {
		addr = p.Addr.String()
	}
	var err error
	if s.Tenant, err = g.tenant(senderFacts{addr, header}); err != nil {
		return s, err
	}
	return agentSender(s, header)
}

// grpcError gives an error its code, and a retry hint where coming back helps.
func grpcError(err error) error {
	httpStatus, _ := statusOf(err)
	st := status.New(grpcCode(httpStatus), explain(err))
	delay := time.Duration(0)
	switch httpStatus {
	case http.StatusTooManyRequests:
		delay = 2 * time.Second
	case http.StatusServiceUnavailable:
		delay = 5 * time.Second
	}
	if delay > 0 && st.Code() != codes.OK {
		if with, detailErr := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}); detailErr == nil {
			st = with
		}
	}
	return st.Err()
}

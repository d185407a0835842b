// Package jaeger turns Jaeger's batches (Thrift over HTTP, and protobuf as its gRPC collector takes it) into spans under OpenTelemetry's
// names, with the translation of the OpenTelemetry project, and hands them to the receiver of OTLP.
package jaeger

import (
	"bytes"
	"context"

	"github.com/apache/thrift/lib/go/thrift"
	jaegermodel "github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	thriftjaeger "github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Receiver handles batches. It is safe for several goroutines.
type Receiver struct {
	otlp *otlp.Receiver
}

// New returns a receiver that publishes through o.
func New(o *otlp.Receiver) *Receiver { return &Receiver{otlp: o} }

// maxThrift bounds a batch as Thrift: its lists say how long they are, and room for that many is made before they are read. Clients
// send some hundred kilobytes.
const maxThrift = 4 << 20

// Thrift publishes a jaeger.Batch in Thrift's binary protocol. Errors: errs.Invalid.
func (r *Receiver) Thrift(ctx context.Context, req *intake.Request, body []byte) error {
	if len(body) > maxThrift {
		return errs.New(errs.Invalid, "a batch of %d bytes of Thrift, more than %d", len(body), maxThrift)
	}
	traces, err := guarded(func() (ptrace.Traces, error) {
		conf := &thrift.TConfiguration{MaxMessageSize: int32(len(body)) + 1, MaxFrameSize: int32(len(body)) + 1}
		batch := &thriftjaeger.Batch{}
		in := thrift.NewTBinaryProtocolConf(&thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(body)}, conf)
		if err := batch.Read(ctx, in); err != nil {
			return ptrace.Traces{}, err
		}
		return jaeger.ThriftToTraces(batch)
	})
	return r.publish(ctx, req, traces, err)
}

// Proto publishes an api_v2.PostSpansRequest. Errors: errs.Invalid.
func (r *Receiver) Proto(ctx context.Context, req *intake.Request, body []byte) error {
	traces, err := guarded(func() (ptrace.Traces, error) {
		var p api_v2.PostSpansRequest
		if err := p.XXX_Unmarshal(body); err != nil {
			return ptrace.Traces{}, err
		}
		return jaeger.ProtoToTraces([]*jaegermodel.Batch{&p.Batch})
	})
	return r.publish(ctx, req, traces, err)
}

func (r *Receiver) publish(ctx context.Context, req *intake.Request, traces ptrace.Traces, err error) error {
	if err != nil {
		return errs.New(errs.Invalid, "read Jaeger batch: %.300s", err.Error())
	}
	data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return errs.New(errs.Invalid, "translate Jaeger batch: %v", err)
	}
	return r.otlp.Traces(ctx, req, data)
}

// guarded calls read. The libraries were written for well-behaved senders: a panic of theirs is a bad body.
func guarded(read func() (ptrace.Traces, error)) (traces ptrace.Traces, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errs.New(errs.Invalid, "broken batch")
		}
	}()
	return read()
}

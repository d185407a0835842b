package tempoapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// maxSpans bounds one trace as it is given; a waterfall longer than this is not read by anybody.
const maxSpans = 20_000

// mediaProtobuf is what Grafana asks for.
const mediaProtobuf = "application/protobuf"

// traceID reads an id of up to 32 hexadecimal digits; what is missing at its front is zero.
func traceID(s string) (string, error) {
	if s == "" || len(s) > 32 {
		return "", errs.New(errs.Invalid, "the trace id %q does not have up to 32 hexadecimal digits", s)
	}
	raw, err := hex.DecodeString(strings.Repeat("0", 32-len(s)) + s)
	if err != nil {
		return "", errs.New(errs.Invalid, "the trace id %q does not have up to 32 hexadecimal digits", s)
	}
	return string(raw), nil
}

// load returns a trace in OTLP's form, and whether it is all of it.
func (h *handlers) load(ctx context.Context, id string) (*tracepb.TracesData, bool, error) {
	raw, err := traceID(id)
	if err != nil {
		return nil, false, err
	}
	tenant := reqctx.Tenant(ctx)
	rows, err := h.reader.Trace(ctx, tenant, raw, maxSpans+1)
	if err != nil {
		return nil, false, err
	}
	whole := len(rows) <= maxSpans
	rows = rows[:min(len(rows), maxSpans)]
	var ids []uint64
	for i := range rows {
		if !slices.Contains(ids, rows[i].ResourceID) {
			ids = append(ids, rows[i].ResourceID)
		}
	}
	resources, err := h.deps.DB.Resources(ctx, tenant, ids)
	if err != nil {
		return nil, false, err
	}
	return otlp(rows, resources), whole, nil
}

func wantsProtobuf(c *gin.Context) bool {
	return strings.Contains(c.GetHeader("Accept"), mediaProtobuf)
}

// trace answers in the first form: the trace itself.
func (h *handlers) trace(c *gin.Context) {
	data, _, err := h.load(c.Request.Context(), c.Param("id"))
	if err != nil {
		fail(c, err)
		return
	}
	if wantsProtobuf(c) {
		b, err := proto.Marshal(data)
		send(c, mediaProtobuf, b, err)
		return
	}
	fields, err := jsonFields(data)
	if err != nil {
		fail(c, err)
		return
	}
	b, err := json.Marshal(map[string]json.RawMessage{"batches": fields["resourceSpans"]})
	send(c, "application/json", b, err)
}

// traceV2 answers in the second form: the trace, and whether it is whole.
func (h *handlers) traceV2(c *gin.Context) {
	data, whole, err := h.load(c.Request.Context(), c.Param("id"))
	if err != nil {
		fail(c, err)
		return
	}
	status, message := "COMPLETE", ""
	if !whole {
		status, message = "PARTIAL", fmt.Sprintf("the trace has more than %d spans; the first are shown", maxSpans)
	}
	if wantsProtobuf(c) {
		b, err := proto.Marshal(data)
		out := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
		if !whole {
			out = protowire.AppendVarint(protowire.AppendTag(out, 3, protowire.VarintType), 1)
			out = protowire.AppendString(protowire.AppendTag(out, 4, protowire.BytesType), message)
		}
		send(c, mediaProtobuf, out, err)
		return
	}
	fields, err := jsonFields(data)
	if err != nil {
		fail(c, err)
		return
	}
	b, err := json.Marshal(map[string]any{"trace": fields, "status": status, "message": message})
	send(c, "application/json", b, err)
}

// jsonFields returns a message as JSON. As in Tempo's answers, ids are in base64: that is protobuf's JSON and not OTLP's.
func jsonFields(data *tracepb.TracesData) (map[string]json.RawMessage, error) {
	b, err := protojson.Marshal(data)
	if err != nil {
		return nil, errs.New(errs.Internal, "encode the trace: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, errs.New(errs.Internal, "encode the trace: %w", err)
	}
	return fields, nil
}

func send(c *gin.Context, media string, body []byte, err error) {
	if err != nil {
		fail(c, errs.New(errs.Internal, "encode the answer: %w", err))
		return
	}
	c.Data(http.StatusOK, media, body)
}

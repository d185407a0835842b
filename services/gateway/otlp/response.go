package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/model"
)

// rejectedField is what OTLP/JSON calls the count of refused items of each signal.
var rejectedField = map[model.Signal]string{
	model.SignalMetrics: "rejectedDataPoints", model.SignalLogs: "rejectedLogRecords", model.SignalSpans: "rejectedSpans",
}

// Response encodes the answer to an export request: empty, or with a partial success that says how many items were refused and
// why. The three signals' messages have the same fields.
func Response(signal model.Signal, rejected int, message string, asJSON bool) []byte {
	if asJSON {
		if rejected == 0 {
			return []byte("{}")
		}
		text, err := json.Marshal(message)
		if err != nil {
			text = []byte(`""`)
		}
		return []byte(`{"partialSuccess":{"` + rejectedField[signal] + `":"` + strconv.Itoa(rejected) + `","errorMessage":` + string(text) + `}}`)
	}
	if rejected == 0 {
		return nil
	}
	var partial []byte
	partial = protowire.AppendTag(partial, 1, protowire.VarintType)
	partial = protowire.AppendVarint(partial, uint64(rejected))
	partial = protowire.AppendTag(partial, 2, protowire.BytesType)
	partial = protowire.AppendString(partial, message)
	out := protowire.AppendTag(nil, 1, protowire.BytesType)
	return protowire.AppendBytes(out, partial)
}

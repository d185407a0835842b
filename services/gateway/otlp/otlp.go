// Package otlp turns OTLP export requests (metrics, logs, traces; protobuf or JSON) into batches. Metric names and labels are
// translated as Prometheus' own OTLP endpoint does by default, so that the same application is found under the same names.
// Messages are read in place; JSON is turned into protobuf first, since it is for the few.
package otlp

import (
	"github.com/faultline-io/faultline/services/gateway/intake"
)

// Receiver handles OTLP export requests. It is safe for several goroutines.
type Receiver struct {
	core   *intake.Core
	names  *names
	deltas *deltas
}

// New returns a receiver.
func New(core *intake.Core) *Receiver {
	return &Receiver{core: core, names: newNames(), deltas: newDeltas()}
}

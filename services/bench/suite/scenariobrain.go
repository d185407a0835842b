package suite

import (
	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/test/scenario"
)

// scenarioBrain is the product's brain as scenarios drive it.
type scenarioBrain struct{ *brain.Brain }

var _ scenario.Brain = scenarioBrain{}

// Mark implements scenario.Brain.
func (b scenarioBrain) Mark(k eventtime.Mark) (scenario.Output, error) {
	out, err := b.Brain.Mark(k)
	return scenario.Output{Findings: out.Findings, Incidents: out.Incidents}, err
}

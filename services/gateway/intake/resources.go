package intake

import (
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// UseResource is SetResource for one that NewResource has resolved before: receivers whose every record names its resource keep those
// they have seen. The pipeline works on it as on any other, on a copy, so that what is kept stays as it came.
func (b *Logs) UseResource(res model.Resource) {
	b.drop = ""
	if b.req.stages != nil {
		var attrs []model.Label
		attrs, b.drop = b.req.Resource(model.SignalLogs, slices.Clone(res.Attributes))
		if !slices.Equal(attrs, res.Attributes) {
			res = NewResource(attrs)
		}
	}
	b.res = res
	b.idx = -1
}

// Pending returns how many records wait to be published.
func (b *Logs) Pending() int { return b.batch.Len() }

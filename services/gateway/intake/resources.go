package intake

import "github.com/faultline-io/faultline/services/model"

// UseResource is SetResource for one that NewResource has resolved before: receivers whose every record names its resource keep those
// they have seen.
func (b *Logs) UseResource(res model.Resource) {
	b.res = res
	b.idx = -1
}

// Pending returns how many records wait to be published.
func (b *Logs) Pending() int { return b.batch.Len() }

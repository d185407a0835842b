package brain

import (
	"github.com/faultline-io/faultline/services/model"
)

// seeEveryMS is how often the labels of a series are looked at again for what they say of the topology: edges are kept for longer than that.
const seeEveryMS = 10 * 60_000

// maxDerived bounds the derived series that are known by their labels; beyond, all are made anew, which costs time and changes nothing.
const maxDerived = 500_000

// seriesBook remembers when labels were last looked at, and the identities of derived series.
type seriesBook struct {
	seen   map[uint64]int64
	byName map[string]*model.Series
	key    []byte
}

func newSeriesBook() *seriesBook {
	return &seriesBook{seen: map[uint64]int64{}, byName: map[string]*model.Series{}}
}

// see reports whether labels are to be looked at.
func (b *seriesBook) see(id uint64, atMS int64) bool {
	last, ok := b.seen[id]
	if ok && atMS-last < seeEveryMS {
		return false
	}
	b.seen[id] = atMS
	return true
}

func (b *seriesBook) forget(id uint64) { delete(b.seen, id) }

// drop forgets a derived series that has ended.
func (b *seriesBook) drop(s *model.Series) {
	b.key = derivedKey(b.key[:0], s.Name, s.Labels)
	delete(b.byName, string(b.key))
}

func derivedKey(key []byte, name string, labels []model.Label) []byte {
	key = model.AppendIdentity(key, name, "")
	for i := range labels {
		key = model.AppendIdentity(key, labels[i].Name, labels[i].Value)
	}
	return key
}

// derived returns the series of a derived sample; describe is told the type and unit of a new one.
func (b *seriesBook) derived(d *model.Derived, describe func(model.MetricMetadata)) *model.Series {
	b.key = derivedKey(b.key[:0], d.Name, d.Labels)
	if s := b.byName[string(b.key)]; s != nil {
		return s
	}
	if len(b.byName) >= maxDerived {
		clear(b.byName)
	}
	s := &model.Series{
		ID: model.Hash64("derived:" + string(b.key)), MetricID: model.MetricID(d.Name), Name: d.Name, Labels: d.Labels,
		ShardHash: model.Hash64(model.EntityOf(d.Name, d.Labels).String()),
	}
	b.byName[string(b.key)] = s
	describe(model.MetricMetadata{Family: d.Name, Type: d.Type, Unit: d.Unit})
	return s
}

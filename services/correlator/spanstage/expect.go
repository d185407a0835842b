package spanstage

import (
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Figures of what is expected. An operation that made a call in nine of ten requests, over at least thirty of them, is expected to go on with
// it; the memory halves in about an hour of windows, so that a new version that works otherwise is the normal before the day is over.
const (
	expectAfter  = 30
	expectShare  = 0.9
	forgetShare  = 0.5
	expectDecay  = 0.998
	maxExpected  = 20   // Calls of an operation.
	expectLeast  = 5    // Requests of which a share is told; of fewer, it waits for the next windows.
	expectNoMore = 0.05 // Requests' worth of memory at which a call is forgotten.
)

// expectations are the calls that an operation used to make.
type expectations struct {
	n      uint32  // Requests whose calls are all known, since the share was told last.
	weight float64 // Such requests of the past, decayed.
	calls  []expected
}

// expected is one of them.
type expected struct {
	server model.Entity
	hits   uint32  // Requests since then that made it.
	past   float64 // Such requests of the past, decayed.
	// told says that its share is a series.
	told   bool
	labels labels
}

func (x *expectations) hit(server model.Entity) {
	at, found := slices.BinarySearchFunc(x.calls, server, func(c expected, e model.Entity) int { return c.server.Compare(e) })
	if found {
		x.calls[at].hits++
		return
	}
	if len(x.calls) < maxExpected {
		x.calls = slices.Insert(x.calls, at, expected{server: server, hits: 1})
	}
}

// learn ends a window: when there were enough requests it tells the share of each expected call, expected by the past without them, and then adds them
// to the past.
func (x *expectations) learn(service, operation string, tell func(*expected, float64), end func(*expected)) {
	if x.n < expectLeast {
		return
	}
	for i := range x.calls {
		c := &x.calls[i]
		share := 0.0
		if x.weight > 0 {
			share = c.past / x.weight
		}
		switch {
		case !c.told && x.weight >= expectAfter && share >= expectShare:
			c.told = true
			c.name(service, operation)
		case c.told && share < forgetShare:
			c.told = false
			end(c)
		}
		if c.told {
			tell(c, min(1, float64(c.hits)/float64(x.n)))
		}
		c.past = c.past*expectDecay + float64(c.hits)
		c.hits = 0
	}
	x.weight = x.weight*expectDecay + float64(x.n)
	x.n = 0
	x.calls = slices.DeleteFunc(x.calls, func(c expected) bool { return !c.told && c.past < expectNoMore })
}

// name makes the labels of the series.
func (c *expected) name(service, operation string) {
	c.labels = newLabels(model.Label{Name: labelExpected, Value: c.server.Name}, model.Label{Name: labelOperation, Value: operation}, model.Label{Name: labelService, Value: service})
}

package diskguard

import (
	"context"
	"errors"
	"testing"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// takesAll is a bus that counts what it is given to write; its bucket counts with it.
type takesAll struct {
	bus.Bus
	writes int
}

type bucket struct {
	bus.KV
	on *takesAll
}

func (b *takesAll) Publish(context.Context, *bus.Message) (bool, error) {
	b.writes++
	return false, nil
}

func (b *takesAll) PutDeadLetter(context.Context, bus.Delivery, string) error {
	b.writes++
	return nil
}

func (b *takesAll) KV(context.Context, string) (bus.KV, error) { return &bucket{on: b}, nil }

func (b *bucket) Put(context.Context, string, []byte) error {
	b.on.writes++
	return nil
}

func (b *bucket) Delete(context.Context, string) error {
	b.on.writes++
	return nil
}

func TestRefusesBeforeTheDiskDoes(t *testing.T) {
	var free uint64
	var failure error
	under := &takesAll{}
	measure := func() (uint64, error) { return free, failure }
	g := New(under, measure)
	kv, err := g.KV(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, wantWrites int) {
		t.Helper()
		under.writes = 0
		_, publish := g.Publish(t.Context(), &bus.Message{})
		for _, err := range []error{publish, g.PutDeadLetter(t.Context(), bus.Delivery{}, ""), kv.Put(t.Context(), "k", nil), kv.Delete(t.Context(), "k")} {
			if err != nil && (errs.KindOf(err) != errs.Exhausted || errs.HintOf(err) == "") {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if under.writes != wantWrites {
			t.Errorf("%s: %d writes went through, want %d", name, under.writes, wantWrites)
		}
	}
	free = telemetryReserve
	f("room", 4)
	free = telemetryReserve - 1
	f("little room", 3)
	free = controlReserve - 1
	f("no room", 0)
	failure = errors.New("no such disk")
	f("a disk that cannot be read", 4)
}

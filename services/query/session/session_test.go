package session

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// unused stands for what sessions do not ask of a bucket.
type unused interface{ bus.KV }

// bucket is a KV in memory; the tests of package query use the real one.
type bucket struct {
	unused
	m    map[string][]byte
	gets int
	down bool
}

func (b *bucket) KV(context.Context, string) (bus.KV, error) {
	if b.down {
		return nil, errs.New(errs.Unavailable, "the bus is away")
	}
	return b, nil
}

func (b *bucket) Get(_ context.Context, key string) ([]byte, error) {
	b.gets++
	v, ok := b.m[key]
	if !ok {
		return nil, errs.New(errs.NotFound, "no %s", key)
	}
	return v, nil
}

func (b *bucket) Put(_ context.Context, key string, v []byte) error { b.m[key] = v; return nil }
func (b *bucket) Delete(_ context.Context, key string) error        { delete(b.m, key); return nil }
func (b *bucket) Keys(context.Context) ([]string, error)            { return slices.Collect(maps.Keys(b.m)), nil }

func newTest() (*Manager, *bucket, *time.Time) {
	b := &bucket{m: map[string][]byte{}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return NewManager(b, func() time.Time { return now }, slog.New(slog.DiscardHandler)), b, &now
}

func TestSessionEndsInTime(t *testing.T) {
	m, _, now := newTest()
	token, s, err := m.Create(t.Context(), "admin", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Find(t.Context(), token); err != nil || got != s {
		t.Errorf("Find = %+v, %v; want %+v", got, err, s)
	}
	*now = s.ExpiresAt.Add(-time.Second)
	if _, err := m.Find(t.Context(), token); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	*now = s.ExpiresAt
	if _, err := m.Find(t.Context(), token); errs.KindOf(err) != errs.Unauthenticated {
		t.Errorf("at the end: %v", err)
	}
	if _, err := m.Find(t.Context(), "guess"); errs.KindOf(err) != errs.Unauthenticated {
		t.Errorf("a guess: %v", err)
	}
}

func TestBucketHoldsNoToken(t *testing.T) {
	m, b, _ := newTest()
	token, _, err := m.Create(t.Context(), "admin", 1)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range b.m {
		if strings.Contains(k, token) || strings.Contains(string(v), token) {
			t.Error("who reads the bucket can sign in")
		}
	}
}

func TestFindReadsTheBucketNowAndThen(t *testing.T) {
	m, b, now := newTest()
	token, _, err := m.Create(t.Context(), "admin", 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := m.Find(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if b.gets != 1 {
		t.Errorf("the bucket was read %d times, want once", b.gets)
	}
	clear(b.m) // signed out elsewhere
	*now = now.Add(memoryTTL)
	if _, err := m.Find(t.Context(), token); errs.KindOf(err) != errs.Unauthenticated {
		t.Errorf("after a sign-out elsewhere: %v", err)
	}
}

func TestSweepRemovesTheExpired(t *testing.T) {
	m, b, now := newTest()
	for range 3 {
		if _, _, err := m.Create(t.Context(), "admin", 1); err != nil {
			t.Fatal(err)
		}
	}
	*now = now.Add(lifetime / 2)
	if _, _, err := m.Create(t.Context(), "admin", 1); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(lifetime / 2)
	if n, err := m.Sweep(t.Context()); err != nil || n != 3 || len(b.m) != 1 {
		t.Errorf("removed %d, %d left, %v", n, len(b.m), err)
	}
}

func TestBusAway(t *testing.T) {
	m, b, _ := newTest()
	b.down = true
	if _, err := m.Find(t.Context(), "x"); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("while the bus is away: %v", err)
	}
	b.down = false
	if _, _, err := m.Create(t.Context(), "admin", 1); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

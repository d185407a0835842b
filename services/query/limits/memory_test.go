package limits

import (
	"context"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestMemoryEndsTheLongestRunning(t *testing.T) {
	used, collected := uint64(0), 0
	m := NewMemory(100)
	m.used, m.collect = func() uint64 { return used }, func() { collected++ }
	first, leaveFirst := m.Enter(t.Context())
	second, leaveSecond := m.Enter(t.Context())
	defer leaveSecond()
	m.check()
	if first.Err() != nil || collected != 0 {
		t.Fatal("ended or collected without need")
	}
	used = 101
	m.collect = func() { used = 99 } // it was garbage
	m.check()
	if first.Err() != nil {
		t.Fatal("a query was ended for garbage")
	}
	used, m.collect = 101, func() { collected++ }
	m.check()
	if cause := context.Cause(first); first.Err() == nil || errs.KindOf(cause) != errs.Exhausted || !strings.Contains(cause.Error(), "query.max_memory") {
		t.Errorf("first: %v", cause)
	}
	if second.Err() != nil || collected != 1 {
		t.Errorf("second: %v, %d collections", second.Err(), collected)
	}
	leaveFirst()
	m.check()
	if second.Err() == nil {
		t.Error("the second still runs")
	}
	m.check() // nobody is left
	third, leave := m.Enter(t.Context())
	leave()
	if third.Err() == nil || m.inUse() != 0 {
		t.Error("a query that left is still known")
	}
}

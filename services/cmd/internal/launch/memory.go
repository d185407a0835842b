package launch

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/shirou/gopsutil/v4/mem"

	"github.com/faultline-io/faultline/services/internal/app"
)

// Shares of the machine's memory and their bounds.
const (
	// limitShare is where the collector of garbage starts to work for its living; what is alive may be more.
	limitShare = 0.3
	leastLimit = 512 << 20
	// returnAbove is how much unused memory is kept for the next flood; more goes back to the machine.
	returnAbove = 96 << 20
	returnEvery = time.Minute
)

// memoryKeeper bounds what garbage may take in a flood, and gives memory back after it: an all-in-one shares its machine with what it
// watches. GOMEMLIMIT, where set, is left alone.
func memoryKeeper() app.Service {
	if os.Getenv("GOMEMLIMIT") == "" {
		limit := int64(leastLimit)
		if v, err := mem.VirtualMemory(); err == nil {
			limit = max(limit, int64(limitShare*float64(v.Total)))
		}
		debug.SetMemoryLimit(limit)
	}
	return app.Func("memory", func(ctx context.Context) error {
		t := time.NewTicker(returnEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-t.C:
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			// Garbage that no collection has seen yet counts too: after a flood the next one may be minutes away.
			if m.HeapSys-m.HeapReleased > m.HeapAlloc/2+returnAbove {
				debug.FreeOSMemory()
			}
		}
	})
}

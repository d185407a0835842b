//go:build !linux

package hostmetrics

import (
	"cmp"
	"context"
	"slices"

	"github.com/shirou/gopsutil/v4/process"
)

// largest returns procs by resident memory, the largest first; what cannot be read comes last.
func largest(ctx context.Context, procs []*process.Process) []*process.Process {
	size := make(map[int32]uint64, len(procs))
	for _, p := range procs {
		if m, err := p.MemoryInfoWithContext(ctx); err == nil && m != nil {
			size[p.Pid] = m.RSS
		}
	}
	slices.SortFunc(procs, func(a, b *process.Process) int {
		return cmp.Or(cmp.Compare(size[b.Pid], size[a.Pid]), cmp.Compare(a.Pid, b.Pid))
	})
	return procs
}

package hostmetrics

import (
	"cmp"
	"slices"
)

// keepQuiet is for how many reports a process stays chosen after it left the top: without it, processes near the edge would come
// and go, and each coming and going is a hole in a series.
const keepQuiet = 10

// minCPURate is the CPU use, in cores, under which a process is idle and is not chosen for its CPU.
const minCPURate = 0.0005

// choose marks the n processes that use the most CPU, the n that hold the most memory, and those that did so lately, at most 3n in
// all. procs is reordered.
func choose(procs []*proc, n int) {
	for _, p := range procs {
		p.quiet++
	}
	byCPU := func(a, b *proc) int {
		return cmp.Or(cmp.Compare(b.cpuSmooth, a.cpuSmooth), cmp.Compare(a.key.pid, b.key.pid))
	}
	byMemory := func(a, b *proc) int {
		return cmp.Or(cmp.Compare(b.rssBytes, a.rssBytes), cmp.Compare(a.key.pid, b.key.pid))
	}
	slices.SortFunc(procs, byCPU)
	for i := 0; i < len(procs) && i < n && procs[i].cpuSmooth >= minCPURate; i++ {
		procs[i].chosen, procs[i].quiet = true, 0
	}
	slices.SortFunc(procs, byMemory)
	for i := 0; i < len(procs) && i < n && procs[i].rssBytes > 0; i++ {
		procs[i].chosen, procs[i].quiet = true, 0
	}
	slices.SortFunc(procs, func(a, b *proc) int {
		return cmp.Or(cmp.Compare(a.quiet, b.quiet), byMemory(a, b))
	})
	chosen := 0
	for _, p := range procs {
		if p.chosen && (p.quiet > keepQuiet || chosen >= 3*n) {
			p.chosen = false
		}
		if p.chosen {
			chosen++
		}
	}
}

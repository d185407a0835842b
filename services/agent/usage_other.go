//go:build !unix

package agent

import "runtime"

// usage is what this process uses.
type usage struct {
	rssBytes   uint64
	cpuSeconds float64
}

// readUsage knows only what the Go runtime has; these systems count processor time elsewhere.
func readUsage() (usage, bool) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{rssBytes: m.Sys - m.HeapReleased}, true
}

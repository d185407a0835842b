//go:build unix

package agent

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what this process uses.
type usage struct {
	rssBytes   uint64
	cpuSeconds float64
}

func readUsage() (usage, bool) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return usage{}, false
	}
	u := usage{rssBytes: uint64(ru.Maxrss), cpuSeconds: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()}
	// Linux says what is resident now; elsewhere the most that ever was has to do.
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(data)); len(f) > 1 {
			if pages, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				u.rssBytes = pages * uint64(os.Getpagesize())
			}
		}
	}
	return u, true
}

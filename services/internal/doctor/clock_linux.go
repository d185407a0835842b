package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxClockError is the kernel's own estimate above which event times of several hosts cannot be ordered any more.
const maxClockError = time.Second

// clock asks the kernel whether something keeps its clock right.
func clock() Item {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx) // With no modes set it only reads.
	if err != nil {
		return Item{"clock", OK, "not known: " + err.Error(), ""}
	}
	const hint = "install and start chrony or systemd-timesyncd; incidents are ordered by time"
	if state == unix.TIME_ERROR || tx.Status&unix.STA_UNSYNC != 0 {
		return Item{"clock", Warn, "is not synchronised", hint}
	}
	off := time.Duration(tx.Maxerror) * time.Microsecond
	if off > maxClockError {
		return Item{"clock", Warn, fmt.Sprintf("may be off by %s", off.Round(time.Millisecond)), hint}
	}
	return Item{"clock", OK, fmt.Sprintf("synchronised, off by %s at most", off.Round(time.Millisecond)), ""}
}

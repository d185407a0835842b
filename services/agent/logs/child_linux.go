package logs

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel end the child when the agent is killed. The signal is tied to the thread that starts the child, so
// the goroutine stays on it until the child ended and release is called.
func dieWithParent(cmd *exec.Cmd) (release func()) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return runtime.UnlockOSThread
}

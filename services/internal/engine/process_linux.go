package engine

import "syscall"

// processAttributes put the child into its own process group, so that Ctrl-C in a terminal reaches the parent only, which then
// stops the engine last. Should the parent die in a way that leaves the pipe open, the kernel tells the child.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

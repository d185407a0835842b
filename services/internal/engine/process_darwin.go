package engine

import "syscall"

// processAttributes put the child into its own process group, so that Ctrl-C in a terminal reaches the parent only, which then
// stops the engine last.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

package app

import "syscall"

// childAttributes has a process end with this one, and not hear of the Ctrl-C
// that this one is to pass on in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

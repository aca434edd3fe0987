package rig

import (
	"os"
	"syscall"
)

// attributes has a process not hear of a Ctrl-C that this one acts on.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// peak gives how much memory a process that has ended had at the most, in bytes.
func peak(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10 // in kilobytes, getrusage(2)
}

// as runs a process as another user.
func as(uid, gid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
}

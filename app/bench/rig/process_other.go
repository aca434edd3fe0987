//go:build !linux

package rig

import (
	"os"
	"syscall"
)

// attributes adds nothing elsewhere than on Linux.
func attributes() *syscall.SysProcAttr { return nil }

// peak is not told elsewhere than on Linux.
func peak(*os.ProcessState) int64 { return 0 }

// as changes nothing elsewhere than on Linux.
func as(uint32, uint32) *syscall.SysProcAttr { return nil }

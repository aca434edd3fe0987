//go:build !linux

package app

import "syscall"

// childAttributes asks for nothing: a Ctrl-C on the terminal reaches children
// too, and they outlive a parent that is killed.
func childAttributes() *syscall.SysProcAttr { return nil }

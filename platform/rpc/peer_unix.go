//go:build unix

package rpc

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerState tells without waiting, and without taking anything that was sent,
// how the other side of a connection is.
func peerState(c net.Conn) state {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return quiet
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return gone
	}
	found := quiet
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case n > 0:
			found = talking
		case err == nil:
			found = gone // end of stream
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			found = gone
		}
	})
	if err != nil {
		return gone
	}
	return found
}

package web

import (
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// refuseConnections has the kernel refuse whoever would begin a connection, as
// if nobody listened any more, while connections that have begun are finished
// and wait to be accepted: closing the socket would reset those. It does so by
// binding the socket to a network interface that there is not. A successor that
// listens on the same address is not in the way of that.
//
// Where it cannot be done, closing may reset a connection that was made in the
// same instant.
func refuseConnections(l net.Listener) {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, math.MaxInt32)
	})
}

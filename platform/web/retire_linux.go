package web

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// refuseConnections has the kernel drop what would begin a connection: a SYN
// without ACK. Connections that have begun are still finished and can be
// accepted, which closing the socket would reset; clients that begin one now
// try again a second later, when the socket is closed or a successor listens.
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
	const tcpFlags, syn, ack = 13, 0x02, 0x10 // RFC 9293 §3.1
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: tcpFlags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len:    uint16(len(program)),
			Filter: &program[0],
		})
	})
}

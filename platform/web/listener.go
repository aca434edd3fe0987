package web

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"stoa/platform/clock"
)

// listener hands out connections, and can be closed without losing any that
// has been made.
type listener struct {
	net.Listener
	slack time.Duration // that a deadline may be early

	mu      sync.Mutex
	conns   map[*conn]struct{}
	retired bool
	close   func() error
}

func newListener(l net.Listener, slack time.Duration) *listener {
	return &listener{Listener: l, slack: slack, conns: map[*conn]struct{}{}, close: sync.OnceValue(l.Close)}
}

// Close closes the listener, once.
func (l *listener) Close() error { return l.close() }

// settle is how long connections that are being made get to be made, once no
// new ones are begun.
const settle = 50 * time.Millisecond

// silence is how long a connection that has not said anything yet may go on
// saying nothing while the server stops.
const silence = 2 * time.Second

// Accept gives the next connection, and io.EOF once there will be none.
func (l *listener) Accept() (net.Conn, error) {
	pause := firstPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			return l.remember(c), nil
		case l.isRetired() || errors.Is(err, net.ErrClosed):
			_ = l.Close() // it is of no further use either way
			return nil, io.EOF
		case !passes(err):
			return nil, err
		}
		<-clock.System().NewTimer(pause).C()
		pause = min(2*pause, lastPause)
	}
}

// The pauses between tries to accept while the machine has no room for more.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// passes tells whether an error of accept(2) says nothing about the next try.
func passes(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (l *listener) isRetired() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired
}

func (l *listener) remember(c net.Conn) *conn {
	wrapped := &conn{Conn: c, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[wrapped] = struct{}{}
	return wrapped
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// retire lets no new connection begin and hands out those that had: Accept
// says io.EOF when there are no more.
func (l *listener) retire() {
	l.mu.Lock()
	l.retired = true
	for c := range l.conns {
		if !c.spoke.Load() {
			extendRead(c.Conn, silence)
		}
	}
	l.mu.Unlock()
	refuseConnections(l.Listener)
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(from(settle)) != nil {
		_ = l.Close() // it is of no further use either way
	}
}

// abort closes every connection that is left.
func (l *listener) abort() {
	l.mu.Lock()
	var left []*conn
	for c := range l.conns {
		left = append(left, c)
	}
	l.mu.Unlock()
	for _, c := range left {
		c.linger.Store(false)
		_ = c.Close() // it is of no further use either way
	}
}

package web

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
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

// Accept gives the next connection, and io.EOF once there will be none.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.mu.Lock()
		retired := l.retired
		l.mu.Unlock()
		if retired || errors.Is(err, net.ErrClosed) {
			_ = l.Close() // it is of no further use either way
			return nil, io.EOF
		}
		return nil, err
	}
	wrapped := &conn{Conn: c, listener: l}
	l.mu.Lock()
	l.conns[wrapped] = struct{}{}
	l.mu.Unlock()
	return wrapped, nil
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// retire lets no new connection begin and hands out those that had: Accept
// says io.EOF when there are no more.
func (l *listener) retire() {
	l.mu.Lock()
	l.retired = true
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

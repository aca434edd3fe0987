package web

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"stoa/platform/clock"
)

// conn is a connection of the server's listener.
type conn struct {
	net.Conn
	listener *listener
	linger   atomic.Bool
	once     sync.Once
	err      error
}

// lingerFor is how long a connection is read from after its last answer.
const lingerFor = 2 * time.Second

// lingerOn has a connection closed slowly: what the client is still sending is
// taken off it for a while, since closing a connection with unread data resets
// it, and the answer would be lost with it (RFC 9112 §9.6).
func lingerOn(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.linger.Store(true)
	}
}

// Close closes the connection, once.
func (c *conn) Close() error {
	c.once.Do(func() {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
			extendRead(c.Conn, lingerFor)
			_, _ = io.Copy(io.Discard, c.Conn) // whatever comes of it, that is it
		}
		c.err = c.Conn.Close()
		c.listener.forget(c)
	})
	return c.err
}

func extendRead(c net.Conn, d time.Duration) {
	_ = c.SetReadDeadline(from(d)) // fails on a closed connection, as the next read will
}

func extendWrite(c net.Conn, d time.Duration) {
	_ = c.SetWriteDeadline(from(d)) // fails on a closed connection, as the next write will
}

// from gives the instant after d. Sockets live on the machine's own time,
// whatever clock the rest goes by.
func from(d time.Duration) time.Time { return clock.System().Now().Add(d) }

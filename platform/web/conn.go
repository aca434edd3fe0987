package web

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"stoa/platform/clock"
)

// conn is a connection of the server's listener. Like any, it is read and
// written by one goroutine, and may be closed by another.
type conn struct {
	net.Conn
	listener    *listener
	reads       deadlines
	writes      deadlines
	linger      atomic.Bool
	spoke       atomic.Bool // the client has sent something
	mute        atomic.Bool // the client is sent nothing
	ended       atomic.Bool // the client sends nothing more
	once        sync.Once
	closeFailed error
}

// deadlines are when one direction of a connection has to have moved. fasthttp
// moves them three times for every request, which costs more than all else it
// does for it; so they are set when it comes to waiting, and only where they
// differ by more than a little from what is set.
type deadlines struct{ wanted, set time.Time }

// due tells whether what is wanted has to be set now.
func (d *deadlines) due(slack time.Duration) bool {
	early := d.wanted.Sub(d.set)
	if !d.wanted.IsZero() && !d.set.IsZero() && early >= 0 && early < slack {
		return false
	}
	changed := !d.wanted.Equal(d.set)
	d.set = d.wanted
	return changed
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	c.reads.wanted, c.writes.wanted = t, t
	return nil
}

// SetReadDeadline takes effect with the next Read.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.wanted = t
	return nil
}

// SetWriteDeadline takes effect with the next Write.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.wanted = t
	return nil
}

// Read reads until the deadline for it, give or take the listener's slack.
func (c *conn) Read(p []byte) (int, error) {
	if c.reads.due(c.listener.slack) {
		if err := c.Conn.SetReadDeadline(c.reads.wanted); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	switch {
	case err == io.EOF:
		c.ended.Store(true)
	case n > 0 && !c.spoke.Load():
		c.spoke.Store(true)
	}
	return n, err
}

// wholeBody gives the body of a request whose end cannot be mistaken.
// fasthttp takes a connection that ends between two chunks for the end of the
// body, but without its last chunk a body is not whole (RFC 9112 §8).
func wholeBody(c *fasthttp.RequestCtx) io.Reader {
	stream := c.RequestBodyStream()
	own, ok := c.Conn().(*conn)
	if stream == nil || !ok || c.Request.Header.ContentLength() != -1 {
		return stream
	}
	return chunkedBody{stream, own}
}

type chunkedBody struct {
	io.Reader
	conn *conn
}

func (b chunkedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.conn.ended.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Write writes until the deadline for it, give or take the listener's slack.
func (c *conn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return len(p), nil
	}
	if c.writes.due(c.listener.slack) {
		if err := c.Conn.SetWriteDeadline(c.writes.wanted); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
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
		c.closeFailed = c.Conn.Close()
		c.listener.forget(c)
	})
	return c.closeFailed
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

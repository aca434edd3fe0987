package proxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"stoa/platform/clock"
)

// host is one process, and the connections to it. fasthttp's own client is not
// used: it does not tell whether anything of a request was sent, takes an answer
// that breaks off between two chunks for whole, and does not read what was
// answered before all was sent.
type host struct {
	addr string
	cfg  *Config

	mu     sync.Mutex
	idle   []*conn // the last used comes last
	open   int
	closed bool

	lanes   []*lane
	opening int // lanes that are being opened
}

// conn is a connection to a process. One goroutine uses it at a time.
type conn struct {
	net.Conn
	host   *host
	reader *bufio.Reader
	out    []byte // what is written next
	used   time.Time
	until  time.Time // the deadline that is set
}

const (
	// maxAnswerHead is the largest header of an answer, in bytes.
	maxAnswerHead = 16 << 10
	// keptOut is the largest buffer for writing that is kept.
	keptOut = 64 << 10
	// maxSlack is how late a deadline of a connection may be at most, and late
	// the part of the time that is left that it may be: setting one costs more than
	// all else that is done for a request, so it is set now and then. The module
	// ends what takes too long by itself, before.
	maxSlack = 2 * time.Second
	late     = 8
)

// get gives a connection, one that was used before where there is any and fresh
// does not ask for another. certain asks for one that is known to stand.
func (h *host) get(ctx context.Context, fresh, certain bool) (c *conn, used bool, err error) {
	h.mu.Lock()
	for n := len(h.idle); n > 0 && !fresh; n = len(h.idle) {
		c := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		if now().Sub(c.used) < h.cfg.IdleTimeout && (!certain || stands(c.Conn)) {
			return c, true, nil
		}
		c.drop()
		h.mu.Lock()
	}
	if h.open >= h.cfg.Connections {
		h.mu.Unlock()
		return nil, false, fmt.Errorf("there are %d connections to %s, which is as many as may be", h.cfg.Connections, h.addr)
	}
	h.open++
	h.mu.Unlock()

	dialer := net.Dialer{Timeout: h.cfg.ConnectTimeout}
	raw, err := dialer.DialContext(ctx, "tcp", h.addr)
	if err != nil {
		h.mu.Lock()
		h.open--
		h.mu.Unlock()
		return nil, false, err
	}
	return &conn{Conn: raw, host: h, reader: bufio.NewReaderSize(raw, maxAnswerHead)}, false, nil
}

// keep puts a connection back, for the next request.
func (c *conn) keep() {
	h := c.host
	c.used = now()
	if cap(c.out) > keptOut {
		c.out = nil
	}
	h.mu.Lock()
	if !h.closed {
		h.idle = append(h.idle, c)
		c = nil
	}
	h.mu.Unlock()
	if c != nil {
		c.drop()
	}
}

// drop ends a connection.
func (c *conn) drop() {
	_ = c.Close() // it is of no further use either way
	c.host.mu.Lock()
	c.host.open--
	c.host.mu.Unlock()
}

// limit has the connection fail once a deadline has passed.
func (c *conn) limit(t time.Time) error {
	slack := min(t.Sub(now())/late, maxSlack)
	if ahead := c.until.Sub(t); ahead >= 0 && ahead <= slack {
		return nil
	}
	c.until = t.Add(slack)
	return c.SetDeadline(c.until)
}

// sweep closes connections that nothing was sent over for a while.
func (h *host) sweep() {
	h.mu.Lock()
	n := 0
	for n < len(h.idle) && now().Sub(h.idle[n].used) >= h.cfg.IdleTimeout {
		n++
	}
	old := slices.Clone(h.idle[:n])
	h.idle = slices.Delete(h.idle, 0, n)
	h.mu.Unlock()
	for _, c := range old {
		c.drop()
	}
}

// close ends connections that are not in use, and later those that are.
func (h *host) close() {
	h.mu.Lock()
	idle := h.idle
	h.idle, h.closed = nil, true
	for _, l := range h.lanes {
		l.retire()
	}
	h.mu.Unlock()
	for _, c := range idle {
		c.drop()
	}
}

// now is the machine's own time, which sockets live on, whatever clock the rest
// goes by.
func now() time.Time { return clock.System().Now() }

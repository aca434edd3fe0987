package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"stoa/platform/clock"
	"stoa/platform/directory"
)

// dialWithin is how long making a connection may take: on a private network it
// is made at once or not at all.
const dialWithin = time.Second

// httpTransport carries calls straight to instances. Most share a connection; what
// is large, and what an instance wants otherwise, has one for itself. It keeps these
// itself, rather than by fasthttp's client, so that the end of a call's context
// ends its connection, by which the instance notices that nobody waits; and so
// that a call is never sent on a connection that the instance has closed.
type httpTransport struct {
	clock  clock.Clock
	dialer net.Dialer
	most   int // idle connections to an instance
	shared *sharedConns

	mu     sync.Mutex
	closed bool
	idle   map[string][]*conn // by address, the last used last
	used   map[*conn]struct{}
}

type conn struct {
	net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	idle time.Time // since when
}

func newHTTPTransport(c clock.Clock, most int) *httpTransport {
	return &httpTransport{clock: c, most: most, shared: newSharedConns(c), idle: map[string][]*conn{}, used: map[*conn]struct{}{}}
}

// Close closes every connection.
func (t *httpTransport) Close() error {
	t.shared.close()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.used {
		_ = c.Close() // it is of no further use either way
	}
	for _, list := range t.idle {
		for _, c := range list {
			_ = c.Close()
		}
	}
	clear(t.idle)
	return nil
}

// RoundTrip sends a call and waits for what comes back.
func (t *httpTransport) RoundTrip(ctx context.Context, to directory.Instance, c *Call) (Reply, error) {
	if len(c.Body) > maxBody {
		return Reply{}, ErrTooLarge.With("the request of %s.%s has %d bytes; %d are possible", c.Module, c.Method, len(c.Body), maxBody)
	}
	if to.RPC != "" && sharable(c) {
		if reply, err := t.shared.call(ctx, to.RPC, c); !errors.Is(err, errPlain) {
			return reply, err
		}
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(http.MethodPost)
	req.SetRequestURI(pathCall + c.Module + "/" + c.Method)
	req.Header.SetContentType(contentType)
	req.Header.Set(headerTimeout, formatTimeLeft(ctx))
	if c.TraceParent != "" {
		req.Header.Set(headerTraceParent, c.TraceParent)
	}
	if c.RequestID != "" {
		req.Header.Set(headerRequestID, c.RequestID)
	}
	req.SetBodyRaw(c.Body)
	reply, _, err := t.do(ctx, to.RPC, req)
	return reply, err
}

func (t *httpTransport) document(ctx context.Context, to directory.Instance, module, name string) (Reply, string, error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.SetRequestURI(pathDocument + module + "/" + name)
	return t.do(ctx, to.RPC, req)
}

func (t *httpTransport) do(ctx context.Context, addr string, req *fasthttp.Request) (_ Reply, kind string, err error) {
	if addr == "" {
		return Reply{}, "", refuse("the instance has no private listener")
	}
	c, err := t.connect(ctx, addr)
	if err != nil {
		return Reply{}, "", err
	}
	keep := false
	defer func() { t.release(addr, c, keep) }()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return Reply{}, "", refused{err}
	}
	// Whatever waits on the connection ends with the context.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer func() { keep = stop() && keep }()

	req.SetHost(addr)
	if err := errors.Join(req.Write(c.w), c.w.Flush()); err != nil {
		return Reply{}, "", ended(ctx, refused{fmt.Errorf("send to %s: %w", addr, err)})
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err := resp.ReadLimitBody(c.r, maxBody); err != nil {
		if errors.Is(err, fasthttp.ErrBodyTooLarge) {
			return Reply{}, "", ErrTooLarge.With("the answer of %s has more than the %d bytes that are possible", addr, maxBody)
		}
		return Reply{}, "", ended(ctx, fmt.Errorf("wait for %s: %w", addr, err))
	}
	keep = !resp.ConnectionClose()
	return Reply{resp.StatusCode(), append([]byte(nil), resp.Body()...)}, string(resp.Header.ContentType()), nil
}

// ended gives the context's error where that is why something failed.
func ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.DeadlineExceeded // a moment before the context says so
	}
	return err
}

// connect gives a connection to an instance: one that waits and is well, else a
// new one.
func (t *httpTransport) connect(ctx context.Context, addr string) (*conn, error) {
	for {
		c, err := t.waiting(addr)
		if err != nil {
			return nil, err
		}
		if c == nil {
			break
		}
		if t.clock.Now().Sub(c.idle) < idleClient && peerState(c.Conn) == quiet {
			return c, nil
		}
		t.release(addr, c, false)
	}
	dialing, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	raw, err := t.dialer.DialContext(dialing, "tcp", addr)
	if err != nil {
		return nil, ended(ctx, refused{err})
	}
	c := &conn{Conn: raw, r: bufio.NewReader(raw), w: bufio.NewWriter(raw)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = raw.Close() // it was not used
		return nil, errClosed
	}
	t.used[c] = struct{}{}
	return c, nil
}

var errClosed = refused{fmt.Errorf("the client is closed: %w", io.ErrClosedPipe)}

// waiting takes the connection to an instance that was used last; nil where
// there is none.
func (t *httpTransport) waiting(addr string) (*conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	list := t.idle[addr]
	if len(list) == 0 {
		return nil, nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	if list = list[:len(list)-1]; len(list) == 0 {
		delete(t.idle, addr)
	} else {
		t.idle[addr] = list
	}
	t.used[c] = struct{}{}
	return c, nil
}

// release keeps a connection for the next call, or closes it.
func (t *httpTransport) release(addr string, c *conn, keep bool) {
	t.mu.Lock()
	delete(t.used, c)
	if keep && !t.closed && len(t.idle[addr]) < t.most {
		c.idle = t.clock.Now()
		t.idle[addr] = append(t.idle[addr], c)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	_ = c.Close() // it is of no further use either way
}

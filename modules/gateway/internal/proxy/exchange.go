package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"stoa/platform/web"
)

// fault is why a request was not answered by a process.
type fault struct {
	err error
	// sent tells that the process may have begun to work on it.
	sent bool
	// stale tells that a connection failed which may have been closed before.
	stale bool
	// caller tells that it is the client's own: the process is well.
	caller bool
}

func (f *fault) Error() string { return f.err.Error() }

func (f *fault) Unwrap() error { return f.err }

const (
	// grace is how much longer than the module itself its answer is waited for.
	grace = 250 * time.Millisecond
	// maxAnswer is the largest answer that is not streamed, in bytes.
	maxAnswer = 64 << 20
	// together is the largest body that is sent with its header in one write.
	together = 16 << 10
	// copying is how much of a stream is held, in bytes.
	copying = 32 << 10
)

// exchange has a process answer a request. done is called once it has; of a
// stream, later. Where it fails, nothing was called and the client has been told
// nothing.
func (h *host) exchange(x *web.Passage, done func(error)) *fault {
	shared, f := h.share(x)
	if shared && (f == nil || !f.stale) {
		return f
	}
	for fresh := false; ; fresh = true {
		c, used, err := h.get(x.Context(), fresh, !x.Safe())
		if err != nil {
			return &fault{err: err}
		}
		f := c.exchange(x, done)
		if f == nil {
			return nil
		}
		c.drop()
		if !used || !f.stale || f.sent && !x.Safe() {
			return f
		}
	}
}

func (c *conn) exchange(x *web.Passage, done func(error)) *fault {
	if err := c.limit(x.Deadline().Add(grace)); err != nil {
		return &fault{err: err, stale: true}
	}
	whole, stream, size := x.Body()
	c.out = x.AppendHead(c.out[:0], c.host.addr)
	if len(whole) <= together {
		c.out, whole = append(c.out, whole...), nil
	}
	n, err := c.Write(c.out)
	if err != nil {
		return &fault{err: err, sent: n > 0, stale: n == 0}
	}
	var unsent error
	switch {
	case len(whole) > 0:
		_, unsent = c.Write(whole)
	case stream != nil:
		var broken error
		if broken, unsent = c.send(stream, size < 0); broken != nil {
			return &fault{err: broken, sent: true, caller: true}
		}
	}
	f := c.receive(x, done, unsent == nil)
	if f != nil && unsent != nil {
		f.err, f.stale = errors.Join(unsent, f.err), false
	}
	return f
}

// send sends a stream while it arrives. broken is what went wrong with it,
// unsent what went wrong here: then it has perhaps been answered already.
func (c *conn) send(stream io.Reader, chunked bool) (broken, unsent error) {
	// A chunk stands between its length, which has room for eight digits, and a
	// line end.
	const head = 10
	buffer := make([]byte, head+copying+2)
	for {
		n, err := stream.Read(buffer[head : head+copying])
		if n > 0 {
			part := buffer[head : head+n]
			if chunked {
				length := strconv.AppendInt(buffer[:0:head], int64(n), 16)
				start := head - len(length) - 2
				copy(buffer[start:], length)
				copy(buffer[head-2:], "\r\n")
				part = buffer[start : head+n+copy(buffer[head+n:], "\r\n")]
			}
			if _, err := c.Write(part); err != nil {
				return nil, err
			}
		}
		switch {
		case err == io.EOF && chunked:
			_, err := io.WriteString(c.Conn, "0\r\n\r\n")
			return nil, err
		case err == io.EOF:
			return nil, nil
		case err != nil:
			return err, nil
		}
	}
}

// receive reads the answer. keep tells that the connection can be used again
// after it.
func (c *conn) receive(x *web.Passage, done func(error), keep bool) *fault {
	if _, err := c.reader.Peek(1); err != nil {
		return &fault{err: fmt.Errorf("wait for an answer: %w", err), sent: true, stale: !isTimeout(err)}
	}
	resp := x.Response()
	length, stays, err := c.readHead(&resp.Header)
	if err != nil {
		return &fault{err: fmt.Errorf("read an answer: %w", err), sent: true}
	}
	keep = keep && stays
	if x.Streams() && resp.StatusCode() < 300 && !bodiless(resp) {
		x.Stream(newAnswer(c, length, keep, done), max(length, -1))
		return nil
	}
	if err := c.readBody(resp, length); err != nil {
		return &fault{err: fmt.Errorf("read an answer: %w", err), sent: true}
	}
	x.Answered()
	if keep && c.reader.Buffered() == 0 {
		c.keep()
	} else {
		c.drop()
	}
	return nil
}

// readHead reads the header of an answer. length is that of the body as
// fasthttp tells it: -1 is in chunks, -2 until the connection ends. stays tells
// that the connection can be used again after the body.
func (c *conn) readHead(h *fasthttp.ResponseHeader) (length int, stays bool, err error) {
	for {
		if err := h.Read(c.reader); err != nil {
			return 0, false, err
		}
		if h.StatusCode() >= 200 {
			length = h.ContentLength()
			return length, !h.ConnectionClose() && length != -2, nil
		}
	}
}

// bodiless tells that no body follows the header of an answer.
func bodiless(resp *fasthttp.Response) bool {
	return resp.SkipBody || resp.StatusCode() == fasthttp.StatusNoContent || resp.StatusCode() == fasthttp.StatusNotModified
}

// readBody reads the body of an answer, whole.
func (c *conn) readBody(resp *fasthttp.Response, length int) error {
	if bodiless(resp) {
		return nil
	}
	if err := resp.ReadBody(c.reader, maxAnswer); err != nil || length != -1 {
		return err
	}
	return resp.Header.ReadTrailer(c.reader)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// answer is the body of an answer that is passed on while it arrives. It owns
// its connection.
type answer struct {
	conn   *conn
	source io.Reader
	length int
	keep   bool
	whole  bool
	failed error
	done   func(error)
}

func newAnswer(c *conn, length int, keep bool, done func(error)) *answer {
	a := &answer{conn: c, length: length, keep: keep, done: done}
	switch {
	case length >= 0:
		a.source = &io.LimitedReader{R: c.reader, N: int64(length)}
	case length == -1:
		a.source = httputil.NewChunkedReader(c.reader)
	default:
		a.source = c.reader
	}
	return a
}

// Read gives what has arrived. Its error is io.EOF only where that was all.
func (a *answer) Read(p []byte) (int, error) {
	if a.whole {
		return 0, io.EOF
	}
	n, err := a.source.Read(p)
	if err == io.EOF {
		if err = a.end(); err == nil {
			a.whole = true
			return n, io.EOF
		}
	}
	if err != nil {
		a.failed = err
	}
	return n, err
}

// end tells whether the end of the connection's bytes is that of the body, and
// takes what follows a body in chunks off the connection.
func (a *answer) end() error {
	if l, ok := a.source.(*io.LimitedReader); ok && l.N > 0 {
		return io.ErrUnexpectedEOF
	}
	if a.length != -1 {
		return nil
	}
	for {
		line, err := a.conn.reader.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case len(line) <= len("\r\n"):
			return nil
		}
	}
}

// Close gives the connection back, or ends it where the answer was not read to
// its end: then its process learns that nobody listens.
func (a *answer) Close() error {
	if a.whole && a.keep && a.conn.reader.Buffered() == 0 {
		a.conn.keep()
	} else {
		a.conn.drop()
	}
	a.done(a.failed)
	return nil
}

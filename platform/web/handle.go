package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

const (
	headerRequestID = "X-Request-Id"
	// maxURI is the longest address, in bytes.
	maxURI = 8 << 10
)

// handle serves a request from its first byte to its last.
func (s *Server) handle(c *fasthttp.RequestCtx) {
	r := s.accept(c)
	defer s.finish(r)
	if err := s.gate(c); err != nil {
		// What follows on a connection that went wrong is not looked at.
		c.SetConnectionClose()
		r.fail(err)
		return
	}
	if s.cors(c) {
		return
	}
	s.next(c)
}

// accept takes a request up: it has an id and a client from here on.
func (s *Server) accept(c *fasthttp.RequestCtx) *request {
	r := &request{
		server: s,
		http:   c,
		id:     s.requestID(c.Request.Header.Peek(headerRequestID)),
		client: s.clientOf(c),
		start:  s.deps.Clock.Now(),
		cbor:   wantsCBOR(c.Request.Header.Peek(fasthttp.HeaderAccept)),
	}
	r.ctx = extractTrace(context.Background(), &c.Request.Header)
	c.SetUserValue(userValueKey{}, r)
	s.metrics.begin()
	return r
}

// finish sends a request on its way, whatever happened to it.
func (s *Server) finish(r *request) {
	if p := recover(); p != nil {
		r.fail(&panicError{value: p, stack: debug.Stack()})
	}
	if r.answered {
		r.translate()
	}
	h := &r.http.Response.Header
	h.Set(headerRequestID, r.id)
	h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	if len(h.Peek(fasthttp.HeaderCacheControl)) == 0 {
		h.Set(fasthttp.HeaderCacheControl, "no-store")
	}
	if r.unread() {
		lingerOn(r.http.Conn())
		r.http.SetConnectionClose()
	}
	if s.draining.Load() {
		r.http.SetConnectionClose()
	}
	if !r.detached {
		r.done()
	}
}

// done ends a request: it is counted and logged.
func (r *request) done() {
	elapsed := r.server.deps.Clock.Now().Sub(r.start)
	r.server.metrics.end(r, elapsed)
	r.endSpan(r.http.Response.StatusCode())
	r.write(elapsed)
}

// panicError is what a handler panicked with.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// gate refuses what is no proper HTTP/1.1 (RFC 9112), as far as fasthttp lets
// it through, and what no route can mean.
func (s *Server) gate(c *fasthttp.RequestCtx) error {
	h := &c.Request.Header
	uri := h.RequestURI()
	path := c.URI().PathOriginal()
	switch {
	case len(uri) > maxURI:
		return ErrURITooLong.With("the address is longer than %d bytes", maxURI)
	case string(h.Protocol()) != "HTTP/1.1" && string(h.Protocol()) != "HTTP/1.0":
		return ErrBadRequest.With("this version of HTTP is not spoken here")
	case !framed(h):
		return ErrBadRequest.With("the header is malformed")
	case !plain(path):
		return ErrBadRequest.With("the path is malformed")
	}
	if !isKnown(h.Method()) {
		// Fiber answers a method it has not heard of in plain text. No route
		// takes TRACE, so that is refused as it should be.
		c.SetUserValue(methodKey{}, string(h.Method()))
		h.SetMethod(http.MethodTrace)
	}
	return nil
}

type methodKey struct{}

func isKnown(method []byte) bool {
	switch string(method) {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// framed tells whether a header leaves no doubt about where it and the body
// end: no line ends without CR and none is continued (RFC 9112 §2.2, §5.2), and
// the length is given once, one way (§6.1).
func framed(h *fasthttp.RequestHeader) bool {
	raw := h.RawHeaders()
	for line := range bytes.Lines(raw) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || line[0] == ' ' || line[0] == '\t' {
			return false
		}
	}
	if codings := h.PeekAll(fasthttp.HeaderTransferEncoding); len(codings) > 0 {
		if len(codings) > 1 || !bytes.EqualFold(codings[0], []byte("chunked")) || hasField(raw, "content-length") {
			return false
		}
	}
	return true
}

// hasField looks for a field by its name in a raw header.
func hasField(raw []byte, name string) bool {
	for line := range bytes.Lines(raw) {
		if key, _, ok := bytes.Cut(line, []byte{':'}); ok && bytes.EqualFold(key, []byte(name)) {
			return true
		}
	}
	return false
}

// plain tells whether a path decodes to text: valid escapes, UTF-8, and no
// control characters.
func plain(path []byte) bool {
	if bytes.IndexByte(path, '%') < 0 {
		return utf8.Valid(path)
	}
	if !decodable(path) {
		return false
	}
	decoded := fasthttp.AppendUnquotedArg(nil, bytes.ReplaceAll(path, []byte{'+'}, []byte("%2B")))
	for _, b := range decoded {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return utf8.Valid(decoded)
}

// refuse answers what Fiber or fasthttp have refused.
func (s *Server) refuse(c *fiber.Ctx, err error) error {
	r, routed := c.Context().UserValue(userValueKey{}).(*request)
	if !routed {
		// fasthttp could not even read it.
		r = s.accept(c.Context())
		c.Context().SetConnectionClose()
		lingerOn(c.Context().Conn())
		r.body.read = true
		defer s.finish(r)
	}
	e, ok := err.(*fiber.Error)
	if !ok {
		r.fail(err)
		return nil
	}
	switch e.Code {
	case http.StatusNotFound:
		r.fail(ErrRouteNotFound)
	case http.StatusMethodNotAllowed:
		c.Append(fiber.HeaderAllow, http.MethodOptions)
		if c.Method() == http.MethodOptions {
			c.Status(http.StatusNoContent)
			return nil
		}
		r.fail(ErrMethodNotAllowed)
	case http.StatusRequestTimeout:
		r.fail(errSlow.Because(err))
	case http.StatusRequestEntityTooLarge:
		r.fail(ErrBodyTooLarge)
	case http.StatusRequestHeaderFieldsTooLarge:
		r.fail(ErrHeaderTooLarge.With("the header is larger than %d bytes", maxHeader))
	default:
		r.fail(ErrBadRequest.Because(err))
	}
	return nil
}

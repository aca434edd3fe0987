package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxURI is the longest address, in bytes.
const maxURI = 8 << 10

// handle serves a request from its first byte to its last.
func (s *Server) handle(c *fasthttp.RequestCtx) {
	r := s.accept(c)
	r.start = c.Time()
	if r.id == "" {
		r.id = s.ids.next(c)
	}
	defer s.finish(r)
	if err := s.gate(c); err != nil {
		// What follows on a connection that went wrong is not looked at.
		lingerOn(c.Conn())
		c.SetConnectionClose()
		r.fail(err)
		return
	}
	// fasthttp minds the case of this word, which has none (RFC 9110 §7.6.1).
	if wish := c.Request.Header.Peek(fasthttp.HeaderConnection); len(wish) > 0 && bytes.EqualFold(wish, []byte("close")) {
		c.SetConnectionClose()
	}
	if s.cors(r) {
		return
	}
	if t := s.table.Load(); t != nil && s.passOn(r, t) {
		return
	}
	s.next(c)
}

// accept takes a request up. It has an id yet only where it brought one.
func (s *Server) accept(c *fasthttp.RequestCtx) *request {
	r := requests.Get().(*request)
	r.server, r.http, r.client = s, c, s.clientOf(c)
	r.sent = readHeader(&c.Request.Header)
	if isRequestID(r.sent.requestID) {
		r.id = string(r.sent.requestID)
	}
	r.ctx = r.traced(context.Background())
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
	h.SetCanonical(nameRequestID, []byte(r.id))
	h.SetCanonical(nameContentTypeOptions, valueNoSniff)
	if !r.caching {
		h.SetCanonical(nameCacheControl, valueNoStore)
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
	elapsed := from(0).Sub(r.start)
	r.server.metrics.end(r, elapsed)
	r.endSpan(r.http.Response.StatusCode())
	r.write(elapsed)
	r.http.RemoveUserValue(userValueKey{})
	*r = request{}
	requests.Put(r)
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
	case !framed(h.RawHeaders()):
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

// framed tells whether a raw header leaves no doubt about where it and the body
// end: no line ends without CR and none is continued (RFC 9112 §2.2, §5.2), and
// the length is given one way (§6.1). That it is given once fasthttp has seen.
func framed(raw []byte) bool {
	var chunked, sized bool
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return false
		}
		line := raw[:end]
		raw = raw[end+1:]
		if len(line) > 1 && !isField(line) {
			return false
		}
		switch line[0] | 0x20 {
		case 't':
			if coding, ok := named(line, "transfer-encoding:"); ok {
				if chunked = true; !bytes.EqualFold(coding, []byte("chunked")) {
					return false
				}
			}
		case 'c':
			if _, ok := named(line, "content-length:"); ok {
				sized = true
			}
		}
	}
	return !chunked || !sized
}

// isField tells whether a line begins with the name of a field and a colon
// (RFC 9110 §5.1): a line that is continued does not, nor one with a blank in it.
func isField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return false
	}
	for _, b := range line[:colon] {
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, b) >= 0 {
			return false
		}
	}
	return true
}

// named gives the value of a line where it is of the field with that name.
func named(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
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
	r, known := c.Context().UserValue(userValueKey{}).(*request)
	if own, ok := c.Context().Conn().(*conn); ok && !known && !own.spoke.Load() {
		// Browsers and clients connect ahead. Whoever has asked nothing and is
		// answered takes that for the answer to what it asks in this moment.
		own.mute.Store(true)
		c.Context().SetConnectionClose()
		return nil
	}
	if !known {
		// fasthttp could not even read it.
		r = s.accept(c.Context())
		r.id, r.start = s.ids.nextUnread(), from(0)
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
		r.fail(s.nowhere(r))
	case http.StatusMethodNotAllowed:
		r.template = noRoute // and yet the path may hold a secret
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

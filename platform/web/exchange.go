package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// exchange is a request as Huma sees it. Huma has an adapter for Fiber of its
// own; that one links Fiber v3 as well, and hands out memory that Fiber uses
// again. Whatever is text here is a copy.
type exchange request

var _ huma.Context = (*exchange)(nil)

func (x *exchange) request() *request { return (*request)(x) }

// Operation is the operation that is running.
func (x *exchange) Operation() *huma.Operation { return x.op.document }

// Context is what the handler is given.
func (x *exchange) Context() context.Context { return x.ctx }

// Method is the request's, but GET where HEAD is answered like it.
func (x *exchange) Method() string { return x.op.Method }

// Host is not told: nothing may be made of what a caller says it is.
func (x *exchange) Host() string { return "" }

// RemoteAddr is the client's address.
func (x *exchange) RemoteAddr() string { return x.client.String() }

// TLS is not known: it ends before this server.
func (x *exchange) TLS() *tls.ConnectionState { return nil }

// Version is that of the protocol.
func (x *exchange) Version() huma.ProtoVersion {
	return huma.ProtoVersion{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// URL has what Huma reads of it: the path and the query.
func (x *exchange) URL() url.URL {
	return url.URL{Path: string(x.http.URI().PathOriginal()), RawQuery: string(x.http.URI().QueryString())}
}

// Param gives a parameter of the path. Admission has seen that it can be decoded.
func (x *exchange) Param(name string) string {
	value := x.fiber.Params(name)
	if strings.IndexByte(value, '%') < 0 {
		return strings.Clone(value)
	}
	value, _ = url.PathUnescape(value)
	return value
}

// Query gives a parameter of the query.
func (x *exchange) Query(name string) string { return string(x.http.QueryArgs().Peek(name)) }

// Header gives a field of the header; where it was sent more than once, all of
// them as the list they stand for (RFC 9110 §5.3).
func (x *exchange) Header(name string) string {
	switch name {
	case fiber.HeaderAccept:
		return "" // what else is asked for is made of JSON afterwards
	case fiber.HeaderContentType:
		return x.body.kind
	}
	return header(&x.http.Request.Header, name)
}

func header(h *fasthttp.RequestHeader, name string) string {
	value := h.Peek(name)
	if len(value) == 0 {
		return ""
	}
	if all := h.PeekAll(name); len(all) > 1 {
		return string(bytes.Join(all, []byte(", ")))
	}
	return string(value)
}

// EachHeader goes through the header.
func (x *exchange) EachHeader(f func(name, value string)) {
	for name, value := range x.http.Request.Header.All() {
		f(string(name), string(value))
	}
}

// BodyReader gives the body that was judged.
func (x *exchange) BodyReader() io.Reader { return bytes.NewReader(x.body.data) }

// GetMultipartForm refuses: see OpenUpload.
func (x *exchange) GetMultipartForm() (*multipart.Form, error) {
	return nil, errors.New("forms are read as uploads")
}

// SetReadDeadline does nothing: the body has been read.
func (x *exchange) SetReadDeadline(time.Time) error { return nil }

// SetStatus sets the answer's status.
func (x *exchange) SetStatus(code int) {
	if !x.answered {
		x.http.Response.SetStatusCode(code)
	}
}

// Status gives the answer's status.
func (x *exchange) Status() int { return x.http.Response.StatusCode() }

// SetHeader sets a field of the answer's header.
func (x *exchange) SetHeader(name, value string) {
	switch {
	case x.answered:
	case name == fiber.HeaderETag:
		x.version = ETag(value)
	case name == fiber.HeaderCacheControl:
		x.caching = true
		fallthrough
	default:
		x.http.Response.Header.Set(name, value)
	}
}

// AppendHeader adds a field to the answer's header.
func (x *exchange) AppendHeader(name, value string) {
	if !x.answered {
		x.http.Response.Header.Add(name, value)
	}
}

// BodyWriter takes the answer's body.
func (x *exchange) BodyWriter() io.Writer {
	if x.answered || x.http.Response.StatusCode() == http.StatusNoContent {
		return io.Discard
	}
	return x.http
}

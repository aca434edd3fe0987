package web

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/valyala/fasthttp"
)

// body is the body of a request.
type body struct {
	// kind is the type of data: of JSON in any of its spellings, and of CBOR
	// that was put into it, "application/json".
	kind string
	data []byte
	// sent is what arrived, of which data may have been made.
	sent []byte
	// read tells that no byte of it is left in the connection.
	read bool
}

// prefetched is how much of a body of known length fasthttp has taken off the
// connection before the handler is called.
const prefetched = 8 << 10

// hasBody tells whether a request has a body, even an empty chunked one.
func hasBody(h *fasthttp.RequestHeader) bool { return h.ContentLength() > 0 || h.ContentLength() == -1 }

// unread tells whether some of the body is still in the connection, so that
// what follows there is no request.
func (r *request) unread() bool {
	length := r.http.Request.Header.ContentLength()
	return !r.body.read && (length > prefetched || length == -1)
}

// take reads the body, whole and within the operation's limit, and judges it.
func (r *request) take() error {
	switch {
	case len(r.op.Upload) > 0:
		return r.takeUpload()
	case r.op.body == nil:
		return nil
	}
	kind, err := r.op.accept(&r.http.Request.Header)
	if err != nil {
		return err
	}
	if err := r.read(r.op.limit); err != nil {
		return err
	}
	r.body.kind, r.body.data = kind, r.body.sent
	if kind == cborType {
		if r.body.data, err = fromCBOR(r.body.sent); err != nil {
			return err
		}
		r.body.kind = jsonType
	}
	if r.body.kind != jsonType {
		return nil
	}
	return r.judge()
}

// judge holds a body against its schema.
func (r *request) judge() error {
	t, err := parse(r.body.data, setAside)
	if err != nil {
		return err
	}
	if len(t.fields) > 0 {
		e := *errInvalidBody
		e.Fields = t.fields
		return &e
	}
	if r.op.schema == nil {
		return nil
	}
	var found huma.ValidateResult
	huma.Validate(r.server.api.OpenAPI().Components.Schemas, r.op.schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, t.value, &found)
	if len(found.Errors) > 0 {
		return invalid(found.Errors)
	}
	return nil
}

// accept tells what a body is, where the operation takes such. An operation
// that takes JSON takes CBOR as well, and a merge patch where it patches.
func (o *operation) accept(h *fasthttp.RequestHeader) (string, error) {
	// Nothing is unpacked here, so no body can grow.
	if encoding := h.ContentEncoding(); len(h.PeekAll(fasthttp.HeaderContentEncoding)) > 1 || len(encoding) > 0 && !bytes.EqualFold(encoding, []byte("identity")) {
		return "", ErrUnsupportedMedia.With("a body in a content encoding is not accepted")
	}
	text := string(h.ContentType())
	if text == jsonType && o.body[jsonType] {
		return jsonType, nil
	}
	if !hasBody(h) && text == "" {
		return jsonType, nil // it is empty, which is judged as such
	}
	kind, parameters, err := mime.ParseMediaType(text)
	if err != nil {
		return "", ErrUnsupportedMedia.With("the body's Content-Type cannot be read")
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", ErrUnsupportedMedia.With("text is accepted as UTF-8 only")
	}
	switch {
	case o.body[kind]:
		return kind, nil
	case o.body[jsonType] && kind == cborType:
		return cborType, nil
	case o.body[jsonType] && kind == mergePatchType && o.Method == http.MethodPatch:
		return jsonType, nil
	}
	return "", ErrUnsupportedMedia
}

// read takes the whole body off the connection, up to a limit in bytes.
func (r *request) read(limit int64) error {
	length := r.http.Request.Header.ContentLength()
	if int64(length) > limit {
		return tooLarge(limit)
	}
	stream := wholeBody(r.http)
	if stream == nil {
		r.body.read = true
		return nil
	}
	var buffer bytes.Buffer
	// What is announced and does not come must not cost memory.
	buffer.Grow(min(max(length, 0), prefetched) + bytes.MinRead)
	n, err := buffer.ReadFrom(io.LimitReader(stream, limit+1))
	switch {
	case err != nil:
		return unreadable(err)
	case n > limit:
		return tooLarge(limit)
	case length >= 0 && n < int64(length):
		return unreadable(io.ErrUnexpectedEOF)
	}
	r.body.sent, r.body.read = buffer.Bytes(), true
	return nil
}

func tooLarge(limit int64) error {
	return ErrBodyTooLarge.With("the body is larger than %d bytes", limit).Detail("limit", limit)
}

// unreadable tells why a body could not be taken off its connection.
func unreadable(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errSlow
	}
	return ErrMalformedBody.With("the body breaks off or is badly framed").Because(err)
}

// anySize is the limit of fasthttp: every operation has one of its own.
const anySize = math.MaxInt

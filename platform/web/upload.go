package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"

	"github.com/valyala/fasthttp"

	"stoa/platform/errs"
)

// File is an upload while it arrives. It is read once, as it comes, and is gone
// when the handler returns.
type File struct {
	// Name is what the client calls it, where it said.
	Name string
	// Type is its media type.
	Type string

	source io.Reader
}

// Read gives the next of the file. Its errors are ErrBodyTooLarge past the
// operation's limit, and ErrMalformedBody where it breaks off.
func (f *File) Read(p []byte) (int, error) { return f.source.Read(p) }

// formField is the part of a form that is the file.
const formField = "file"

// OpenUpload gives the file that was sent to an operation with Upload, as the
// raw body or as the part "file" of a form. Errors: ErrUnsupportedMedia,
// ErrMalformedBody, and errs.ErrInvalid where a form has no such part.
func OpenUpload(ctx context.Context) (*File, error) {
	r := requestOf(ctx)
	if r == nil || len(r.op.Upload) == 0 {
		return nil, errors.New("web: this operation takes no upload")
	}
	source := &uploadReader{ctx: ctx, left: r.op.limit}
	if r.body.kind != multipartType {
		return &File{Type: r.body.kind, source: source}, nil
	}
	_, parameters, err := mime.ParseMediaType(string(r.http.Request.Header.ContentType()))
	if err != nil || parameters["boundary"] == "" {
		return nil, ErrUnsupportedMedia.With("the form has no boundary")
	}
	form := multipart.NewReader(source, parameters["boundary"])
	for {
		part, err := form.NextRawPart()
		switch _, ours := errs.As(err); {
		case ours:
			return nil, err
		case err == io.EOF:
			return nil, errs.ErrInvalid.Field("body."+formField, "is missing from the form")
		case err != nil:
			return nil, ErrMalformedBody.With("the form cannot be read").Because(err)
		}
		if part.FormName() != formField {
			continue
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get(fasthttp.HeaderContentType))
		if err != nil {
			kind = "application/octet-stream"
		}
		return &File{Name: part.FileName(), Type: kind, source: partReader{part}}, nil
	}
}

var errUploadOver = errors.New("web: an upload is read while its handler runs")

// takeUpload judges what can be told of an upload without reading it.
func (r *request) takeUpload() error {
	h := &r.http.Request.Header
	kind, err := r.op.accept(h)
	if err != nil {
		return err
	}
	if int64(h.ContentLength()) > r.op.limit {
		return tooLarge(r.op.limit)
	}
	if !hasBody(h) {
		return ErrMalformedBody.With("the body is empty")
	}
	r.body.kind = kind
	return nil
}

// uploadReader reads a body off its connection, within a limit and no slower
// than http.read_timeout for each read.
type uploadReader struct {
	ctx  context.Context
	left int64
}

func (u *uploadReader) Read(p []byte) (int, error) {
	r := requestOf(u.ctx)
	if r == nil {
		return 0, errUploadOver
	}
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	stream := wholeBody(r.http)
	if stream == nil || r.body.read {
		return 0, io.EOF
	}
	extendRead(r.http.Conn(), r.server.cfg.ReadTimeout)
	// One byte more than is allowed tells that there is more.
	if int64(len(p)) > u.left+1 {
		p = p[:u.left+1]
	}
	n, err := stream.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, tooLarge(r.op.limit)
	}
	switch {
	case err == io.EOF:
		length := int64(r.http.Request.Header.ContentLength())
		if length >= 0 && r.op.limit-u.left < length {
			return n, unreadable(io.ErrUnexpectedEOF)
		}
		r.body.read = true
		return n, io.EOF
	case err != nil:
		return n, unreadable(err)
	}
	return n, nil
}

// partReader tells what is wrong with the form from what is wrong with the body.
type partReader struct{ *multipart.Part }

func (p partReader) Read(b []byte) (int, error) {
	n, err := p.Part.Read(b)
	if err == nil || err == io.EOF {
		return n, err
	}
	if _, ours := errs.As(err); ours || errors.Is(err, context.DeadlineExceeded) {
		return n, err
	}
	return n, ErrMalformedBody.With("the form breaks off").Because(err)
}

package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
)

// Download is the output of an operation that streams: see Stream.
type Download struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        func(huma.Context)
}

// Stream makes an output of whatever length, in little memory. write is called
// once, on a goroutine of its own whose end the connection waits for; its
// context has the operation's deadline and ends when the client is gone. What it
// fails with before it has written much is answered as a problem; after that the
// connection is broken off, so that nobody takes a part for the whole.
func Stream(contentType, filename string, write func(ctx context.Context, w io.Writer) error) *Download {
	return &Download{
		ContentType: contentType,
		Disposition: mime.FormatMediaType("attachment", map[string]string{"filename": filename}),
		Body: func(c huma.Context) {
			c.(*exchange).request().stream(write)
		},
	}
}

// streamBuffer is how much of a stream is held, in bytes.
const streamBuffer = 32 << 10

// stream begins to send what write writes.
func (r *request) stream(write func(ctx context.Context, w io.Writer) error) {
	if r.http.IsHead() {
		return
	}
	reader, writer := io.Pipe()
	s := &stream{request: r, pipe: reader, ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(r.ctx)
	go s.run(writer, write)

	// What fails at once is still answered properly.
	s.first = make([]byte, streamBuffer)
	n, err := reader.Read(s.first)
	s.first = s.first[:n]
	if err != nil && err != io.EOF {
		_ = s.stop()
		r.fail(err)
		return
	}
	r.detached = true
	r.http.Response.SetBodyStream(s, -1)
}

// stream is an answer's body while it is written.
type stream struct {
	request *request
	ctx     context.Context
	cancel  context.CancelFunc
	pipe    *io.PipeReader
	first   []byte
	ended   chan struct{} // closed when the goroutine is done
	closed  bool
}

// run owns the writing end.
func (s *stream) run(w *io.PipeWriter, write func(ctx context.Context, w io.Writer) error) {
	defer close(s.ended)
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{value: p, stack: debug.Stack()}
			}
		}()
		buffered := bufio.NewWriterSize(w, streamBuffer)
		if err := write(s.ctx, buffered); err != nil {
			return err
		}
		return buffered.Flush()
	}()
	_ = w.CloseWithError(err) // with nil it is the end of the file; it never fails
}

// Read gives what was written, and the connection time to take it: neither a
// client that reads on is cut off by the length of what it reads, nor one that
// had to wait for the next of it.
func (s *stream) Read(p []byte) (int, error) {
	defer extendWrite(s.request.http.Conn(), s.request.server.cfg.WriteTimeout)
	if len(s.first) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	n, err := s.pipe.Read(p)
	if err != nil && err != io.EOF {
		s.request.err = fmt.Errorf("stream an answer: %w", err)
	}
	return n, err
}

var errClientGone = errors.New("the client is gone")

// Close is called by fasthttp when all has been sent, or nothing more can be.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.stop()
	s.request.deadline.end()
	s.request.done()
	return err
}

func (s *stream) stop() error {
	_ = s.pipe.CloseWithError(errClientGone) // never fails
	s.cancel()
	<-s.ended
	return nil
}

package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	pathCall     = "/rpc/"
	pathDocument = "/documents/"

	// readWithin is how long a request may take to arrive once it has begun.
	readWithin = 10 * time.Second
	// writeWithin is how long an answer may take to be taken.
	writeWithin = 10 * time.Second
	// idleWithin is how long a connection may wait for its next call. Clients let
	// go sooner, so that they never send on one that is about to be closed.
	idleWithin = 90 * time.Second
	idleClient = 60 * time.Second
)

// httpListener answers calls on the private listener.
type httpListener struct {
	server   *Server
	listener net.Listener
	http     *fasthttp.Server
	watch    *watch

	stopWatch context.CancelFunc
	watching  sync.WaitGroup

	sharing sync.WaitGroup // connections that calls share
	workers workers

	mu       sync.Mutex
	conns    map[net.Conn]bool // whether a call of it is answered right now
	shared   map[*sharedPeer]struct{}
	draining bool
}

func listenHTTP(ctx context.Context, s *Server) (*httpListener, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("rpc.addr: %w", err)
	}
	h := &httpListener{server: s, listener: l, watch: newWatch(s.deps.Clock), conns: map[net.Conn]bool{}, shared: map[*sharedPeer]struct{}{}}
	h.workers.init()
	h.http = &fasthttp.Server{
		Handler: h.handle, ErrorHandler: h.misread, Logger: silent{}, ConnState: h.connState,
		ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin,
		MaxRequestBodySize: maxBody, CloseOnShutdown: true,
		NoDefaultServerHeader: true, NoDefaultDate: true, NoDefaultContentType: true,
	}
	watching, stop := context.WithCancel(context.Background())
	h.stopWatch = stop
	h.watching.Go(func() { h.watch.run(watching) })
	return h, nil
}

// silent is where fasthttp's own log goes: what it says, of callers that went
// away, is none of an operator's business.
type silent struct{}

func (silent) Printf(string, ...any) {}

func (h *httpListener) addr() net.Addr { return h.listener.Addr() }

// begin does nothing: connections are made already, and wait for serve.
func (h *httpListener) begin() error { return nil }

func (h *httpListener) serve() error {
	if err := h.http.Serve(h.listener); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve calls: %w", err)
	}
	return nil
}

func (h *httpListener) drain(ctx context.Context) error {
	// Who has not sent a whole call by then is not waited for.
	silent := time.AfterFunc(silence, func() { h.breakOff(false) })
	h.goAway()
	err := h.http.ShutdownWithContext(ctx)
	_ = h.listener.Close() // where it never served
	answered := make(chan struct{})
	go func() {
		h.sharing.Wait()
		h.workers.wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	silent.Stop()
	if ctx.Err() != nil {
		h.breakOff(true)
		<-answered // the contexts of calls have ended with ctx
	}
	h.stopWatch()
	h.watching.Wait()
	if err != nil {
		return fmt.Errorf("wait for calls to end: %w", err)
	}
	return nil
}

// silence is how long a connection may go on saying nothing, or half of
// something, while the server stops.
const silence = time.Second

// breakOff closes connections: all, or those of which no call is answered.
func (h *httpListener) breakOff(all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, answering := range h.conns {
		if all || !answering {
			_ = c.Close() // it is of no further use either way
		}
	}
	for p := range h.shared {
		p.breakOff(all)
	}
}

// goAway has callers send nothing more on connections that they share.
func (h *httpListener) goAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for p := range h.shared {
		p.goAway()
	}
}

// connState remembers which connections there are.
func (h *httpListener) connState(c net.Conn, is fasthttp.ConnState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch is {
	case fasthttp.StateNew, fasthttp.StateIdle:
		h.conns[c] = false
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		delete(h.conns, c)
	}
}

// misread answers what is no request that could be read.
func (h *httpListener) misread(c *fasthttp.RequestCtx, err error) {
	status, why := StatusMalformed, "this is no call"
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		status, why = StatusTooLarge, fmt.Sprintf("a request may have %d bytes", maxBody)
	}
	c.SetConnectionClose()
	say(c, status, why)
}

func say(c *fasthttp.RequestCtx, status int, why string) {
	c.Response.ResetBody()
	c.SetStatusCode(status)
	c.SetContentType("text/plain; charset=utf-8")
	c.SetBodyString(why)
}

// handle answers calls and questions for documents, and refuses all else.
func (h *httpListener) handle(c *fasthttp.RequestCtx) {
	h.mu.Lock()
	h.conns[c.Conn()] = true // until it is idle again
	h.mu.Unlock()
	path := string(c.Path())
	if path == pathShared && c.IsGet() && c.Request.Header.ConnectionUpgrade() && string(c.Request.Header.Peek(fasthttp.HeaderUpgrade)) == sharedProtocol {
		c.HijackSetNoResponse(true)
		c.Hijack(h.share)
		return
	}
	if rest, ok := strings.CutPrefix(path, pathDocument); ok && c.IsGet() {
		module, name, _ := strings.Cut(rest, "/")
		reply, kind := h.server.document(h.server.base, module, name)
		c.SetStatusCode(reply.Status)
		if kind != "" {
			c.SetContentType(kind)
		}
		c.SetBody(reply.Body)
		return
	}
	rest, isCall := strings.CutPrefix(path, pathCall)
	module, method, _ := strings.Cut(rest, "/")
	header := &c.Request.Header
	switch {
	case !isCall:
		say(c, StatusUnknown, "this listener is for calls between modules")
	case !c.IsPost():
		c.SetConnectionClose()
		c.Response.Header.Set("Allow", http.MethodPost)
		say(c, http.StatusMethodNotAllowed, "calls are posted")
	case string(header.ContentType()) != contentType || len(header.Peek(fasthttp.HeaderTransferEncoding)) > 0:
		// A browser could not be made to send this type by a foreign page.
		c.SetConnectionClose()
		say(c, StatusMalformed, "a call is "+contentType+" of a known length")
	default:
		h.call(c, module, method)
	}
}

func (h *httpListener) call(c *fasthttp.RequestCtx, module, method string) {
	header := &c.Request.Header
	left, err := parseTimeLeft(string(header.Peek(headerTimeout)))
	if err != nil {
		say(c, StatusMalformed, err.Error())
		return
	}
	ctx, cancel := context.WithCancelCause(h.server.base)
	defer cancel(nil)
	ctx, end := context.WithTimeout(ctx, left)
	defer end()
	defer h.watch.begin(c.Conn(), cancel)()
	reply := h.server.answer(ctx, &Call{
		Module: module, Method: method, Body: c.PostBody(),
		TraceParent: string(header.Peek(headerTraceParent)), RequestID: string(header.Peek(headerRequestID)),
	})
	if reply.Status == StatusAnswer || reply.Status == StatusError {
		c.SetStatusCode(reply.Status)
		c.SetContentType(contentType)
		c.Response.SetBodyRaw(reply.Body)
		return
	}
	say(c, reply.Status, string(reply.Body))
}

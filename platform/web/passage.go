package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"
)

// Passage is a request on its way to another process. It is used by one
// goroutine, while Forward runs.
type Passage request

func (p *Passage) request() *request { return (*request)(p) }

// before is what an answer had before that of another process was read into it.
type before struct {
	kept         bool
	close        bool
	rate, policy string
}

// Module names the module that the request is for.
func (p *Passage) Module() string { return p.op.router.module }

// Context has the operation's deadline and ends with the request.
func (p *Passage) Context() context.Context { return p.ctx }

// Deadline is when the operation must have been answered.
func (p *Passage) Deadline() time.Time { return p.deadline.at }

// Client is the address that the request comes from.
func (p *Passage) Client() netip.Addr { return p.client }

// Mine tells whether an answer says that it is this request's, or does not say.
func (p *Passage) Mine(h *fasthttp.ResponseHeader) bool {
	id := h.Peek(headerRequestID)
	return len(id) == 0 || string(id) == p.id
}

// Safe tells that the request may be sent twice (RFC 9110 §9.2.1).
func (p *Passage) Safe() bool { return p.http.IsGet() || p.http.IsHead() }

// admit judges what can be judged without the module: rates, tokens and roles,
// and the size of the body, which is read here unless it is a file. The module
// judges again.
func (p *Passage) admit() error {
	r := p.request()
	if err := r.limitRate(); err != nil {
		return err
	}
	if p.mayIdentify() {
		if err := r.authenticate(); err != nil {
			return err
		}
		if err := r.authorize(); err != nil {
			return err
		}
	}
	if int64(r.http.Request.Header.ContentLength()) > r.op.limit && r.op.described.Body {
		return tooLarge(r.op.limit)
	}
	if r.op.described.Body && !r.op.described.Upload && hasBody(&r.http.Request.Header) {
		return r.read(r.op.limit)
	}
	return nil
}

// mayIdentify tells whether who is calling can be found out here: API keys may
// be known to one module only.
func (p *Passage) mayIdentify() bool {
	deps := &p.server.deps
	if p.sent.apiKey.times == 1 && p.sent.authorization.times == 0 {
		return deps.APIKeys != nil
	}
	return deps.Auth != nil
}

// AppendHead appends the head of the request as it goes to a process at host:
// what the client sent but for fields that are meant for this connection only,
// and those by which it could pass for somebody else.
func (p *Passage) AppendHead(dst []byte, host string) []byte {
	h := &p.http.Request.Header
	dst = append(append(dst, h.Method()...), ' ')
	dst = append(dst, p.http.URI().PathOriginal()...)
	if query := p.http.URI().QueryString(); len(query) > 0 {
		dst = append(append(dst, '?'), query...)
	}
	dst = append(append(dst, " HTTP/1.1\r\nHost: "...), host...)
	dst = append(dst, "\r\n"...)
	named := h.Peek(fasthttp.HeaderConnection)
	for name, value := range h.All() {
		if p.staysBehind(name) || len(named) > 0 && lists(named, name) {
			continue
		}
		dst = appendField(dst, name, value)
	}
	dst = p.appendForwarded(dst)
	dst = append(append(dst, headerRequestID+": "...), p.id...)
	dst = append(dst, "\r\nVia: 1.1 stoa\r\n"...)
	dst = p.appendTrace(dst)
	_, stream, size := p.Body()
	switch {
	case stream != nil && size < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case p.op.described.Body:
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, int64(size), 10), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func appendField(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// lists tells whether a list of names has this one.
func lists(list, name []byte) bool {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		if bytes.EqualFold(bytes.TrimSpace(part), name) {
			return true
		}
	}
	return false
}

// staysBehind tells the fields of a request that are not passed on: those of
// the connection (RFC 9110 §7.6.1), those that are written anew, those that this
// server answers by itself, and whatever proxies tell who somebody is with.
func (p *Passage) staysBehind(name []byte) bool {
	switch string(name) {
	case fasthttp.HeaderHost, fasthttp.HeaderContentLength, fasthttp.HeaderTransferEncoding, fasthttp.HeaderExpect, headerRequestID,
		fasthttp.HeaderOrigin, fasthttp.HeaderAccessControlRequestMethod, fasthttp.HeaderAccessControlRequestHeaders,
		fasthttp.HeaderForwarded, "Remote-User", "True-Client-Ip", "Client-Ip":
		return true
	case headerTraceParent, "Tracestate":
		return p.span != nil
	}
	return isHopByHop(name) || len(name) > 2 && name[0] == 'X' && name[1] == '-' && tellsWho(name[2:])
}

// isHopByHop tells the fields that are for one connection only.
func isHopByHop(name []byte) bool {
	switch string(name) {
	case fasthttp.HeaderConnection, fasthttp.HeaderKeepAlive, fasthttp.HeaderProxyConnection, fasthttp.HeaderProxyAuthenticate,
		fasthttp.HeaderProxyAuthorization, fasthttp.HeaderTE, "Te", fasthttp.HeaderTrailer, fasthttp.HeaderUpgrade:
		return true
	}
	return false
}

// tellsWho tells fields by which proxies say who or where the client is, after
// their X-.
func tellsWho(name []byte) bool {
	for _, word := range [...]string{"Forwarded", "Real-Ip", "User", "Auth", "Remote", "Client", "Role", "Cluster-Client", "Original", "Rewrite", "Internal", "Identity", "Account", "Tenant", "Email", "Groups", "Admin", "Http-Method"} {
		if len(name) >= len(word) && string(name[:len(word)]) == word {
			return true
		}
	}
	return false
}

// appendForwarded tells where the request comes from. What a trusted proxy says
// of that is passed on.
func (p *Passage) appendForwarded(dst []byte) []byte {
	h := &p.http.Request.Header
	proto, host := []byte("http"), h.Host()
	if p.server.trusts(peer(p.http.RemoteAddr())) {
		if told := h.Peek(fasthttp.HeaderXForwardedProto); string(told) == "https" {
			proto = told
		}
		if told := h.Peek(fasthttp.HeaderXForwardedHost); len(told) > 0 && bytes.IndexByte(told, ',') < 0 {
			host = told
		}
	}
	dst = p.client.AppendTo(append(dst, fasthttp.HeaderXForwardedFor+": "...))
	dst = append(append(dst, "\r\n"+fasthttp.HeaderXForwardedProto+": "...), proto...)
	dst = append(append(dst, "\r\n"+fasthttp.HeaderXForwardedHost+": "...), host...)
	return append(dst, "\r\n"...)
}

// appendTrace has the module's span follow this server's.
func (p *Passage) appendTrace(dst []byte) []byte {
	if p.span == nil {
		return dst
	}
	fields := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(p.ctx, fields)
	for name, value := range fields {
		dst = appendField(dst, []byte(name), []byte(value))
	}
	return dst
}

// Body gives the body that is passed on: whole, or as a stream of so many bytes,
// -1 where that is not known.
func (p *Passage) Body() (whole []byte, stream io.Reader, size int) {
	h := &p.http.Request.Header
	switch {
	case !p.op.described.Body || !hasBody(h):
		return nil, nil, 0
	case p.op.described.Upload:
		return nil, &uploadReader{ctx: p.ctx, left: p.op.limit}, h.ContentLength()
	}
	return p.body.sent, nil, len(p.body.sent)
}

// Streams tells that the answer, where it is a success, is to be passed on
// while it arrives.
func (p *Passage) Streams() bool { return p.op.described.Download && !p.http.IsHead() }

// Response is where the answer is to be read into. What the server had written
// there is kept aside.
func (p *Passage) Response() *fasthttp.Response {
	resp := &p.http.Response
	if !p.before.kept {
		p.before = before{kept: true, close: resp.ConnectionClose()}
		for name, value := range resp.Header.All() {
			switch string(name) { // Peek would look for them in another spelling
			case headerRateLimit:
				p.before.rate = string(value)
			case headerRateLimitPolicy:
				p.before.policy = string(value)
			}
		}
	}
	resp.Reset()
	p.caching = false
	resp.Header.SetNoDefaultContentType(true)
	resp.SkipBody = p.http.IsHead()
	return resp
}

// Status is that of the answer which has been read.
func (p *Passage) Status() int { return p.http.Response.StatusCode() }

// Streaming tells that the answer is passed on as a stream.
func (p *Passage) Streaming() bool { return p.detached }

// Answered says that the answer has been read, whole.
func (p *Passage) Answered() { p.clean() }

// Stream says that the header of the answer has been read, and that its body
// comes from a stream of so many bytes, -1 where that is not known. The stream
// is closed when all was sent, or nothing more can be.
func (p *Passage) Stream(body io.ReadCloser, size int) {
	p.clean()
	p.detached = true
	p.http.Response.SetBodyStream(&relay{request: p.request(), source: body}, size)
}

// clean takes from an answer what is not for the client, and puts back what
// this server has to say.
func (p *Passage) clean() {
	h := &p.http.Response.Header
	closing := h.ConnectionClose()
	var drop []string
	named := h.Peek(fasthttp.HeaderConnection)
	for name := range h.All() {
		switch {
		case string(name) == fasthttp.HeaderCacheControl:
			p.caching = true
		case isHopByHop(name), string(name) == fasthttp.HeaderServer, bytes.HasPrefix(name, []byte("Access-Control-")),
			len(named) > 0 && !closing && lists(named, name), string(name) == fasthttp.HeaderTransferEncoding && p.http.IsHead():
			drop = append(drop, string(name))
		}
	}
	for _, name := range drop {
		h.Del(name)
	}
	if closing {
		h.ResetConnectionClose()
	}
	p.restore()
}

// restore puts back what the answer had before.
func (p *Passage) restore() {
	resp := &p.http.Response
	if p.before.close {
		resp.SetConnectionClose()
	}
	if p.before.rate != "" && resp.StatusCode() != http.StatusTooManyRequests {
		resp.Header.Del(headerRateLimit)
		resp.Header.Del(headerRateLimitPolicy)
		resp.Header.SetCanonical(nameRateLimit, []byte(p.before.rate))
		resp.Header.SetCanonical(nameRateLimitPolicy, []byte(p.before.policy))
	}
	if len(p.server.origins) > 0 {
		varies := slices.DeleteFunc(strings.Split(joined(&resp.Header, fasthttp.HeaderVary), ","), func(name string) bool {
			return strings.TrimSpace(name) == "" || strings.EqualFold(strings.TrimSpace(name), fasthttp.HeaderOrigin)
		})
		resp.Header.Del(fasthttp.HeaderVary)
		for _, name := range varies {
			resp.Header.Add(fasthttp.HeaderVary, strings.TrimSpace(name))
		}
		p.server.cors(p.request())
	}
}

func joined(h *fasthttp.ResponseHeader, name string) string {
	return string(bytes.Join(h.PeekAll(name), []byte(",")))
}

// failed answers with what went wrong on the way.
func (p *Passage) failed(err error) {
	p.Response()
	p.restore()
	p.request().fail(err)
}

// relay is an answer's body on its way through.
type relay struct {
	request *request
	source  io.ReadCloser
	closed  bool
}

// Read gives what has arrived, and the connection time to take it: see stream.
func (b *relay) Read(buffer []byte) (int, error) {
	n, err := b.source.Read(buffer)
	if err != nil && err != io.EOF {
		b.request.err = fmt.Errorf("pass on an answer: %w", err)
	}
	extendWrite(b.request.http.Conn(), b.request.server.cfg.WriteTimeout)
	return n, err
}

// Close is called by fasthttp when all has been sent, or nothing more can be.
func (b *relay) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.source.Close()
	b.request.deadline.end()
	b.request.done()
	return err
}

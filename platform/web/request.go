package web

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/auth"
	"stoa/platform/clock"
)

// request is one request on its way through the server.
type request struct {
	server *Server
	http   *fasthttp.RequestCtx
	fiber  *fiber.Ctx // once routed
	op     *operation // once routed to one
	// template is the route where it leads to no operation.
	template string

	id       string // X-Request-Id
	client   netip.Addr
	start    time.Time
	ctx      context.Context
	deadline *deadline // what the handler's context goes back to
	identity auth.Identity
	sent     sent // of the header

	body     body
	version  ETag // of what the answer shows
	caching  bool // the handler has said how the answer may be kept
	ran      bool // the handler was reached
	answered bool // what Huma writes after that is dropped
	detached bool // the answer is a stream, which ends the request itself
	err      error
	span     trace.Span // nil where nothing is traced
	before   before     // of an answer that comes from another process
}

// The keys under which a request is found.
type (
	userValueKey struct{} // in fasthttp's
	contextKey   struct{} // in the handler's context
)

// requests are used again: nothing of one may be held on to when it is done.
var requests = sync.Pool{New: func() any { return new(request) }}

// deadlineOf finds what a handler's context goes back to, nil outside of one.
func deadlineOf(ctx context.Context) *deadline {
	d, _ := ctx.Value(contextKey{}).(*deadline)
	return d
}

// requestOf finds the request of a handler's context, nil where it is over.
func requestOf(ctx context.Context) *request {
	if d := deadlineOf(ctx); d != nil {
		return d.request.Load()
	}
	return nil
}

// RequestID gives the id of the request that ctx belongs to: what X-Request-Id
// answers, problems carry and logs show. It is empty outside of a request.
func RequestID(ctx context.Context) string {
	if d := deadlineOf(ctx); d != nil {
		return d.id
	}
	return ""
}

// ClientIP gives the address of the client that ctx's request comes from: that
// of its connection, or what a trusted proxy says it is. It is empty outside of
// a request.
func ClientIP(ctx context.Context) string {
	if d := deadlineOf(ctx); d != nil {
		return d.client.String()
	}
	return ""
}

// maxRequestID is how long an X-Request-Id may be that is taken over.
const maxRequestID = 64

// isRequestID tells whether what the caller sent is safe to be shown.
func isRequestID(sent []byte) bool {
	if len(sent) == 0 || len(sent) > maxRequestID {
		return false
	}
	for _, c := range sent {
		if !isSafe[c] {
			return false
		}
	}
	return true
}

// isSafe tells the characters an X-Request-Id may have.
var isSafe = func() (safe [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=" {
		safe[c] = true
	}
	return safe
}()

// requestIDs makes ids of requests: a secret of this process, the number of the
// connection and that of the request on it. They are as unique as UUIDs, and no
// two processors wait for each other to make one.
type requestIDs struct {
	process string
	// unread counts requests that could not be read, which have no number.
	unread atomic.Uint64
}

func newRequestIDs(c clock.Clock) *requestIDs {
	return &requestIDs{process: strings.ReplaceAll(c.Secret(), "-", "")[16:]}
}

func (ids *requestIDs) next(c *fasthttp.RequestCtx) string {
	id := append(make([]byte, 0, maxRequestID), ids.process...)
	id = strconv.AppendUint(append(id, '-'), c.ConnID(), 36)
	id = strconv.AppendUint(append(id, '-'), c.ConnRequestNum(), 36)
	return string(id)
}

func (ids *requestIDs) nextUnread() string {
	return ids.process + "--" + strconv.FormatUint(ids.unread.Add(1), 36)
}

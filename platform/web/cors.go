package web

import (
	"net/http"

	"github.com/valyala/fasthttp"
)

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Traceparent, Tracestate, X-API-Key, X-Request-Id"
	corsExposed = "Allow, Content-Disposition, ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
	corsMaxAge  = "600"
)

// cors tells a browser whether a page of another origin may call, and answers
// where it only asks (https://fetch.spec.whatwg.org/#http-cors-protocol).
// Cookies play no part here, so credentials are never allowed.
func (s *Server) cors(r *request) (answered bool) {
	if len(s.origins) == 0 {
		return false
	}
	c, h := r.http, &r.http.Response.Header
	if !s.origins["*"] {
		h.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	origin := string(r.sent.origin)
	switch {
	case origin == "":
		return false
	case s.origins["*"]:
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	case s.origins[origin]:
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	default:
		return false
	}
	if !c.IsOptions() || len(c.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
		h.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
		return false
	}
	h.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
	h.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	c.SetStatusCode(http.StatusNoContent)
	return true
}

package web

import (
	"net/http"
	"time"

	"stoa/platform/errs"
)

// What this package refuses by itself. Modules use them where they say the same.
var (
	ErrUnauthenticated    = errs.New(errs.Unauthenticated, "unauthenticated", "a valid access token or API key is needed")
	ErrForbidden          = errs.New(errs.Forbidden, "forbidden", "this is not allowed with your roles")
	ErrRouteNotFound      = errs.New(errs.NotFound, "route_not_found", "there is nothing at this address")
	ErrMethodNotAllowed   = errs.New(errs.MethodNotAllowed, "method_not_allowed", "this address does not know that method")
	ErrBadRequest         = errs.New(errs.BadRequest, "bad_request", "the request could not be read")
	ErrMalformedBody      = errs.New(errs.BadRequest, "malformed_body", "the body could not be read")
	ErrBodyTooLarge       = errs.New(errs.TooLarge, "body_too_large", "the body is larger than is accepted here")
	ErrURITooLong         = errs.New(errs.URITooLong, "uri_too_long", "the address is longer than is accepted here")
	ErrHeaderTooLarge     = errs.New(errs.HeaderTooLarge, "header_too_large", "the header is larger than is accepted here")
	ErrUnsupportedMedia   = errs.New(errs.UnsupportedMedia, "unsupported_media_type", "a body of this type or encoding is not accepted here")
	ErrPreconditionFailed = errs.New(errs.PreconditionFailed, "precondition_failed", "it has changed since the version that If-Match names")
	ErrRateLimited        = errs.New(errs.TooMany, "rate_limited", "there were too many requests")
	errSlow               = errs.New(errs.BadRequest, "request_timeout", "the request did not arrive in time")
	ErrNotReady           = errs.New(errs.Unavailable, "not_ready", "this instance takes no requests right now").After(time.Second)
)

// status maps failures to HTTP: the one place that does.
func status(e *errs.Error) int {
	if e.Is(errSlow) {
		return http.StatusRequestTimeout // the caller's fault, unlike errs.Timeout
	}
	switch e.Kind {
	case errs.BadRequest:
		return http.StatusBadRequest
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case errs.Conflict:
		return http.StatusConflict
	case errs.PreconditionFailed:
		return http.StatusPreconditionFailed
	case errs.TooLarge:
		return http.StatusRequestEntityTooLarge
	case errs.URITooLong:
		return http.StatusRequestURITooLong
	case errs.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case errs.Invalid:
		return http.StatusUnprocessableEntity
	case errs.TooMany:
		return http.StatusTooManyRequests
	case errs.HeaderTooLarge:
		return http.StatusRequestHeaderFieldsTooLarge
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	case errs.Timeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

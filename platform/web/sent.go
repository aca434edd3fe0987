package web

import (
	"net/http"

	"github.com/valyala/fasthttp"
)

const (
	headerAPIKey         = "X-Api-Key"
	headerIdempotencyKey = "Idempotency-Key"
	headerRequestID      = "X-Request-Id"
	headerTraceParent    = "Traceparent"
)

// sent is what this package wants of a request's header, found in one pass. It
// is fasthttp's memory: good for as long as the request is.
type sent struct {
	requestID, accept, traceParent, ifNoneMatch, origin []byte
	authorization, apiKey, idempotencyKey               field
}

// field is a field that may stand there once.
type field struct {
	value []byte
	times int
}

func (f *field) see(value []byte) {
	f.value = value
	f.times++
}

// readHeader looks through a header, whose names fasthttp has made canonical.
func readHeader(h *fasthttp.RequestHeader) (s sent) {
	for name, value := range h.All() {
		switch string(name) {
		case headerRequestID:
			s.requestID = value
		case fasthttp.HeaderAccept:
			s.accept = value
		case headerTraceParent:
			s.traceParent = value
		case fasthttp.HeaderIfNoneMatch:
			s.ifNoneMatch = value
		case fasthttp.HeaderOrigin:
			s.origin = value
		case fasthttp.HeaderAuthorization:
			s.authorization.see(value)
		case headerAPIKey:
			s.apiKey.see(value)
		case headerIdempotencyKey:
			s.idempotencyKey.see(value)
		}
	}
	return s
}

// Names of the fields of every answer, as fasthttp takes them without looking
// at them again.
var (
	nameCacheControl       = []byte(fasthttp.HeaderCacheControl)
	nameContentTypeOptions = []byte(fasthttp.HeaderXContentTypeOptions)
	nameETag               = []byte(http.CanonicalHeaderKey(fasthttp.HeaderETag))
	nameRequestID          = []byte(headerRequestID)
	nameRateLimit          = []byte(headerRateLimit)
	nameRateLimitPolicy    = []byte(headerRateLimitPolicy)

	valueNoSniff = []byte("nosniff")
	valueNoStore = []byte("no-store")
	valuePrivate = []byte("private, no-cache")
)

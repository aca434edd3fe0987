package web

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"stoa/platform/errs"
	"stoa/platform/idempotency"
)

const (
	headerRetryAfter = "Retry-After"
	headerChallenge  = "WWW-Authenticate"
)

// describeErrors lists every error the operation may answer, by status: those
// of its contract, and what this package answers by itself.
func (o *operation) describeErrors() {
	all := append(slices.Clone(o.Errors), o.common()...)
	byStatus := map[int][]*errs.Error{}
	for _, e := range all {
		code := status(e)
		if !slices.ContainsFunc(byStatus[code], func(other *errs.Error) bool { return other.Code == e.Code }) {
			byStatus[code] = append(byStatus[code], e)
		}
	}
	for code, list := range byStatus {
		slices.SortFunc(list, func(a, b *errs.Error) int { return cmp.Compare(a.Code, b.Code) })
		o.document.Responses[strconv.Itoa(code)] = o.router.server.problemResponse(code, list)
	}
}

// common are the errors that come of what kind of operation it is.
func (o *operation) common() []*errs.Error {
	list := []*errs.Error{errs.ErrInternal, errs.ErrUnavailable, errs.ErrTimeout, ErrRateLimited, ErrBadRequest}
	if !o.NoIdentity {
		list = append(list, ErrUnauthenticated)
	}
	if o.Access > SignedIn {
		list = append(list, ErrForbidden)
	}
	if len(o.document.Parameters) > 0 || o.body != nil {
		list = append(list, errs.ErrInvalid)
	}
	if o.body != nil {
		list = append(list, ErrMalformedBody, ErrBodyTooLarge, ErrUnsupportedMedia)
	}
	if o.Idempotent {
		list = append(list, idempotency.ErrReused, idempotency.ErrInProgress)
	}
	if slices.ContainsFunc(o.document.Parameters, func(p *huma.Param) bool { return p.Name == "If-Match" }) {
		list = append(list, ErrPreconditionFailed)
	}
	return list
}

// problemResponse refers to the answer with one of these errors, which other
// operations may have as well.
func (s *Server) problemResponse(status int, list []*errs.Error) *huma.Response {
	var name strings.Builder
	for _, e := range list {
		name.WriteString("." + e.Code)
	}
	components := s.api.OpenAPI().Components
	key := strconv.Itoa(status) + name.String()
	if components.Responses[key] == nil {
		components.Responses[key] = s.describeProblem(status, list)
	}
	return &huma.Response{Ref: "#/components/responses/" + key}
}

func (s *Server) describeProblem(status int, list []*errs.Error) *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	examples := map[string]*huma.Example{}
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = "`" + e.Code + "`: " + e.Message
		examples[e.Code] = &huma.Example{Value: map[string]any{
			"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": e.Message,
			"instance": Base, "code": e.Code, "request_id": "889a7a00b5a182b5-2s",
		}}
	}
	response := &huma.Response{Description: strings.Join(lines, "\n\n"), Content: map[string]*huma.MediaType{
		problemJSONType: {Schema: schema, Examples: examples},
		problemCBORType: {Schema: schema},
	}}
	addHeaders(response, headerRequestID)
	switch status {
	case http.StatusUnauthorized:
		addHeaders(response, headerChallenge)
	case http.StatusTooManyRequests:
		addHeaders(response, headerRetryAfter, headerRateLimit, headerRateLimitPolicy)
	case http.StatusServiceUnavailable, http.StatusConflict:
		addHeaders(response, headerRetryAfter)
	}
	return response
}

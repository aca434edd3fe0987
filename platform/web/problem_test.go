package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// failing serves an operation that fails with err.
func failing(err error) func(*web.Router) {
	return func(r *web.Router) {
		web.Register(r, web.Operation{ID: "fail", Method: http.MethodGet, Path: "/fail", Summary: "Fail"},
			func(context.Context, *struct{}) (*thingAnswer, error) { return nil, err })
	}
}

func TestKindsAndTheirStatuses(t *testing.T) {
	t.Parallel()
	for kind, status := range map[errs.Kind]int{
		errs.BadRequest: 400, errs.Unauthenticated: 401, errs.Forbidden: 403, errs.NotFound: 404, errs.MethodNotAllowed: 405, errs.Conflict: 409,
		errs.PreconditionFailed: 412, errs.TooLarge: 413, errs.URITooLong: 414, errs.UnsupportedMedia: 415, errs.Invalid: 422, errs.TooMany: 429,
		errs.HeaderTooLarge: 431, errs.Unavailable: 503, errs.Timeout: 504,
	} {
		api := webtest.New(t, "things", failing(fmt.Errorf("do it: %w", errs.New(kind, "things.code", "a message"))))
		answer := api.Do(t, http.MethodGet, "/fail", nil)
		require.Equal(t, status, answer.Status, kind)
		p := answer.Problem(t)
		require.Equal(t, web.Problem{
			Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "a message",
			Instance: "/api/v1/fail", Code: "things.code", RequestID: answer.Header.Get("X-Request-Id"),
		}, p)
		require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
		require.Equal(t, status == 401, answer.Header.Get("WWW-Authenticate") != "")
	}
}

func TestWhatIsOurFaultIsNotTold(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"unknown":      errors.New("SELECT secret FROM /var/lib/stoa.db: no such table"),
		"internal":     errs.New(errs.Internal, "things.secret", "a secret"),
		"wrapped":      errs.ErrInternal.With("a secret").Because(errors.New("secret")),
		"of no kind":   errs.New("", "things.secret", "a secret"),
		"of its cause": errs.ErrInternal.Because(errors.New("secret")),
	} {
		api := webtest.New(t, "things", failing(err))
		answer := api.Do(t, http.MethodGet, "/fail", nil)
		require.Equal(t, 500, answer.Status, name)
		require.Equal(t, "internal", answer.Problem(t).Code, name)
		require.NotContains(t, string(answer.Body), "secret", name)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	answer := api.Do(t, http.MethodGet, "/things/panic", nil)
	require.Equal(t, 500, answer.Status)
	require.Equal(t, "internal", answer.Problem(t).Code)
	require.NotContains(t, string(answer.Body), "shelf")
	require.NotContains(t, string(answer.Body), ".go")
	require.Equal(t, 200, api.Do(t, http.MethodGet, "/things/x", nil).Status)
}

func TestDetailsAreMembers(t *testing.T) {
	t.Parallel()
	err := errs.New(errs.Conflict, "things.price_changed", "the price is another now").
		Detail("total", map[string]any{"amount": 1999, "currency": "USD"}).Detail("also", nil).
		Detail("status", 200).Detail("code", "mine").Detail("errors", "none").
		Field("body.expected_total", "is not right any more").After(1500 * time.Millisecond)
	api := webtest.New(t, "things", failing(err))
	answer := api.Do(t, http.MethodGet, "/fail", nil)
	require.Equal(t, 409, answer.Status)
	require.JSONEq(t, `{"type":"about:blank","title":"Conflict","status":409,"detail":"the price is another now","instance":"/api/v1/fail",
		"code":"things.price_changed","request_id":"`+answer.Header.Get("X-Request-Id")+`",
		"errors":[{"location":"body.expected_total","message":"is not right any more"}],
		"also":null,"total":{"amount":1999,"currency":"USD"}}`, string(answer.Body))
	require.Equal(t, "2", answer.Header.Get("Retry-After"))
}

func TestDetailsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", failing(errs.New(errs.Conflict, "things.odd", "odd").Detail("f", func() {})))
	answer := api.Do(t, http.MethodGet, "/fail", nil)
	require.Equal(t, 409, answer.Status)
	require.Equal(t, "things.odd", answer.Problem(t).Code)
}

func TestNothingThere(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, path := range []string{"/", "/nothing", "/api/v1", "/api/v1/", "/api/v2/things", "/api/v1/things/", "/favicon.ico", "/" + strings.Repeat("a", 2000)} {
		answer := api.Raw(t, http.MethodGet, path, nil)
		require.Equal(t, 404, answer.Status, path)
		require.Equal(t, "route_not_found", answer.Problem(t).Code)
		require.LessOrEqual(t, len(answer.Problem(t).Instance), 512)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "Post"} {
		answer := api.Do(t, method, "/things", nil)
		require.Equal(t, 405, answer.Status, method)
		require.Equal(t, "method_not_allowed", answer.Problem(t).Code)
		require.Equal(t, "GET, HEAD, POST, OPTIONS", answer.Header.Get("Allow"))
	}
	answer := api.Do(t, "PROPFIND", "/nothing", nil)
	require.Equal(t, 404, answer.Status)

	options := api.Do(t, http.MethodOptions, "/things", nil)
	require.Equal(t, 204, options.Status)
	require.Empty(t, options.Body)
	require.Equal(t, "GET, HEAD, POST, OPTIONS", options.Header.Get("Allow"))
	require.Equal(t, 404, api.Do(t, http.MethodOptions, "/nothing", nil).Status)
}

func TestHead(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	get, head := api.Do(t, http.MethodGet, "/things/x", nil), api.Do(t, http.MethodHead, "/things/x", nil)
	require.Equal(t, 200, head.Status)
	require.Empty(t, head.Body)
	for _, name := range []string{"Etag", "Content-Type", "Content-Length", "Cache-Control"} {
		require.Equal(t, get.Header.Get(name), head.Header.Get(name), name)
	}
	require.Equal(t, 404, api.Do(t, http.MethodHead, "/things/none", nil).Status)
	require.Equal(t, 401, api.Do(t, http.MethodHead, "/things/x", nil, "Authorization", "Bearer x").Status)
}

func TestAnswersSayLittleOfTheServer(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, path := range []string{"/api/v1/things/x", "/api/v1/things/none", "/api/v1/things/panic", "/nothing", "/livez", "/docs"} {
		answer := api.Raw(t, http.MethodGet, path, nil)
		require.Empty(t, answer.Header.Get("Server"))
		require.Empty(t, answer.Header.Get("X-Powered-By"))
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		require.NotEmpty(t, answer.Header.Get("X-Request-Id"))
		require.NotEmpty(t, answer.Header.Get("Date"))
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for sent, taken := range map[string]bool{
		"abc-DEF_012.:/+=": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "": false, "a b": false, "a\tb": false,
		"<script>": false, "é": false, "a;b": false, "a,b": false, `a"b`: false, "%0a": false,
	} {
		answer := api.Do(t, http.MethodGet, "/things/x", nil, "X-Request-Id", sent)
		require.Equal(t, taken, answer.Header.Get("X-Request-Id") == sent && sent != "", sent)
		require.NotEmpty(t, answer.Header.Get("X-Request-Id"))
		require.LessOrEqual(t, len(answer.Header.Get("X-Request-Id")), 64)
	}
	seen := map[string]bool{}
	for range 100 {
		id := api.Do(t, http.MethodGet, "/things/x", nil).Header.Get("X-Request-Id")
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestHandlersKnowTheirRequest(t *testing.T) {
	t.Parallel()
	var after context.Context
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "who", Method: http.MethodGet, Path: "/who", Summary: "Who", Timeout: time.Minute},
			func(ctx context.Context, _ *struct{}) (*struct{ Body []string }, error) {
				after = ctx
				deadline, ok := ctx.Deadline()
				if !ok || ctx.Err() != nil || time.Until(deadline) > time.Minute || time.Until(deadline) < 50*time.Second {
					return nil, errors.New("no deadline, or another one")
				}
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				return &struct{ Body []string }{[]string{web.RequestID(child), web.ClientIP(child)}}, nil
			})
	})
	answer := api.Do(t, http.MethodGet, "/who", nil, "X-Request-Id", "the-id", "X-Forwarded-For", "9.9.9.9")
	require.JSONEq(t, `["the-id","127.0.0.1"]`, string(answer.Body))
	<-after.Done()
	require.ErrorIs(t, after.Err(), context.Canceled, "it ends with the request")
	require.Equal(t, "the-id", web.RequestID(after))
	require.Empty(t, web.RequestID(t.Context()))
	require.Empty(t, web.ClientIP(t.Context()))
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Config.WriteTimeout = 50 * time.Millisecond })
	answer := api.Do(t, http.MethodGet, "/things/slow", nil)
	require.Equal(t, 504, answer.Status)
	require.Equal(t, "timeout", answer.Problem(t).Code)
}

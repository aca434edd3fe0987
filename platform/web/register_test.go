package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"stoa/platform/clock"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// TestForms holds that an operation can take what is no JSON, such as the form
// of OAuth 2.0, and answers in its own terms.
func TestForms(t *testing.T) {
	t.Parallel()
	type tokenError struct {
		Error string `json:"error"`
	}
	api := webtest.New(t, "users", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "token", Method: http.MethodPost, Path: "/oauth2/token", Summary: "A token", NoIdentity: true},
			func(_ context.Context, in *struct {
				RawBody []byte `contentType:"application/x-www-form-urlencoded"`
			}) (*struct {
				Status       int
				CacheControl string `header:"Cache-Control"`
				Body         tokenError
			}, error) {
				form, err := url.ParseQuery(string(in.RawBody))
				if err != nil {
					return nil, web.ErrMalformedBody
				}
				return &struct {
					Status       int
					CacheControl string `header:"Cache-Control"`
					Body         tokenError
				}{400, "no-store, private", tokenError{form.Get("grant_type")}}, nil
			})
	})
	const kind = "application/x-www-form-urlencoded"
	answer := api.Do(t, http.MethodPost, "/oauth2/token", "grant_type=none&x=%20", "Content-Type", kind)
	require.Equal(t, 400, answer.Status, "%s", answer.Body)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	require.Equal(t, "no-store, private", answer.Header.Get("Cache-Control"))
	require.JSONEq(t, `{"error":"none"}`, string(answer.Body))
	require.Equal(t, 415, api.Do(t, http.MethodPost, "/oauth2/token", `{}`).Status)
	require.Equal(t, 400, api.Do(t, http.MethodPost, "/oauth2/token", "a=%zz", "Content-Type", kind).Status)
	require.Equal(t, 400, api.Do(t, http.MethodPost, "/oauth2/token", "", "Content-Type", kind).Problem(t).Status)
	require.Equal(t, 413, api.Do(t, http.MethodPost, "/oauth2/token", make([]byte, 2*mib), "Content-Type", kind).Status)
}

func TestNothingToSay(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "delete", Method: http.MethodDelete, Path: "/things/{id}", Summary: "Delete"},
			func(context.Context, *getThing) (*struct{}, error) { return nil, nil })
	})
	answer := api.Do(t, http.MethodDelete, "/things/x", nil)
	require.Equal(t, 204, answer.Status)
	require.Empty(t, answer.Body)
	require.Empty(t, answer.Header.Get("Content-Type"))
}

func TestDeclarationsThatWillNotDo(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
	good := web.Operation{ID: "x", Method: http.MethodGet, Path: "/x", Summary: "X"}
	for _, change := range []func(*web.Operation){
		func(o *web.Operation) { o.ID = "" },
		func(o *web.Operation) { o.Summary = "" },
		func(o *web.Operation) { o.Path = "x" },
		func(o *web.Operation) { o.Method = "" },
		func(o *web.Operation) { o.Method = "BREW" },
	} {
		op := good
		change(&op)
		require.Panics(t, func() { web.Register(newServer(t).Router("things", nil), op, handler) })
	}
	r := newServer(t).Router("things", nil)
	web.Register(r, good, handler)
	again := good
	again.ID = "y"
	require.Panics(t, func() { web.Register(r, again, handler) }, "the same method and path")
	again = good
	again.Path = "/y"
	require.Panics(t, func() { web.Register(r, again, handler) }, "the same id")
}

func newServer(t *testing.T) *web.Server {
	cfg := web.DefaultConfig()
	cfg.DrainDelay = 0
	s, err := web.New(cfg, web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

// tracers make a tracer that remembers the spans it began.
type tracers struct {
	noop.TracerProvider
	tracer
}

type tracer struct {
	noop.Tracer
	spans []string
	kinds []trace.SpanKind
}

func (t *tracers) Tracer(string, ...trace.TracerOption) trace.Tracer { return &t.tracer }

func (t *tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(opts...)
	t.spans, t.kinds = append(t.spans, name), append(t.kinds, config.SpanKind())
	return t.Tracer.Start(ctx, name, opts...)
}

func TestSpans(t *testing.T) {
	t.Parallel()
	spans := &tracers{}
	api := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Deps.Tracer = spans })
	require.Equal(t, 200, api.Do(t, http.MethodGet, "/things/x", nil).Status)
	require.Equal(t, 500, api.Do(t, http.MethodGet, "/things/broken", nil).Status)
	require.Equal(t, []string{"GET /api/v1/things/{id}", "GET /api/v1/things/{id}"}, spans.spans)
	require.Equal(t, []trace.SpanKind{trace.SpanKindServer, trace.SpanKindServer}, spans.kinds)
}

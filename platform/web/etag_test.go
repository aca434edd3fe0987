package web_test

import (
	"context"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestETags(t *testing.T) {
	t.Parallel()
	var stock, version atomic.Int64
	version.Store(7)
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "get", Method: http.MethodGet, Path: "/thing", Summary: "Get"},
			func(context.Context, *struct{}) (*thingAnswer, error) {
				return &thingAnswer{ETag: web.Version(version.Load()), Body: thing{Count: stock.Load()}}, nil
			})
	})
	get := func(header ...string) webtest.Answer { return api.Do(t, http.MethodGet, "/thing", nil, header...) }
	first := get()
	etag := first.Header.Get("Etag")
	require.Regexp(t, regexp.MustCompile(`^"7-[0-9a-z]+"$`), etag)
	require.Equal(t, etag, get().Header.Get("Etag"))
	require.Equal(t, "private, no-cache", first.Header.Get("Cache-Control"))

	for sent, status := range map[string]int{
		etag: 304, "W/" + etag: 304, "*": 304, `"other", ` + etag: 304, `"other" ,W/` + etag + ` , "third"`: 304,
		`"other"`: 200, `"7"`: 200, "nonsense": 200, "": 200, etag[:len(etag)-1]: 200,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := api.Do(t, method, "/thing", nil, "If-None-Match", sent)
			require.Equal(t, status, answer.Status, "%s %s", method, sent)
			require.Equal(t, etag, answer.Header.Get("Etag"), "a 304 keeps it")
			if status == 304 {
				require.Empty(t, answer.Body)
				require.Empty(t, answer.Header.Get("Content-Type"))
			}
		}
	}
	require.Equal(t, 304, get("If-None-Match", `"other"`, "If-None-Match", etag).Status)

	stock.Store(1)
	require.Equal(t, 200, get("If-None-Match", etag).Status, "what it shows has changed")
	stock.Store(0)
	version.Store(8)
	require.Equal(t, 200, get("If-None-Match", etag).Status, "its version has changed")
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	for sent, ok := range map[string]bool{
		"": true, "*": true, `"7-abc"`: true, `"7"`: true, `"6-abc", "7-x"`: true,
		`"6-abc"`: false, `"8-abc"`: false, `W/"7-abc"`: false, "7-abc": false, `"7-abc`: false, `""`: false, `"-7"`: false, `"abc"`: false, `"77-a"`: false, ",": false,
	} {
		err := web.IfMatch{Value: sent}.Check(7)
		if ok {
			require.NoError(t, err, sent)
		} else {
			require.ErrorIs(t, err, web.ErrPreconditionFailed, sent)
		}
	}
}

func TestIfMatchOverHTTP(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "patch", Method: http.MethodPatch, Path: "/thing", Summary: "Patch"},
			func(_ context.Context, in *struct {
				web.IfMatch
				Body struct {
					Name web.Optional[string] `json:"name,omitzero" minLength:"1"`
				}
			}) (*thingAnswer, error) {
				if err := in.Check(7); err != nil {
					return nil, err
				}
				return &thingAnswer{ETag: web.Version(8), Body: thing{Name: in.Body.Name.Value}}, nil
			})
	})
	patch := func(etag string) webtest.Answer {
		return api.Do(t, http.MethodPatch, "/thing", `{"name":"x"}`, "If-Match", etag)
	}
	require.Equal(t, 200, patch("").Status)
	require.Equal(t, 200, patch(`"7-whatever"`).Status)
	refused := patch(`"6-whatever"`)
	require.Equal(t, 412, refused.Status)
	require.Equal(t, "precondition_failed", refused.Problem(t).Code)
	require.Empty(t, refused.Header.Get("Etag"))
	require.Equal(t, 200, api.Do(t, http.MethodPatch, "/thing", `{"name":"x"}`, "If-Match", `"6-a"`, "If-Match", `"7-b"`).Status, "two lines are one list")
}

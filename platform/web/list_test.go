package web_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestPageOutOfRange(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for query, at := range map[string]string{
		"limit=0": "query.limit", "limit=-1": "query.limit", "limit=201": "query.limit", "limit=1000000000": "query.limit", "limit=9223372036854775808": "query.limit",
		"limit=ten": "query.limit", "limit=1.5": "query.limit", "limit=1e1": "query.limit", "limit=%2B1x": "query.limit", "limit=1&limit=2": "query.limit",
		"arr[2147483647]=1": "query.arr[2147483647]", "Limit=1": "query.Limit", "unknown": "query.unknown", "=1": "query.",
		"q=%00": "query.q", "q=%ff": "query.q", "q=%01": "query.q", "q=" + strings.Repeat("a", 101): "query.q", "q=" + url.QueryEscape(strings.Repeat("%", 101)): "query.q",
		"cursor=" + strings.Repeat("a", 2049): "query.cursor",
	} {
		answer := api.Do(t, http.MethodGet, "/things?"+query, nil)
		require.Equal(t, 422, answer.Status, query)
		p := answer.Problem(t)
		require.Equal(t, "invalid", p.Code)
		require.Equal(t, at, p.Errors[0].Location, query)
	}
	for _, query := range []string{"q=%", "q=%zz", "q=%e", "%%%"} {
		require.Equal(t, 400, api.Do(t, http.MethodGet, "/things?"+query, nil).Status, query)
	}
	for _, query := range []string{"", "limit=1", "limit=200", "limit=", "q=a%0Ab", "q=1' OR '1'='1", "q=" + url.QueryEscape("%%%"), "tag=a&tag=b", "&&", "q=a+b"} {
		require.Equal(t, 200, api.Do(t, http.MethodGet, "/things?"+strings.ReplaceAll(query, " ", "%20"), nil).Status, query)
	}
	require.Equal(t, 414, api.Do(t, http.MethodGet, "/things?q="+strings.Repeat("a", 9<<10), nil).Status)
}

func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	require.JSONEq(t, `{"items":[]}`, string(api.Do(t, http.MethodGet, "/things", nil).Body))
}

type position struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// router gives a router of a module on a server with a given key for cursors.
func router(t *testing.T, module, key string) *web.Router {
	var r *web.Router
	webtest.New(t, module, func(router *web.Router) { r = router }, func(o *webtest.Options) { o.Deps.CursorKey = []byte(key) })
	return r
}

func TestCursors(t *testing.T) {
	t.Parallel()
	r := router(t, "catalog", "key")
	list := r.Cursors("products", "lamp", []string{"a"})
	at := position{Name: "lamp'; --", ID: "1"}
	cursor := list.Encode(at)

	var got position
	require.NoError(t, list.Decode(cursor, &got))
	require.Equal(t, at, got)
	require.NoError(t, router(t, "catalog", "key").Cursors("products", "lamp", []string{"a"}).Decode(cursor, &got), "another process reads it")
	require.Equal(t, url.QueryEscape(cursor), cursor, "it needs no escapes")

	got = position{Name: "untouched"}
	require.NoError(t, list.Decode("", &got))
	require.Equal(t, "untouched", got.Name)

	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	bad := map[string]web.Cursors{
		"of another list":    r.Cursors("orders", "lamp", []string{"a"}),
		"of other filters":   r.Cursors("products", "lamps", []string{"a"}),
		"of fewer filters":   r.Cursors("products", "lamp"),
		"of shifted filters": r.Cursors("products", "lamp", "a"),
		"of another module":  router(t, "orders", "key").Cursors("products", "lamp", []string{"a"}),
		"of another key":     router(t, "catalog", "other").Cursors("products", "lamp", []string{"a"}),
	}
	for name, cursors := range bad {
		require.ErrorIs(t, cursors.Decode(cursor, &got), errs.ErrInvalid, name)
	}
	for i := range raw {
		tampered := append([]byte(nil), raw...)
		tampered[i] ^= 1
		err := list.Decode(base64.RawURLEncoding.EncodeToString(tampered), &got)
		require.ErrorIs(t, err, errs.ErrInvalid)
		e, _ := errs.As(err)
		require.Equal(t, "query.cursor", e.Fields[0].Location)
	}
	for _, text := range []string{cursor[:len(cursor)-1], cursor + "=", cursor + "A", cursor + "\n", " " + cursor, "a", "null", "{}", "' OR 1=1", strings.Repeat("A", 1000)} {
		require.ErrorIs(t, list.Decode(text, &got), errs.ErrInvalid, text)
	}
	var other struct{ Name int }
	require.ErrorIs(t, list.Decode(list.Encode(map[string]string{"Name": "x"}), &other), errs.ErrInvalid)
}

func TestOptional(t *testing.T) {
	t.Parallel()
	type patch struct {
		Name  web.Optional[string]   `json:"name,omitzero" minLength:"1" maxLength:"5"`
		Count web.Optional[int64]    `json:"count,omitzero" minimum:"0"`
		Tags  web.Optional[[]string] `json:"tags,omitzero"`
		Price web.Optional[price]    `json:"price,omitzero"`
	}
	var got patch
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "patch", Method: http.MethodPatch, Path: "/thing", Summary: "Patch"},
			func(_ context.Context, in *struct{ Body patch }) (*struct{ Body patch }, error) {
				got = in.Body
				return &struct{ Body patch }{in.Body}, nil
			})
	})
	for body, want := range map[string]patch{
		`{}`:              {},
		`{"name":null}`:   {Name: web.Optional[string]{Set: true, Null: true}},
		`{"name":"lamp"}`: {Name: web.Some("lamp")},
		`{"count":0}`:     {Count: web.Some(int64(0))},
		`{"tags":[]}`:     {Tags: web.Some([]string{})},
		`{"tags":["a"],"price":{"amount":1,"currency":"USD"}}`: {Tags: web.Some([]string{"a"}), Price: web.Some(price{1, "USD"})},
		`{"price":null}`: {Price: web.Optional[price]{Set: true, Null: true}},
	} {
		for _, kind := range []string{"application/json", "application/merge-patch+json"} {
			answer := api.Do(t, http.MethodPatch, "/thing", body, "Content-Type", kind)
			require.Equal(t, 200, answer.Status, "%s: %s", body, answer.Body)
			require.Equal(t, want, got)
			require.JSONEq(t, body, string(answer.Body))
		}
	}
	for _, body := range []string{`{"name":""}`, `{"name":"abcdef"}`, `{"name":1}`, `{"count":-1}`, `{"count":"1"}`, `{"tags":[1]}`, `{"price":{"amount":1}}`, `{"price":{"amount":1,"currency":"USD","x":1}}`, `{"price":1}`, `{"nam":"x"}`} {
		require.Equal(t, 422, api.Do(t, http.MethodPatch, "/thing", body).Status, body)
	}
	require.Equal(t, "after", web.Some("after").Or("before"))
	require.Equal(t, "before", web.Optional[string]{}.Or("before"))
	require.Equal(t, "before", web.Optional[string]{Set: true, Null: true}.Or("before"))
}

type price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

func TestWait(t *testing.T) {
	t.Parallel()
	for prefer, seconds := range map[string]float64{
		"": 0, "wait=5": 5, "Wait=5": 5, "respond-async, wait=10": 10, "wait=10; foo=bar": 10, " wait = 7 ": 7, `wait="8"`: 8, "wait=30": 30,
		"wait=31": 30, "wait=999999999999999999999999": 30, "wait=0": 0, "wait=-1": 0, "wait=1.5": 0, "wait=x": 0, "wait": 0, "waits=5": 0, "wait=2, wait=9": 2,
	} {
		require.InDelta(t, seconds, web.Prefer{Prefer: prefer}.Wait().Seconds(), 0, prefer)
	}
}

package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

var errNoThing = errs.New(errs.NotFound, "things.thing_not_found", "there is no such thing")

type thing struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Count int64    `json:"count"`
	Tags  []string `json:"tags"`
}

type getThing struct {
	ID string `path:"id"`
}

type thingAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body thing
}

type makeThing struct {
	Body struct {
		Name  string   `json:"name" minLength:"1" maxLength:"20"`
		Count int64    `json:"count,omitempty" minimum:"0"`
		Tags  []string `json:"tags,omitempty"`
		Price *struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		} `json:"price,omitempty"`
	}
}

func routes(r *web.Router) {
	web.Register(r, web.Operation{
		ID: "get-thing", Method: http.MethodGet, Path: "/things/{id}", Summary: "A thing", Errors: []*errs.Error{errNoThing},
	}, func(_ context.Context, in *getThing) (*thingAnswer, error) {
		if in.ID == "none" {
			return nil, errNoThing.With("no thing has the id %q", in.ID)
		}
		return &thingAnswer{ETag: web.Version(7), Body: thing{ID: in.ID, Name: "lamp"}}, nil
	})
	web.Register(r, web.Operation{
		ID: "make-thing", Method: http.MethodPost, Path: "/things", Summary: "Make a thing", Status: http.StatusCreated,
	}, func(_ context.Context, in *makeThing) (*thingAnswer, error) {
		return &thingAnswer{Body: thing{ID: "1", Name: in.Body.Name, Count: in.Body.Count, Tags: in.Body.Tags}}, nil
	})
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	a := api.Do(t, http.MethodGet, "/things/x", nil)
	t.Log(a.Status, a.Header, string(a.Body))
	require.Equal(t, 200, a.Status)
	for _, body := range []string{`{"name":"a","count":3}`, `{"name":"","x.y":1}`, `{"name":"a","name":"b"}`, `{"count":9223372036854775808,"name":"a"}`, `{"name":"a","count":1e999}`, ``, `[]`, `null`, `{"name":"a\u0000"}`, `{"name":"\ud800"}`, `{"Name":"a"}`, `{"name":"a","price":{"amount":1.0,"currency":"USD"}}`, `{"name":"a"} x`} {
		a = api.Do(t, http.MethodPost, "/things", body)
		t.Log(body, a.Status, string(a.Body))
	}
	a = api.Do(t, http.MethodGet, "/things/none", nil)
	t.Log(a.Status, a.Header, string(a.Body))
	a = api.Do(t, http.MethodDelete, "/things/none", nil)
	t.Log(a.Status, a.Header, string(a.Body))
	a = api.Do(t, "FOO", "/things/none", nil)
	t.Log(a.Status, a.Header, string(a.Body))
	a = api.Do(t, "GET", "/nothing", nil)
	t.Log(a.Status, a.Header, string(a.Body))
	doc, err := api.Web.OpenAPI(false)
	require.NoError(t, err)
	t.Log(string(doc))
}

package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// The API of these tests: things, which have an id, a name and a few more.

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
	ETag     web.ETag `header:"ETag"`
	Location string   `header:"Location"`
	Body     thing
}

type makeThing struct {
	Body struct {
		Name  string            `json:"name" minLength:"1" maxLength:"200"`
		Count int64             `json:"count,omitempty" minimum:"0"`
		Tags  []string          `json:"tags,omitempty"`
		Notes map[string]string `json:"notes,omitempty"`
		Any   any               `json:"any,omitempty"`
		Price struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		} `json:"price,omitzero"`
	}
}

type listThings struct {
	web.Page
	Query string   `query:"q" maxLength:"100"`
	Tags  []string `query:"tag,explode"`
}

type thingList struct{ Body web.List[thing] }

type anything struct{ Body any }

// routes registers what most tests use.
func routes(r *web.Router) {
	web.Register(r, web.Operation{
		ID: "get-thing", Method: http.MethodGet, Path: "/things/{id}", Summary: "A thing", Errors: []*errs.Error{errNoThing},
	}, func(ctx context.Context, in *getThing) (*thingAnswer, error) {
		switch in.ID {
		case "none":
			return nil, errNoThing.With("no thing has the id %q", in.ID)
		case "broken":
			return nil, fmt.Errorf("select from things: %w", io.ErrUnexpectedEOF)
		case "panic":
			panic("the shelf fell down")
		case "slow":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &thingAnswer{ETag: web.Version(7), Body: thing{ID: in.ID, Name: "lamp"}}, nil
	})
	web.Register(r, web.Operation{
		ID: "list-things", Method: http.MethodGet, Path: "/things", Summary: "Things",
	}, func(context.Context, *listThings) (*thingList, error) { return &thingList{}, nil })
	web.Register(r, web.Operation{
		ID: "make-thing", Method: http.MethodPost, Path: "/things", Summary: "Make a thing", Status: http.StatusCreated,
	}, func(_ context.Context, in *makeThing) (*thingAnswer, error) {
		return &thingAnswer{Location: web.Base + "/things/1", Body: thing{ID: "1", Name: in.Body.Name, Count: in.Body.Count, Tags: in.Body.Tags}}, nil
	})
	web.Register(r, web.Operation{
		ID: "keep-anything", Method: http.MethodPost, Path: "/anything", Summary: "Keep anything",
	}, func(_ context.Context, in *anything) (*anything, error) { return in, nil })
	for path, access := range map[string]web.Access{"/mine": web.SignedIn, "/staff": web.Staff, "/admin": web.Admin} {
		web.Register(r, web.Operation{
			ID: "make" + strings.ReplaceAll(path, "/", "-"), Method: http.MethodPost, Path: path, Summary: "Make one", Access: access,
		}, func(ctx context.Context, in *makeThing) (*thingAnswer, error) {
			id, _ := auth.From(ctx)
			return &thingAnswer{Body: thing{ID: id.UserID, Name: in.Body.Name}}, nil
		})
	}
}

// serve serves routes until the test ends, and gives the address.
func serve(t testing.TB, routes func(*web.Router), change ...func(*webtest.Options)) (*web.Server, string) {
	t.Helper()
	s := webtest.New(t, "things", routes, change...)
	return s.Web, s.Addr
}

// send writes text to the server as it is and gives all that it answers until
// it closes the connection.
func send(t testing.TB, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.NoError(t, c.SetDeadline(clock.System().Now().Add(10*time.Second)))
	// The server may answer, and close, before it has taken everything.
	go func() { _, _ = io.WriteString(c, text) }()
	answer, err := io.ReadAll(c)
	require.NoError(t, err, "so far: %q", answer)
	return string(answer)
}

// Package webtest serves the routes of a module on a loopback port, for the
// tests of `internal/rest` packages and of package web itself.
//
//	api := webtest.New(t, "catalog", func(r *web.Router) { rest.Register(r, service) })
//	answer := api.As("u1", auth.RoleStaff).Do(t, http.MethodPost, "/products", `{"title": "Lamp"}`)
//	require.Equal(t, http.StatusCreated, answer.Status)
//
// Only tests import it.
package webtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/web"
)

// Options are what a server is made of. New fills in what is left out.
type Options struct {
	Config      web.Config
	Deps        web.Deps
	Idempotency web.Idempotency
	// Others are the routes of further modules, by name.
	Others map[string]func(*web.Router)
}

// Server serves one module. Its own Client is nobody.
type Server struct {
	*Client
	// Web is the server itself, Addr where it listens.
	Web  *web.Server
	Addr string
}

// New serves the routes of a module until the test ends. The tokens of As are
// believed, there are no rate limits and no delay at the end; change may set
// these and all else otherwise.
func New(t testing.TB, module string, routes func(*web.Router), change ...func(*Options)) *Server {
	t.Helper()
	o := Options{Config: web.DefaultConfig(), Deps: web.Deps{
		Clock:     clock.System(),
		Log:       slog.New(slog.DiscardHandler),
		Auth:      Authenticator{},
		CursorKey: []byte("the key of tests"),
	}}
	o.Config.DrainDelay = 0
	for _, f := range change {
		f(&o)
	}
	server, err := web.New(o.Config, o.Deps)
	require.NoError(t, err)
	routes(server.Router(module, o.Idempotency))
	for name, register := range o.Others {
		register(server.Router(name, o.Idempotency))
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, server.Shutdown(ctx))
		require.NoError(t, <-served)
	})
	addr := listener.Addr().String()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Server{Client: &Client{http: client, addr: addr}, Web: server, Addr: addr}
}

// patience is how long requests may take to end with the test.
const patience = 10 * time.Second

// Main runs the tests of a package and fails where goroutines are left. Two of
// fasthttp's are its own affair: one that keeps the date, and one that tidies
// up for ten seconds after a server has stopped.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// Authenticator believes the tokens that Token makes.
type Authenticator struct{}

// Token is a token of a user with these roles.
func Token(userID string, roles ...string) string {
	return "test-" + userID + "-" + strings.Join(roles, "+")
}

// Verify takes a token of Token apart. Error: auth.ErrUnauthenticated.
func (Authenticator) Verify(_ context.Context, token string) (auth.Identity, error) {
	rest, ours := strings.CutPrefix(token, "test-")
	at := strings.LastIndexByte(rest, '-')
	if !ours || at < 1 || strings.ContainsAny(token, " ,") {
		return auth.Identity{}, auth.ErrUnauthenticated
	}
	roles := strings.FieldsFunc(rest[at+1:], func(r rune) bool { return r == '+' })
	return auth.Identity{UserID: rest[:at], SessionID: "session of " + rest[:at], Roles: roles}, nil
}

// Client calls the server as somebody.
type Client struct {
	http  *http.Client
	addr  string
	token string
}

// As gives a client that is signed in as a user with these roles.
func (c *Client) As(userID string, roles ...string) *Client {
	return &Client{http: c.http, addr: c.addr, token: Token(userID, roles...)}
}

// Answer is what the server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do calls an operation: path is below /api/v1 unless it begins with it. A body
// is JSON text as a string or bytes, nil for none, or a value that is encoded.
// Header fields are given as pairs of name and value.
func (c *Client) Do(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	if !strings.HasPrefix(path, web.Base+"/") {
		path = web.Base + path
	}
	return c.Raw(t, method, path, body, header...)
}

// Raw is Do for any path of the server, such as /livez.
func (c *Client) Raw(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		require.NoError(t, err)
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.addr+path, reader)
	require.NoError(t, err)
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for pair := range slices.Chunk(header, 2) {
		request.Header[http.CanonicalHeaderKey(pair[0])] = nil
	}
	for pair := range slices.Chunk(header, 2) {
		if pair[1] != "" {
			request.Header.Add(pair[0], pair[1])
		}
	}
	response, err := c.http.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: text}
}

// JSON reads the body into v.
func (a Answer) JSON(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.Body, v), "the body is %s", a.Body)
}

// Problem reads the body as a problem document, which it must be.
func (a Answer) Problem(t testing.TB) web.Problem {
	t.Helper()
	var p web.Problem
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "the body is %s", a.Body)
	a.JSON(t, &p)
	require.Equal(t, a.Status, p.Status)
	return p
}

package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

const good = `{"name":"lamp"}`

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, c := range []struct {
		path   string
		roles  []string // nil is nobody
		status int
	}{
		{"/things", nil, 201},
		{"/things", []string{"customer"}, 201},
		{"/mine", nil, 401},
		{"/mine", []string{}, 200},
		{"/mine", []string{"customer"}, 200},
		{"/staff", nil, 401},
		{"/staff", []string{"customer"}, 403},
		{"/staff", []string{"Staff"}, 403},
		{"/staff", []string{"customer", "staff"}, 200},
		{"/staff", []string{"admin"}, 200},
		{"/admin", nil, 401},
		{"/admin", []string{"customer", "staff"}, 403},
		{"/admin", []string{"admin"}, 200},
	} {
		client := api.Client
		if c.roles != nil {
			client = api.As("u1", c.roles...)
		}
		answer := client.Do(t, http.MethodPost, c.path, good)
		require.Equal(t, c.status, answer.Status, "%s as %v", c.path, c.roles)
		switch answer.Status {
		case 401:
			require.Equal(t, "unauthenticated", answer.Problem(t).Code)
			require.Equal(t, `Bearer realm="stoa"`, answer.Header.Get("WWW-Authenticate"))
		case 403:
			require.Equal(t, "forbidden", answer.Problem(t).Code)
		}
	}
}

func TestAccessComesBeforeTheBody(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, c := range []struct{ body, kind, encoding string }{
		{`{`, "application/json", ""},
		{`{}`, "application/json", ""},
		{`<a/>`, "text/xml", ""},
		{`x`, "application/json", "gzip"},
		{strings.Repeat("x", 2<<20), "application/json", ""},
		{``, "application/json", ""},
	} {
		header := []string{"Content-Type", c.kind, "Content-Encoding", c.encoding}
		require.Equal(t, 401, api.Do(t, http.MethodPost, "/staff", c.body, header...).Status)
		require.Equal(t, 403, api.As("u1").Do(t, http.MethodPost, "/staff", c.body, header...).Status)
		require.Equal(t, 401, api.Do(t, http.MethodPost, "/staff?unknown=1", c.body, header...).Status)
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	good := webtest.Token("u1", "admin")
	for name, header := range map[string]string{
		"unknown":               "Authorization: Bearer nobody's\r\n",
		"empty":                 "Authorization: Bearer \r\n",
		"no token":              "Authorization: Bearer\r\n",
		"nothing":               "Authorization:\r\n",
		"no scheme":             "Authorization: " + good + "\r\n",
		"another scheme":        "Authorization: Basic dTE6cGFzcw==\r\n",
		"twice the same":        "Authorization: Bearer " + good + "\r\nAuthorization: Bearer " + good + "\r\n",
		"two of them":           "Authorization: Bearer " + good + "\r\nAuthorization: Bearer nobody's\r\n",
		"in a list":             "Authorization: Bearer " + good + ", Bearer " + good + "\r\n",
		"with an API key":       "Authorization: Bearer " + good + "\r\nX-API-Key: key\r\n",
		"an API key":            "X-API-Key: key\r\n",
		"of another name":       "Authorisation: Bearer " + good + "\r\n",
		"for a proxy":           "Proxy-Authorization: Bearer " + good + "\r\n",
		"in a cookie":           "Cookie: access_token=" + good + "\r\n",
		"what a gateway writes": "X-User-ID: u1\r\nX-User-Roles: admin\r\nX-Forwarded-User: admin\r\nX-Remote-User: admin\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"mine", "staff", "admin"} {
				answer := send(t, addr, "POST /api/v1/"+path+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 15\r\n"+header+"\r\n"+`{"name":"lamp"}`)
				require.Contains(t, answer, "HTTP/1.1 401 ")
				require.Contains(t, answer, "Www-Authenticate: Bearer realm=\"stoa\"")
			}
		})
	}
	answer := send(t, addr, "GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: Bearer nobody's\r\n\r\n")
	require.Contains(t, answer, "HTTP/1.1 401 ", "a bad token is one where none is needed, too")
	require.Contains(t, answer, `Www-Authenticate: Bearer realm="stoa", error="invalid_token"`)
	answer = send(t, addr, "POST /api/v1/admin HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 15\r\nauthorization: bEARER "+good+"\r\n\r\n"+`{"name":"lamp"}`)
	require.Contains(t, answer, "HTTP/1.1 200 ")
}

type verifier func(token string) (auth.Identity, error)

func (v verifier) Verify(_ context.Context, token string) (auth.Identity, error) { return v(token) }

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes, func(o *webtest.Options) {
		o.Deps.APIKeys = verifier(func(key string) (auth.Identity, error) {
			if key != "the key" {
				return auth.Identity{}, auth.ErrUnauthenticated
			}
			return auth.Identity{UserID: "robot", Roles: []string{auth.RoleStaff}}, nil
		})
	})
	require.Equal(t, 200, api.Do(t, http.MethodPost, "/staff", good, "X-API-Key", "the key").Status)
	require.Equal(t, 403, api.Do(t, http.MethodPost, "/admin", good, "X-API-Key", "the key").Status)
	require.Equal(t, 401, api.Do(t, http.MethodPost, "/staff", good, "X-API-Key", "another").Status)
	require.Equal(t, 401, api.Do(t, http.MethodPost, "/staff", good, "X-API-Key", "the key", "X-API-Key", "the key").Status)
	require.Equal(t, 401, api.As("u1", "staff").Do(t, http.MethodPost, "/staff", good, "X-API-Key", "the key").Status)
}

func TestVerifierTroubleIsNoRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{auth.ErrNoKeys, 503, "auth_unavailable"},
		{errs.ErrTimeout, 504, "timeout"},
		{errors.New("no such table: keys"), 500, "internal"},
	} {
		api := webtest.New(t, "things", routes, func(o *webtest.Options) {
			o.Deps.Auth = verifier(func(string) (auth.Identity, error) { return auth.Identity{}, c.err })
		})
		answer := api.As("u1").Do(t, http.MethodPost, "/mine", good)
		require.Equal(t, c.status, answer.Status)
		require.Equal(t, c.code, answer.Problem(t).Code)
		require.NotContains(t, string(answer.Body), "table")
	}
}

// TestSpellings asks for a route that strangers may not call, in every way of
// writing its path: none is served, and none is another route.
func TestSpellings(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	paths := []string{
		"/api/v1/admin", "/api/v1/ADMIN", "/api/v1/Admin", "/API/V1/admin", "/api/v1/admin/", "/api/v1//admin", "//api/v1/admin", "/api//v1/admin", "/api/v1/admin//",
		"/api/v1/%61dmin", "/api/v1/%41DMIN", "/%61pi/v1/admin", "/api%2fv1%2fadmin", "/api/v1%2fadmin", "/api/v1/admin%2f", "/api/v1/admin%2F..%2Fadmin", "/api/v1/%2561dmin",
		"/api/v1/./admin", "/api/v1/admin/.", "/api/v1/things/../admin", "/api/v1/things/..%2fadmin", "/api/v1/things/%2e%2e/admin", "/api/v1/things/%252e%252e/admin", "/api/v1/things/..%5cadmin", "/api/v1/things/..\\admin",
		"/api/v1/things/%2e%2e%2fadmin", "/../api/v1/admin", "/api/v1/admin%00", "/api/v1/admin%20", "/api/v1/admin;a=b", "/api/v1/admin.json", "/api/v1/admin%0a", "/api/v1/admin%c0%ae", "/api/v1/..;/v1/admin", "/api/v1/adm%69n",
		"http://shop/api/v1/admin", "http://shop//api/v1/admin", "http://user:pass@evil/api/v1/admin", "/api/v1/admin?", "/api/v1/admin??", "/api/v1/admin#x", "/api/v1/admin?a=%zz",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "PROPFIND", "X"} {
			answer := send(t, addr, method+" "+path+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-HTTP-Method-Override: POST\r\nX-Original-URL: /api/v1/things\r\nX-Rewrite-URL: /api/v1/things\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"+`{"name":"lamp"}`)
			status := answer[len("HTTP/1.1 "):][:3]
			switch {
			case method == "OPTIONS" && status == "204":
			case strings.HasPrefix(path, "/api/v1/things/") && (method == "GET" || method == "HEAD") && status == "200":
				// It is the name of a thing, if an odd one, and was served as that.
				require.NotContains(t, answer, `"name":"admin"`)
			default:
				require.Contains(t, []string{"400", "401", "404", "405"}, status, "%s %s: %s", method, path, answer)
			}
		}
	}
}

func TestWordsComeBeforeParameters(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", func(r *web.Router) {
		for _, path := range []string{"/x/{id}", "/x/me", "/x/{id}/y", "/x/me/{y}"} {
			web.Register(r, web.Operation{
				ID: strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path), Method: http.MethodGet, Path: path, Summary: path,
			}, func(context.Context, *struct{}) (*struct{ Body string }, error) {
				return &struct{ Body string }{path}, nil
			})
		}
	})
	for path, route := range map[string]string{"/x/1": "/x/{id}", "/x/me": "/x/me", "/x/1/y": "/x/{id}/y", "/x/me/y": "/x/me/{y}", "/x/me/z": "/x/me/{y}"} {
		require.Equal(t, `"`+route+`"`, string(api.Do(t, http.MethodGet, path, nil).Body), path)
	}
}

func TestParametersOfThePathAreDecoded(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for sent, id := range map[string]string{"a%20b": "a b", "a%2Fb": "a/b", "caf%C3%A9": "café", "a+b": "a+b", "%252e": "%2e", "a%22": `a"`} {
		var got thing
		answer := api.Do(t, http.MethodGet, "/things/"+sent, nil)
		answer.JSON(t, &got)
		require.Equal(t, id, got.ID)
	}
}

func TestNoIdentityLeavesTokensAlone(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "renew", Method: http.MethodPost, Path: "/renew", Summary: "Renew", NoIdentity: true},
			func(ctx context.Context, in *struct {
				Authorization string `header:"Authorization"`
			}) (*struct{ Body bool }, error) {
				_, known := auth.From(ctx)
				return &struct{ Body bool }{known || in.Authorization != "Basic abc"}, nil
			})
	})
	answer := api.Do(t, http.MethodPost, "/renew", nil, "Authorization", "Basic abc")
	require.Equal(t, 200, answer.Status)
	require.Equal(t, "false", string(answer.Body))
}

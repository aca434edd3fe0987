package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/ratelimit"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func limited(cfg ratelimit.Config, proxies ...string) func(*webtest.Options) {
	return func(o *webtest.Options) {
		o.Deps.Clock = clock.NewFake(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), 1)
		limits := ratelimit.New(cfg, o.Deps.Clock)
		o.Deps.Limit = func(_ context.Context, name, key string) web.Decision { return limits.Take(name, key) }
		o.Config.TrustedProxies = proxies
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	cfg := ratelimit.DefaultConfig()
	cfg.Default, cfg.SignIn = ratelimit.Rate{Count: 3, Per: time.Minute}, ratelimit.Rate{Count: 1, Per: time.Minute}
	var ran int
	api := webtest.New(t, "things", func(r *web.Router) {
		routes(r)
		web.Register(r, web.Operation{ID: "sign-in", Method: http.MethodPost, Path: "/sign-in", Summary: "Sign in", Limit: ratelimit.SignIn},
			func(context.Context, *makeThing) (*struct{ Body bool }, error) {
				ran++
				return &struct{ Body bool }{true}, nil
			})
	}, limited(cfg))

	for range 3 {
		answer := api.Do(t, http.MethodGet, "/things/x", nil)
		require.Equal(t, 200, answer.Status)
		require.Empty(t, answer.Header.Get("RateLimit"))
	}
	refused := api.Do(t, http.MethodGet, "/things/x", nil)
	require.Equal(t, 429, refused.Status)
	require.Equal(t, "rate_limited", refused.Problem(t).Code)
	require.Equal(t, "20", refused.Header.Get("Retry-After"))
	require.Equal(t, `"default";q=3;w=60`, refused.Header.Get("RateLimit-Policy"))
	require.Equal(t, `"default";r=0;t=60`, refused.Header.Get("RateLimit"))

	first := api.Do(t, http.MethodPost, "/sign-in", good)
	require.Equal(t, 200, first.Status)
	require.Equal(t, `"signin";r=0;t=60`, first.Header.Get("RateLimit"), "whoever meets a limit of its own is told of it")
	// It comes before who is calling and what is sent.
	require.Equal(t, 429, api.Do(t, http.MethodPost, "/sign-in", `{`, "Authorization", "Bearer nobody's").Status)
	require.Equal(t, 1, ran)
	require.Equal(t, 200, api.Raw(t, http.MethodGet, "/livez", nil).Status, "the machinery has no limit")
}

// TestClientAddresses asks who a request comes from: what it says itself counts
// only where it comes through a proxy that is trusted.
func TestClientAddresses(t *testing.T) {
	t.Parallel()
	who := func(r *web.Router) {
		web.Register(r, web.Operation{ID: "who", Method: http.MethodGet, Path: "/who", Summary: "Who"},
			func(ctx context.Context, _ *struct{}) (*struct{ Body string }, error) {
				return &struct{ Body string }{web.ClientIP(ctx)}, nil
			})
	}
	for name, c := range map[string]struct {
		proxies []string
		header  []string
		client  string
	}{
		"nobody is trusted":         {nil, []string{"X-Forwarded-For", "9.9.9.9"}, "127.0.0.1"},
		"somebody else is trusted":  {[]string{"10.0.0.0/8"}, []string{"X-Forwarded-For", "9.9.9.9"}, "127.0.0.1"},
		"behind a proxy":            {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "9.9.9.9"}, "9.9.9.9"},
		"the proxy says nothing":    {[]string{"127.0.0.1"}, nil, "127.0.0.1"},
		"a client that makes it up": {[]string{"127.0.0.0/8"}, []string{"X-Forwarded-For", "1.1.1.1, 9.9.9.9"}, "9.9.9.9"},
		"behind two proxies":        {[]string{"127.0.0.1", "10.0.0.0/8"}, []string{"X-Forwarded-For", "1.1.1.1, 9.9.9.9,10.1.2.3"}, "9.9.9.9"},
		"in two lines":              {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "9.9.9.9"}, "9.9.9.9"},
		"proxies only":              {[]string{"127.0.0.1", "10.0.0.0/8"}, []string{"X-Forwarded-For", "10.0.0.1"}, "10.0.0.1"},
		"garbage":                   {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "9.9.9.9, nonsense"}, "127.0.0.1"},
		"garbage further left":      {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "nonsense, 9.9.9.9"}, "9.9.9.9"},
		"a port":                    {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "9.9.9.9:80"}, "127.0.0.1"},
		"IPv6":                      {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "2001:db8::1"}, "2001:db8::1"},
		"IPv4 in IPv6":              {[]string{"127.0.0.1"}, []string{"X-Forwarded-For", "::ffff:9.9.9.9"}, "9.9.9.9"},
		"another header":            {[]string{"127.0.0.1"}, []string{"X-Real-IP", "9.9.9.9", "Forwarded", "for=9.9.9.9"}, "127.0.0.1"},
	} {
		api := webtest.New(t, "things", who, func(o *webtest.Options) { o.Config.TrustedProxies = c.proxies })
		require.Equal(t, `"`+c.client+`"`, string(api.Do(t, http.MethodGet, "/who", nil, c.header...).Body), name)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*web.Config){
		func(c *web.Config) { c.TrustedProxies = []string{"nonsense"} },
		func(c *web.Config) { c.TrustedProxies = []string{"10.0.0.0/33"} },
		func(c *web.Config) { c.CORSOrigins = []string{"shop.example"} },
		func(c *web.Config) { c.CORSOrigins = []string{"https://shop.example/"} },
	} {
		cfg := web.DefaultConfig()
		require.NoError(t, cfg.Validate())
		change(&cfg)
		require.Error(t, cfg.Validate())
		_, err := web.New(cfg, web.Deps{Clock: clock.System()})
		require.Error(t, err)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	closed := webtest.New(t, "things", routes)
	open := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Config.CORSOrigins = []string{"*"} })
	some := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Config.CORSOrigins = []string{"https://shop.example"} })
	const allowed = "Access-Control-Allow-Origin"
	preflight := func(api *webtest.Server, origin string) webtest.Answer {
		return api.Do(t, http.MethodOptions, "/mine", nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	}
	for _, c := range []struct {
		api             *webtest.Server
		origin, allowed string
	}{
		{closed, "https://shop.example", ""}, {open, "https://any.example", "*"}, {some, "https://shop.example", "https://shop.example"},
		{some, "https://evil.example", ""}, {some, "https://shop.example.evil", ""}, {some, "http://shop.example", ""}, {some, "null", ""}, {some, "", ""},
	} {
		asked := preflight(c.api, c.origin)
		require.Equal(t, c.allowed, asked.Header.Get(allowed))
		require.Equal(t, 204, asked.Status)
		require.Equal(t, c.allowed != "", asked.Header.Get("Access-Control-Allow-Methods") != "")
		require.Empty(t, asked.Header.Get("Access-Control-Allow-Credentials"))

		got := c.api.Do(t, http.MethodGet, "/things/none", nil, "Origin", c.origin)
		require.Equal(t, c.allowed, got.Header.Get(allowed), "failures, too, are to be read")
		require.Equal(t, c.allowed != "", got.Header.Get("Access-Control-Expose-Headers") != "")
	}
	require.Equal(t, "Origin", preflight(some, "https://evil.example").Header.Get("Vary"))
}

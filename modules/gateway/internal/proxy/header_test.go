package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace"

	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

const hostile = "Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic abc\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n" +
	"X-User-ID: root\r\nx-user-role: admin\r\nX-Authenticated-User: root\r\nX-Auth-Request-Email: a@b\r\nRemote-User: root\r\nX-Remote-User: root\r\nX-Roles: admin\r\n" +
	"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-User: root\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\n" +
	"X-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\n"

func TestWhatIsMeantForTheGatewayStaysThere(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	p := w.puppet("things", "t1", answers(served))
	c, err := net.Dial("tcp", w.Addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET /api/v1/things/lamp?a=b HTTP/1.1\r\nHost: shop.example\r\n"+hostile+
		"Authorization: Bearer "+webtest.Token("ada")+"\r\nAccept: a\r\nAccept: b\r\nX-Request-Id: mine\r\nCookie: a=b; c=d\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\nUser-Agent: test\r\nPrefer: wait=3\r\n\r\n")
	require.NoError(t, err)
	readAnswer(t, c, 2)
	require.Len(t, p.requests(), 1)
	head := strings.TrimSuffix(p.requests()[0], "\r\n\r\n")
	require.ElementsMatch(t, []string{
		"GET /api/v1/things/lamp?a=b HTTP/1.1", "Host: " + p.addr, "User-Agent: test", "Authorization: Bearer " + webtest.Token("ada"),
		"Accept: a", "Accept: b", "X-Request-Id: mine", "Cookie: a=b; c=d", "Prefer: wait=3", "Via: 1.1 stoa",
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate: a=b",
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example",
	}, strings.Split(head, "\r\n"))
}

func TestATrustedProxyIsBelieved(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(_ *proxy.Config, o *webtest.Options) { o.Config.TrustedProxies = []string{"127.0.0.0/8"} })
	p := w.puppet("things", "t1", answers(served))
	send(t, w.Addr, get("/things/lamp", "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\n"))
	require.Contains(t, p.requests()[0], "\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n")
}

func TestModulesSeeTheClientsAddress(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(_ *proxy.Config, o *webtest.Options) { o.Config.TrustedProxies = []string{"127.0.0.0/8"} })
	w.start("things", "t1", things("t1"))
	var got thing
	w.Do(t, http.MethodGet, "/things/lamp", nil, "X-Forwarded-For", "6.6.6.6").JSON(t, &got)
	require.Equal(t, "6.6.6.6", got.Client)
}

func TestTheModulesSpanFollowsTheGateways(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(_ *proxy.Config, o *webtest.Options) { o.Deps.Tracer = trace.NewTracerProvider() })
	p := w.puppet("things", "t1", answers(served))
	const caller = "b7ad6b7169203331"
	send(t, w.Addr, get("/things/lamp", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"+caller+"-01\r\ntracestate: a=b\r\n"))
	sent := p.requests()[0]
	require.Equal(t, 1, strings.Count(strings.ToLower(sent), "\r\ntraceparent: "))
	require.Contains(t, sent, ": 00-0af7651916cd43dd8448eb211c80319c-")
	require.NotContains(t, sent, caller)
	require.Contains(t, sent, "racestate: a=b\r\n")
}

func TestTheEdgeRefusesWithoutAskingTheModule(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(_ *proxy.Config, o *webtest.Options) {
		o.Deps.Limit = func(_ context.Context, _, key string) web.Decision {
			return web.Decision{Allowed: key != "6.6.6.6", Limit: 1, Policy: `"default";q=1;w=60`, Reset: 1}
		}
		o.Config.TrustedProxies = []string{"127.0.0.0/8"}
	})
	p := w.puppet("things", "t1", answers(served))
	ada := "Authorization: Bearer " + webtest.Token("ada") + "\r\n"
	for request, status := range map[string]string{
		get("/things/lamp", "Authorization: Bearer nonsense\r\n"): "401",
		get("/things/mine"):                                                                 "401",
		text("POST", "/things/clean", "", ada):                                              "403",
		get("/things/lamp", "X-Forwarded-For: 6.6.6.6\r\n"):                                 "429",
		text("POST", "/things", strings.Repeat("x", 2<<20)):                                 "413",
		text("POST", "/things/clean", strings.Repeat("x", 2<<20)):                           "401",
		text("PUT", "/things", ""):                                                          "405",
		"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nx": "400",
	} {
		answer := send(t, w.Addr, request)
		require.Contains(t, answer, "HTTP/1.1 "+status, request)
		require.Contains(t, answer, "application/problem+json", request)
	}
	require.Empty(t, p.requests())
}

// Only users knows API keys: where the gateway cannot tell whose one is, the
// module judges.
func TestAPIKeysGoThrough(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	p := w.puppet("things", "t1", answers(served))
	require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/mine", nil, "X-API-Key", "secret").Status)
	require.Contains(t, p.requests()[0], "\r\nX-Api-Key: secret\r\n")
}

func TestLimitsOfTheGatewayAreTold(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(_ *proxy.Config, o *webtest.Options) {
		o.Deps.Limit = func(context.Context, string, string) web.Decision {
			return web.Decision{Allowed: true, Limit: 5, Remaining: 4, Policy: `"things";q=5;w=60`, Reset: 1}
		}
	})
	w.mu.Lock()
	describe := w.describe
	w.describe = func(module string) ([]byte, error) {
		text, err := describe(module)
		return []byte(strings.ReplaceAll(string(text), `"id":"get-thing",`, `"id":"get-thing","limit":"things",`)), err
	}
	w.mu.Unlock()
	w.start("things", "t1", things("t1"))
	answer := w.Do(t, http.MethodGet, "/things/lamp", nil)
	require.Equal(t, http.StatusOK, answer.Status)
	require.Equal(t, `"things";q=5;w=60`, answer.Header.Get("RateLimit-Policy"))
	require.Contains(t, answer.Header.Get("RateLimit"), `"things";r=4`)
}

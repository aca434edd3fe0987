package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// paths are what strange addresses meet.
func paths() []promise {
	return []promise{
		{"no path climbs out", climbingPaths},
		{"an address that is too long is refused", longPaths},
		{"a forwarded host is never in a link", forwardedHosts},
	}
}

func climbingPaths(t *testing.T, w *world) {
	for _, path := range []string{
		"/../../etc/passwd", "/docs/../../etc/passwd", "/docs/..%2f..%2fetc%2fpasswd", "/docs/%2e%2e/%2e%2e/etc/passwd", "/docs/%252e%252e/etc/passwd", "/docs/..%5c..%5cwindows", "/docs/..%c0%af..%c0%afetc/passwd",
		"/docs/%c0%ae%c0%ae/etc/passwd", "/docs/%00", "/docs/index.html%00.js", base + "/products/..%2f..%2fusers", base + "/products/%2e%2e/users", base + "/products/%252e%252e%252fusers", base + "/products/%00",
		base + "/products/%c0%ae%c0%ae", base + "/products/%", base + "/products/%zz", base + "/products/%2", "/.git/config", "/.env", "/data/users.db", "/users.db", "/data/keys", "/%2e/%2e%2e/data/users.db",
	} {
		a := w.ask(t, w.anyone, "GET", path, "")
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusUnauthorized}, a.Status, "%s: %s", path, a)
		a.problem(t)
		require.NotContains(t, string(a.Body), "root:")
	}
}

func longPaths(t *testing.T, w *world) {
	for _, path := range []string{"/" + strings.Repeat("a", 16<<10), base + "/products/" + strings.Repeat("a", 16<<10), base + "/products?q=" + strings.Repeat("a", 16<<10), base + "/products?q=" + strings.Repeat("%41", 40_000)} {
		answers, closed := w.exchange(t, w.request(t, w.anyone, "GET", path, ""))
		require.Len(t, answers, 1, "%s", shorten(path))
		answers[0].Refused(t, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge, http.StatusBadRequest)
		require.True(t, closed)
	}
}

func forwardedHosts(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	evil := []With{
		header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Proto", "https"), header("X-Forwarded-Server", "evil.example"), header("X-Forwarded-Port", "6666"),
		header("Forwarded", "host=evil.example;proto=https"), header("X-Original-Host", "evil.example"), header("X-Host", "evil.example"), header("X-Forwarded-Prefix", "/evil.example"),
	}
	order := w.customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 1)), append([]With{wait(30)}, evil...)...).Want(t, http.StatusCreated)
	file := w.upload(t, "format=shopify&dry_run=true", shopifyFile(unique("host")), evil...).Want(t, http.StatusAccepted)
	for _, a := range []*Answer{
		order, file, w.anyone.Fetch(t, "/openapi.json", evil...), w.anyone.Fetch(t, "/docs", evil...), w.anyone.Get(t, "/products?limit=1", evil...), w.anyone.Get(t, "/nowhere", evil...),
	} {
		require.NotContains(t, string(a.Body), "evil.example", "%s %s", a.Method, a.Path)
		for name, values := range a.Header {
			require.NotContains(t, strings.Join(values, ","), "evil.example", "%s of %s %s", name, a.Method, a.Path)
			require.NotContains(t, strings.Join(values, ","), "6666")
		}
		require.False(t, strings.HasPrefix(a.Header.Get("Location"), "https:"), "Location: %s", a.Header.Get("Location"))
	}
	// Nor is the Host that a stranger sends.
	text := strings.Replace(w.request(t, w.customer, "POST", base+"/orders", `{"items":[{"sku":"`+sku+`","quantity":1}],"shipping_address":{"name":"A","line1":"1","line2":"","city":"C","region":"","postal_code":"1","country":"US","phone":""},"payment":{"method":"card","token":"tok_approve"}}`, "Connection: close"),
		"Host: "+w.host(t), "Host: evil.example", 1)
	answers, _ := w.exchange(t, text)
	require.Len(t, answers, 1)
	require.NotContains(t, answers[0].Header.Get("Location"), "evil.example")
	w.anyone.Post(t, "/password-resets", fields{"email": w.customer.Email}, evil...).Want(t, http.StatusAccepted)
	require.NotContains(t, w.Output(), "evil.example/")
}

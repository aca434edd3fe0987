package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// conventions are what holds of every call.
func conventions() []promise {
	return []promise{
		{"every failure is a problem with all its members", problemsHaveAllMembers},
		{"identity is judged before the body", identityComesFirst},
		{"a request id is accepted or made, and always returned", requestIDs},
		{"an unknown path is not found, an unknown method is not allowed", unknownRoutes},
		{"HEAD answers as GET does, without a body", headAnswers},
		{"the service endpoints stand outside the API", serviceEndpoints},
		{"the operations listener is apart", operationsListener},
		{"an unknown query parameter is refused", unknownQueryParameters},
		{"a trace context is continued or ignored, never in the way", traceContexts},
		{"credentials are taken in one way at a time", badCredentials},
	}
}

func problemsHaveAllMembers(t *testing.T, w *world) {
	_, p := w.sell(t, usd(100), 1)
	path := "/products/" + p.ID
	tooLong := fields{"title": strings.Repeat("x", 2<<20)}
	w.staff.Post(t, "/products", `{"slug"`).Want(t, http.StatusBadRequest)
	w.anyone.Get(t, "/users/me").Want(t, http.StatusUnauthorized)
	w.customer.Get(t, "/users").Want(t, http.StatusForbidden)
	w.anyone.Get(t, "/products/no-such-product").Problem(t, http.StatusNotFound, "catalog.product_not_found")
	w.staff.Put(t, path, fields{}).Want(t, http.StatusMethodNotAllowed)
	w.staff.Post(t, "/inventory/"+p.Variants[0].SKU+"/adjustments", fields{"delta": -2, "reason": "lost"}).
		Problem(t, http.StatusConflict, "catalog.insufficient_stock")
	w.staff.Patch(t, path, fields{"title": "New"}, header("If-Match", `"no-version-of-it"`)).Want(t, http.StatusPreconditionFailed)
	w.staff.Patch(t, path, tooLong).Want(t, http.StatusRequestEntityTooLarge)
	w.staff.Patch(t, path, "title=New", contentType("text/plain")).Want(t, http.StatusUnsupportedMediaType)

	for field, body := range map[string]fields{
		"email": account("nobody", goodPassword), "password": account("somebody@example.com", "short"),
		"role": {"email": "somebody@example.com", "password": goodPassword, "name": "A", "role": "admin"},
	} {
		invalid := w.anyone.Post(t, "/users", body).Refused(t, http.StatusUnprocessableEntity)
		require.NotEmpty(t, invalid.Errors, "bad fields are named")
		require.Contains(t, invalid.Errors[0].Location, field)
	}
	require.Equal(t, p.Version, get[Product](t, w.staff, path).Version, "nothing changed")
}

func identityComesFirst(t *testing.T, w *world) {
	for _, body := range []string{`{"slug"`, `[]`, ``, `{"price": -1}`} {
		w.anyone.Post(t, "/products", body).Want(t, http.StatusUnauthorized)
		w.customer.Post(t, "/products", body).Want(t, http.StatusForbidden)
		w.anyone.Post(t, "/orders", body).Want(t, http.StatusUnauthorized)
		w.anyone.Post(t, "/products", body, contentType("text/xml")).Want(t, http.StatusUnauthorized)
	}
	w.anyone.Get(t, "/users?limit=0").Want(t, http.StatusUnauthorized)
	w.customer.Get(t, "/users?limit=0").Want(t, http.StatusForbidden)
	w.customer.Patch(t, "/products/no-such-product", fields{}).Want(t, http.StatusForbidden)
}

func requestIDs(t *testing.T, w *world) {
	made := map[string]bool{}
	for range 3 {
		id := w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK).Header.Get("X-Request-Id")
		require.False(t, made[id], "a request id was made twice: %s", id)
		made[id] = true
	}
	for _, good := range []string{"abc", "A-b_c.9", strings.Repeat("x", 64)} {
		a := w.anyone.Get(t, "/products/no-such-product", header("X-Request-Id", good))
		require.Equal(t, good, a.Problem(t, http.StatusNotFound, "catalog.product_not_found").RequestID)
	}
	for _, bad := range []string{strings.Repeat("x", 65), "a b", "<script>", `"quoted"`, "é", "a\tb"} {
		got := w.anyone.Get(t, "/products?limit=1", header("X-Request-Id", bad)).Want(t, http.StatusOK).Header.Get("X-Request-Id")
		require.NotEqual(t, bad, got)
		require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, got)
	}
	for _, path := range []string{"/livez", "/readyz", "/health", "/openapi.json", "/nowhere"} {
		require.NotEmpty(t, w.anyone.Fetch(t, path).Header.Get("X-Request-Id"), path)
	}
}

func unknownRoutes(t *testing.T, w *world) {
	for _, path := range []string{"/", "/nowhere", "/api", "/api/v1", base + "/nowhere", base + "/products/a/b/c", "/api/v2/products"} {
		a := w.anyone.Fetch(t, path)
		a.Want(t, http.StatusNotFound)
	}
	known := map[string][]string{
		"/products":                {"GET", "HEAD", "POST"},
		"/products/no-such-thing":  {"GET", "HEAD", "PATCH", "DELETE"},
		"/sessions":                {"POST"},
		"/users/me/addresses":      {"GET", "HEAD", "POST"},
		"/carts":                   {"POST"},
		"/inventory/no-such-thing": {"GET", "HEAD"},
	}
	for path, methods := range known {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := w.admin.Do(t, method, path, nil).Want(t, http.StatusMethodNotAllowed)
			allow := strings.Split(strings.ReplaceAll(a.Header.Get("Allow"), " ", ""), ",")
			for _, m := range methods {
				require.Contains(t, allow, m, "Allow of %s", a)
			}
			require.NotContains(t, allow, method, "Allow of %s", a)
		}
	}
}

func headAnswers(t *testing.T, w *world) {
	_, p := w.sell(t, usd(100), 1)
	for _, path := range []string{"/products/" + p.ID, "/products/" + p.Slug, "/products/no-such-product", "/categories"} {
		read := w.anyone.Get(t, path)
		head := w.anyone.Do(t, http.MethodHead, path, nil)
		require.Equal(t, read.Status, head.Status, path)
		require.Empty(t, head.Body, path)
		for _, name := range []string{"Content-Type", "ETag"} {
			require.Equal(t, read.Header.Get(name), head.Header.Get(name), "%s of HEAD %s", name, path)
		}
	}
	// A body after HEAD would be taken for the next answer.
	answers, closed := w.exchange(t, w.request(t, w.anyone, "HEAD", base+"/products/"+p.ID, "", "Connection: close"))
	require.Len(t, answers, 1)
	require.True(t, closed)
}

func serviceEndpoints(t *testing.T, w *world) {
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		require.Equal(t, http.StatusOK, w.anyone.Fetch(t, path).Status, path)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/debug/pprof/heap"} {
		require.Equal(t, http.StatusNotFound, w.anyone.Fetch(t, path).Status, "%s is not for the public", path)
	}
	keys := decode[struct {
		Keys []map[string]any `json:"keys"`
	}](t, w.anyone.Fetch(t, "/.well-known/jwks.json"))
	require.NotEmpty(t, keys.Keys)
	for _, k := range keys.Keys {
		require.NotContains(t, k, "d", "a private key is published")
		require.NotContains(t, k, "k", "a shared key is published")
		require.Contains(t, []any{"OKP", "EC"}, k["kty"])
		require.NotEmpty(t, k["kid"])
	}
}

func operationsListener(t *testing.T, w *world) {
	ops := &Caller{url: w.OpsURL(), client: w.client}
	metrics := ops.Fetch(t, "/metrics")
	require.Equal(t, http.StatusOK, metrics.Status)
	require.Contains(t, string(metrics.Body), "go_goroutines")
	require.Equal(t, http.StatusOK, ops.Fetch(t, "/livez").Status)
	verbose := ops.Fetch(t, "/readyz?verbose")
	require.Equal(t, http.StatusOK, verbose.Status, "%s", verbose)
	require.NotEmpty(t, verbose.Body, "verbose health says what was looked at")
	require.Equal(t, http.StatusOK, ops.Fetch(t, "/debug/pprof/").Status)
	require.Equal(t, http.StatusNotFound, ops.Fetch(t, base+"/products").Status, "the API stands on the public listener alone")
}

func unknownQueryParameters(t *testing.T, w *world) {
	for _, query := range []string{"arr[2147483647]=1", "nonsense=1", "limit=1&limit=2", "Limit=1", "items[0][sku]=x"} {
		w.anyone.Get(t, "/products?"+query).Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
	}
}

func traceContexts(t *testing.T, w *world) {
	for _, parent := range []string{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0-0-0", "ff-" + strings.Repeat("0", 200), "nonsense", "",
	} {
		w.anyone.Get(t, "/products?limit=1", header("traceparent", parent), header("tracestate", strings.Repeat("a=b,", 100))).
			Want(t, http.StatusOK)
	}
}

func badCredentials(t *testing.T, w *world) {
	for _, value := range []string{
		"Bearer", "Bearer ", "bearer", "Basic YWRtaW46YWRtaW4=", "Bearer " + w.customer.token + " " + w.admin.token, "Token " + w.customer.token,
		"Bearer " + w.customer.token + "x", "Bearer  .." + w.customer.token, w.customer.token,
	} {
		w.anyone.Get(t, "/users/me", header("Authorization", value)).Want(t, http.StatusUnauthorized)
	}
	w.anyone.Get(t, "/users/me", header("X-API-Key", "nonsense")).Want(t, http.StatusUnauthorized)
	// A bad token is not the same as none, also where none is needed.
	w.anyone.Get(t, "/products?limit=1", header("Authorization", "Bearer nonsense")).Want(t, http.StatusUnauthorized)
	// Identity comes from credentials alone.
	for _, name := range []string{"X-User-ID", "X-User-Id", "X-Stoa-User", "X-Forwarded-User", "X-Roles", "X-Stoa-Identity", "X-Session-Id", "X-Remote-User"} {
		w.anyone.Get(t, "/users/me", header(name, w.admin.User.ID)).Want(t, http.StatusUnauthorized)
		w.customer.Get(t, "/users", header(name, w.admin.User.ID), header("X-Roles", "admin")).Want(t, http.StatusForbidden)
	}
}

package conformance

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documents are what the shop says of itself.
func documents() []promise {
	return []promise{
		{"the OpenAPI document has every call of the API's page", documentIsComplete},
		{"every operation of the document answers", documentIsTrue},
		{"every operation says who may call it and how it fails", documentSaysEnough},
		{"the document is the same as YAML and from the command line", documentInEveryForm},
		{"the docs page needs no other host", docsPageWorksOffline},
	}
}

// calls are those of the API's page, without what a later release adds.
const calls = `
POST /users
POST /sessions
POST /sessions/refresh
DELETE /sessions/current
GET /users/me
PATCH /users/me
POST /users/me/password
POST /password-resets
POST /password-resets/{token}
GET /users/me/addresses
POST /users/me/addresses
GET /users/me/addresses/{id}
PUT /users/me/addresses/{id}
DELETE /users/me/addresses/{id}
GET /users
GET /users/{id}
PATCH /users/{id}
DELETE /users/{id}
GET /products
GET /products/{id}
POST /products
PATCH /products/{id}
DELETE /products/{id}
POST /products/{id}/variants
PATCH /products/{id}/variants/{sku}
DELETE /products/{id}/variants/{sku}
GET /categories
POST /categories
PATCH /categories/{id}
DELETE /categories/{id}
GET /inventory/{sku}
POST /inventory/{sku}/adjustments
GET /inventory/{sku}/movements
POST /catalog/imports
GET /catalog/imports/{id}
GET /catalog/export
POST /carts
GET /carts/{id}
PUT /carts/{id}/items/{sku}
DELETE /carts/{id}/items/{sku}
POST /orders
GET /orders
GET /orders/{id}
GET /orders/{id}/events
POST /orders/{id}/cancellation
POST /orders/{id}/shipments
POST /orders/{id}/delivery
POST /orders/{id}/refunds
GET /payments
`

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// document is an OpenAPI document, as far as the suite reads it.
type document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title   string `json:"title"`
		Version string `json:"version"`
	} `json:"info"`
	Servers []struct {
		URL string `json:"url"`
	} `json:"servers"`
	Paths map[string]map[string]json.RawMessage `json:"paths"`
}

// operation is one call of a document.
type operation struct {
	OperationID string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Security    []map[string][]string      `json:"security"`
	Responses   map[string]json.RawMessage `json:"responses"`
	Parameters  []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
}

// operations gives the calls of a document by "METHOD /path", with the names of
// path parameters left out.
func (d document) operations(t testing.TB) map[string]operation {
	t.Helper()
	prefix := ""
	for _, s := range d.Servers {
		if strings.HasSuffix(s.URL, base) {
			prefix = base
		}
	}
	found := map[string]operation{}
	for path, methods := range d.Paths {
		for method, text := range methods {
			if method == "parameters" || method == "summary" || method == "description" {
				continue
			}
			var o operation
			require.NoError(t, json.Unmarshal(text, &o), "%s %s", method, path)
			found[strings.ToUpper(method)+" "+parameter.ReplaceAllString(prefix+path, "{}")] = o
		}
	}
	return found
}

func (w *world) document(t testing.TB) document {
	t.Helper()
	a := w.anyone.Fetch(t, "/openapi.json")
	require.Equal(t, http.StatusOK, a.Status, "%s", a)
	return decode[document](t, a)
}

func documentIsComplete(t *testing.T, w *world) {
	d := w.document(t)
	require.Regexp(t, `^3\.1\.`, d.OpenAPI)
	require.NotEmpty(t, d.Info.Title)
	has := slices.Sorted(maps.Keys(d.operations(t)))
	for call := range strings.Lines(strings.TrimSpace(calls)) {
		method, path, _ := strings.Cut(strings.TrimSpace(call), " ")
		require.Contains(t, has, method+" "+parameter.ReplaceAllString(base+path, "{}"))
	}
}

func documentIsTrue(t *testing.T, w *world) {
	unknown := w.admin.Get(t, "/there/is/nothing/here").Refused(t, http.StatusNotFound).Code
	for call := range w.document(t).operations(t) {
		method, path, _ := strings.Cut(call, " ")
		if !strings.HasPrefix(path, base) {
			continue
		}
		// Ids of nothing, and a body that no operation takes, so that nothing happens.
		target := strings.ReplaceAll(path, "{}", "0193f3a0-0000-7000-8000-000000000000")
		if target == base+"/sessions/current" {
			continue // it would end the admin's session
		}
		var body any
		if method != http.MethodGet && method != http.MethodDelete {
			body = "[]"
		}
		a := w.admin.Try(t.Context(), method, target, body)
		require.NoError(t, a.Err, "%s", call)
		require.NotEqual(t, http.StatusMethodNotAllowed, a.Status, "%s", a)
		require.Less(t, a.Status, 500, "%s", a)
		if a.Status == http.StatusNotFound {
			require.NotEqual(t, unknown, a.problem(t).Code, "%s is in the document and does not answer: %s", call, a)
		}
	}
}

func documentSaysEnough(t *testing.T, w *world) {
	ids := map[string]string{}
	for call, o := range w.document(t).operations(t) {
		require.NotEmpty(t, o.OperationID, call)
		require.NotEmpty(t, o.Summary, call)
		require.Empty(t, ids[o.OperationID], "%s and %s have one operationId", call, ids[o.OperationID])
		ids[o.OperationID] = call
		method, path, _ := strings.Cut(call, " ")
		if !strings.HasPrefix(path, base) {
			continue
		}
		var succeeds, fails bool
		for status, response := range o.Responses {
			succeeds = succeeds || strings.HasPrefix(status, "2")
			fails = fails || strings.Contains(string(response), "problem") || strings.HasPrefix(status, "4") || status == "default"
		}
		require.True(t, succeeds, "%s has no answer", call)
		require.True(t, fails, "%s never fails", call)
		if strings.HasPrefix(path, base+"/inventory") || path == base+"/orders" && method == http.MethodPost {
			require.NotEmpty(t, o.Security, "%s needs a token", call)
			require.Contains(t, o.Responses, "401", call)
		}
	}
}

func documentInEveryForm(t *testing.T, w *world) {
	yaml := w.anyone.Fetch(t, "/openapi.yaml")
	require.Equal(t, http.StatusOK, yaml.Status)
	require.Contains(t, yaml.Header.Get("Content-Type"), "yaml")
	served := w.document(t)
	for path := range served.Paths {
		require.Contains(t, string(yaml.Body), path)
	}
	printed := w.Command(t, "", "openapi")
	require.Zero(t, printed.Exit, "%s", printed.Stderr)
	var d document
	require.NoError(t, json.Unmarshal([]byte(printed.Stdout), &d), "%s", shorten(printed.Stdout))
	require.Equal(t, slices.Sorted(maps.Keys(served.operations(t))), slices.Sorted(maps.Keys(d.operations(t))))
}

// references find what an HTML page loads.
var references = regexp.MustCompile(`(?i)(?:src|href|action|data-url|spec-url)\s*=\s*["']?([^"'\s>]+)|@import\s+(?:url\()?["']?([^"')\s]+)|url\(["']?([^"')\s]+)`)

func docsPageWorksOffline(t *testing.T, w *world) {
	page := w.anyone.Fetch(t, "/docs")
	if page.Status == http.StatusMovedPermanently || page.Status == http.StatusFound || page.Status == http.StatusPermanentRedirect || page.Status == http.StatusTemporaryRedirect {
		page = w.anyone.Fetch(t, page.Header.Get("Location"))
	}
	require.Equal(t, http.StatusOK, page.Status)
	require.Contains(t, page.Header.Get("Content-Type"), "text/html")
	loaded := 0
	for _, m := range references.FindAllStringSubmatch(string(page.Body), -1) {
		ref := m[1] + m[2] + m[3]
		if strings.HasPrefix(ref, "#") || strings.HasPrefix(ref, "data:") {
			continue
		}
		require.False(t, strings.Contains(ref, "//"), "the page refers to another host: %s", ref)
		if !strings.HasPrefix(ref, "/") {
			ref = page.Path[:strings.LastIndexByte(page.Path, '/')+1] + ref
		}
		asset := w.anyone.Fetch(t, ref)
		require.Equal(t, http.StatusOK, asset.Status, "%s", ref)
		require.NotEmpty(t, asset.Body, ref)
		loaded++
	}
	require.Positive(t, loaded, "a page that loads nothing shows nothing")
	require.NotRegexp(t, `<script[^>]+https?://`, string(page.Body))
}

package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	var trouble atomic.Bool
	api := webtest.New(t, "things", routes, func(o *webtest.Options) {
		o.Deps.Ready = func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				return errors.New("it may take for ever")
			}
			if trouble.Load() {
				return errors.New("dial tcp 10.1.2.3:5432: connection refused")
			}
			return nil
		}
	})
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := api.Raw(t, method, path, nil)
			require.Equal(t, 200, answer.Status)
			require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
		}
	}
	trouble.Store(true)
	require.Equal(t, 200, api.Raw(t, http.MethodGet, "/livez", nil).Status)
	for _, path := range []string{"/readyz", "/health"} {
		answer := api.Raw(t, http.MethodGet, path, nil)
		require.Equal(t, 503, answer.Status)
		require.Equal(t, "not_ready", answer.Problem(t).Code)
		require.NotContains(t, string(answer.Body), "10.1.2.3")
		require.Equal(t, "1", answer.Header.Get("Retry-After"))
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes, func(o *webtest.Options) {
		o.Deps.JWKS = func() []byte { return []byte(`{"keys":[]}`) }
	})
	answer := api.Raw(t, http.MethodGet, "/.well-known/jwks.json", nil)
	require.Equal(t, 200, answer.Status)
	require.Equal(t, `{"keys":[]}`, string(answer.Body))
	require.Equal(t, "application/jwk-set+json", answer.Header.Get("Content-Type"))
	require.Equal(t, 404, webtest.New(t, "things", routes).Raw(t, http.MethodGet, "/.well-known/jwks.json", nil).Status)
}

// TestDocsWorkOffline holds that the page names nothing that another host has,
// and that the browser is told to load nothing from there.
func TestDocsWorkOffline(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	page := api.Raw(t, http.MethodGet, "/docs", nil)
	require.Equal(t, 200, page.Status)
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	policy := page.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'; script-src 'self';")
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, policy, "http")
	require.NotContains(t, string(page.Body), "http")
	require.NotRegexp(t, `<script>|<style|\son\w+=|style=`, string(page.Body), "the policy would refuse it")

	links := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllStringSubmatch(string(page.Body), -1)
	require.Len(t, links, 3)
	for _, link := range links {
		plain := api.Raw(t, http.MethodGet, link[1], nil)
		require.Equal(t, 200, plain.Status, link[1])
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"))

		packed := api.Raw(t, http.MethodGet, link[1], nil, "Accept-Encoding", "br, gzip")
		require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
		reader, err := gzip.NewReader(bytes.NewReader(packed.Body))
		require.NoError(t, err)
		unpacked, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, len(plain.Body), len(unpacked))
		require.Equal(t, "public, max-age=3600", packed.Header.Get("Cache-Control"))
		require.Equal(t, 304, api.Raw(t, http.MethodGet, link[1], nil, "If-None-Match", packed.Header.Get("Etag")).Status)
	}
	require.Equal(t, 404, api.Raw(t, http.MethodGet, "/docs/LICENSE.txt", nil).Status)
	require.Equal(t, 404, api.Raw(t, http.MethodGet, "/docs/..%2fservice.go", nil).Status)
}

func TestOperationsListener(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	var trouble error
	api := webtest.New(t, "things", routes, func(o *webtest.Options) {
		o.Deps.Registerer, o.Deps.Gatherer = registry, registry
		o.Deps.Ready = func(context.Context) error { return trouble }
		o.Deps.Checks = func(context.Context) []web.Check {
			return []web.Check{{Name: "database things", Err: trouble}, {Name: "bus"}}
		}
	})
	require.Equal(t, 200, api.Do(t, http.MethodGet, "/things/x", nil).Status)
	require.Equal(t, 404, api.Do(t, http.MethodGet, "/things/none", nil).Status)
	require.Equal(t, 200, api.Do(t, http.MethodHead, "/things/x", nil).Status)
	require.Equal(t, 404, api.Raw(t, http.MethodGet, "/nothing", nil).Status)
	require.Equal(t, 405, api.Raw(t, "BREW", "/api/v1/things", nil).Status)

	ops := listen(t)
	server := web.NewOps(api.Web)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ops) }()
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + ops.Addr().String() + path)
		require.NoError(t, err)
		defer func() { require.NoError(t, response.Body.Close()) }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}

	_, text := get("/metrics")
	for _, line := range []string{
		`stoa_http_requests_total{method="GET",route="/api/v1/things/{id}",status="200"} 1`,
		`stoa_http_requests_total{method="GET",route="/api/v1/things/{id}",status="404"} 1`,
		`stoa_http_requests_total{method="HEAD",route="/api/v1/things/{id}",status="200"} 1`,
		`stoa_http_requests_total{method="GET",route="none",status="404"} 1`,
		`stoa_http_requests_total{method="OTHER",route="none",status="405"} 1`,
		`stoa_http_request_duration_seconds_count{method="GET",route="/api/v1/things/{id}"} 2`,
		`stoa_http_requests_in_flight 0`,
	} {
		require.Contains(t, text, line+"\n")
	}

	status, text := get("/readyz?verbose")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"status":"ready","checks":[{"name":"database things","status":"ok"},{"name":"bus","status":"ok"}]}`, text)
	trouble = errors.New("connection refused")
	status, text = get("/readyz?verbose")
	require.Equal(t, 503, status)
	require.JSONEq(t, `{"status":"not ready","error":"connection refused","checks":[{"name":"database things","status":"failing","error":"connection refused"},{"name":"bus","status":"ok"}]}`, text)
	status, text = get("/readyz")
	require.Equal(t, 503, status)
	require.NotContains(t, text, "checks")
	status, _ = get("/livez")
	require.Equal(t, 200, status)
	status, text = get("/debug/pprof/")
	require.Equal(t, 200, status)
	require.Contains(t, text, "goroutine")
	status, _ = get("/nothing")
	require.Equal(t, 404, status)
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	answer := api.Raw(t, http.MethodGet, "/openapi.json", nil)
	require.Equal(t, 200, answer.Status)
	type response struct {
		Ref     string         `json:"$ref"`
		Content map[string]any `json:"content"`
		Headers map[string]any `json:"headers"`
	}
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                           `json:"operationId"`
			Security    []map[string][]string            `json:"security"`
			Parameters  []struct{ Name, In string }      `json:"parameters"`
			RequestBody struct{ Content map[string]any } `json:"requestBody"`
			Responses   map[string]response              `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas         map[string]any      `json:"schemas"`
			SecuritySchemes map[string]any      `json:"securitySchemes"`
			Responses       map[string]response `json:"responses"`
		} `json:"components"`
	}
	answer.JSON(t, &document)
	require.Equal(t, "3.1.0", document.OpenAPI)

	get := document.Paths["/api/v1/things/{id}"]["get"]
	require.Equal(t, "get-thing", get.OperationID)
	require.Contains(t, get.Responses["200"].Content, "application/json")
	require.Contains(t, get.Responses["200"].Content, "application/cbor")
	for _, header := range []string{"X-Request-Id", "RateLimit", "RateLimit-Policy", "ETag"} {
		require.Contains(t, get.Responses["200"].Headers, header)
	}
	name := strings.TrimPrefix(get.Responses["404"].Ref, "#/components/responses/")
	require.Equal(t, "404.things.thing_not_found", name)
	require.Contains(t, document.Components.Responses[name].Content, "application/problem+json")
	require.Contains(t, get.Responses, "304")
	for _, status := range []string{"400", "401", "422", "429", "500", "503", "504"} {
		require.Contains(t, get.Responses, status)
	}
	require.NotContains(t, get.Responses, "403")
	require.NotContains(t, get.Responses, "415")
	require.Equal(t, []map[string][]string{{}, {"bearer": {}}, {"apiKey": {}}}, get.Security, "it may be called by anyone")

	admin := document.Paths["/api/v1/admin"]["post"]
	require.Equal(t, []map[string][]string{{"bearer": {}}, {"apiKey": {}}}, admin.Security)
	for _, status := range []string{"200", "401", "403", "413", "415", "422"} {
		require.Contains(t, admin.Responses, status)
	}
	require.Contains(t, admin.RequestBody.Content, "application/cbor")
	require.Contains(t, document.Components.Schemas, "Problem")
	require.Contains(t, document.Components.SecuritySchemes, "bearer")

	yaml := api.Raw(t, http.MethodGet, "/openapi.yaml", nil)
	require.Equal(t, 200, yaml.Status)
	require.Contains(t, string(yaml.Body), "openapi: 3.1.0\n")
	require.Equal(t, 304, api.Raw(t, http.MethodGet, "/openapi.json", nil, "If-None-Match", answer.Header.Get("Etag")).Status)

	text, err := api.Web.OpenAPI(false)
	require.NoError(t, err)
	require.Equal(t, string(text), string(answer.Body))
}

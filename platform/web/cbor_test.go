package web_test

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"stoa/platform/web/webtest"
)

func TestCBOR(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	body, err := cbor.Marshal(map[string]any{"name": "lamp", "count": int64(math.MaxInt64), "tags": []string{"é"}})
	require.NoError(t, err)
	answer := api.Do(t, http.MethodPost, "/things", body, "Content-Type", "application/cbor", "Accept", "application/cbor")
	require.Equal(t, 201, answer.Status, "%s", answer.Body)
	require.Equal(t, "application/cbor", answer.Header.Get("Content-Type"))
	var got map[string]any
	require.NoError(t, cbor.Unmarshal(answer.Body, &got))
	require.Equal(t, map[string]any{"id": "1", "name": "lamp", "count": uint64(math.MaxInt64), "tags": []any{"é"}}, got)

	problem := api.Do(t, http.MethodGet, "/things/none", nil, "Accept", "application/cbor")
	require.Equal(t, 404, problem.Status)
	require.Equal(t, "application/problem+cbor", problem.Header.Get("Content-Type"))
	require.NoError(t, cbor.Unmarshal(problem.Body, &got))
	require.Equal(t, "things.thing_not_found", got["code"])

	for _, path := range []string{"/api/v1/nothing", "/api/v1/things?limit=0"} {
		require.Equal(t, "application/problem+cbor", api.Raw(t, http.MethodGet, path, nil, "Accept", "application/cbor").Header.Get("Content-Type"))
	}
	json, cbor := api.Do(t, http.MethodGet, "/things/x", nil), api.Do(t, http.MethodGet, "/things/x", nil, "Accept", "application/cbor")
	require.NotEqual(t, json.Header.Get("Etag"), cbor.Header.Get("Etag"), "they are not the same bytes")
	require.Equal(t, 304, api.Do(t, http.MethodGet, "/things/x", nil, "Accept", "application/cbor", "If-None-Match", cbor.Header.Get("Etag")).Status)
}

func TestWhatIsPreferred(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for accept, kind := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/*": "application/json", "text/html": "application/json", "nonsense": "application/json",
		"application/json": "application/json", "application/json, application/cbor": "application/json", "application/cbor;q=0.5, application/json": "application/json",
		"application/cbor;q=0": "application/json", "application/cbor;q=0.5, */*": "application/json", "application/cbor;q=x": "application/json",
		"application/cbor": "application/cbor", "Application/CBOR": "application/cbor", "application/json;q=0.4, application/cbor;q=0.5": "application/cbor",
		"application/cbor, */*;q=0.8": "application/cbor", "application/problem+cbor, application/cbor": "application/cbor",
	} {
		require.Equal(t, kind, api.Do(t, http.MethodGet, "/things/x", nil, "Accept", accept).Header.Get("Content-Type"), accept)
	}
}

func TestBadCBOR(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	encode := func(v any) string {
		text, err := cbor.Marshal(v)
		require.NoError(t, err)
		return string(text)
	}
	deep := ""
	for range 65 {
		deep += "\x81"
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"empty":              {"", 400},
		"cut off":            {"\xa1\x64name", 400},
		"a break":            {"\xff", 400},
		"trailing data":      {encode(map[string]any{"name": "a"}) + "\x00", 400},
		"a name twice":       {"\xa2\x64name\x61a\x64name\x61b", 400},
		"a name that is 1":   {"\xa1\x01\x61a", 400},
		"invalid UTF-8":      {"\xa1\x64name\x61\xff", 400},
		"too deep":           {"\xa2\x64name\x61a\x63any" + deep + "\x01", 400},
		"100,000 deep":       {strings.Repeat("\x81", 100_000), 400},
		"a great array":      {"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", 400},
		"a tag":              {"\xa1\x64name\xc0\x61a", 400},
		"NaN":                {encode(map[string]any{"name": "a", "any": math.NaN()}), 400},
		"infinity":           {encode(map[string]any{"name": "a", "any": math.Inf(1)}), 400},
		"JSON":               {`{"name":"a"}`, 400},
		"bytes":              {encode(map[string]any{"name": []byte("a")}), 422},
		"bytes further in":   {encode(map[string]any{"name": "a", "any": []any{map[string]any{"b": []byte("a")}}}), 422},
		"a wrong type":       {encode(map[string]any{"name": 1}), 422},
		"an unknown field":   {encode(map[string]any{"name": "a", "x": 1}), 422},
		"of another case":    {encode(map[string]any{"Name": "a"}), 422},
		"2^63":               {encode(map[string]any{"name": "a", "count": uint64(1) << 63}), 422},
		"a fraction":         {encode(map[string]any{"name": "a", "count": 1.5}), 422},
		"NUL in text":        {encode(map[string]any{"name": "a\x00"}), 422},
		"null":               {encode(nil), 422},
		"undefined":          {"\xf7", 422},
		"a map with no name": {encode(map[string]any{}), 422},
	} {
		answer := api.Do(t, http.MethodPost, "/things", c.body, "Content-Type", "application/cbor")
		require.Equal(t, c.status, answer.Status, "%s: %s", name, answer.Body)
		answer.Problem(t)
	}
}

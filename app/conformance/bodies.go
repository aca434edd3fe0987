package conformance

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bodies are what a body meets that is no good JSON.
func bodies() []promise {
	return []promise{
		{"malformed JSON is refused", malformedBodies},
		{"JSON that is no object of the right kind is refused", wrongBodies},
		{"nesting past 64 is refused", deepBodies},
		{"another media type or charset is refused", mediaTypes},
		{"a body past the limit is refused", largeBodies},
		{"the JSON parsing test suite is judged right", parsingSuite},
		{"text of any kind never fails inside", naughtyStrings},
	}
}

// target is a call that anybody signed in may make, and what it must not change.
func (w *world) target(t testing.TB) (c *Caller, unchanged func()) {
	t.Helper()
	c = w.newcomer(t)
	before := string(c.Get(t, "/users/me").Want(t, http.StatusOK).Body)
	return c, func() {
		t.Helper()
		require.Equal(t, before, string(c.Get(t, "/users/me").Want(t, http.StatusOK).Body), "nothing changed")
	}
}

func malformedBodies(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	for _, bad := range []string{
		`{"name"`, `{"name":}`, `{"name":"X"`, `{"name":"X",}`, `{,}`, `{"name":"X"}{"name":"Y"}`, `{"name":"X"} x`, `{"name":"X"}]`, `{"name":"X"};`, "{\"name\":\"X\"}\x00",
		`{name:"X"}`, `{'name':'X'}`, `{"name":"X" /* c */}`, "{\"name\":\"X\"} // c", `{"name":"X","name":"Y"}`, `{"name":"X","n\u0061me":"Y"}`, `{"unknown":1,"unknown":2}`,
		"\xef\xbb\xbf" + `{"name":"X"}`, "{\"name\":\"\xff\xfe\"}", "{\"name\":\"\xc0\xaf\"}", "{\"name\":\"\xed\xa0\x80\"}", `{"name":"\ud800"}`, `{"name":"\udc00\ud800"}`, `{"name":"\x41"}`,
		"{\"name\":\"a\nb\"}", "{\"name\":\"a\tb\"}", `{"name":NaN}`, `{"name":Infinity}`, `{"name":01}`, `{"name":+1}`, `{"name":.5}`, `{"name":1.}`, `{"name":0x10}`, `{"name":tru}`,
		`{"name":undefined}`, "{\"name\":\"X\"}\xff", "\x00", "not json at all", `"unclosed`, "{\x00\"name\":\"X\"}", "PK\x03\x04",
	} {
		c.Do(t, http.MethodPatch, "/users/me", bad).Want(t, http.StatusBadRequest)
	}
	unchanged()
}

func wrongBodies(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	for _, bad := range []string{
		`null`, `[]`, `"text"`, `1`, `true`, `[{"name":"X"}]`, `{"Name":"X"}`, `{"NAME":"X"}`, `{"name":1}`, `{"name":true}`, `{"name":["X"]}`, `{"name":{"X":1}}`, `{"name":1e999}`,
		`{"name":"X","":1}`, `{"name":"X","__proto__":{}}`, `{"name":"X","constructor":1}`, `{"name":"a\u0000b"}`, `{"unknown":{"deep":[1,2,3]}}`, ``, ` `, "\n",
	} {
		c.Do(t, http.MethodPatch, "/users/me", bad).Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
	}
	for _, bad := range []string{`{"Name":"X"}`, `{"unknown":1}`, `{"name":1}`} {
		c.Do(t, http.MethodPatch, "/users/me", bad).Want(t, http.StatusUnprocessableEntity)
	}
	unchanged()
}

func deepBodies(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	for _, depth := range []int{65, 100, 1000, 10_000, 100_000, 500_000} {
		for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
			// Past the limit of a body's size there is nothing to learn of its depth.
			if depth*(len(pair[0])+len(pair[1])) > 1_000_000 {
				continue
			}
			inner := "1"
			bad := strings.Repeat(pair[0], depth) + inner + strings.Repeat(pair[1], depth)
			c.Do(t, http.MethodPatch, "/users/me", bad).Want(t, http.StatusBadRequest)
			c.Do(t, http.MethodPatch, "/users/me", `{"name":`+bad+`}`).Want(t, http.StatusBadRequest)
		}
		c.Do(t, http.MethodPatch, "/users/me", strings.Repeat("[", min(depth, 1_000_000))).Want(t, http.StatusBadRequest)
	}
	// Within the limit it is read, and refused for what it is.
	c.Do(t, http.MethodPatch, "/users/me", `{"unknown":`+strings.Repeat("[", 60)+strings.Repeat("]", 60)+`}`).Want(t, http.StatusUnprocessableEntity)
	unchanged()
}

func mediaTypes(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	const good = `{"name":"Changed"}`
	for _, kind := range []string{
		"text/plain", "text/xml", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream", "text/json",
		"application/json; charset=utf-16", "application/json; charset=iso-8859-1", "application/json;charset=utf-7", "application/yaml", "nonsense", "application/json, text/plain", "/", "application/",
	} {
		c.Do(t, http.MethodPatch, "/users/me", good, contentType(kind)).Want(t, http.StatusUnsupportedMediaType)
	}
	for _, coding := range []string{"br", "zstd", "compress", "nonsense", "gzip, gzip", "deflate, gzip", "x-gzip, br", "gzip;q=1", strings.Repeat("gzip,", 100) + "gzip"} {
		c.Do(t, http.MethodPatch, "/users/me", good, header("Content-Encoding", coding)).
			Refused(t, http.StatusUnsupportedMediaType, http.StatusBadRequest)
	}
	unchanged()
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", "application/merge-patch+json"} {
		c.Do(t, http.MethodPatch, "/users/me", good, contentType(kind)).Want(t, http.StatusOK)
	}
}

func largeBodies(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	for _, size := range []int{1<<20 + 1, 3 << 20} {
		body := `{"name":"` + strings.Repeat("x", size) + `"}`
		c.Do(t, http.MethodPatch, "/users/me", body).Want(t, http.StatusRequestEntityTooLarge)
		// Without a length, in chunks.
		c.Do(t, http.MethodPatch, "/users/me", struct{ *strings.Reader }{strings.NewReader(body)}).Want(t, http.StatusRequestEntityTooLarge)
	}
	// A length is believed before all of the body has come.
	for _, length := range []string{"1048577", "9223372036854775807", "99999999999999999999999"} {
		head := w.request(t, c, "PATCH", base+"/users/me", "", "Content-Type: application/json", "Content-Length: "+length)
		answers, closed := w.exchange(t, head+`{"name":"`+strings.Repeat("x", 16<<10))
		require.Len(t, answers, 1, "Content-Length: %s", length)
		require.True(t, closed)
		answers[0].Refused(t, http.StatusRequestEntityTooLarge, http.StatusBadRequest)
	}
	unchanged()
}

// residentMemory is what the shop's process takes, in bytes; false where its
// operations listener does not say.
func (w *world) residentMemory(t testing.TB) (int64, bool) {
	t.Helper()
	ops := &Caller{url: w.OpsURL(), client: w.client}
	for l := range strings.Lines(string(ops.Fetch(t, "/metrics").Body)) {
		if value, ok := strings.CutPrefix(l, "process_resident_memory_bytes "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(t, err)
			return int64(bytes), true
		}
	}
	return 0, false
}

// bombs are small bodies that unpack to 600 MB.
func bombs(t testing.TB) map[string][]byte {
	t.Helper()
	zeros := make([]byte, 1<<20)
	var member bytes.Buffer
	g, err := gzip.NewWriterLevel(&member, gzip.BestCompression)
	require.NoError(t, err)
	_, err = g.Write(zeros)
	require.NoError(t, err)
	require.NoError(t, g.Close())
	var deflated bytes.Buffer
	z, err := zlib.NewWriterLevel(&deflated, zlib.BestSpeed)
	require.NoError(t, err)
	for range 100 {
		_, err = z.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return map[string][]byte{"gzip": bytes.Repeat(member.Bytes(), 600), "deflate": deflated.Bytes()}
}

func compressedBombs(t *testing.T, w *world) {
	c, unchanged := w.target(t)
	bombs := bombs(t)
	before, known := w.residentMemory(t)
	for coding, bomb := range bombs {
		for range 3 {
			c.Do(t, http.MethodPatch, "/users/me", bomb, header("Content-Encoding", coding)).
				Refused(t, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		}
		w.upload(t, "format=shopify", string(bomb), header("Content-Encoding", coding)).
			Refused(t, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	unchanged()
	if after, _ := w.residentMemory(t); known {
		require.Less(t, after-before, int64(100<<20), "memory is flat")
	}
}

func parsingSuite(t *testing.T, w *world) {
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "jsontestsuite", "test_parsing", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	c, unchanged := w.target(t)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name := filepath.Base(path)
		a := c.Do(t, http.MethodPatch, "/users/me", text)
		a.Path = name
		require.Less(t, a.Status, 500, "%s", a)
		switch {
		case name[0] == 'n' && len(bytes.TrimSpace(text)) > 0:
			require.Equal(t, http.StatusBadRequest, a.Status, "%s", a)
		case name[0] == 'n':
			a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
		case name[0] == 'y' && !strings.Contains(name, "duplicated_key"):
			require.NotEqual(t, http.StatusBadRequest, a.Status, "%s", a)
		case name[0] == 'y':
			require.Equal(t, http.StatusBadRequest, a.Status, "duplicate keys: %s", a)
		}
	}
	unchanged()
}

func naughtyStrings(t *testing.T, w *world) {
	c := w.newcomer(t)
	for i, text := range strangeTexts(t) {
		a := c.Patch(t, "/users/me", fields{"name": fmt.Sprint(i), text: text})
		if a.Status != http.StatusOK { // as it is where the text is "name"
			a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
		}
	}
}

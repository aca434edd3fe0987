package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestBadBodies(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for name, c := range map[string]struct {
		body     string
		status   int
		code, at string
	}{
		"empty":                          {``, 400, "malformed_body", ""},
		"blank":                          {" \r\n\t", 400, "malformed_body", ""},
		"not JSON":                       {`name=lamp`, 400, "malformed_body", ""},
		"cut off":                        {`{"name":"lamp"`, 400, "malformed_body", ""},
		"a name twice":                   {`{"name":"a","name":"b"}`, 400, "malformed_body", ""},
		"a name twice by escape":         {`{"name":"a","\u006eame":"b"}`, 400, "malformed_body", ""},
		"a name twice further in":        {`{"name":"a","any":[{"b":1,"b":2}]}`, 400, "malformed_body", ""},
		"trailing data":                  {`{"name":"a"} {}`, 400, "malformed_body", ""},
		"trailing comma":                 {`{"name":"a",}`, 400, "malformed_body", ""},
		"a comment":                      {`{"name":"a"/* */}`, 400, "malformed_body", ""},
		"a byte order mark":              {"\ufeff" + `{"name":"a"}`, 400, "malformed_body", ""},
		"UTF-16":                         {"\xff\xfe{\x00}\x00", 400, "malformed_body", ""},
		"invalid UTF-8":                  {"{\"name\":\"a\xff\"}", 400, "malformed_body", ""},
		"overlong UTF-8":                 {"{\"name\":\"\xc0\xae\"}", 400, "malformed_body", ""},
		"an encoded surrogate":           {"{\"name\":\"\xed\xa0\x80\"}", 400, "malformed_body", ""},
		"a lone high surrogate":          {`{"name":"\ud800"}`, 400, "malformed_body", ""},
		"a lone low surrogate":           {`{"name":"\udc00x"}`, 400, "malformed_body", ""},
		"a control character":            {"{\"name\":\"a\x01\"}", 400, "malformed_body", ""},
		"NaN":                            {`{"name":"a","count":NaN}`, 400, "malformed_body", ""},
		"Infinity":                       {`{"name":"a","count":-Infinity}`, 400, "malformed_body", ""},
		"a leading zero":                 {`{"name":"a","count":01}`, 400, "malformed_body", ""},
		"hexadecimal":                    {`{"name":"a","count":0x1}`, 400, "malformed_body", ""},
		"65 deep":                        {`{"name":"a","any":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, 400, "malformed_body", ""},
		"1,000 deep":                     {`{"name":"a","any":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000) + `}`, 400, "malformed_body", ""},
		"500,000 deep":                   {strings.Repeat("[", 500_000), 400, "malformed_body", ""},
		"null":                           {`null`, 422, "invalid", "body"},
		"an array":                       {`[]`, 422, "invalid", "body"},
		"a string":                       {`"name"`, 422, "invalid", "body"},
		"a missing field":                {`{}`, 422, "invalid", "body"},
		"an unknown field":               {`{"name":"a","price_override":1}`, 422, "invalid", "body.price_override"},
		"a field of another case":        {`{"name":"a","Count":1}`, 422, "invalid", "body.Count"},
		"an unknown field with dots":     {`{"name":"a","x.y[0]":1}`, 422, "invalid", "body.x.y[0]"},
		"an unknown field further in":    {`{"name":"a","price":{"amount":1,"currency":"USD","cents":1}}`, 422, "invalid", "body.price.cents"},
		"a wrong type":                   {`{"name":1}`, 422, "invalid", "body.name"},
		"null where none may be":         {`{"name":null}`, 422, "invalid", "body.name"},
		"a string for a number":          {`{"name":"a","count":"1"}`, 422, "invalid", "body.count"},
		"a wrong type in a list":         {`{"name":"a","tags":["a",2]}`, 422, "invalid", "body.tags[1]"},
		"a wrong type in a map":          {`{"name":"a","notes":{"k.l":2}}`, 422, "invalid", "body.notes.k.l"},
		"a fraction":                     {`{"name":"a","count":1.5}`, 422, "invalid", "body.count"},
		"a fraction of zero":             {`{"name":"a","count":1.0}`, 422, "invalid", "body.count"},
		"a number below what is allowed": {`{"name":"a","count":-1}`, 422, "invalid", "body.count"},
		"2^63":                           {`{"name":"a","count":9223372036854775808}`, 422, "invalid", "body.count"},
		"2^64":                           {`{"name":"a","count":18446744073709551616}`, 422, "invalid", "body.count"},
		"−2^63−1":                        {`{"name":"a","price":{"currency":"USD","amount":-9223372036854775809}}`, 422, "invalid", "body.price.amount"},
		"1e999":                          {`{"name":"a","count":1e999}`, 422, "invalid", "body.count"},
		"1e999 where anything goes":      {`{"name":"a","any":[0,-1e999]}`, 422, "invalid", "body.any[1]"},
		"a number of 100,000 digits":     {`{"name":"a","count":` + strings.Repeat("9", 100_000) + `}`, 422, "invalid", "body.count"},
		"NUL in text":                    {`{"name":"a\u0000"}`, 422, "invalid", "body.name"},
		"NUL in text further in":         {`{"name":"a","any":{"b":["\u0000"]}}`, 422, "invalid", "body.any.b[0]"},
		"NUL in a name":                  {`{"name":"a","notes":{"\u0000":"b"}}`, 422, "invalid", "body.notes"},
		"a name of 1,000 bytes":          {`{"name":"a","notes":{"` + strings.Repeat("k", 1000) + `":"b"}}`, 422, "invalid", "body.notes"},
		"too short":                      {`{"name":""}`, 422, "invalid", "body.name"},
		"too long":                       {`{"name":"` + strings.Repeat("é", 201) + `"}`, 422, "invalid", "body.name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := api.Do(t, http.MethodPost, "/things", c.body)
			require.Equal(t, c.status, answer.Status, "%s", answer.Body)
			p := answer.Problem(t)
			require.Equal(t, c.code, p.Code)
			if c.at == "" {
				require.Empty(t, p.Errors)
				return
			}
			require.NotEmpty(t, p.Errors)
			require.Equal(t, c.at, p.Errors[0].Location)
			require.NotEmpty(t, p.Errors[0].Message)
			require.NotContains(t, p.Errors[0].Message, "Go")
		})
	}
}

func TestGoodBodies(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for name, body := range map[string]string{
		"plain":               `{"name":"lamp","count":9223372036854775807,"tags":["a","b"],"price":{"amount":-1,"currency":"USD"}}`,
		"spread out":          " {\r\n\t\"name\" : \"lamp\" } \n",
		"escaped":             `{"\u006eame":"\ud83d\ude00 \u00e9 \/"}`,
		"64 deep":             `{"name":"a","any":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
		"200 characters":      `{"name":"` + strings.Repeat("é", 200) + `"}`,
		"a map":               `{"name":"a","notes":{"x.y":"z","a[0]":"b","":"c"}}`,
		"a big float, nearly": `{"name":"a","any":1e308}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := api.Do(t, http.MethodPost, "/things", body)
			require.Equal(t, http.StatusCreated, answer.Status, "%s", answer.Body)
		})
	}
}

// TestManyBadFieldsStaySmall sends bodies made to have every error be long and
// there be many of them. What it measures is the whole process's, so no other
// test runs beside it.
func TestManyBadFieldsStaySmall(t *testing.T) {
	api := webtest.New(t, "things", routes)
	var dotted, unknown, wrong strings.Builder
	for i := range 60_000 {
		n := strconv.Itoa(i)
		dotted.WriteString(`,"` + n + `.a":1`)
		unknown.WriteString(`,"` + n + `":1`)
		wrong.WriteString(`,"` + n + `.[":1`)
	}
	for name, body := range map[string]string{
		"unknown":        `{"name":"a"` + unknown.String() + `}`,
		"with dots":      `{"name":"a"` + dotted.String() + `}`,
		"wrong in a map": `{"name":"a","notes":{"a":"b"` + wrong.String() + `}}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer := api.Do(t, http.MethodPost, "/things", body)
		runtime.ReadMemStats(&after)
		require.Equal(t, 422, answer.Status, name)
		require.Len(t, answer.Problem(t).Errors, 50, name)
		require.Less(t, len(answer.Body), 32<<10, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<20), name)
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	const body = `{"name":"lamp"}`
	for kind, status := range map[string]int{
		"application/json":                       201,
		"Application/JSON":                       201,
		"application/json; charset=utf-8":        201,
		"application/json;charset=\"UTF-8\"":     201,
		"application/json; charset=iso-8859-1":   415,
		"application/json; charset=utf-16":       415,
		"application/json; charset=utf-8; a;b=c": 415,
		"application/merge-patch+json":           415, // it is no PATCH
		"application/vnd.api+json":               415,
		"text/json":                              415,
		"text/plain":                             415,
		"text/xml":                               415,
		"application/xml":                        415,
		"application/x-www-form-urlencoded":      415,
		"multipart/form-data; boundary=x":        415,
		"application/octet-stream":               415,
		"application/json, text/plain":           415,
		"nonsense":                               415,
		"/":                                      415,
		";":                                      415,
		"a+b;c":                                  415,
	} {
		answer := api.Do(t, http.MethodPost, "/things", body, "Content-Type", kind)
		require.Equal(t, status, answer.Status, "%s: %s", kind, answer.Body)
		if status == 415 {
			require.Equal(t, "unsupported_media_type", answer.Problem(t).Code)
		}
	}
	require.Equal(t, 415, api.Do(t, http.MethodPost, "/things", body, "Content-Type", "").Status)
	require.Equal(t, 415, api.Do(t, http.MethodPost, "/things", body, "Content-Type", "application/json", "Content-Type", "text/plain").Status)
}

func TestContentEncodings(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for _, encoding := range []string{"gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "chunked", "nonsense"} {
		answer := api.Do(t, http.MethodPost, "/things", `{"name":"a"}`, "Content-Encoding", encoding)
		require.Equal(t, 415, answer.Status, encoding)
		require.Equal(t, "unsupported_media_type", answer.Problem(t).Code)
	}
	require.Equal(t, 415, api.Do(t, http.MethodPost, "/things", `{"name":"a"}`, "Content-Encoding", "identity", "Content-Encoding", "gzip").Status)
	require.Equal(t, 201, api.Do(t, http.MethodPost, "/things", `{"name":"a"}`, "Content-Encoding", "identity").Status)
}

// TestGzipBomb sends 600 KB that would be 600 MB.
func TestGzipBomb(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, err := w.Write(make([]byte, mib))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	bomb := bytes.Repeat(member.Bytes(), 600) // members follow one another
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer := api.Do(t, http.MethodPost, "/things", bomb, "Content-Encoding", "gzip")
	runtime.ReadMemStats(&after)
	require.Equal(t, 415, answer.Status)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	const head = "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
	body := func(size int) string { return `{"name":"` + strings.Repeat("a", size-11) + `"}` }

	at := send(t, addr, head+"Connection: close\r\nContent-Length: 1048576\r\n\r\n"+body(1<<20))
	require.Contains(t, at, "HTTP/1.1 422 ", "it was read, and the name is too long")

	over := send(t, addr, head+"Content-Length: 1048577\r\n\r\n"+body(1<<20+1))
	require.Contains(t, over, "HTTP/1.1 413 ")
	require.Contains(t, over, `"code":"body_too_large"`)
	require.Contains(t, over, `"limit":1048576`)

	announced := send(t, addr, head+"Content-Length: 99999999999\r\n\r\n"+body(9<<10))
	require.Contains(t, announced, "HTTP/1.1 413 ", "without waiting for it")

	chunked := send(t, addr, head+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("10000\r\n"+strings.Repeat("a", 1<<16)+"\r\n", 17)+"0\r\n\r\n")
	require.Contains(t, chunked, "HTTP/1.1 413 ")
}

func TestBodyInChunks(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	answer := send(t, addr, "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"8\r\n{\"name\":\r\n7;x=y\r\n\"lamp\"}\r\n0\r\nX-Trailer: t\r\n\r\n"+
		"GET /api/v1/things/next HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
	require.Contains(t, answer, "HTTP/1.1 201 ")
	require.Contains(t, answer, `"id":"next"`, "the connection is kept")
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	answer := send(t, addr, "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 15\r\n\r\n"+`{"name":"lamp"}`)
	require.True(t, strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 "), "%q", answer)
}

// jsonSuite gives texts as JSONTestSuite has them, by the names it gives them:
// y_ must be read, n_ refused, and i_ may be either.
func jsonSuite(t *testing.T) map[string][]byte {
	suite := map[string][]byte{
		"y_array_empty":                        []byte(`[]`),
		"y_number_real_exponent":               []byte(`[123e45]`),
		"y_object_empty_key":                   []byte(`{"":0}`),
		"y_string_surrogates":                  []byte(`["\uD801\udc37"]`),
		"y_structure_lonely_string":            []byte(`"asd"`),
		"y_structure_whitespace_array":         []byte(" [] "),
		"n_array_1_true_without_comma":         []byte(`[1 true]`),
		"n_number_minus_space_1":               []byte(`[- 1]`),
		"n_object_unquoted_key":                []byte(`{a: "b"}`),
		"n_string_escape_x":                    []byte(`["\x00"]`),
		"n_structure_100000_opening_arrays":    bytes.Repeat([]byte("["), 100_000),
		"n_structure_open_array_object":        bytes.Repeat([]byte(`[{"":`), 50_000),
		"n_structure_UTF8_BOM_no_data":         []byte("\xef\xbb\xbf"),
		"n_structure_no_data":                  {},
		"i_string_invalid_lonely_surrogate":    []byte(`["\ud800"]`),
		"i_number_huge_exp":                    []byte(`[0.4e00669999999999999999999999999999999999999999999999969999999006]`),
		"i_structure_UTF-8_BOM_empty_object":   []byte("\xef\xbb\xbf{}"),
		"i_string_utf16LE_no_BOM":              []byte("[\x00\"\x00\xe9\x00\"\x00]\x00"),
		"i_structure_500_nested_arrays":        []byte(strings.Repeat("[", 500) + strings.Repeat("]", 500)),
		"i_object_key_lone_2nd_surrogate":      []byte(`{"\uDFAA":0}`),
		"i_string_overlong_sequence_2_bytes":   []byte("[\"\xc0\xaf\"]"),
		"i_number_very_big_negative_int":       []byte(`[-237462374673276894279832749832423479823246327846]`),
		"i_string_truncated-utf-8":             []byte("[\"\xe0\xff\"]"),
		"n_incomplete_false":                   []byte(`[fals]`),
		"n_object_with_trailing_garbage":       []byte(`{"a": true} "x"`),
		"n_structure_null-byte-outside-string": []byte("[\x00]"),
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("TESTDATA_DIR"), "jsontestsuite", "test_parsing", "*.json"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		suite[strings.TrimSuffix(filepath.Base(file), ".json")] = text
	}
	return suite
}

func TestJSONSuite(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	for name, text := range jsonSuite(t) {
		answer := api.Do(t, http.MethodPost, "/anything", text)
		switch name[0] {
		case 'y':
			// RFC 8259 lets texts have a name twice; nobody has to take them.
			if strings.HasPrefix(name, "y_object_duplicated_key") {
				require.Equal(t, 400, answer.Status, name)
				continue
			}
			// Nor do strings have to be kept that hold NUL.
			if bytes.Contains(text, []byte(`\u0000`)) && answer.Status != 200 {
				require.Equal(t, 422, answer.Status, name)
				continue
			}
			require.Equal(t, 200, answer.Status, "%s: %s", name, answer.Body)
			if !strings.Contains(name, "number") {
				require.JSONEq(t, string(text), string(answer.Body), name)
			}
		case 'n':
			require.Equal(t, 400, answer.Status, "%s: %s", name, answer.Body)
		default:
			require.Contains(t, []int{200, 400, 422}, answer.Status, "%s: %s", name, answer.Body)
		}
	}
}

// TestNaughtyStrings sends strings that have broken others, as values, in
// addresses and in headers: every one is text here and nothing else.
func TestNaughtyStrings(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes)
	naughty := []string{"", "undefined", "1/0", "../../etc/passwd", "' OR 1=1 --", "<script>alert(1)</script>", "\u202e\u200b\ufeff", "Ω≈ç√∫˜µ≤≥÷", "田中さん", "👩🏽‍💻", "\t\v\f", "%s%n%x", "${jndi:ldap://x}", "{{7*7}}", "\u0085\u2028\u2029", "a\r\nSet-Cookie: b", "%00", "\x7f", "nul", "true", strings.Repeat("Z̮̞̠͙͔", 20)}
	if file, err := os.ReadFile(filepath.Join(os.Getenv("TESTDATA_DIR"), "blns", "blns.json")); err == nil {
		var more []string
		require.NoError(t, json.Unmarshal(file, &more))
		naughty = append(naughty, more...)
	}
	for _, text := range naughty {
		body, err := json.Marshal(map[string]any{"any": text, "name": "a"})
		require.NoError(t, err)
		kept := api.Do(t, http.MethodPost, "/anything", body)
		if strings.Contains(text, "\x00") {
			require.Equal(t, 422, kept.Status, "%q", text)
		} else {
			require.Equal(t, 200, kept.Status, "%q: %s", text, kept.Body)
			require.JSONEq(t, string(body), string(kept.Body))
		}
		for _, path := range []string{"/things/" + escapePath(text), "/things?q=" + escapePath(text), "/things?cursor=" + escapePath(text), "/things?limit=" + escapePath(text)} {
			answer := api.Do(t, http.MethodGet, path, nil)
			require.Less(t, answer.Status, 500, "%q: %s", text, answer.Body)
		}
	}
}

// escapePath escapes every byte.
func escapePath(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteString("%")
		b.WriteString(strings.ToUpper(strconv.FormatInt(int64(text[i])+256, 16)[1:]))
	}
	return b.String()
}

func TestBodyOfNothing(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	answer := send(t, addr, "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
	require.Contains(t, answer, "HTTP/1.1 400 ")
	require.Contains(t, answer, web.ErrMalformedBody.Code)
}

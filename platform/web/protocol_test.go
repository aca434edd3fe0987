package web_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMalformedRequests sends what is no proper HTTP/1.1: each is answered once
// and the connection is closed, whatever follows on it.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	const follow = "GET /api/v1/things/second HTTP/1.1\r\nHost: shop\r\n\r\n"
	for name, c := range map[string]struct{ request, status string }{
		"transfer encoding with a length":       {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"a length with transfer encoding":       {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
		"two lengths":                           {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400"},
		"the same length twice":                 {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"},
		"a negative length":                     {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Length: -5\r\n\r\nhello", "400"},
		"a signed length":                       {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Length: +5\r\n\r\nhello", "400"},
		"transfer encoding identity":            {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: identity\r\n\r\n", "400"},
		"transfer encoding gzip, chunked":       {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
		"transfer encoding twice":               {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"transfer encoding in HTTP/1.0":         {"POST /api/v1/things HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"transfer encoding with a blank":        {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
		"transfer encoding of another spelling": {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
		"bad chunk size":                        {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "400"},
		"overflowing chunk size":                {"POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n", "400"},
		"no host":                               {"GET /api/v1/things/x HTTP/1.1\r\nAccept: */*\r\n\r\n", "400"},
		"two hosts":                             {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nHost: evil\r\n\r\n", "400"},
		"bare LF in the header":                 {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\nX-A: b\r\n\r\n", "400"},
		"bare LF at the end":                    {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\n\n", "400"},
		"bare LF only":                          {"GET /api/v1/things/x HTTP/1.1\nHost: shop\n\n", "400"},
		"bare CR in a value":                    {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nX-A: b\rc\r\n\r\n", "400"},
		"NUL in a value":                        {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nX-A: b\x00c\r\n\r\n", "400"},
		"NUL in a name":                         {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nX\x00A: b\r\n\r\n", "400"},
		"a continued line":                      {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nX-A: b\r\n c\r\n\r\n", "400"},
		"a line that begins with a tab":         {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n\tX-A: b\r\n\r\n", "400"},
		"a line without a colon":                {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nnonsense\r\n\r\n", "400"},
		"an empty name":                         {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n: b\r\n\r\n", "400"},
		"HTTP/9.9":                              {"GET /api/v1/things/x HTTP/9.9\r\nHost: shop\r\n\r\n", "400"},
		"HTTP/2.0":                              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
		"HTTP/0.9":                              {"GET /api/v1/things/x\r\n\r\n", "400"},
		"no protocol at all":                    {"hello\r\n\r\n", "400"},
		"a TLS handshake":                       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		"a bad method":                          {"G(T /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"a blank in the address":                {"GET /api/v1/things/a b HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"a control character in the address":    {"GET /api/v1/things/a\x01b HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"NUL in the address":                    {"GET /api/v1/things/%00 HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"an overlong dot in the address":        {"GET /api/v1/things/%c0%ae HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"a broken escape in the address":        {"GET /api/v1/things/%zz HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"a cut-off escape in the address":       {"GET /api/v1/things/% HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"bytes that are no text in the address": {"GET /api/v1/things/\xff\xfe HTTP/1.1\r\nHost: shop\r\n\r\n", "400"},
		"an address of 9 KB":                    {"GET /api/v1/things/" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: shop\r\n\r\n", "414"},
		"an address of 16 KB":                   {"GET /api/v1/things/" + strings.Repeat("a", 16<<10) + " HTTP/1.1\r\nHost: shop\r\n\r\n", "431"},
		"a field of 1 MB":                       {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		"a token of 10⁶ dots":                   {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + strings.Repeat(".", 1_000_000) + "\r\n\r\n", "431"},
		"100,000 fields":                        {"GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n" + strings.Repeat("X-A: b\r\n", 100_000) + "\r\n", "431"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := send(t, addr, c.request+follow)
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 "+c.status+" "), "%.200q", answer)
			require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 "), "%q", answer)
			require.Contains(t, answer, "Connection: close\r\n")
			require.Contains(t, answer, "Content-Type: application/problem+json\r\n")
			require.Contains(t, answer, `"status":`+c.status)
			require.NotContains(t, answer, "Server:")
			require.NotContains(t, strings.ToLower(answer), "fasthttp")
		})
	}
}

// TestUnreadBodiesEndTheConnection holds that what is left of a refused body is
// never taken for a request.
func TestUnreadBodiesEndTheConnection(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	smuggled := "GET /api/v1/things/smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"
	body := strings.Repeat("x", 9<<10) + smuggled
	for name, head := range map[string]string{
		"sized, refused for its caller": "POST /api/v1/mine HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body,
		"sized, refused for its type":   "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: text/xml\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body,
		"sized, nobody asked for it":    "GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body,
		"sized, no such route":          "POST /nothing HTTP/1.1\r\nHost: shop\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body,
		"chunked, refused":              "POST /api/v1/mine HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := send(t, addr, head)
			require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 "), "%q", answer)
			require.NotContains(t, answer, "smuggled")
		})
	}
}

// TestConnectionsAreKept holds that a refusal whose body was small does not
// cost the connection.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	refused := "POST /api/v1/mine HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	answer := send(t, addr, refused+refused+"GET /api/v1/things/last HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
	require.Equal(t, 2, strings.Count(answer, "HTTP/1.1 401 "))
	require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 200 "))
	require.Contains(t, answer, `"id":"last"`)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, routes)
	var all strings.Builder
	const n = 1000
	for i := range n {
		user := strconv.Itoa(i)
		body := `{"name":"n` + user + `"}`
		all.WriteString("POST /api/v1/mine HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r" + user + "\r\nContent-Type: application/json\r\nAuthorization: Bearer test-u" + user + "-\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	}
	all.WriteString("GET /api/v1/things/last HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
	answer := send(t, addr, all.String())
	answers := strings.Split(answer, "HTTP/1.1 200 OK\r\n")[1:]
	require.Len(t, answers, n+1)
	for i, a := range answers[:n] {
		user := strconv.Itoa(i)
		require.Contains(t, a, `{"id":"u`+user+`","name":"n`+user+`"`)
		require.Contains(t, a, "X-Request-Id: r"+user+"\r\n")
	}
}

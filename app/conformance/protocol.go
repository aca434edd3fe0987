package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// protocol is what hands that write HTTP badly meet.
func protocol() []promise {
	return []promise{
		{"a malformed request is answered once and the connection closed", malformedRequests},
		{"a header that is too large is refused", largeHeaders},
		{"1,000 pipelined requests are answered in order", pipelined},
		{"a request that breaks off changes nothing", brokenOff},
		{"chunks and an expected 100 are understood", goodRequests},
		{"no page of another site may call where nobody is named", noOtherOrigin},
	}
}

// smuggled would be a second request if the first were misread.
const smuggled = "GET /api/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

func malformedRequests(t *testing.T, w *world) {
	host := "Host: " + w.host(t) + "\r\n"
	const get, post = "GET /api/v1/products?limit=1 HTTP/1.1\r\n", "POST /api/v1/carts HTTP/1.1\r\nContent-Type: application/json\r\n"
	chunked := "Transfer-Encoding: chunked\r\n"
	for name, text := range map[string]string{
		"a length and chunks":             post + host + "Content-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n" + smuggled,
		"chunks and a length":             post + host + chunked + "Content-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":                     post + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} " + smuggled,
		"a list of lengths":               post + host + "Content-Length: 2, 3\r\n\r\n{} " + smuggled,
		"a negative length":               post + host + "Content-Length: -1\r\n\r\n" + smuggled,
		"a signed length":                 post + host + "Content-Length: +2\r\n\r\n{}" + smuggled,
		"a hexadecimal length":            post + host + "Content-Length: 0x2\r\n\r\n{}" + smuggled,
		"a length with text":              post + host + "Content-Length: 2 bytes\r\n\r\n{}" + smuggled,
		"an overflowing length":           post + host + "Content-Length: 18446744073709551618\r\n\r\n{}" + smuggled,
		"an unknown transfer coding":      post + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunks twice":                    post + host + chunked + chunked + "\r\n0\r\n\r\n" + smuggled,
		"chunked, identity":               post + host + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"identity and a length":           post + host + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a space before the colon":        post + host + "Content-Length : 2\r\n\r\n{}" + smuggled,
		"a space before the coding":       post + host + "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a vertical tab in the coding":    post + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a coding in quotes":              post + host + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + smuggled,
		"a chunk that is no number":       post + host + chunked + "\r\nzz\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a signed chunk":                  post + host + chunked + "\r\n+2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk with 0x":                 post + host + chunked + "\r\n0x2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"an overflowing chunk":            post + host + chunked + "\r\nffffffffffffffff2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk without its end":         post + host + chunked + "\r\n2\r\n{}X0\r\n\r\n" + smuggled,
		"no Host":                         get + "\r\n" + smuggled,
		"two Hosts":                       get + host + "Host: evil.example\r\n\r\n" + smuggled,
		"two equal Hosts":                 get + host + host + "\r\n" + smuggled,
		"a Host with a path":              get + "Host: a/b\r\n\r\n" + smuggled,
		"a Host with a space":             get + "Host: a b\r\n\r\n" + smuggled,
		"bare line feeds":                 strings.ReplaceAll(get+host+"\r\n", "\r\n", "\n") + smuggled,
		"a bare line feed in the header":  get + host + "X-A: b\nX-C: d\r\n\r\n" + smuggled,
		"a bare carriage return":          get + host + "X-A: b\rX-C: d\r\n\r\n" + smuggled,
		"NUL in a value":                  get + host + "X-A: a\x00b\r\n\r\n" + smuggled,
		"NUL in a name":                   get + host + "X\x00A: b\r\n\r\n" + smuggled,
		"NUL in the path":                 "GET /api/v1/products\x00 HTTP/1.1\r\n" + host + "\r\n" + smuggled,
		"a folded line":                   get + host + "X-A: a\r\n b\r\n\r\n" + smuggled,
		"a folded length":                 post + host + "X-A: a\r\n Content-Length: 50\r\n\r\n" + smuggled,
		"a line without a colon":          get + host + "nonsense\r\n\r\n" + smuggled,
		"an empty name":                   get + host + ": b\r\n\r\n" + smuggled,
		"a name with a space":             get + host + "X A: b\r\n\r\n" + smuggled,
		"a space before the first header": get + " " + host + "\r\n" + smuggled,
		"HTTP/9.9":                        "GET /api/v1/products HTTP/9.9\r\n" + host + "\r\n" + smuggled,
		"HTTP/2.0 as text":                "GET /api/v1/products HTTP/2.0\r\n" + host + "\r\n" + smuggled,
		"HTTP/1.10":                       "GET /api/v1/products HTTP/1.10\r\n" + host + "\r\n" + smuggled,
		"http in lower case":              "GET /api/v1/products http/1.1\r\n" + host + "\r\n" + smuggled,
		"no version":                      "GET /api/v1/products\r\n" + host + "\r\n" + smuggled,
		"two spaces":                      "GET  /api/v1/products HTTP/1.1\r\n" + host + "\r\n" + smuggled,
		"a space in the path":             "GET /api/v1/pro ducts HTTP/1.1\r\n" + host + "\r\n" + smuggled,
		"no path":                         "GET HTTP/1.1\r\n" + host + "\r\n" + smuggled,
		"a method with a control":         "G\x01T /api/v1/products HTTP/1.1\r\n" + host + "\r\n" + smuggled,
		"TLS":                             "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"nonsense":                        "nonsense\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers, closed := w.exchange(t, text)
			require.True(t, closed, "the connection stays open")
			require.Len(t, answers, 1, "one answer, and never that of a second request: %v", answers)
			require.Contains(t, []int{400, 413, 414, 431, 501, 505}, answers[0].Status, "%s", answers[0])
			require.NotContains(t, string(answers[0].Body), "smuggled")
			require.NotRegexp(t, leaks, string(answers[0].Body))
		})
	}
}

func largeHeaders(t *testing.T, w *world) {
	for name, lines := range map[string][]string{
		"one of a megabyte": {"X-Large: " + strings.Repeat("x", 1<<20)},
		"10,000 of them":    strings.Split(strings.TrimSuffix(strings.Repeat("X-Many: "+strings.Repeat("x", 40)+"\n", 10_000), "\n"), "\n"),
		"a long name":       {strings.Repeat("X", 1<<20) + ": x"},
		"a large cookie":    {"Cookie: a=" + strings.Repeat("x", 100_000)},
	} {
		answers, closed := w.exchange(t, w.request(t, w.anyone, "GET", base+"/products?limit=1", "", lines...))
		require.Len(t, answers, 1, "%s", name)
		require.True(t, closed, "%s", name)
		answers[0].Refused(t, http.StatusRequestHeaderFieldsTooLarge, http.StatusBadRequest)
	}
	// What is usual is taken.
	answers, _ := w.exchange(t, w.request(t, w.anyone, "GET", base+"/products?limit=1", "", "Cookie: a="+strings.Repeat("x", 2000), "Connection: close"))
	require.Len(t, answers, 1)
	require.Equal(t, http.StatusOK, answers[0].Status)
}

func pipelined(t *testing.T, w *world) {
	people := []*Caller{w.customer, w.other, w.staff, w.anyone}
	const requests = 1000
	var text bytes.Buffer
	for i := range requests {
		text.WriteString(w.request(t, people[i%len(people)], "GET", base+"/users/me", "", fmt.Sprintf("X-Request-Id: pipelined-%d", i)))
	}
	c := w.dial(t)
	require.NoError(t, c.SetDeadline(system().Now().Add(checkoutTimeout)))
	go func() { _, _ = io.Copy(c, &text) }() // what is not sent is missed below
	r := bufio.NewReader(c)
	for i := range requests {
		a, err := readAnswer(r, "GET")
		require.NoError(t, err, "answer %d", i)
		require.Equal(t, fmt.Sprintf("pipelined-%d", i), a.Header.Get("X-Request-Id"), "in order")
		who := people[i%len(people)]
		if who == w.anyone {
			require.Equal(t, http.StatusUnauthorized, a.Status)
			continue
		}
		require.Equal(t, http.StatusOK, a.Status, "%s", a)
		require.Equal(t, who.User.ID, decode[User](t, a).ID, "identities are never mixed")
	}
}

func brokenOff(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	body := fmt.Sprintf(`{"delta":3,"reason":"%s"}`, strings.Repeat("x", 50))
	whole := w.request(t, w.staff, "POST", base+"/inventory/"+sku+"/adjustments", body)
	for _, left := range []int{1, 10, len(body), len(body) + 2, len(body) + 20, len(whole) - 5} {
		c := w.dial(t)
		_, err := io.WriteString(c, whole[:len(whole)-left])
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	chunks := w.request(t, w.staff, "POST", base+"/inventory/"+sku+"/adjustments", "", "Content-Type: application/json", "Transfer-Encoding: chunked")
	c := w.dial(t)
	_, err := fmt.Fprintf(c, "%s%x\r\n%s\r\n", chunks, len(body), body) // the last chunk does not come
	require.NoError(t, err)
	require.NoError(t, c.Close())
	w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK)
	w.wantStock(t, sku, 5, 0)
}

func goodRequests(t *testing.T, w *world) {
	head := w.request(t, w.anyone, "POST", base+"/carts", "", "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close")
	answers, _ := w.exchange(t, head+"6;x=y\r\n{\"curr\r\nb\r\nency\":\"EUR\"\r\n1\r\n}\r\n0\r\nX-Trailer: x\r\n\r\n")
	require.Len(t, answers, 1)
	answers[0].Want(t, http.StatusCreated)
	require.Equal(t, "EUR", decode[Cart](t, answers[0]).Currency)

	text := w.request(t, w.anyone, "POST", base+"/carts", `{"currency":"EUR"}`, "Expect: 100-continue", "Connection: close")
	answers, _ = w.exchange(t, text)
	require.NotEmpty(t, answers)
	require.Equal(t, http.StatusCreated, answers[len(answers)-1].Status)

	// Names of headers, options of a connection and the scheme of a token have no case.
	text = "GET " + base + "/users/me HTTP/1.1\r\nhOST: " + w.host(t) + "\r\nAUTHORIZATION: bearer " + w.customer.token + "\r\nconnection: Close\r\n\r\n"
	answers, closed := w.exchange(t, text)
	require.Len(t, answers, 1)
	require.Equal(t, http.StatusOK, answers[0].Status, "%s", answers[0])
	require.True(t, closed, "Connection: Close asks for the same as close (RFC 9110 §7.6.1)")
}

func noOtherOrigin(t *testing.T, w *world) {
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		a := w.anyone.Do(t, method, "/products", nil, header("Origin", "https://shop.example"), header("Access-Control-Request-Method", "GET"))
		for name := range a.Header {
			require.NotContains(t, name, "Access-Control-Allow", "%s", a)
		}
	}
}

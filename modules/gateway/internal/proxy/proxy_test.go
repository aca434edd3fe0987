package proxy_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/gateway"
	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestEachPathGoesToTheModuleThatDeclaredIt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.start("things", "t1", things("t1"))
	w.start("files", "f1", files)
	var got thing
	w.Do(t, http.MethodGet, "/things/lamp", nil).JSON(t, &got)
	require.Equal(t, thing{ID: "lamp", By: "t1", Client: "127.0.0.1"}, got)
	require.Equal(t, strings.Repeat("x", 2048), string(w.Do(t, http.MethodGet, "/files/2", nil).Body))
	made := w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`)
	require.Equal(t, http.StatusCreated, made.Status)
	require.Equal(t, http.StatusNoContent, w.Do(t, http.MethodDelete, "/things/lamp", nil).Status)
}

// What a client sees must not depend on where a module runs.
func TestAnswersAreThoseOfOneProcess(t *testing.T) {
	t.Parallel()
	cors := func(_ *proxy.Config, o *webtest.Options) {
		o.Config.CORSOrigins = []string{"https://shop.example"}
	}
	w := newTown(t, cors)
	w.start("things", "one", things("one"), func(c *web.Config, _ *web.Deps) { c.CORSOrigins = []string{"https://shop.example"} })
	w.start("files", "f1", files)
	one := webtest.New(t, "things", things("one"), func(o *webtest.Options) {
		o.Config.CORSOrigins = []string{"https://shop.example"}
		o.Idempotency = memory{}
	})
	files(one.Web.Router("files", nil))
	customer, staff := "Authorization: Bearer "+webtest.Token("ada")+"\r\n", "Authorization: Bearer "+webtest.Token("bob", "staff")+"\r\n"
	const json = "Content-Type: application/json\r\n"
	requests := []string{
		get("/things/lamp"), get("/things/none"), get("/things/away"), get("/things/a%2Fb?x=1"), get("/things/a%20b"), get("/things/lamp?"),
		get("/things/"), get("/things/lamp/"), get("/nothing"), get("/things/lamp/x"), get("/files/3"), get("/files/x"), get("/files/-1"), get("/files/0"),
		get("/things/lamp", "If-None-Match: *\r\n"), get("/things/lamp", "Accept: application/cbor\r\n"), get("/things/none", "Accept: application/cbor\r\n"),
		get("/things/lamp", "Origin: https://shop.example\r\n"), get("/things/lamp", "Origin: https://evil.example\r\n"), get("/things/none", "Origin: https://shop.example\r\n"),
		get("/things/lamp", customer), get("/things/mine", customer), get("/things/mine"), get("/things/mine", "Authorization: Bearer nonsense\r\n"),
		get("/things/lamp", "Authorization: Bearer nonsense\r\n"), get("/things/lamp", customer, customer), get("/things/lamp", "Authorization: Basic abc\r\n"),
		get("/things/lamp", "X-API-Key: abc\r\n"),
		strings.Replace(get("/things/lamp"), "GET", "HEAD", 1), strings.Replace(get("/things/none"), "GET", "HEAD", 1), strings.Replace(get("/files/3"), "GET", "HEAD", 1),
		strings.Replace(get("/things/lamp"), "/api", "http://shop/api", 1), strings.Replace(get("/things/lamp"), "HTTP/1.1", "HTTP/1.0", 1),
		text("OPTIONS", "/things/lamp", ""), text("OPTIONS", "/things", ""), text("OPTIONS", "/nothing", ""),
		text("OPTIONS", "/things", "", "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n"),
		text("PUT", "/things/lamp", ""), text("PATCH", "/things", ""), text("TRACE", "/things/lamp", ""), text("PROPFIND", "/things/lamp", ""), text("post", "/things", ""), text("DELETE", "/things", ""),
		text("DELETE", "/things/lamp", ""), text("DELETE", "/things/lamp", "body"),
		text("POST", "/things/clean", ""), text("POST", "/things/clean", "", customer), text("POST", "/things/clean", "", staff),
		text("POST", "/things", `{"name":"sofa"}`, json), text("POST", "/things", `{"name":""}`, json), text("POST", "/things", `{"name":`, json), text("POST", "/things", "", json), text("POST", "/things", ""),
		text("POST", "/things", `{"name":"sofa"}`, "Content-Type: text/plain\r\n"), text("POST", "/things", `{"name":"sofa"}`, json, "Content-Encoding: gzip\r\n"),
		text("POST", "/things", `{"name":"sofa"}`, json, "Idempotency-Key: again\r\n"), text("POST", "/things", `{"name":"sofa"}`, json, "Idempotency-Key: a\r\n", "Idempotency-Key: b\r\n"),
		text("POST", "/things", `{"name":"`+strings.Repeat("x", 100<<10)+`"}`, json), text("POST", "/things?a=b", `{"name":"sofa"}`, json),
		text("POST", "/things", strings.Repeat(" ", 2<<20), json), chunked("/things", json, `{"name":`, `"sofa"}`), chunked("/things", json, `{"name":`),
		text("POST", "/files", "a,b", "Content-Type: text/csv\r\n"), text("POST", "/files", "a,b", json), text("POST", "/files", "", "Content-Type: text/csv\r\n"),
		chunked("/files", "Content-Type: text/csv\r\n", "a,b\n", strings.Repeat("c", 70<<10)),
		text("POST", "/things", `{"name":"sofa"}`, json, "Transfer-Encoding: chunked\r\n"), strings.Replace(get("/things/lamp"), "Host: shop\r\n", "", 1),
		get("/things/lamp", "A: b\r\n c\r\n"), get("/things/lamp", "A: "+strings.Repeat("x", 20<<10)+"\r\n"), get("/things/" + strings.Repeat("x", 9<<10)), get("/things/%00"), get("/../things"),
		text("POST", "/things", `{"name":"sofa"}`, json, "Expect: 100-continue\r\n"), get("/things/lamp", "Upgrade: websocket\r\n"),
	}
	for _, r := range requests {
		want, got := comparable(send(t, one.Addr, r)), comparable(send(t, w.Addr, r))
		require.Equal(t, want, got, "%.300s", r)
	}
}

var (
	requestID = regexp.MustCompile(`"request_id":"[^"]*"`)
	cborID    = regexp.MustCompile(`jrequest_id.[0-9a-z-]*`)
)

// comparable leaves out of an answer what differs between any two, and sorts its
// header.
func comparable(answer string) string {
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	if strings.HasPrefix(head, "HTTP/1.1 100") {
		head, body, _ = strings.Cut(body, "\r\n\r\n")
	}
	lines := strings.Split(head, "\r\n")
	var kept []string
	for _, l := range lines[1:] {
		name, _, _ := strings.Cut(l, ":")
		switch name {
		case "X-Request-Id", "Date":
		case "Content-Length":
			if !strings.Contains(body, "request_id") && body != "" {
				kept = append(kept, l)
			}
		default:
			kept = append(kept, l)
		}
	}
	sortStrings(kept)
	body = cborID.ReplaceAllString(requestID.ReplaceAllString(body, ""), "")
	return lines[0] + "\n" + strings.Join(kept, "\n") + "\n\n" + body
}

func get(path string, header ...string) string { return text("GET", path, "", header...) }

// text writes a request after which the connection is closed.
func text(method, path, body string, header ...string) string {
	length := ""
	if body != "" {
		length = "Content-Length: " + itoa(len(body)) + "\r\n"
	}
	return method + " " + web.Base + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + strings.Join(header, "") + length + "\r\n" + body
}

func chunked(path, header string, parts ...string) string {
	var b strings.Builder
	b.WriteString("POST " + web.Base + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + header + "Transfer-Encoding: chunked\r\n\r\n")
	for _, p := range parts {
		b.WriteString(hex(len(p)) + "\r\n" + p + "\r\n")
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

func TestAModuleThatIsAwayKeepsItsRoutes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.start("things", "t1", things("t1"))
	require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
	a.leave()
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		answer := w.Do(t, method, "/things/lamp", nil)
		require.Equal(t, http.StatusServiceUnavailable, answer.Status)
		p := answer.Problem(t)
		require.Equal(t, gateway.ErrModuleUnavailable.Code, p.Code)
		require.Contains(t, string(answer.Body), `"module":"things"`)
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
	}
	require.Equal(t, http.StatusNotFound, w.Do(t, http.MethodGet, "/nothing", nil).Status)
	w.start("things", "t2", things("t2"))
	w.eventually(func() bool { return w.Do(t, http.MethodGet, "/things/lamp", nil).Status == http.StatusOK })
}

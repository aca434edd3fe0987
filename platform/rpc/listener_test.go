package rpc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

var discard = slog.New(slog.DiscardHandler)

// say sends bytes to the private listener and gives the answer; nil where the
// connection was closed without one.
func say(t *testing.T, s *rpc.Server, text string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	go func() { _, _ = io.WriteString(c, text) }() // the server may answer, and close, before it has read all
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	a.Body = io.NopCloser(strings.NewReader(string(body)))
	return a
}

func post(path, body string, fields ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nStoa-Timeout: 1000000\r\nContent-Length: %d\r\n%s\r\n%s",
		path, len(body), strings.Join(fields, ""), body)
}

func TestThePrivateListenerRefusesWhatIsNoCall(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	good := post("/rpc/shelf/Echo", `{"text":"a"}`)
	require.Equal(t, http.StatusOK, say(t, l.Server, good).StatusCode, "what is changed below")
	for name, c := range map[string]struct {
		text   string
		status int
	}{
		"garbage":                    {"\x00\x01\x02\xff\r\n\r\n", 400},
		"TLS":                        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"another path":               {post("/", "{}"), 404},
		"a file":                     {post("/../../etc/passwd", "{}"), 404},
		"another module":             {post("/rpc/attic/Echo", "{}"), 404},
		"another method":             {post("/rpc/shelf/Drop", "{}"), 404},
		"no method":                  {post("/rpc/shelf", "{}"), 404},
		"more than a method":         {post("/rpc/shelf/Echo/more", "{}"), 404},
		"a name that is not one":     {post("/rpc/%00/%2e%2e", "{}"), 404},
		"GET":                        {"GET /rpc/shelf/Echo HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		"no such document":           {"GET /documents/shelf/none HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		"a form":                     {strings.Replace(good, "application/json", "text/plain", 1), 400},
		"no time":                    {strings.Replace(good, "Stoa-Timeout: 1000000\r\n", "", 1), 400},
		"negative time":              {strings.Replace(good, "1000000", "-1", 1), 400},
		"too much time":              {strings.Replace(good, "1000000", "99999999999999999999", 1), 400},
		"no JSON":                    {post("/rpc/shelf/Echo", "hello"), 400},
		"half of JSON":               {post("/rpc/shelf/Echo", `{"text":`), 400},
		"JSON and more":              {post("/rpc/shelf/Echo", `{} {}`), 400},
		"names twice":                {post("/rpc/shelf/Echo", `{"text":"a","text":"b"}`), 400},
		"another type":               {post("/rpc/shelf/Echo", `{"text":1}`), 400},
		"no UTF-8":                   {post("/rpc/shelf/Echo", "{\"text\":\"\xff\"}"), 400},
		"great depth":                {post("/rpc/shelf/Echo", strings.Repeat("[", 1<<20)), 400},
		"nothing":                    {post("/rpc/shelf/Echo", ""), 400},
		"too large":                  {"POST /rpc/shelf/Echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nStoa-Timeout: 1000000\r\nContent-Length: 99999999\r\n\r\n", 413},
		"chunks":                     {"POST /rpc/shelf/Echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nStoa-Timeout: 1000000\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		"a length and chunks":        {post("/rpc/shelf/Echo", "0\r\n\r\n", "Transfer-Encoding: chunked\r\n"), 400},
		"a header without an end":    {"POST /rpc/shelf/Echo HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<16), 400},
		"a length that is no length": {strings.Replace(good, "Content-Length: 12", "Content-Length: 1x2", 1), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := say(t, l.Server, c.text)
			if a == nil && name == "too large" {
				return // closed before all was sent
			}
			require.NotNil(t, a)
			require.Equal(t, c.status, a.StatusCode)
			body, _ := io.ReadAll(a.Body)
			require.NotContains(t, string(body), "goroutine")
		})
	}
	_, err := echo.Call(t.Context(), l.Client, ask{})
	require.NoError(t, err)
}

func TestAClientThatIsSlowHoldsUpNobody(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	for _, text := range []string{"", "POST /rpc/sh", "POST /rpc/shelf/Echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
		c, err := net.Dial("tcp", l.Server.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, text)
		require.NoError(t, err)
	}
	_, err := echo.Call(t.Context(), l.Client, ask{})
	require.NoError(t, err)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, l.Server.Shutdown(ctx))
	require.Less(t, time.Since(began), 5*time.Second, "nor does it hold up the end")
}

func TestAPortThatIsTakenIsToldBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	l.Config.Addr = l.Server.Addr().String()
	require.ErrorContains(t, rpc.NewServer(l.Config, l.ServerDeps).Listen(t.Context()), "rpc.addr")
}

func TestAnythingMayBeSentThroughTheBroker(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverNATS).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	for name, c := range map[string]struct {
		subject, timeout, body string
		status                 string
	}{
		"a call":         {"stoa.rpc.call.shelf.Echo", "1000000", "{}", "200"},
		"no JSON":        {"stoa.rpc.call.shelf.Echo", "1000000", "hello", "400"},
		"no time":        {"stoa.rpc.call.shelf.Echo", "", "{}", "400"},
		"another method": {"stoa.rpc.call.shelf.Drop", "1000000", "{}", "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := nats.NewMsg(c.subject)
			m.Data = []byte(c.body)
			if c.timeout != "" {
				m.Header.Set("Stoa-Timeout", c.timeout)
			}
			a, err := l.ClientDeps.Conn.RequestMsg(m, 10*time.Second)
			require.NoError(t, err)
			require.Equal(t, c.status, a.Header.Get("Stoa-Status"))
			require.NoError(t, l.ClientDeps.Conn.PublishMsg(m), "nor need anybody wait for the answer")
		})
	}
	require.NoError(t, l.ClientDeps.Conn.Publish("stoa.rpc.cancel", []byte("nobody's")))
	_, err := echo.Call(t.Context(), l.Client, ask{})
	require.NoError(t, err)
}

package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// host is the shop's public listener as a Host header names it.
func (w *world) host(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(w.URL())
	require.NoError(t, err)
	return u.Host
}

// dial opens a bare connection to the shop; the test closes it.
func (w *world) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", w.host(t), 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// exchange sends text over a connection of its own, and gives all answers that
// come and whether the server then closed the connection, within ten seconds.
func (w *world) exchange(t testing.TB, text string) (answers []*Answer, closed bool) {
	t.Helper()
	c := w.dial(t)
	require.NoError(t, c.SetDeadline(system().Now().Add(10*time.Second)))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c, text) // a server that has read enough may close meanwhile
	}()
	r := bufio.NewReader(c)
	method, _, _ := strings.Cut(text, " ")
	for {
		a, err := readAnswer(r, method)
		if err != nil {
			closed = !isTimeout(err)
			break
		}
		a.Path = shorten(text)
		answers = append(answers, a)
	}
	require.NoError(t, c.Close())
	<-written
	return answers, closed
}

// readAnswer reads one answer to a request of that method.
func readAnswer(r *bufio.Reader, method string) (*Answer, error) {
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return &Answer{Method: method, Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// request writes a request by hand. The path stands in it as it is.
func (w *world) request(t testing.TB, c *Caller, method, path, body string, lines ...string) string {
	t.Helper()
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, w.host(t))
	if c.token != "" {
		text += "Authorization: Bearer " + c.token + "\r\n"
	}
	for _, l := range lines {
		text += l + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return text + "\r\n" + body
}

// ask sends one request by hand and gives the one answer to it.
func (w *world) ask(t testing.TB, c *Caller, method, path, body string, lines ...string) *Answer {
	t.Helper()
	text := w.request(t, c, method, path, body, append(lines, "Connection: close")...)
	answers, closed := w.exchange(t, text)
	require.Len(t, answers, 1, "answers to %q", shorten(text))
	require.True(t, closed, "the connection stays open after %q", shorten(text))
	return answers[0]
}

// shorten keeps a request readable in a message.
func shorten(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

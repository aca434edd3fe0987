package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/web"
)

// puppet is a process that does what a test says with the bytes it gets.
type puppet struct {
	addr string
	mu   sync.Mutex
	seen []string
}

// puppet starts one as an instance of things. act is given each request, header
// and body as they came, and the connection; it returns false to close that.
func (w *town) puppet(module, id string, act func(request string, c net.Conn) bool) *puppet {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	p := &puppet{addr: l.Addr().String()}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() {
				defer func() { _ = c.Close() }()
				for {
					request, err := readRequest(c)
					if err != nil {
						return
					}
					p.mu.Lock()
					p.seen = append(p.seen, request)
					p.mu.Unlock()
					if !act(request, c) {
						return
					}
				}
			})
		}
	})
	w.t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	w.announce(module, id, p.addr)
	return p
}

func (p *puppet) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// readRequest reads a request whose body, if any, has a length.
func readRequest(c net.Conn) (string, error) {
	var text strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(text.String(), "\r\n\r\n") {
		if _, err := c.Read(b); err != nil {
			return "", err
		}
		text.WriteByte(b[0])
	}
	var length int64
	if _, rest, ok := strings.Cut(text.String(), "Content-Length: "); ok {
		if _, err := fmt.Sscan(rest, &length); err != nil {
			return "", err
		}
	}
	_, err := io.CopyN(&text, c, length)
	return text.String(), err
}

// send writes text to an address as it is and gives what comes back until the
// connection is closed.
func send(t testing.TB, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(clock.System().Now().Add(10*time.Second)))
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.NoError(t, err, "so far: %q", answer)
	return string(answer)
}

// instanceAt is an instance of a module at an address.
func instanceAt(module, id, addr string) directory.Instance {
	return directory.Instance{ID: id, Module: module, HTTP: addr, Weight: 1}
}

// puppetOnce starts a process that answers each connection's first request with
// a text, and closes it.
func puppetOnce(t testing.TB, text string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := readRequest(c); err == nil {
				_, _ = io.WriteString(c, text)
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

// waiting is a process whose things can be waited for.
func waiting(t testing.TB) *web.Server {
	t.Helper()
	s, err := web.New(web.DefaultConfig(), web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := s.Router("things", nil)
	things("description")(r)
	web.Register(r, web.Operation{ID: "wait", Method: http.MethodPost, Path: "/wait", Summary: "Wait"},
		func(context.Context, *struct{}) (*struct{ Body string }, error) { return nil, nil })
	return s
}

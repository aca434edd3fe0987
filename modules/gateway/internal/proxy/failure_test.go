package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/gateway"
	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// inTurn has requests go to one instance after the other, whatever happens.
func inTurn(c *proxy.Config, _ *webtest.Options) {
	c.Balancer.Policy, c.Balancer.Failures = directory.RoundRobin, 1000
}

// hangUp closes the connection instead of answering.
func hangUp(string, net.Conn) bool { return false }

// answers has a puppet answer everything alike.
func answers(text string) func(string, net.Conn) bool {
	return func(_ string, c net.Conn) bool {
		_, err := io.WriteString(c, text)
		return err == nil
	}
}

const served = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func TestOnlySafeRequestsAreSentTwice(t *testing.T) {
	t.Parallel()
	w := newTown(t, inTurn)
	bad := w.puppet("things", "bad", hangUp)
	good := w.puppet("things", "good", answers(served))
	for range 4 {
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodHead, "/things/lamp", nil).Status)
	}
	tries := len(bad.requests())
	require.NotZero(t, tries)
	lost := 0
	for range 10 {
		answer := w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`, "Idempotency-Key", "k")
		if answer.Status == http.StatusServiceUnavailable {
			require.Equal(t, gateway.ErrAnswerLost.Code, answer.Problem(t).Code)
			require.NotEmpty(t, answer.Header.Get("Retry-After"))
			lost++
		}
	}
	require.Equal(t, 5, lost)
	posts := 0
	for _, r := range append(bad.requests(), good.requests()...) {
		if strings.HasPrefix(r, "POST") {
			require.Contains(t, r, "Idempotency-Key: k\r\n")
			posts++
		}
	}
	require.Equal(t, 10, posts, "each was sent once")
}

func TestWhatWasNotSentGoesToAnotherInstance(t *testing.T) {
	t.Parallel()
	w := newTown(t, inTurn)
	gone := w.start("things", "gone", things("gone"))
	w.start("things", "t2", things("t2"))
	gone.kill()
	for range 10 {
		require.Equal(t, http.StatusCreated, w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`).Status)
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodPost, "/things/clean", nil, "Authorization", "Bearer "+webtest.Token("bob", "staff")).Status)
	}
}

func TestAnInstanceThatCannotServeIsPassedBy(t *testing.T) {
	t.Parallel()
	w := newTown(t, inTurn)
	const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n[]"
	w.puppet("things", "bad", answers(busy))
	answer := w.Do(t, http.MethodGet, "/things/lamp", nil)
	require.Equal(t, http.StatusServiceUnavailable, answer.Status, "there is nobody else")
	require.Equal(t, "7", answer.Header.Get("Retry-After"))
	require.Equal(t, "[]", string(answer.Body))
	w.puppet("things", "good", answers(served))
	unavailable := 0
	for range 10 {
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
		if w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`).Status == http.StatusServiceUnavailable {
			unavailable++
		}
	}
	require.NotZero(t, unavailable, "what is not safe stays with who it was sent to")
}

func TestAModuleThatFailsIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	w := newTown(t, inTurn, func(c *proxy.Config, _ *webtest.Options) {
		c.BreakerFailures, c.BreakerDelay, c.Retries = 3, 200*time.Millisecond, 0
	})
	var well atomic.Bool
	p := w.puppet("things", "t1", func(_ string, c net.Conn) bool {
		if well.Load() {
			_, _ = io.WriteString(c, served)
		}
		return false
	})
	for range 30 {
		require.Equal(t, http.StatusServiceUnavailable, w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`).Status)
	}
	sent := len(p.requests())
	require.Less(t, sent, 10, "it was not left alone")
	require.GreaterOrEqual(t, sent, 3)
	well.Store(true)
	w.eventually(func() bool { return w.Do(t, http.MethodGet, "/things/lamp", nil).Status == http.StatusOK })
	require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
}

func TestAModuleThatDoesNotAnswerIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.hasten(50 * time.Millisecond)
	p := w.puppet("things", "t1", func(string, net.Conn) bool { return true })
	answer := w.Do(t, http.MethodGet, "/things/lamp", nil)
	require.Equal(t, http.StatusGatewayTimeout, answer.Status)
	require.Equal(t, errs.ErrTimeout.Code, answer.Problem(t).Code)
	require.Len(t, p.requests(), 1, "there was no time for another")
}

func TestTheModulesOwnTimeoutComesFirst(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.start("things", "t1", things("t1"))
	answer := w.Do(t, http.MethodGet, "/things/slow", nil)
	require.Equal(t, http.StatusGatewayTimeout, answer.Status)
	require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
}

// A connection that the module closed while nothing went over it is no reason
// to lose a request, whatever that is.
func TestAConnectionThatWasClosedMeanwhileIsNotUsed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	closed := make(chan struct{})
	w.puppet("things", "t1", func(_ string, c net.Conn) bool {
		_, _ = io.WriteString(c, served)
		_ = c.Close() // without having said so
		closed <- struct{}{}
		return false
	})
	for range 20 {
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
		<-closed
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`).Status)
		<-closed
	}
}

func TestAClosingConnectionOfTheModuleDoesNotCloseTheClients(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.puppet("things", "t1", func(_ string, c net.Conn) bool {
		_, _ = io.WriteString(c, strings.Replace(served, "\r\n", "\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nServer: puppet\r\nProxy-Authenticate: Basic\r\n", 1))
		return false
	})
	c, err := net.Dial("tcp", w.Addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	for range 3 {
		_, err = io.WriteString(c, "GET /api/v1/things/lamp HTTP/1.1\r\nHost: shop\r\n\r\n")
		require.NoError(t, err)
		answer := readAnswer(t, c, 2)
		require.Contains(t, answer, "200 OK")
		for _, name := range []string{"Connection", "Keep-Alive", "Server", "Proxy-Authenticate", "X-Secret"} {
			require.NotContains(t, answer, "\r\n"+name+":")
		}
	}
}

func readAnswer(t *testing.T, c net.Conn, length int64) string {
	t.Helper()
	require.NoError(t, c.SetDeadline(clock.System().Now().Add(10*time.Second)))
	var text strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(text.String(), "\r\n\r\n") {
		_, err := c.Read(b)
		require.NoError(t, err, text.String())
		text.WriteByte(b[0])
	}
	_, err := io.CopyN(&text, c, length)
	require.NoError(t, err)
	return text.String()
}

// The gateway is asked ten thousand times while one of two instances is killed.
func TestNoReadIsLostWhenAnInstanceDies(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.start("things", "a", things("a"))
	b := w.start("things", "b", things("b"))
	const clients, each = 20, 500
	var done atomic.Int64
	var running sync.WaitGroup
	failures := make(chan error, clients*each)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	for range clients {
		running.Go(func() {
			for range each {
				if done.Add(1) == clients*each/3 {
					a.kill()
				}
				failures <- ask(client, "http://"+w.Addr+web.Base+"/things/lamp")
			}
		})
	}
	running.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	require.NotZero(t, b.accepted())
}

func ask(client *http.Client, url string) error {
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status + ": " + string(body))
	}
	return nil
}

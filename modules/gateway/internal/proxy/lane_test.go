package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// get asks for many things at once, each by a name of its own, and wants the
// answers to be theirs.
func (w *town) get(t *testing.T, many int, path string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			answer := w.Do(t, http.MethodGet, fmt.Sprintf("%s?name=%d", path, i), nil)
			assert.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
			assert.Equal(t, fmt.Sprintf(`{"name":%d}`, i), string(answer.Body))
		})
	}
	all.Wait()
}

// named answers with the name that a request asks for.
func named(request string) string {
	_, name, _ := strings.Cut(request, "name=")
	name, _, _ = strings.Cut(name, " ")
	body := fmt.Sprintf(`{"name":%s}`, name)
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// Of 64 that ask at once, some ask over one connection before it has answered.
func TestSafeRequestsShareConnections(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var mu sync.Mutex
	var asked, most int
	held := map[net.Conn]string{}
	waiting := map[net.Conn]int{}
	w.puppet("things", "t1", func(request string, c net.Conn) bool {
		mu.Lock()
		defer mu.Unlock()
		asked++
		held[c] += named(request)
		waiting[c]++
		most = max(most, waiting[c])
		if asked < 64 {
			return true
		}
		for c, text := range held {
			_, _ = io.WriteString(c, text) // who has gone does not matter
		}
		clear(held)
		return true
	})
	w.get(t, 64, "/things/lamp")
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, most, 1, "each waited for its answer on a connection of its own")
}

// One request that takes long holds up those behind it for a moment only.
func TestARequestThatTakesLongHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	release := make(chan struct{})
	w.puppet("things", "t1", func(request string, c net.Conn) bool {
		if strings.Contains(request, "/lamp") {
			<-release
		}
		_, err := io.WriteString(c, named(request))
		return err == nil
	})
	var slow sync.WaitGroup
	for range 4 { // as many lanes as there are on eight processors
		slow.Go(func() {
			answer := w.Do(t, http.MethodGet, "/things/lamp?name=0", nil)
			assert.Equal(t, http.StatusOK, answer.Status)
		})
	}
	w.get(t, 64, "/things/sofa")
	close(release)
	slow.Wait()
	w.get(t, 64, "/things/sofa")
}

// What was behind an answer that broke a connection off is asked again.
func TestABrokenLaneLosesNoSafeRequest(t *testing.T) {
	t.Parallel()
	with := func(field string) func(string) string {
		return func(answer string) string { return strings.Replace(answer, "\r\n", "\r\n"+field+"\r\n", 1) }
	}
	for name, broken := range map[string]func(answer string) string{
		"closed":            func(string) string { return "" },
		"said to close":     with("Connection: close"),
		"is somebody elses": with("X-Request-Id: somebody-elses"),
		"no HTTP":           func(string) string { return "220 ready\r\n\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, inTurn)
			var asked atomic.Int64
			w.puppet("things", "t1", func(request string, c net.Conn) bool {
				text, breaks := named(request), asked.Add(1)%5 == 0
				if breaks {
					text = broken(text)
				}
				_, err := io.WriteString(c, text)
				return err == nil && !breaks
			})
			w.puppet("things", "t2", func(request string, c net.Conn) bool {
				_, err := io.WriteString(c, named(request))
				return err == nil
			})
			w.get(t, 64, "/things/lamp")
		})
	}
}

// A process that answers nothing ends each request at its own time.
func TestALaneThatIsSilentEndsInTime(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.hasten(100 * time.Millisecond)
	w.puppet("things", "t1", func(string, net.Conn) bool { return true })
	start := clock.System().Now()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			assert.Equal(t, http.StatusGatewayTimeout, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
		})
	}
	all.Wait()
	require.Less(t, clock.System().Now().Sub(start), 5*time.Second)
}

package conformance

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// slowConnections are what callers meet who send slowly, read slowly or say
// nothing. It is measured alone.
func slowConnections() []promise {
	return []promise{{"500 slow connections are closed in time and hold up nobody", slowCallers}}
}

const (
	slowReadTimeout  = time.Second
	slowWriteTimeout = 2 * time.Second
	slowIdleTimeout  = time.Second
	slowEnd          = 15 * time.Second // when all of them are long over
)

func slowCallers(t *testing.T, shared *world) {
	w := openEmpty(t, shared.topology,
		"http.read_timeout="+slowReadTimeout.String(), "http.write_timeout="+slowWriteTimeout.String(), "http.idle_timeout="+slowIdleTimeout.String())
	document := w.anyone.Try(t.Context(), http.MethodGet, "/openapi.json", nil).Want(t, http.StatusOK).Body
	connections := make([]net.Conn, 500)
	for i := range connections {
		connections[i] = w.dial(t)
		require.NoError(t, connections[i].SetDeadline(system().Now().Add(slowEnd)))
	}
	done := make(chan []bool, 1)
	go func() {
		done <- together(len(connections), func(i int) bool {
			switch c := connections[i]; {
			case i%10 == 0:
				return readsNothing(t, c, len(document))
			case i%3 == 0:
				said, err := io.Copy(io.Discard, c) // says nothing, and so is told nothing
				return said == 0 && (err == nil || !isTimeout(err))
			case i%3 == 1:
				return trickles(t, c, "GET "+base+"/products HTTP/1.1\r\nHost: x\r\nX-Slow: ")
			default:
				return trickles(t, c, "POST "+base+"/carts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
			}
		})
	}()
	// Others are served at once for as long as any of them is there.
	var spent []time.Duration
	var ended []bool
	for ended == nil || len(spent) < 100 {
		spent = append(spent, took(func() { w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK) }))
		select {
		case ended = <-done:
		default:
		}
	}
	slices.Sort(spent)
	require.Less(t, spent[len(spent)*95/100], 100*time.Millisecond, "others are served at once; half of them took %s", spent[len(spent)/2])
	for i, closed := range ended {
		require.True(t, closed, "connection %d is kept open", i)
	}
	w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK)
}

// closedBy reads to the end and tells whether the server made it.
func closedBy(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return err == nil || !isTimeout(err)
}

// trickles sends a beginning, and then a byte now and again.
func trickles(t *testing.T, c net.Conn, beginning string) bool {
	if _, err := io.WriteString(c, beginning); err != nil {
		return !isTimeout(err) // it was closed for saying nothing so long
	}
	ended := make(chan bool, 1)
	go func() { ended <- closedBy(c) }()
	for {
		pause := system().NewTimer(100 * time.Millisecond)
		select {
		case closed := <-ended:
			pause.Stop()
			return closed
		case <-t.Context().Done():
			return false
		case <-pause.C():
			_, _ = io.WriteString(c, "x") // the reader tells when that is over
		}
	}
}

// readsNothing asks for documents of a size, far more of them than the buffers on
// the way can hold, waits, and tells whether it was given up on.
func readsNothing(t *testing.T, c net.Conn, size int) bool {
	const asked = 300
	go func() {
		_, _ = io.WriteString(c, strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", asked)) // it is given up on meanwhile
	}()
	// Until the buffers are full and the server has lost its patience.
	if clock.Sleep(t.Context(), system(), 3*slowWriteTimeout) != nil {
		return false
	}
	// What the buffers held is not looked into: fifty that do are all this process
	// has time for, and the others whose patience is measured wait for it.
	read, err := io.Copy(io.Discard, c)
	return read < asked*int64(size) && (err == nil || !isTimeout(err))
}

package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// restarts are what a shop promises that is stopped, or killed, and run again.
func restarts() []promise {
	return []promise{
		{"SIGTERM under load loses no request", drains},
		{"SIGTERM is clean when nothing goes on", stopsIdle},
		{"a restart under load is a pause and no more", restartsUnderLoad},
		{"an Idempotency-Key holds after a restart", keyAfterRestart},
		{"signing keys outlive a restart", tokensAfterRestart},
	}
}

// pump sends one request after the other over connections of its own, and
// counts what was sent and never answered.
type pump struct {
	addr, text             string
	answered, lost, failed atomic.Int64

	mu     sync.Mutex
	faults []string
}

// run pumps until the shop takes no more connections. A connection is kept as
// long as the shop says that it may be, and not after it has said that it closes.
func (p *pump) run(keepAlive bool) {
	for p.connection(keepAlive) {
	}
}

func (p *pump) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// connection uses one connection up; it tells whether to open another.
func (p *pump) connection(keepAlive bool) bool {
	c, err := net.DialTimeout("tcp", p.addr, 5*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(system().Now().Add(30 * time.Second)); err != nil {
		return false
	}
	r := bufio.NewReader(c)
	for {
		if _, err := io.WriteString(c, p.text); err != nil {
			p.lost.Add(1)
			p.fault("a request could not be sent: %v", err)
			return !errors.Is(err, syscall.ECONNREFUSED)
		}
		response, err := http.ReadResponse(r, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		if err != nil {
			p.lost.Add(1)
			p.fault("a request was not answered: %v", err)
			return true
		}
		if response.StatusCode >= 300 {
			p.failed.Add(1)
			p.fault("a request was answered %d", response.StatusCode)
		}
		p.answered.Add(1)
		if !keepAlive || response.Close {
			return true
		}
	}
}

// under runs load against a shop while do is called, until the shop takes no
// more connections, and gives the pumps.
func (w *world) under(t testing.TB, do func()) []*pump {
	t.Helper()
	sku, _ := w.sell(t, usd(100), 1_000_000)
	cheap := w.request(t, w.anyone, "GET", base+"/products?limit=5", "")
	cart := w.request(t, w.anyone, "POST", base+"/carts", `{}`)
	order := w.request(t, w.admin, "POST", base+"/orders", `{"items":[{"sku":"`+sku+`","quantity":1}],"shipping_address":{"name":"A","line1":"1","line2":"","city":"C","region":"","postal_code":"1","country":"US","phone":""},"payment":{"method":"card","token":"tok_approve"}}`, "Prefer: wait=10")
	var pumps []*pump
	var running sync.WaitGroup
	for i, text := range []string{cheap, cheap, cart, order, order} {
		p := &pump{addr: w.host(t), text: text}
		pumps = append(pumps, p)
		for n := range 4 {
			running.Go(func() { p.run(n%2 == 0 || i == 1) })
		}
	}
	eventually(t, checkoutTimeout, "the load is on", func() error {
		for _, p := range pumps {
			if p.answered.Load() < 20 {
				return errNotYet
			}
		}
		return nil
	})
	do()
	running.Wait()
	return pumps
}

func drains(t *testing.T, w *world) {
	var printed string
	pumps := w.under(t, func() { printed = w.Stop(t) })
	for _, p := range pumps {
		what, _, _ := strings.Cut(p.text, "\r\n")
		require.Zero(t, p.lost.Load(), "%s: %v", what, p.faults)
		require.Zero(t, p.failed.Load(), "%s: %v", what, p.faults)
	}
	require.NotRegexp(t, faults, printed)

	// Every order that was answered is there.
	answered := pumps[3].answered.Load() + pumps[4].answered.Load()
	w.Restart(t)
	orders := all[Order](t, w.admin, "/orders", nil)
	require.EqualValues(t, answered, len(orders), "every order that was answered is there, and no other")
	for _, o := range orders {
		require.NotEqual(t, "rejected", o.Status, "%+v", o)
	}
}

func stopsIdle(t *testing.T, w *world) {
	w.anyone.Get(t, "/products").Want(t, http.StatusOK)
	idle := w.dial(t) // has said nothing yet
	spent := took(func() { w.Stop(t) })
	bound := 5 * time.Second
	if _, split := w.topology.(Split); split {
		bound *= 2 // the gateway stops first, and then the others
	}
	require.Less(t, spent, bound, "http.drain_delay is 1s, and nothing runs")
	require.NoError(t, idle.SetDeadline(system().Now().Add(time.Second)))
	require.True(t, closedBy(idle))
	w.Restart(t)
	w.admin.Get(t, "/users/me").Want(t, http.StatusOK)
}

func restartsUnderLoad(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 1_000_000)
	stop := make(chan struct{})
	var unexpected sync.Map
	var served atomic.Int64
	var running sync.WaitGroup
	for i := range 6 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var a *Answer
				if i%2 == 0 {
					a = w.anyone.Try(t.Context(), http.MethodGet, base+"/products?limit=2", nil)
				} else {
					a = w.admin.Try(t.Context(), http.MethodPost, base+"/orders", orderBody("tok_approve", line(sku, 1)), key(unique("restart")), wait(10))
				}
				switch {
				case a.Err == nil && a.Status < 300:
					served.Add(1)
				case a.Err == nil && a.Status != http.StatusServiceUnavailable:
					unexpected.Store(a.String(), true)
				case clock.Sleep(t.Context(), system(), 10*time.Millisecond) != nil:
					return
				}
			}
		})
	}
	for range 2 {
		want := served.Load() + 50
		eventually(t, checkoutTimeout, "the shop serves", func() error {
			if served.Load() < want {
				return errNotYet
			}
			return nil
		})
		w.Stop(t)
		w.Restart(t)
	}
	close(stop)
	running.Wait()
	unexpected.Range(func(answer, _ any) bool {
		t.Errorf("while it restarts: %s", answer)
		return true
	})
	for _, o := range all[Order](t, w.admin, "/orders", nil) {
		require.Equal(t, "confirmed", w.until(t, o.ID, checkoutTimeout, func(o Order) bool { return o.Status != "pending" }).Status)
	}
}

package conformance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// limits are what who asks too often meets, in a shop that limits.
func limits() []promise {
	return []promise{
		{"who guesses a password has to wait, and the owner gets in again", bruteForce},
		{"one password tried on many accounts is stopped", spraying},
		{"resets in bulk are stopped, and limits are told", bulk},
	}
}

// from gives a stranger who calls from another loopback address.
func (w *world) from(t testing.TB, address string) *Caller {
	t.Helper()
	client := newClient()
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		return d.DialContext(ctx, network, addr)
	}
	t.Cleanup(client.CloseIdleConnections)
	return &Caller{url: w.URL(), client: client}
}

// tooMany holds an answer to be a 429 that says when to come again.
func tooMany(t testing.TB, a *Answer) time.Duration {
	t.Helper()
	a.Refused(t, http.StatusTooManyRequests)
	after, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(t, err, "Retry-After of %s", a)
	require.Positive(t, after)
	return time.Duration(after) * time.Second
}

// untilLimited calls until it is told to wait, at most so often.
func untilLimited(t testing.TB, most int, call func(i int) *Answer) *Answer {
	t.Helper()
	for i := range most {
		if a := call(i); a.Status == http.StatusTooManyRequests {
			return a
		}
	}
	require.FailNow(t, "nothing limits", "%d calls were answered", most)
	return nil
}

func bruteForce(t *testing.T, w *world) {
	owner := w.newcomer(t)
	attacker := w.from(t, "127.0.0.2")
	guess := func(i int) *Answer {
		a := attacker.Post(t, "/sessions", fields{"email": owner.Email, "password": fmt.Sprintf("guess number %d", i)},
			header("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%250)), header("X-Real-IP", fmt.Sprintf("203.0.113.%d", i%250)))
		if a.Status != http.StatusTooManyRequests {
			a.Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
		}
		return a
	}
	stopped := untilLimited(t, 100, guess)
	wait := tooMany(t, stopped)
	require.LessOrEqual(t, wait, 15*time.Minute)
	require.NotEmpty(t, stopped.Header.Get("RateLimit-Policy"), "%v", stopped.Header)
	require.NotEmpty(t, stopped.Header.Get("RateLimit"), "%v", stopped.Header)
	// Each instance counts for itself, and all of them are to have had enough.
	for guesses, refused := 0, 0; refused < inARow && guesses < 200; guesses++ {
		refused++
		if a := guess(guesses); a.Status == http.StatusTooManyRequests {
			wait = max(wait, tooMany(t, a))
		} else {
			refused = 0
		}
	}
	// The right password tells nothing while it lasts.
	attacker.Post(t, "/sessions", fields{"email": owner.Email, "password": owner.Password}).Refused(t, http.StatusTooManyRequests)
	// Who is signed in is not disturbed, and others may sign in.
	owner.Get(t, "/users/me").Want(t, http.StatusOK)
	owner.renew(t).Want(t, http.StatusOK)
	require.NotNil(t, w.signIn(t, w.admin.Email, w.admin.Password))
	// The owner is not locked out for good.
	require.NoError(t, clock.Sleep(t.Context(), system(), min(wait, 20*time.Second)))
	require.NotNil(t, w.signIn(t, owner.Email, owner.Password), "after Retry-After the owner gets in")
}

func spraying(t *testing.T, w *world) {
	attacker := w.from(t, "127.0.0.3")
	stopped := untilLimited(t, 500, func(i int) *Answer {
		return attacker.Post(t, "/sessions", fields{"email": fmt.Sprintf("nobody%d@example.com", i), "password": "the same password"},
			header("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%250)), header("Forwarded", fmt.Sprintf("for=203.0.113.%d", i%250)))
	})
	tooMany(t, stopped)
	// Another address is not held to account for it.
	require.NotNil(t, w.signIn(t, w.admin.Email, w.admin.Password))
}

func bulk(t *testing.T, w *world) {
	plain := w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK)
	if policy := plain.Header.Get("RateLimit-Policy"); policy != "" {
		require.Contains(t, policy, "q=")
		require.True(t, strings.Contains(plain.Header.Get("RateLimit"), "r="), "RateLimit: %s", plain.Header.Get("RateLimit"))
	}
	attacker := w.from(t, "127.0.0.4")
	tooMany(t, untilLimited(t, 300, func(i int) *Answer {
		return attacker.Post(t, "/password-resets", fields{"email": fmt.Sprintf("nobody%d@example.com", i)})
	}))
	w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK)
}

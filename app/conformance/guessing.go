package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// guessing is what time and memory tell nobody: it is measured alone.
func guessing() []promise {
	return []promise{
		{"a wrong password and an unknown address take the same time", credentialsTakeTheSameTime},
		{"resets for known and unknown addresses take the same time", resetsTakeTheSameTime},
		{"a body that unpacks to 600 MB takes no memory", compressedBombs},
	}
}

// sameTime holds two calls to take the same time, within 5 % of each other's mean
// without the outermost quarter: every other call may be slower, by what the
// memory of the one before leaves to be collected, so that a median would fall
// now here, now there. Noise of the machine is given twenty chances; a difference that is
// always there fails all of them.
func sameTime(t *testing.T, samples int, one, other func()) {
	t.Helper()
	var told string
	for range 20 {
		var a, b []time.Duration
		toss := make([]byte, samples)
		_, _ = system().Read(toss) // never fails
		for i := range samples {
			// Which is the second has no pattern, that work of every second or every
			// fourth call might follow.
			if toss[i]%2 == 0 {
				a, b = append(a, took(one)), append(b, took(other))
			} else {
				b, a = append(b, took(other)), append(a, took(one))
			}
		}
		first, second := middle(a), middle(b)
		difference := (first - second).Abs()
		if difference*20 <= max(first, second) {
			return
		}
		told += fmt.Sprintf(" %s against %s;", first, second)
	}
	require.Fail(t, "one is told from the other by time", "%s", told)
}

// middle gives the mean without the eighth at either end.
func middle(list []time.Duration) time.Duration {
	slices.Sort(list)
	list = list[len(list)/8 : len(list)-len(list)/8]
	var sum time.Duration
	for _, d := range list {
		sum += d
	}
	return sum / time.Duration(len(list))
}

func credentialsTakeTheSameTime(t *testing.T, w *world) {
	attempt := func(email string) func() {
		return func() {
			w.anyone.Post(t, "/sessions", fields{"email": email, "password": "not this one at all"}).Want(t, http.StatusUnauthorized)
		}
	}
	sameTime(t, 24, attempt(w.customer.Email), attempt("nobody-"+w.customer.Email))
}

func resetsTakeTheSameTime(t *testing.T, w *world) {
	c := w.newcomer(t)
	attempt := func(email string) func() {
		return func() {
			w.anyone.Post(t, "/password-resets", fields{"email": email}).Want(t, http.StatusAccepted)
		}
	}
	sameTime(t, 104, attempt(c.Email), attempt("nobody-"+c.Email))
}

package conformance

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// system is the machine's clock: what runs in another process cannot be driven.
func system() clock.Clock { return clock.System() }

// eventually asks again and again, for at most within, until check finds
// nothing wrong.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if clock.Sleep(ctx, system(), pause) != nil {
			require.FailNowf(t, what, "not within %s: %s", within, err)
		}
	}
}

// errNotYet says that what is waited for has not come.
var errNotYet = errors.New("not yet")

// together calls do n times at once and gives what each call gave.
func together[T any](n int, do func(i int) T) []T {
	results := make([]T, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { results[i] = do(i) })
	}
	wg.Wait()
	return results
}

// took measures a call.
func took(do func()) time.Duration {
	began := system().Now()
	do()
	return system().Now().Sub(began)
}

// random gives a number from 0 to n−1.
func random(n int) int {
	var b [4]byte
	_, _ = system().Read(b[:]) // never fails
	return int(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24) % n
}

// unique gives a word that nothing else in the shop has.
func unique(prefix string) string {
	secret := system().Secret()
	return prefix + "-" + secret[:8] + secret[9:13]
}

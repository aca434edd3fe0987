package ratelimit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/ratelimit"
)

// guesses are Failures of which three by account and six by address are free.
func guesses() (*ratelimit.Failures, *clock.Fake) {
	cfg := ratelimit.DefaultConfig()
	cfg.AccountFailures = ratelimit.Rate{Count: 3, Per: 10 * time.Minute}
	cfg.AddressFailures = ratelimit.Rate{Count: 6, Per: 10 * time.Minute}
	cfg.MaxDelay = 7 * time.Second
	c := clock.NewFake(start, 1)
	return ratelimit.New(cfg, c).Failures(), c
}

// fail makes an attempt that must be let through, and fails.
func fail(t *testing.T, f *ratelimit.Failures, account, address string) {
	t.Helper()
	_, wait := f.Begin(account, address)
	require.Zero(t, wait)
}

// succeed makes an attempt that must be let through, and succeeds.
func succeed(t *testing.T, f *ratelimit.Failures, account, address string) {
	t.Helper()
	a, wait := f.Begin(account, address)
	require.Zero(t, wait)
	a.Succeeded()
}

// refused asks for an attempt that must not be let through.
func refused(t *testing.T, f *ratelimit.Failures, account, address string, want time.Duration) {
	t.Helper()
	a, wait := f.Begin(account, address)
	require.Nil(t, a)
	require.Equal(t, want, wait)
}

func TestDelaysGrowUpToABound(t *testing.T) {
	t.Parallel()
	f, c := guesses()
	for range 3 {
		fail(t, f, "ann", "192.0.2.1")
	}
	for i, seconds := range []int{1, 2, 4, 7, 7, 7} {
		delay := time.Duration(seconds) * time.Second
		from := fmt.Sprintf("198.51.100.%d", i)
		refused(t, f, "ann", from, delay)
		c.Advance(delay - time.Microsecond)
		refused(t, f, "ann", from, time.Microsecond)
		c.Advance(time.Microsecond)
		fail(t, f, "ann", from)
	}
}

func TestRefusedAttemptsDoNotProlongTheDelay(t *testing.T) {
	t.Parallel()
	f, c := guesses()
	for range 3 {
		fail(t, f, "ann", "192.0.2.1")
	}
	for range 1000 {
		refused(t, f, "ann", "192.0.2.1", time.Second)
	}
	c.Advance(time.Second)
	succeed(t, f, "ann", "192.0.2.9")
}

func TestSuccessForgetsTheFailuresOfTheAccount(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	for i := range 20 {
		from := fmt.Sprintf("192.0.2.%d", i)
		fail(t, f, "ann", from)
		fail(t, f, "ann", from)
		succeed(t, f, "ann", from)
	}
}

func TestOnePasswordOverManyAccountsIsSlowedByAddress(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	for i := range 6 {
		fail(t, f, fmt.Sprint("account-", i), "192.0.2.1")
	}
	refused(t, f, "account-7", "192.0.2.1", time.Second)
	fail(t, f, "account-7", "192.0.2.2")
}

func TestOneHostIsOneAddress(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	for i := range 6 {
		fail(t, f, fmt.Sprint("account-", i), fmt.Sprintf("2001:db8:1:2::%d", i))
	}
	refused(t, f, "account-7", "2001:db8:1:2:ffff::", time.Second)
	fail(t, f, "account-7", "2001:db8:1:3::")
}

func TestAnAccountOfOnesOwnDoesNotClearTheAddress(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	for i := range 5 {
		fail(t, f, fmt.Sprint("account-", i), "192.0.2.1")
		succeed(t, f, "mallory", "192.0.2.1")
	}
	fail(t, f, "account-6", "192.0.2.1")
	refused(t, f, "account-7", "192.0.2.1", time.Second)
}

func TestTheOwnerIsNotLockedOutWhereTheyAreKnown(t *testing.T) {
	t.Parallel()
	f, c := guesses()
	succeed(t, f, "ann", "192.0.2.1")
	for i := range 3 {
		fail(t, f, "ann", fmt.Sprintf("198.51.100.%d", i))
	}
	for i := range 6 {
		fail(t, f, fmt.Sprint("account-", i), "192.0.2.1")
	}
	refused(t, f, "ann", "198.51.100.9", time.Second)
	refused(t, f, "bob", "192.0.2.1", time.Second)
	succeed(t, f, "ann", "192.0.2.1")

	// They have tries of their own there, and no more than anybody.
	for range 3 {
		fail(t, f, "ann", "192.0.2.1")
	}
	refused(t, f, "ann", "192.0.2.1", time.Second)
	// A month later the address is as any other.
	c.Advance(31 * 24 * time.Hour)
	for i := range 3 {
		fail(t, f, "ann", fmt.Sprintf("198.51.100.%d", i))
	}
	refused(t, f, "ann", "192.0.2.1", time.Second)
}

func TestAQuietTimeForgetsFailures(t *testing.T) {
	t.Parallel()
	f, c := guesses()
	for range 2 {
		fail(t, f, "ann", "192.0.2.1")
	}
	c.Advance(10 * time.Minute)
	for range 3 {
		fail(t, f, "ann", "192.0.2.1")
	}
	refused(t, f, "ann", "192.0.2.1", time.Second)
}

func TestManyAttemptsAtOnceAreNoWayAround(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	var begun atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if a, _ := f.Begin("ann", fmt.Sprintf("192.0.2.%d", i)); a != nil {
				begun.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 3, begun.Load())
}

func TestAbandonedAttemptsWereNeverMade(t *testing.T) {
	t.Parallel()
	f, _ := guesses()
	for range 20 {
		a, wait := f.Begin("ann", "192.0.2.1")
		require.Zero(t, wait)
		a.Abandoned()
	}
	fail(t, f, "ann", "192.0.2.1")
	fail(t, f, "ann", "192.0.2.1")
	a, wait := f.Begin("ann", "192.0.2.1")
	require.Zero(t, wait)
	a.Abandoned()
	a.Abandoned() // an outcome is told once
	a.Succeeded()
	fail(t, f, "ann", "192.0.2.1")
	refused(t, f, "ann", "192.0.2.1", time.Second)
}

func TestASlowSuccessDoesNotUndoALaterFailure(t *testing.T) {
	t.Parallel()
	f, c := guesses()
	for i := range 5 {
		fail(t, f, fmt.Sprint("account-", i), "192.0.2.1")
	}
	slow, wait := f.Begin("ann", "192.0.2.1")
	require.Zero(t, wait)
	c.Advance(time.Second)
	fail(t, f, "bob", "192.0.2.1") // the seventh of the address: two seconds
	slow.Succeeded()
	refused(t, f, "carl", "192.0.2.1", 2*time.Second)
}

func TestEachCountCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	cfg := ratelimit.DefaultConfig()
	cfg.AccountFailures, cfg.AddressFailures = ratelimit.Rate{}, ratelimit.Rate{Count: 2, Per: time.Minute}
	f := ratelimit.New(cfg, clock.NewFake(start, 1)).Failures()
	for i := range 20 {
		fail(t, f, "ann", fmt.Sprintf("192.0.2.%d", i))
	}
	fail(t, f, "bob", "192.0.2.1")
	refused(t, f, "carl", "192.0.2.1", time.Second)
}

package rpctest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/rpc"
)

// Chaos is a network that repeats, loses, delays and so reorders: what a
// contract's suite survives on it is idempotent where it says so.
type Chaos struct {
	// Spare tells which calls are left alone; nil is none. It is set before the
	// first call.
	Spare func(c *rpc.Call) bool

	next rpc.Transport

	mu       sync.Mutex
	random   *rand.Rand
	repeated int
	lost     int

	running sync.WaitGroup
}

// errLost is what a caller sees of an answer that was lost.
var errLost = errors.New("the connection broke")

// NewChaos puts mischief before a transport. The same seed makes the same
// choices in the same order.
func NewChaos(next rpc.Transport, seed uint64) *Chaos {
	return &Chaos{next: next, random: rand.New(rand.NewPCG(seed, seed))}
}

// RoundTrip carries a call out: once or twice, one after the other or at the
// same time, at once or later; and gives its answer or none.
func (c *Chaos) RoundTrip(ctx context.Context, to directory.Instance, call *rpc.Call) (rpc.Reply, error) {
	if c.Spare != nil && c.Spare(call) {
		return c.next.RoundTrip(ctx, to, call)
	}
	c.mu.Lock()
	fate, pause, late := c.random.IntN(10), c.random.IntN(3000), c.random.IntN(3000)
	switch {
	case fate < 3:
		c.repeated++
	case fate < 5:
		c.lost++
	}
	c.mu.Unlock()
	if err := wait(ctx, pause); err != nil {
		return rpc.Reply{}, err
	}
	switch {
	case fate < 2: // twice, one after the other; the second answer counts
		if r, err := c.next.RoundTrip(ctx, to, call); err != nil {
			return r, err
		}
	case fate == 2: // twice, at the same time
		again := *call
		again.ID += "-again"
		// It outlives the call, as a packet does.
		loose, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		c.running.Go(func() {
			defer cancel()
			if wait(loose, late) == nil {
				_, _ = c.next.RoundTrip(loose, to, &again) // nobody asks what came of it
			}
		})
	case fate < 5: // the answer is lost
		if r, err := c.next.RoundTrip(ctx, to, call); err != nil {
			return r, err
		}
		return rpc.Reply{}, errLost
	}
	return c.next.RoundTrip(ctx, to, call)
}

func wait(ctx context.Context, us int) error {
	return clock.Sleep(ctx, clock.System(), time.Duration(us)*time.Microsecond)
}

// Close waits for what was repeated and closes the transport.
func (c *Chaos) Close() error {
	c.running.Wait()
	return c.next.Close()
}

// Chaotic gives the ends of a driver with mischief between them, of which c
// tells once the link has started. Callers try long enough to get through.
func Chaotic(t testing.TB, driver string, seed uint64) (l *Link, c *Chaos) {
	t.Helper()
	l, c = New(t, driver), NewChaos(nil, seed)
	l.Config.Retries, l.Config.Timeout = 10, 30*time.Second
	l.Config.Breaker.Failures, l.Config.Breaker.Window = 1000, 1000
	l.ClientDeps.Wrap = func(next rpc.Transport) rpc.Transport {
		c.next = next
		return c
	}
	return l, c
}

// Mischief tells how many calls were repeated and how many answers lost.
func (c *Chaos) Mischief() (repeated, lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repeated, c.lost
}

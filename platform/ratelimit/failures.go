package ratelimit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"stoa/platform/clock"
)

// Failures counts failed attempts to prove who one is, by account and by
// address, and puts ever longer delays between further ones.
//
// Some failures are free, since people mistype; each after them doubles the
// delay until the next attempt, up to a bound, so that nobody is locked out for
// good. An attempt that is refused for coming too early changes nothing. An
// account and an address that have succeeded together are counted by
// themselves: whoever guesses at an account from elsewhere does not delay its
// owner, and neither does a neighbour behind the same address.
//
// An attempt counts as failed from when it begins until its outcome is told, so
// that trying many at once is no way around. Failures are safe for concurrent
// use. Nil lets every attempt begin.
type Failures struct {
	clock     clock.Clock
	seed      maphash.Seed
	byAccount policy
	byAddress policy

	mu      sync.Mutex // over all keys of an attempt
	counts  *table[count]
	trusted *table[trust]
}

// policy says what follows from a number of failures.
type policy struct {
	free     int
	forget   time.Duration
	maxDelay time.Duration
}

// firstDelay is that after the last free failure.
const firstDelay = time.Second

// trustFor is how long an account is known at an address after it succeeded there.
const trustFor = 30 * 24 * time.Hour

// count is the failures of an account, of an address, or of the two together.
type count struct {
	failures int
	next     int64 // no attempt begins before then
	forget   int64 // the failures are forgotten then
}

func (c count) expires() int64 { return max(c.next, c.forget) }

// trust is until when an account is known at an address.
type trust int64

func (t trust) expires() int64 { return int64(t) }

func newFailures(cfg Config, c clock.Clock) *Failures {
	if !cfg.Enabled {
		return nil
	}
	return &Failures{
		clock: c, seed: maphash.MakeSeed(), counts: newTable[count](maxKeys), trusted: newTable[trust](maxKeys),
		byAccount: policy{cfg.AccountFailures.Count, cfg.AccountFailures.Per, cfg.MaxDelay},
		byAddress: policy{cfg.AddressFailures.Count, cfg.AddressFailures.Per, cfg.MaxDelay},
	}
}

// Attempt is one try that was let through. Its outcome is told once, by
// Succeeded or Abandoned; one that is never told has failed. It is for one
// goroutine.
type Attempt struct {
	failures *Failures
	pair     uint64
	counted  []counted
	told     bool
}

// counted is what an attempt was counted under.
type counted struct {
	key    uint64
	next   int64 // the delay that it caused
	shared bool  // with other accounts, whose failures a success leaves
}

// Begin asks for an attempt at an account from an address. Where it comes too
// early, the attempt is nil and the duration, at most ratelimit.max_delay, says
// how long to wait. The account is whatever names it, always spelt the same,
// whether there is such an account or not.
func (f *Failures) Begin(account, address string) (*Attempt, time.Duration) {
	if f == nil {
		return &Attempt{}, 0
	}
	if addr, err := netip.ParseAddr(address); err == nil {
		address = ofHost(addr).String()
	}
	a := &Attempt{failures: f, pair: f.key("pair", account, address)}
	keys := []counted{{key: f.key("account", account)}, {key: f.key("address", address), shared: true}}
	now := f.clock.Now().UnixNano()

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trusted.get(a.pair).expires() > now {
		keys = []counted{{key: a.pair}}
	}
	var wait int64
	for _, k := range keys {
		wait = max(wait, f.counts.get(k.key).next-now)
	}
	if wait > 0 {
		return nil, time.Duration(wait)
	}
	for _, k := range keys {
		p := f.byAccount
		if k.shared {
			p = f.byAddress
		}
		if p.free == 0 {
			continue // it is turned off
		}
		f.counts.update(k.key, now, func(c count) count {
			if c.expires() <= now {
				c = count{}
			}
			c.failures++
			c.next = now + int64(p.delay(c.failures))
			c.forget = now + int64(p.forget)
			k.next = c.next
			return c
		})
		a.counted = append(a.counted, k)
	}
	return a, 0
}

// delay gives how long to wait after the nth failure.
func (p policy) delay(n int) time.Duration {
	if n < p.free {
		return 0
	}
	d := firstDelay
	for range n - p.free {
		if d >= p.maxDelay {
			break
		}
		d *= 2
	}
	return min(d, p.maxDelay)
}

// Succeeded tells that the attempt proved who it was. The failures of the
// account are forgotten, those of other accounts from the address are not.
func (a *Attempt) Succeeded() { a.tell(true) }

// Abandoned tells that the attempt came to no outcome, for no fault of whoever
// made it: it was never counted.
func (a *Attempt) Abandoned() { a.tell(false) }

func (a *Attempt) tell(succeeded bool) {
	f := a.failures
	if f == nil || a.told {
		return
	}
	a.told = true
	now := f.clock.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range a.counted {
		if succeeded && !k.shared {
			f.counts.delete(k.key)
			continue
		}
		f.counts.update(k.key, now.UnixNano(), func(c count) count {
			c.failures = max(0, c.failures-1)
			if c.next == k.next {
				c.next = 0 // nobody has failed since
			}
			return c
		})
	}
	if succeeded {
		f.trusted.update(a.pair, now.UnixNano(), func(trust) trust { return trust(now.Add(trustFor).UnixNano()) })
	}
}

// key hashes what failures are counted by.
func (f *Failures) key(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, p := range parts {
		_, _ = h.WriteString(p) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// Package ratelimit says whether somebody may do something again already.
//
// Limits counts requests by the name of a limit and a key, an address or an
// account, and lets through an even rate with bursts (GCRA). Failures counts
// wrong passwords and makes whoever guesses wait ever longer. Both are kept in
// the memory of this process, bounded, and forgotten when it stops: several
// instances each allow the whole limit.
//
// platform/web and modules that let people sign in import it. It never waits,
// never refuses by itself, and knows nothing of HTTP.
package ratelimit

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"stoa/platform/clock"
)

// Names of limits, each a key of the configuration.
const (
	Default      = "default"       // every request, by address
	Register     = "register"      // new accounts, by address
	SignIn       = "signin"        // attempts to sign in, by address
	Reset        = "reset"         // requests to reset a password, by address
	ResetAccount = "reset_account" // the same, by account
)

// Decision is whether one more request is allowed, and what the caller may be
// told about its limit.
type Decision struct {
	Allowed bool
	// Limit is how many requests a full allowance holds, and Remaining how many
	// of them are left. Limit is zero where nothing is limited.
	Limit, Remaining int
	// Reset is how long until the allowance is full again, if nothing more is asked.
	Reset time.Duration
	// RetryAfter is how long until the next request is allowed; zero where this
	// one is.
	RetryAfter time.Duration
	// Policy describes the limit as the field RateLimit-Policy does, such as
	// `"signin";q=300;w=60` (draft-ietf-httpapi-ratelimit-headers §3). Empty where
	// nothing is limited.
	Policy string
}

// Limits decides by name of limit and key. It is safe for concurrent use. Nil
// allows everything.
type Limits struct {
	clock    clock.Clock
	limits   map[string]*limit
	failures *Failures
}

// limit is one rate, in the terms of GCRA.
type limit struct {
	rate     Rate
	interval time.Duration // that one request uses up
	policy   string
	seed     maphash.Seed
	arrivals *table[arrival]
}

// arrival is when the allowance of a key is full again, in nanoseconds since
// 1970: the theoretical arrival time of GCRA.
type arrival int64

func (a arrival) expires() int64 { return int64(a) }

// maxKeys bounds each table, and so the memory of all to about 30 MB when an
// attacker fills them.
const maxKeys = 100_000

// New makes the limits of a configuration. Where that turns limits off,
// everything is allowed, and nothing is counted.
func New(cfg Config, c clock.Clock) *Limits {
	l := &Limits{clock: c, limits: map[string]*limit{}, failures: newFailures(cfg, c)}
	for name, rate := range cfg.rates() {
		if !cfg.Enabled || rate.Count == 0 {
			l.limits[name] = nil
			continue
		}
		l.limits[name] = &limit{
			rate: rate, interval: rate.Per / time.Duration(rate.Count), seed: maphash.MakeSeed(), arrivals: newTable[arrival](maxKeys),
			policy: fmt.Sprintf("%q;q=%d;w=%d", name, rate.Count, max(1, int64(rate.Per.Round(time.Second)/time.Second))),
		}
	}
	return l
}

// Known reports whether there is a limit of that name. Who lets others name
// limits asks once, when it is set up.
func (l *Limits) Known(name string) bool {
	if l == nil {
		return true
	}
	_, ok := l.limits[name]
	return ok
}

// Failures counts failed attempts to sign in. Nil Limits have nil Failures,
// which count nothing.
func (l *Limits) Failures() *Failures {
	if l == nil {
		return nil
	}
	return l.failures
}

// Take counts a request against a limit and says whether it is allowed; one
// that is not uses nothing up. A key that is an address counts for all that one
// host is given: an IPv6 address for its /64. A name that is not Known is the
// default limit.
func (l *Limits) Take(name, key string) Decision {
	if l == nil {
		return Decision{Allowed: true}
	}
	lim, ok := l.limits[name]
	if !ok {
		lim = l.limits[Default]
	}
	if lim == nil {
		return Decision{Allowed: true}
	}
	return lim.take(hash(lim.seed, key), l.clock.Now().UnixNano())
}

// take is GCRA as a virtual schedule: each request moves the time at which the
// allowance is full again on by the interval, and that time may not lie further
// ahead than the whole allowance takes.
func (l *limit) take(key uint64, now int64) Decision {
	d := Decision{Limit: l.rate.Count, Policy: l.policy}
	interval := int64(l.interval)
	whole := interval * int64(l.rate.Count)
	l.arrivals.update(key, now, func(full arrival) arrival {
		full = max(full, arrival(now))
		next := full + arrival(interval)
		if wait := int64(next) - now - whole; wait > 0 {
			d.RetryAfter = time.Duration(wait)
			next = full
		} else {
			d.Allowed = true
		}
		used := int64(next) - now
		d.Reset, d.Remaining = time.Duration(used), int((whole-used)/interval)
		return next
	})
	return d
}

// hash gives a key's place in a table: the same for all addresses of one host.
func hash(seed maphash.Seed, key string) uint64 {
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return maphash.String(seed, key)
	}
	host := ofHost(addr).As16()
	return maphash.Bytes(seed, host[:])
}

// ofHost gives the part of an address that one host is given: an IPv4 address,
// or the /64 of an IPv6 address.
func ofHost(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	prefix, _ := addr.Prefix(64) // fails only for lengths that there are not
	return prefix.Addr()
}

// Package conformance holds a running shop to everything that its HTTP API and
// its command line promise to a caller. It knows the shop only from outside:
// over HTTP, over bare TCP and by its commands, so the same suite runs over one
// process, over a shop that is split, and over several instances.
//
// Tests of commands and topologies call Run. It imports no module and nothing
// of the platform but clock and money, and never looks into a database.
package conformance

import (
	"slices"
	"testing"
	"time"
)

// Topology is a way to run the shop.
type Topology interface {
	// Name is what the topology is called, such as "one process".
	Name() string
	// Start runs a shop with its data below dir and waits until it is ready.
	// Each set is a "key=value" of the configuration, or a flag of `stoa serve`
	// where it begins with "--". What still runs when the test ends is killed.
	Start(t testing.TB, dir string, set ...string) Shop
	// AtOnce is how many such shops a small machine bears at the same time.
	AtOnce() int
	// Recovery is how long what was under way when all was killed may lie still
	// once it is ready again, beyond what one process on files of its own takes.
	Recovery() time.Duration
}

// Shop is a shop that runs. Its addresses stay the same over restarts.
type Shop interface {
	// URL is the public listener, without a slash at the end.
	URL() string
	// OpsURL is the operations listener.
	OpsURL() string
	// Output is all that its processes have printed so far, logs included.
	Output() string
	// Kill ends it without notice, as kill -9 does.
	Kill(t testing.TB)
	// Stop asks it to end with SIGTERM, waits until it has, holds it to exit
	// status 0 and gives all that it has printed.
	Stop(t testing.TB) string
	// Restart runs it again after Kill or Stop, on the same data, and waits until
	// it is ready.
	Restart(t testing.TB)
	// Command runs `stoa` with the configuration of the shop and then these
	// arguments, which win over it, also while the shop runs.
	Command(t testing.TB, stdin string, args ...string) Result
}

// Result is what a command left behind.
type Result struct {
	Stdout, Stderr string
	Exit           int
}

// promise is one thing that a caller may rely on.
type promise struct {
	name string
	hold func(t *testing.T, w *world)
}

// Run holds a topology to all promises.
func Run(t *testing.T, topology Topology) {
	w := open(t, topology)
	// What measures time or the memory of the process has the machine to itself.
	t.Run("alone", func(t *testing.T) {
		hold(t, w, nil, slices.Concat(guessing(), forged(), []promise{{"no text breaks a search", strangeSearches}}, slowConnections()))
	})
	t.Run("at once", func(t *testing.T) {
		slots, further := make(chan struct{}, testsAtOnce), make(chan struct{}, topology.AtOnce())
		for name, promises := range map[string][]promise{
			"conventions": conventions(), "versions": versions(), "lists": lists(), "cbor": cborNegotiation(), "documents": documents(),
			"accounts": accounts(), "sessions": sessions(), "passwords": passwords(), "addresses": addresses(), "administration": administration(),
			"products": products(), "categories": categories(), "search": searching(), "inventory": inventory(), "imports": imports(), "exports": exports(),
			"carts": carts(), "checkout": checkout(), "payment": payment(), "order lists": orderLists(), "cancellation": cancellation(),
			"fulfilment": fulfilment(), "refunds": refunds(), "idempotency": idempotency(), "races": races(),
			"tokens": tokens(), "authorization": authorization(), "bodies": bodies(), "values": values(), "paths": paths(), "protocol": protocol(),
			"commands": commands(),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				hold(t, w, slots, promises)
			})
		}
		// Those that start shops of their own.
		t.Run("further shops", func(t *testing.T) {
			t.Parallel()
			hold(t, w, further, slices.Concat(demo(), crash(), expiries()))
		})
		// Those that wait for most of their time take nobody's place.
		t.Run("long waits", func(t *testing.T) {
			t.Parallel()
			hold(t, w, make(chan struct{}, len(longWaits())), longWaits())
		})
		// Those that are held one after the other by one shop that is not the others'.
		for name, of := range map[string]struct {
			set      []string
			promises []promise
		}{
			"configuration":   {asConfigured, configured()},
			"limits":          {[]string{"ratelimit.enabled=true"}, limits()},
			"restarts":        {nil, restarts()},
			"catalogue files": {nil, catalogueFiles()},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				further <- struct{}{}
				defer func() { <-further }()
				hold(t, openEmpty(t, topology, of.set...), nil, of.promises)
			})
		}
	})
	t.Run("afterwards", func(t *testing.T) {
		hold(t, w, nil, aftermath())
	})
}

// longWaits are what takes half a minute and more to come true, and little else.
func longWaits() []promise {
	return []promise{
		{"a payment that never answers rejects in time", neverAnswers},
		{"an order that was under way is decided after a restart", underWaySurvives},
	}
}

// expiries are what lasts no longer than it says.
func expiries() []promise {
	return []promise{
		{"access ends when it expires", accessExpires},
		{"an order is decided within its timeout", shortTimeout},
	}
}

// testsAtOnce is how many tests use one shop at the same time.
const testsAtOnce = 16

// hold holds a shop to promises: one after the other, or as many at once as there
// are slots.
func hold(t *testing.T, w *world, slots chan struct{}, promises []promise) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			if slots != nil {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
			}
			p.hold(t, w)
		})
	}
}

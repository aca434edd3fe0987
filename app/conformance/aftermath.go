package conformance

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// faults are signs of what went wrong inside in what a shop prints.
var faults = regexp.MustCompile(`(?m)"level":"ERROR"|^panic:|^goroutine \d`)

// aftermath is what must be true of the shop that all the tests have used.
func aftermath() []promise {
	return []promise{
		{"every order is decided and its books balance", booksBalance},
		{"nothing went wrong inside", nothingWentWrong},
		{"it stops cleanly and comes back the same", comesBack},
	}
}

func booksBalance(t *testing.T, w *world) {
	orders := all[Order](t, w.staff, "/orders", nil)
	require.NotEmpty(t, orders)
	for _, o := range orders {
		w.decided(t, o.ID)
		w.events(t, o.ID)
	}
	for _, p := range all[Product](t, w.staff, "/products", nil) {
		for _, v := range p.Variants {
			onHand, _, _ := w.stock(t, v.SKU)
			w.settled(t, v.SKU, onHand, 0)
		}
	}
}

func nothingWentWrong(t *testing.T, w *world) {
	for l := range strings.Lines(w.Output()) {
		require.NotRegexp(t, faults, l)
	}
}

func comesBack(t *testing.T, w *world) {
	before := all[Product](t, w.staff, "/products", nil)
	w.Stop(t)
	w.Restart(t)
	require.Equal(t, before, all[Product](t, w.staff, "/products", nil))
}

package service

import (
	"slices"

	"github.com/maypok86/otter/v2"

	"stoa/modules/payments"
)

// latelySize is how many payments are remembered: those of the checkouts that
// are under way in one process, and more.
const latelySize = 4096

// lately is what this process has stored of payments that wait to be captured,
// which will be asked for in a moment. Another instance may have changed them
// since: the version tells when something is stored.
type lately struct {
	cache *otter.Cache[string, *account]
}

func newLately() *lately {
	return &lately{otter.Must(&otter.Options[string, *account]{MaximumSize: latelySize})}
}

// take gives what is remembered of an order's payment, to nobody else; nil where
// that is nothing.
func (l *lately) take(orderID string) *account {
	a, _ := l.cache.Invalidate(orderID)
	return a
}

// keep remembers a payment, all of which is stored, for whoever captures it. Who
// keeps it goes on reading what they have.
func (l *lately) keep(a *account) {
	if a.Status != payments.StatusAuthorized || a.Closed {
		return
	}
	kept := &account{Payment: a.Payment}
	kept.Attempts, kept.Refunds = slices.Clone(a.Attempts), slices.Clone(a.Refunds)
	l.cache.Set(a.OrderID, kept)
}

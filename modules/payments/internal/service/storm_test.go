package service_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/platform/clock"
)

// TestBooksAgreeAfterAStorm has many callers do everything at once to a few
// orders, on two instances and with a provider whose answers get lost, and
// compares the ledger with the provider's books when all is quiet.
func TestBooksAgreeAfterAStorm(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	b := newBank(provider.NewSandbox(s.clock))
	both := twoInstances(s, b)
	faults := rand.New(rand.NewPCG(1, 2)) // under the bank's lock
	b.fault = func(string, provider.Request) fault {
		return []fault{none, none, lostRequest, lostAnswer}[faults.IntN(4)]
	}
	orders := []string{"o1", "o2", "o3", "o4"}
	var running sync.WaitGroup
	for caller := range 24 {
		running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 3))
			for range 25 {
				order := orders[random.IntN(len(orders))]
				// What becomes of a call matters less than what is left of all.
				switch random.IntN(20) {
				case 0:
					_, _ = both.Cancel(context.Background(), payments.CancelRequest{OrderID: order})
				case 1, 2, 3, 4, 5, 6, 7:
					_, _ = both.Authorize(context.Background(), ask(order, 1000, "tok_approve"))
				case 8, 9, 10, 11, 12, 13:
					_, _ = both.Capture(context.Background(), payments.CaptureRequest{OrderID: order})
				default:
					_, _ = both.Refund(context.Background(), payments.RefundRequest{RefundID: s.clock.ID(), OrderID: order, Amount: usd(1 + random.Int64N(300))})
				}
				s.balanced(t, order)
			}
		})
	}
	running.Wait()
	b.fault = nil
	for _, order := range orders {
		_, err := both.Cancel(context.Background(), payments.CancelRequest{OrderID: order})
		require.NoError(t, err)
		sums, truth := s.balanced(t, order), *b.account(order)
		require.Equal(t, books{truth.authorized, truth.captured, truth.voided, 0, truth.refunded}, sums)
		require.Equal(t, truth.authorized, truth.voided+truth.refunded, "all is back")
		require.LessOrEqual(t, truth.captures, 1)
	}
}

package service_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/platform/clock"
	"stoa/platform/errs"
)

// What an instance remembers of a payment counts for nothing once another has
// changed it: each answer is that of an instance which remembers nothing.
func TestWhatAnInstanceRemembersGivesWayToWhatAnotherStored(t *testing.T) {
	t.Parallel()
	capture := payments.CaptureRequest{OrderID: "o1"}
	requests := map[string]func(ctx context.Context, p payments.Service) (any, error){
		"authorize": func(ctx context.Context, p payments.Service) (any, error) {
			return p.Authorize(ctx, ask("o1", 500, "tok_approve"))
		},
		"capture": func(ctx context.Context, p payments.Service) (any, error) { return p.Capture(ctx, capture) },
		"refund": func(ctx context.Context, p payments.Service) (any, error) {
			return p.Refund(ctx, payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: usd(400)})
		},
		"cancel": func(ctx context.Context, p payments.Service) (any, error) {
			return p.Cancel(ctx, payments.CancelRequest{OrderID: "o1"})
		},
	}
	// answer gives what an instance that remembers the authorisation makes of a
	// request once another has done something, or one that has just started.
	answer := func(t *testing.T, elsewhere []string, request string, remembers bool, local bool) any {
		c := clock.NewFake(start, 1)
		s := openShop(t, c)
		var from provider.Provider = provider.NewSandbox(c)
		if !local {
			from = newBank(provider.NewSandbox(c))
		}
		first, second := s.instance(from), s.instance(from)
		_, err := first.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
		require.NoError(t, err)
		for _, other := range elsewhere {
			_, err := requests[other](t.Context(), second)
			require.NoError(t, err)
		}
		if !remembers {
			first = s.instance(from)
		}
		got, err := requests[request](t.Context(), first)
		if p, is := got.(payments.Payment); is {
			for i := range p.Refunds {
				p.Refunds[i].ID = "" // made anew where a transaction is run again
			}
		}
		return []any{got, errs.KindOf(err), s.balanced(t, "o1")}
	}
	for _, elsewhere := range [][]string{{}, {"capture"}, {"capture", "refund"}, {"cancel"}} {
		t.Run(strings.Join(append([]string{"authorize"}, elsewhere...), ", "), func(t *testing.T) {
			t.Parallel()
			for request := range requests {
				for _, local := range []bool{true, false} {
					require.Equal(t, answer(t, elsewhere, request, false, local), answer(t, elsewhere, request, true, local), request)
				}
			}
		})
	}
}

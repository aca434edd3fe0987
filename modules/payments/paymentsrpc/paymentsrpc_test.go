package paymentsrpc_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/paymentsrpc"
	"stoa/modules/payments/paymentstest"
	"stoa/platform/clock"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestTheClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		paymentstest.Suite(t, func(t *testing.T) payments.Service {
			l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { paymentsrpc.Serve(s, paymentstest.NewFake(clock.System())) })
			return paymentsrpc.NewClient(l.Client)
		})
	})
}

// waiting tells how long its callers wait.
type waiting struct {
	payments.Service
	left chan time.Duration
}

func (w waiting) Authorize(ctx context.Context, _ payments.AuthorizeRequest) (payments.Payment, error) {
	return payments.Payment{}, w.tell(ctx)
}

func (w waiting) GetPayment(ctx context.Context, _ payments.GetPaymentRequest) (payments.Payment, error) {
	return payments.Payment{}, w.tell(ctx)
}

func (w waiting) tell(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	w.left <- time.Until(deadline)
	return nil
}

func TestWhoAsksTheProviderHasTimeForIt(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		for name, serve := range map[string]struct {
			with func(*rpc.Server, payments.Service)
			most time.Duration
		}{
			"as it is by default":   {paymentsrpc.Serve, 12 * time.Second},
			"as it is configured":   {paymentsrpc.ServeWith(30 * time.Second), 32 * time.Second},
			"shorter than the rest": {paymentsrpc.ServeWith(time.Second), 3 * time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := waiting{left: make(chan time.Duration, 1)}
				l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { serve.with(s, w) })
				c := paymentsrpc.NewClient(l.Client)
				_, err := c.Authorize(t.Context(), payments.AuthorizeRequest{})
				require.NoError(t, err)
				left := <-w.left
				require.LessOrEqual(t, left, serve.most)
				require.Greater(t, left, serve.most-time.Second)
				_, err = c.GetPayment(t.Context(), payments.GetPaymentRequest{})
				require.NoError(t, err)
				require.LessOrEqual(t, <-w.left, l.Config.Timeout)
			})
		}
	})
}

package provider_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/platform/clock"
)

func request(token string, attempt int64) provider.Request {
	return provider.Request{Key: "o1:authorize", Attempt: attempt, OrderID: "o1", Method: "card", Token: token}
}

func TestSandboxDecidesByTokenAndAttemptAlone(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), 1)
	for range 2 { // it remembers nothing: another one decides the same
		s := provider.NewSandbox(c)
		reference, err := s.Authorize(t.Context(), request("tok_approve", 1))
		require.NoError(t, err)
		require.Equal(t, "sandbox_o1:authorize", reference)
		_, err = s.Authorize(t.Context(), request("tok_decline", 1))
		require.ErrorIs(t, err, payments.ErrDeclined)
		_, err = s.Authorize(t.Context(), request("tok_insufficient_funds", 1))
		require.ErrorIs(t, err, payments.ErrInsufficientFunds)
		_, err = s.Authorize(t.Context(), request("tok_unheard_of", 1))
		require.ErrorIs(t, err, payments.ErrUnknownMethod)
		for attempt := range int64(4) {
			_, err = s.Authorize(t.Context(), request("tok_flaky", attempt+1))
			if attempt < 2 {
				require.Error(t, err)
				require.NotErrorIs(t, err, payments.ErrDeclined)
			} else {
				require.NoError(t, err)
			}
		}
		for _, call := range []func(context.Context, provider.Request) (string, error){s.Capture, s.Void, s.Refund} {
			_, err = call(t.Context(), request("", 1))
			require.NoError(t, err)
		}
	}
}

func TestSandboxNeverAnswersATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, err := provider.NewSandbox(clock.System()).Authorize(ctx, request("tok_timeout", 1))
		answered <- err
	}()
	cancel()
	require.ErrorIs(t, <-answered, context.Canceled)
}

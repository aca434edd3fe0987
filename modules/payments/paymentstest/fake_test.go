package paymentstest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/paymentstest"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/money"
)

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	paymentstest.Suite(t, func(*testing.T) payments.Service { return paymentstest.NewFake(clock.System()) })
}

func TestFakeFailsAsToldAndRemembersWhatItWouldPublish(t *testing.T) {
	t.Parallel()
	f := paymentstest.NewFake(clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1))
	amount := money.Money{Amount: 500, Currency: "USD"}
	ask := payments.AuthorizeRequest{OrderID: "o1", Amount: amount, Method: paymentstest.MethodCard, Token: paymentstest.TokenApprove}

	broken := errors.New("broken")
	f.FailNext("Authorize", broken, payments.ErrProviderUnavailable)
	_, err := f.Authorize(t.Context(), ask)
	require.ErrorIs(t, err, broken)
	_, err = f.Authorize(t.Context(), ask)
	require.ErrorIs(t, err, payments.ErrProviderUnavailable)
	_, err = f.Authorize(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, 3, f.Calls("Authorize"))

	_, err = f.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, []bus.Data{payments.Voided{OrderID: "o1", Amount: amount}}, f.Events())
}

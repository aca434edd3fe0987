package paymentstest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/platform/errs"
)

func refundsAtOnce(t *testing.T, s payments.Service) {
	order := captured(t, s, 1000)
	var mu sync.Mutex
	done, refused := 0, 0
	atOnce(racers, func(int) {
		_, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(60)})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			done++
			return
		}
		if errs.KindOf(err) == errs.Conflict {
			refused++
		}
	})
	require.Equal(t, 16, done)
	require.Equal(t, racers-16, refused)
	sums(t, get(t, s, order), payments.StatusPartiallyRefunded, 1000, 1000, 960)
}

func capturesAtOnce(t *testing.T, s payments.Service) {
	order := authorized(t, s, 500)
	failures := make([]error, racers)
	atOnce(racers, func(i int) {
		_, failures[i] = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	})
	for _, err := range failures {
		require.NoError(t, err)
	}
	p := get(t, s, order)
	sums(t, p, payments.StatusCaptured, 500, 500, 0)
	require.NotZero(t, count(p, "capture", "succeeded"), "instances may ask twice under one key")
}

func authorisesAtOnce(t *testing.T, s payments.Service) {
	order := id()
	failures := make([]error, racers)
	atOnce(racers, func(i int) {
		_, failures[i] = s.Authorize(t.Context(), request(order, 500, TokenApprove))
	})
	for _, err := range failures {
		require.NoError(t, err)
	}
	p := get(t, s, order)
	sums(t, p, payments.StatusAuthorized, 500, 0, 0)
	require.NotZero(t, count(p, "authorize", "succeeded"), "instances may ask twice under one key")
}

func cancelsAtOnce(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	failures := make([]error, racers)
	atOnce(racers, func(i int) {
		_, failures[i] = s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
	})
	for _, err := range failures {
		require.NoError(t, err)
	}
	p := get(t, s, order)
	sums(t, p, payments.StatusRefunded, 500, 500, 500)
	require.Len(t, p.Refunds, 1)
}

func cancelRacesCapture(t *testing.T, s payments.Service) {
	for range 20 {
		order := authorized(t, s, 500)
		failures := make([]error, 8)
		atOnce(len(failures), func(i int) {
			if i%2 == 0 {
				_, failures[i] = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
			} else {
				_, failures[i] = s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
			}
		})
		for i, err := range failures {
			switch {
			case i%2 == 1:
				require.NoError(t, err, "a cancellation")
			case err != nil:
				require.ErrorIs(t, err, payments.ErrClosed, "a capture")
			}
		}
		p := get(t, s, order)
		if p.Status == payments.StatusVoided {
			sums(t, p, payments.StatusVoided, 500, 0, 0)
		} else {
			sums(t, p, payments.StatusRefunded, 500, 500, 500)
		}
	}
}

func keepsOrdersApart(t *testing.T, s payments.Service) {
	one, other := captured(t, s, 500), captured(t, s, 700)
	_, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: one})
	require.NoError(t, err)
	sums(t, get(t, s, one), payments.StatusRefunded, 500, 500, 500)
	sums(t, get(t, s, other), payments.StatusCaptured, 700, 700, 0)
	require.NotEqual(t, get(t, s, one).ID, get(t, s, other).ID)
}

func keepsErrors(t *testing.T, s payments.Service) {
	_, err := s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: id()})
	require.Equal(t, errs.NotFound, errs.KindOf(err))
	_, err = s.Authorize(t.Context(), request(id(), 1, TokenFlaky))
	require.Equal(t, errs.Unavailable, errs.KindOf(err))
	require.True(t, errs.KindOf(err).Temporary())
	err = s.CheckMethod(t.Context(), payments.CheckMethodRequest{})
	require.Equal(t, errs.Invalid, errs.KindOf(err))
}

func findsNone(t *testing.T, s payments.Service) {
	for _, order := range []string{"", id(), "' OR 1=1 --", "\x00"} {
		_, err := s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: order})
		require.ErrorIs(t, err, payments.ErrPaymentNotFound)
	}
}

func sharesNothing(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	p := get(t, s, order)
	p.Attempts[0].Outcome = "scribbled"
	require.Equal(t, "succeeded", get(t, s, order).Attempts[0].Outcome)
}

func fillsFields(t *testing.T, s payments.Service) {
	order := authorized(t, s, 500)
	p := get(t, s, order)
	require.NotNil(t, p.Refunds)
	require.NotEmpty(t, p.ID)
	require.NotEmpty(t, p.Provider)
	require.Equal(t, order, p.OrderID)
	require.False(t, p.CreatedAt.IsZero())
	require.False(t, p.UpdatedAt.Before(p.CreatedAt))
	require.EqualValues(t, 1, p.Attempts[0].Number)
	require.False(t, p.Attempts[0].At.IsZero())

	refund, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: captured(t, s, 500), Amount: usd(1)})
	require.NoError(t, err)
	require.False(t, refund.CreatedAt.IsZero())
}

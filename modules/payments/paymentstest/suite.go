package paymentstest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// Suite holds an implementation of payments.Service to its contract. open gives
// one that decides by the sandbox's tokens; it may be the same for every test,
// as each uses orders of its own.
func Suite(t *testing.T, open func(t *testing.T) payments.Service) {
	for name, test := range map[string]func(t *testing.T, s payments.Service){
		"knows cards and the sandbox's tokens":           knowsMethods,
		"authorises, captures and tells of it":           authorisesAndCaptures,
		"repeats an authorisation without a second one":  repeatsAuthorization,
		"repeats a capture without a second one":         repeatsCapture,
		"refuses another amount for the same order":      refusesAnotherAmount,
		"stands by a refusal":                            standsByRefusal,
		"authorises nothing without the provider":        authorisesNothing,
		"tries again what failed for a while":            triesAgain,
		"tells what cannot be an amount":                 refusesAmounts,
		"captures nothing that was not authorised":       capturesOnlyAuthorized,
		"cancels what is not known, for ever":            cancelsUnknown,
		"cancels a refused payment, for ever":            cancelsRefused,
		"voids what was authorised":                      voids,
		"refunds what was captured when cancelled":       refundsOnCancel,
		"refunds the rest of a part when cancelled":      refundsRestOnCancel,
		"refunds in parts up to the capture":             refundsInParts,
		"repeats a refund without a second one":          repeatsRefund,
		"refuses refunds of what is not there":           refusesRefunds,
		"never refunds more than captured, all at once":  refundsAtOnce,
		"captures once, all at once":                     capturesAtOnce,
		"captures or voids, never both, all at once":     cancelRacesCapture,
		"keeps orders apart":                             keepsOrdersApart,
		"gives back errors that keep identity and kind":  keepsErrors,
		"finds no payment of an order that has none":     findsNone,
		"shares nothing with the answers that it gives":  sharesNothing,
		"authorises once, all at once":                   authorisesAtOnce,
		"closes once, however often it is cancelled":     cancelsAtOnce,
		"has every listed field of a payment filled out": fillsFields,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// racers is how many callers a race has.
const racers = 50

func id() string { return clock.System().ID() }

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

func request(orderID string, amount int64, token string) payments.AuthorizeRequest {
	return payments.AuthorizeRequest{OrderID: orderID, Amount: usd(amount), Method: MethodCard, Token: token}
}

// authorized gives an order for which an amount was authorised.
func authorized(t *testing.T, s payments.Service, amount int64) string {
	t.Helper()
	order := id()
	p, err := s.Authorize(t.Context(), request(order, amount, TokenApprove))
	require.NoError(t, err)
	require.Equal(t, payments.StatusAuthorized, p.Status)
	return order
}

// captured gives an order for which an amount was captured.
func captured(t *testing.T, s payments.Service, amount int64) string {
	t.Helper()
	order := authorized(t, s, amount)
	p, err := s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.NoError(t, err)
	require.Equal(t, payments.StatusCaptured, p.Status)
	return order
}

func get(t *testing.T, s payments.Service, orderID string) payments.Payment {
	t.Helper()
	p, err := s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: orderID})
	require.NoError(t, err)
	return p
}

// sums holds a payment against the amounts it should have.
func sums(t *testing.T, p payments.Payment, status string, authorized, captured, refunded int64) {
	t.Helper()
	require.Equal(t, status, p.Status)
	require.Equal(t, usd(authorized), p.Authorized)
	require.Equal(t, usd(captured), p.Captured)
	require.Equal(t, usd(refunded), p.Refunded)
	var parts int64
	for _, r := range p.Refunds {
		parts += r.Amount.Amount
	}
	require.Equal(t, refunded, parts, "the refunds listed make up what was refunded")
}

// count gives how many attempts of a payment had an operation and an outcome.
func count(p payments.Payment, operation, outcome string) int {
	n := 0
	for _, a := range p.Attempts {
		if a.Operation == operation && a.Outcome == outcome {
			n++
		}
	}
	return n
}

// atOnce calls fn from many goroutines and waits for them.
func atOnce(n int, fn func(i int)) {
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { fn(i) })
	}
	running.Wait()
}

func knowsMethods(t *testing.T, s payments.Service) {
	for _, token := range []string{TokenApprove, TokenDecline, TokenInsufficientFunds, TokenSlow, TokenFlaky, TokenTimeout} {
		require.NoError(t, s.CheckMethod(t.Context(), payments.CheckMethodRequest{Method: MethodCard, Token: token}), token)
	}
	for _, r := range []payments.CheckMethodRequest{
		{},
		{Method: MethodCard},
		{Method: MethodCard, Token: "tok_unheard_of"},
		{Method: MethodCard, Token: "TOK_APPROVE"},
		{Method: "Card", Token: TokenApprove},
		{Method: "cash", Token: TokenApprove},
		{Method: MethodCard, Token: TokenApprove + "\x00"},
	} {
		require.ErrorIs(t, s.CheckMethod(t.Context(), r), payments.ErrUnknownMethod, "%+v", r)
	}
}

func authorisesAndCaptures(t *testing.T, s payments.Service) {
	order := id()
	p, err := s.Authorize(t.Context(), request(order, 1999, TokenApprove))
	require.NoError(t, err)
	sums(t, p, payments.StatusAuthorized, 1999, 0, 0)
	require.NotEmpty(t, p.ProviderReference)
	require.Equal(t, p, get(t, s, order))

	p, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusCaptured, 1999, 1999, 0)
	require.Equal(t, 1, count(p, "authorize", "succeeded"))
	require.Equal(t, 1, count(p, "capture", "succeeded"))
	require.Equal(t, p, get(t, s, order))
}

func repeatsAuthorization(t *testing.T, s payments.Service) {
	order := id()
	first, err := s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.NoError(t, err)
	second, err := s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.NoError(t, err)
	require.Equal(t, first, second)

	_, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.NoError(t, err)
	third, err := s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.NoError(t, err)
	sums(t, third, payments.StatusCaptured, 500, 500, 0)
}

func repeatsCapture(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	_, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(100)})
	require.NoError(t, err)
	p, err := s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusPartiallyRefunded, 500, 500, 100)
	require.Equal(t, 1, count(p, "capture", "succeeded"))
}

func refusesAnotherAmount(t *testing.T, s payments.Service) {
	order := authorized(t, s, 500)
	_, err := s.Authorize(t.Context(), request(order, 501, TokenApprove))
	require.ErrorIs(t, err, payments.ErrRequestMismatch)
	r := request(order, 500, TokenApprove)
	r.Amount.Currency = "EUR"
	_, err = s.Authorize(t.Context(), r)
	require.ErrorIs(t, err, payments.ErrRequestMismatch)
	sums(t, get(t, s, order), payments.StatusAuthorized, 500, 0, 0)
}

func standsByRefusal(t *testing.T, s payments.Service) {
	for token, refusal := range map[string]error{
		TokenDecline:           payments.ErrDeclined,
		TokenInsufficientFunds: payments.ErrInsufficientFunds,
	} {
		order := id()
		_, err := s.Authorize(t.Context(), request(order, 500, token))
		require.ErrorIs(t, err, refusal)
		_, err = s.Authorize(t.Context(), request(order, 500, TokenApprove))
		require.ErrorIs(t, err, refusal)
		_, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
		require.ErrorIs(t, err, payments.ErrNotAuthorized)

		p := get(t, s, order)
		sums(t, p, payments.StatusNone, 0, 0, 0)
		require.Len(t, p.Attempts, 1)
		require.Equal(t, "declined", p.Attempts[0].Outcome)
		require.Equal(t, errs.KindOf(refusal), errs.Conflict)
		e, _ := errs.As(refusal)
		require.Equal(t, e.Code, p.Attempts[0].Code)
	}
	order := id()
	_, err := s.Authorize(t.Context(), request(order, 500, "tok_unheard_of"))
	require.ErrorIs(t, err, payments.ErrUnknownMethod)
	_, err = s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: order})
	require.ErrorIs(t, err, payments.ErrPaymentNotFound, "nothing was tried")
}

func authorisesNothing(t *testing.T, s payments.Service) {
	order := id()
	p, err := s.Authorize(t.Context(), request(order, 0, TokenDecline))
	require.NoError(t, err)
	sums(t, p, payments.StatusAuthorized, 0, 0, 0)
	p, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusCaptured, 0, 0, 0)
	p, err = s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusCaptured, 0, 0, 0)
}

func triesAgain(t *testing.T, s payments.Service) {
	order := id()
	for range 2 {
		_, err := s.Authorize(t.Context(), request(order, 500, TokenFlaky))
		require.ErrorIs(t, err, payments.ErrProviderUnavailable)
		sums(t, get(t, s, order), payments.StatusNone, 0, 0, 0)
		_, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
		require.ErrorIs(t, err, payments.ErrNotAuthorized)
	}
	p, err := s.Authorize(t.Context(), request(order, 500, TokenFlaky))
	require.NoError(t, err)
	sums(t, p, payments.StatusAuthorized, 500, 0, 0)
	require.Equal(t, 2, count(p, "authorize", "failed"))
	require.Equal(t, 1, count(p, "authorize", "succeeded"))
	for i, a := range p.Attempts {
		require.EqualValues(t, i+1, a.Number)
	}
}

func refusesAmounts(t *testing.T, s payments.Service) {
	order := id()
	for _, amount := range []money.Money{usd(-1), {Amount: 1}, {Amount: 1, Currency: "usd"}, {Amount: 1, Currency: "XXX"}, {Amount: 1, Currency: "USD' --"}} {
		r := request(order, 1, TokenApprove)
		r.Amount = amount
		_, err := s.Authorize(t.Context(), r)
		require.Equal(t, errs.Invalid, errs.KindOf(err), "%+v gives %v", amount, err)
	}
	_, err := s.Authorize(t.Context(), request("", 1, TokenApprove))
	require.Equal(t, errs.Invalid, errs.KindOf(err))

	const most = 1<<63 - 1
	all := captured(t, s, most)
	sums(t, get(t, s, all), payments.StatusCaptured, most, most, 0)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: all, Amount: usd(most)})
	require.NoError(t, err)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: all, Amount: usd(most)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
}

func capturesOnlyAuthorized(t *testing.T, s payments.Service) {
	_, err := s.Capture(t.Context(), payments.CaptureRequest{OrderID: id()})
	require.ErrorIs(t, err, payments.ErrNotAuthorized)
}

func cancelsUnknown(t *testing.T, s payments.Service) {
	order := id()
	for range 2 {
		p, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
		require.NoError(t, err)
		require.Equal(t, payments.StatusNone, p.Status)
		require.Equal(t, order, p.OrderID)
		require.Empty(t, p.ID)
	}
	_, err := s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.ErrorIs(t, err, payments.ErrClosed)
	_, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.ErrorIs(t, err, payments.ErrClosed)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(1)})
	require.ErrorIs(t, err, payments.ErrPaymentNotFound)
	_, err = s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: order})
	require.ErrorIs(t, err, payments.ErrPaymentNotFound)
}

func cancelsRefused(t *testing.T, s payments.Service) {
	order := id()
	_, err := s.Authorize(t.Context(), request(order, 500, TokenDecline))
	require.ErrorIs(t, err, payments.ErrDeclined)
	p, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusNone, 0, 0, 0)
	_, err = s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.ErrorIs(t, err, payments.ErrClosed)
}

func voids(t *testing.T, s payments.Service) {
	order := authorized(t, s, 500)
	for range 2 {
		p, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
		require.NoError(t, err)
		sums(t, p, payments.StatusVoided, 500, 0, 0)
		require.Equal(t, 1, count(p, "void", "succeeded"))
	}
	_, err := s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.ErrorIs(t, err, payments.ErrClosed)
	_, err = s.Authorize(t.Context(), request(order, 500, TokenApprove))
	require.ErrorIs(t, err, payments.ErrClosed)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(1)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
	sums(t, get(t, s, order), payments.StatusVoided, 500, 0, 0)
}

func refundsOnCancel(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	for range 2 {
		p, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
		require.NoError(t, err)
		sums(t, p, payments.StatusRefunded, 500, 500, 500)
		require.Len(t, p.Refunds, 1)
		require.Equal(t, 1, count(p, "refund", "succeeded"))
		require.Zero(t, count(p, "void", "succeeded"))
	}
	_, err := s.Capture(t.Context(), payments.CaptureRequest{OrderID: order})
	require.ErrorIs(t, err, payments.ErrClosed)
}

func refundsRestOnCancel(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	_, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(120), Reason: "a cracked cup"})
	require.NoError(t, err)
	p, err := s.Cancel(t.Context(), payments.CancelRequest{OrderID: order})
	require.NoError(t, err)
	sums(t, p, payments.StatusRefunded, 500, 500, 500)
	require.Equal(t, usd(120), p.Refunds[0].Amount)
	require.Equal(t, usd(380), p.Refunds[1].Amount)
}

func refundsInParts(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	for i, amount := range []int64{100, 150, 250} {
		r, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(amount), Reason: "part"})
		require.NoError(t, err)
		require.Equal(t, usd(amount), r.Amount)
		require.Equal(t, order, r.OrderID)
		require.Equal(t, "part", r.Reason)
		if i < 2 {
			require.Equal(t, payments.StatusPartiallyRefunded, get(t, s, order).Status)
		}
	}
	sums(t, get(t, s, order), payments.StatusRefunded, 500, 500, 500)
	_, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(1)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
}

func repeatsRefund(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	r := payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(400), Reason: "late"}
	first, err := s.Refund(t.Context(), r)
	require.NoError(t, err)
	second, err := s.Refund(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, second)
	sums(t, get(t, s, order), payments.StatusPartiallyRefunded, 500, 500, 400)

	other := r
	other.Amount = usd(401)
	_, err = s.Refund(t.Context(), other)
	require.ErrorIs(t, err, payments.ErrRequestMismatch)
	other = r
	other.OrderID = captured(t, s, 500)
	_, err = s.Refund(t.Context(), other)
	require.ErrorIs(t, err, payments.ErrRequestMismatch)
	sums(t, get(t, s, other.OrderID), payments.StatusCaptured, 500, 500, 0)
}

func refusesRefunds(t *testing.T, s payments.Service) {
	order := captured(t, s, 500)
	for _, amount := range []money.Money{usd(0), usd(-1), usd(-1 << 63), {Amount: 1, Currency: "EUR"}, {Amount: 1}} {
		_, err := s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: amount})
		require.Equal(t, errs.Invalid, errs.KindOf(err), "%+v gives %v", amount, err)
	}
	_, err := s.Refund(t.Context(), payments.RefundRequest{OrderID: order, Amount: usd(1)})
	require.Equal(t, errs.Invalid, errs.KindOf(err))
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: order, Amount: usd(501)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: id(), Amount: usd(1)})
	require.ErrorIs(t, err, payments.ErrPaymentNotFound)
	_, err = s.Refund(t.Context(), payments.RefundRequest{RefundID: id(), OrderID: authorized(t, s, 500), Amount: usd(1)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
	sums(t, get(t, s, order), payments.StatusCaptured, 500, 500, 0)
}

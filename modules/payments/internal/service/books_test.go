package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/service"
	"stoa/platform/clock"
	"stoa/platform/errs"
)

// machine drives one database with two instances of the service through
// anything that callers, a failing provider and dying processes can do, and
// compares the ledger with the balances after each step, and with the
// provider's books once all is quiet.
type machine struct {
	shop      shop
	clock     *clock.Fake
	bank      *bank
	local     bool
	instances []*service.Service
	orders    []string
	asked     map[string]int64
	refunds   map[string]payments.RefundRequest
	cancelled map[string]bool
	faults    []fault
}

func TestLedgerBalancesWhateverHappens(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	s := openShop(t, c)
	var runs int
	rapid.Check(t, func(t *rapid.T) {
		runs++
		m := &machine{
			shop: s, clock: c, bank: newBank(provider.NewSandbox(c)), local: rapid.Bool().Draw(t, "local"),
			asked: map[string]int64{}, refunds: map[string]payments.RefundRequest{}, cancelled: map[string]bool{},
		}
		m.bank.fault = func(string, provider.Request) fault {
			if len(m.faults) == 0 {
				return none
			}
			f := m.faults[0]
			m.faults = m.faults[1:]
			return f
		}
		for i := range 3 {
			order := fmt.Sprintf("run %d order %d", runs, i)
			m.orders = append(m.orders, order)
			m.asked[order] = rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Just(int64(1<<63-1))).Draw(t, "amount")
		}
		m.restart()
		t.Repeat(map[string]func(*rapid.T){
			"authorize": m.authorize,
			"capture":   m.capture,
			"cancel":    m.cancel,
			"refund":    m.refund,
			"again":     m.refundAgain,
			"settle":    m.settle,
			"restart":   func(*rapid.T) { m.restart() },
			"trouble":   m.trouble,
			"":          m.check,
		})
		m.rest(t)
	})
}

func (m *machine) provider() provider.Provider {
	if m.local {
		return m.bank.Sandbox
	}
	return m.bank
}

func (m *machine) restart() {
	m.instances = []*service.Service{m.shop.instance(m.provider()), m.shop.instance(m.provider())}
}

// trouble has the next calls to the provider go wrong.
func (m *machine) trouble(t *rapid.T) {
	m.faults = rapid.SliceOfN(rapid.SampledFrom([]fault{none, lostRequest, lostAnswer, crashBefore, crashAfter}), 1, 4).Draw(t, "faults")
}

// do calls the service; a process that dies in it is started again.
func (m *machine) do(t *rapid.T, fn func(s *service.Service) error, allowed ...error) (err error) {
	s := rapid.SampledFrom(m.instances).Draw(t, "instance")
	crashed := func() (crashed bool) {
		defer func() {
			if p := recover(); p != nil {
				require.Equal(t, any(errCrash), p)
				crashed = true
			}
		}()
		err = fn(s)
		return false
	}()
	if crashed {
		m.restart()
		return errCrash
	}
	if err == nil {
		return nil
	}
	for _, a := range append(allowed, payments.ErrProviderUnavailable) {
		if errors.Is(err, a) {
			return err
		}
	}
	require.NoError(t, err)
	return err
}

func (m *machine) order(t *rapid.T) string { return rapid.SampledFrom(m.orders).Draw(t, "order") }

func (m *machine) authorize(t *rapid.T) {
	order := m.order(t)
	token := rapid.SampledFrom([]string{"tok_approve", "tok_approve", "tok_decline", "tok_insufficient_funds", "tok_flaky"}).Draw(t, "token")
	err := m.do(t, func(s *service.Service) error {
		_, err := s.Authorize(context.Background(), ask(order, m.asked[order], token))
		return err
	}, payments.ErrDeclined, payments.ErrInsufficientFunds, payments.ErrClosed)
	if m.cancelled[order] {
		require.ErrorIs(t, err, payments.ErrClosed)
	}
}

func (m *machine) capture(t *rapid.T) {
	order := m.order(t)
	err := m.do(t, func(s *service.Service) error {
		_, err := s.Capture(context.Background(), payments.CaptureRequest{OrderID: order})
		return err
	}, payments.ErrNotAuthorized, payments.ErrClosed)
	if m.cancelled[order] {
		require.ErrorIs(t, err, payments.ErrClosed)
	}
}

func (m *machine) cancel(t *rapid.T) {
	order := m.order(t)
	err := m.do(t, func(s *service.Service) error {
		_, err := s.Cancel(context.Background(), payments.CancelRequest{OrderID: order})
		return err
	})
	if err == nil {
		m.cancelled[order] = true
		m.atRest(t, order)
	}
}

func (m *machine) refund(t *rapid.T) {
	order := m.order(t)
	r := payments.RefundRequest{
		RefundID: m.clock.ID(), OrderID: order, Reason: "any",
		Amount: usd(rapid.OneOf(rapid.Int64Range(1, 400), rapid.Just(int64(1<<63-1))).Draw(t, "part")),
	}
	m.refunds[r.RefundID] = r
	m.give(t, r)
}

func (m *machine) refundAgain(t *rapid.T) {
	if len(m.refunds) == 0 {
		t.Skip("nothing was refunded yet")
	}
	ids := make([]string, 0, len(m.refunds))
	for id := range m.refunds {
		ids = append(ids, id)
	}
	m.give(t, m.refunds[rapid.SampledFrom(sorted(ids)).Draw(t, "refund")])
}

func (m *machine) give(t *rapid.T, r payments.RefundRequest) {
	before := m.shop.balanced(t, r.OrderID)
	err := m.do(t, func(s *service.Service) error {
		_, err := s.Refund(context.Background(), r)
		return err
	}, payments.ErrRefundExceedsCapture, payments.ErrPaymentNotFound)
	if errors.Is(err, payments.ErrRefundExceedsCapture) {
		require.Greater(t, r.Amount.Amount, before.captured-before.refunded-before.refunding)
	}
}

func (m *machine) settle(t *rapid.T) {
	m.clock.Advance(timeout + service.SettlePause)
	_ = m.do(t, func(s *service.Service) error { return s.SettleDue(context.Background()) })
}

// check holds after each step.
func (m *machine) check(t *rapid.T) {
	for _, order := range m.orders {
		m.shop.balanced(t, order)
		b := m.bank.account(order)
		require.LessOrEqual(t, b.captures, 1)
		require.LessOrEqual(t, b.refunded, b.captured)
		require.False(t, b.captured > 0 && b.voided > 0, "captured and voided")
	}
}

// atRest holds for an order once it is cancelled.
func (m *machine) atRest(t *rapid.T, order string) {
	sums := m.shop.balanced(t, order)
	require.Zero(t, sums.refunding)
	require.Equal(t, sums.authorized, sums.captured+sums.voided)
	require.Equal(t, sums.captured, sums.refunded)
	if m.local || m.asked[order] == 0 {
		return
	}
	b := m.bank.account(order)
	require.Equal(t, b.authorized, b.captured+b.voided, "the provider holds nothing any more")
	require.Equal(t, b.captured, b.refunded, "the provider keeps nothing")
	require.Equal(t, b.captured, sums.captured)
	require.Equal(t, b.refunded, sums.refunded)
}

// rest has trouble end, and every order with it.
func (m *machine) rest(t *rapid.T) {
	m.faults = nil
	m.settle(t)
	for _, order := range m.orders {
		if !m.cancelled[order] {
			// Of refunds that were under way it is known by now what came of them.
			sums := m.shop.balanced(t, order)
			require.Zero(t, sums.refunding)
			if !m.local {
				require.Equal(t, m.bank.account(order).refunded, sums.refunded)
			}
		}
		_, err := m.instances[0].Cancel(context.Background(), payments.CancelRequest{OrderID: order})
		require.NoError(t, err)
		m.atRest(t, order)
		_, err = m.instances[1].Authorize(context.Background(), ask(order, m.asked[order], "tok_approve"))
		require.Equal(t, errs.Conflict, errs.KindOf(err))
	}
}

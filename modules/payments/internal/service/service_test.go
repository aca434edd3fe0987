package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/service"
	"stoa/modules/payments/paymentstest"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/money"
	"stoa/platform/outbox"
)

func TestServiceKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	sandbox := provider.NewSandbox(s.clock)
	for name, implementation := range map[string]payments.Service{
		"with the sandbox":                         s.instance(sandbox),
		"with a provider outside":                  s.instance(newBank(sandbox)),
		"as two instances with the sandbox":        several{[]*service.Service{s.instance(sandbox), s.instance(sandbox)}, &atomic.Int64{}},
		"as two instances with a provider outside": twoInstances(s, newBank(sandbox)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paymentstest.Suite(t, func(*testing.T) payments.Service { return implementation })
		})
	}
}

func twoInstances(s shop, b *bank) several {
	return several{[]*service.Service{s.instance(b), s.instance(b)}, &atomic.Int64{}}
}

func TestProviderIsAskedOncePerOrderAtATime(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	b := newBank(provider.NewSandbox(s.clock))
	p := s.instance(b)
	var running sync.WaitGroup
	for range 50 {
		running.Go(func() { _, _ = p.Authorize(context.Background(), ask("o1", 500, "tok_approve")) })
		running.Go(func() { _, _ = p.Capture(context.Background(), payments.CaptureRequest{OrderID: "o1"}) })
	}
	running.Wait()
	require.Equal(t, 1, b.most)
	require.LessOrEqual(t, b.calls, 2)
}

func TestCancelRacingCaptureOnTwoInstancesGivesTheMoneyBackOneWay(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	b := newBank(provider.NewSandbox(s.clock))
	both := twoInstances(s, b)
	outcomes := map[string]int{}
	for range 60 {
		order := s.clock.ID()
		_, err := both.Authorize(t.Context(), ask(order, 700, "tok_approve"))
		require.NoError(t, err)
		var running sync.WaitGroup
		for range 3 {
			running.Go(func() {
				_, err := both.Capture(context.Background(), payments.CaptureRequest{OrderID: order})
				if err != nil && !errors.Is(err, payments.ErrClosed) {
					t.Errorf("capture: %v", err)
				}
			})
			running.Go(func() {
				if _, err := both.Cancel(context.Background(), payments.CancelRequest{OrderID: order}); err != nil {
					t.Errorf("cancel: %v", err)
				}
			})
		}
		running.Wait()
		p, err := both.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: order})
		require.NoError(t, err)
		outcomes[p.Status]++

		sums, truth := s.balanced(t, order), b.accounts[order]
		require.Equal(t, books{truth.authorized, truth.captured, truth.voided, 0, truth.refunded}, sums, "the books agree")
		require.EqualValues(t, 700, truth.voided+truth.refunded)
		require.LessOrEqual(t, truth.captures, 1)
		require.LessOrEqual(t, truth.voids, 1)
	}
	require.Equal(t, 60, outcomes[payments.StatusVoided]+outcomes[payments.StatusRefunded], outcomes)
}

func TestRefundsOfFiftyCallersOnTwoInstancesNeverExceedTheCapture(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	b := newBank(provider.NewSandbox(s.clock))
	both := twoInstances(s, b)
	_, err := both.Authorize(t.Context(), ask("o1", 1000, "tok_approve"))
	require.NoError(t, err)
	_, err = both.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)

	var running sync.WaitGroup
	var done atomic.Int64
	for range 50 {
		running.Go(func() {
			id := s.clock.ID()
			for range 2 { // each twice: the second time nothing more happens
				_, err := both.Refund(context.Background(), payments.RefundRequest{RefundID: id, OrderID: "o1", Amount: usd(60)})
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, payments.ErrRefundExceedsCapture):
					t.Errorf("refund: %v", err)
				}
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 2*16, done.Load())
	require.EqualValues(t, 960, b.accounts["o1"].refunded)
	require.EqualValues(t, 960, s.balanced(t, "o1").refunded)
}

func TestEventsTellWhatWentBack(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	p := s.instance(provider.NewSandbox(s.clock))
	for _, order := range []string{"o1", "o2"} {
		_, err := p.Authorize(t.Context(), ask(order, 500, "tok_approve"))
		require.NoError(t, err)
	}
	_, err := p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Empty(t, s.events(t))

	for range 2 {
		_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: usd(120), Reason: "chipped"})
		require.NoError(t, err)
		_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
		require.NoError(t, err)
		_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o2"})
		require.NoError(t, err)
	}
	events := s.events(t)
	require.Len(t, events, 3)
	var first, second payments.Refunded
	require.NoError(t, json.Unmarshal(events[0].Data, &first))
	require.Equal(t, payments.Refunded{OrderID: "o1", RefundID: "r1", Amount: usd(120), TotalRefunded: usd(120), Captured: usd(500), Reason: "chipped"}, first)
	require.NoError(t, json.Unmarshal(events[1].Data, &second))
	require.Equal(t, usd(380), second.Amount)
	require.Equal(t, usd(500), second.TotalRefunded)
	require.Equal(t, "o1", events[1].Subject)
	require.EqualValues(t, 2, events[1].Sequence)
	require.Equal(t, payments.Voided{}.EventType(), events[2].Type)
	require.Equal(t, "o2", events[2].Subject)
}

func TestRefusalsOfTheProviderAreFinal(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	b := newBank(provider.NewSandbox(s.clock))
	p := s.instance(refusing{b, map[string]bool{"refund": true}})
	_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.NoError(t, err)
	_, err = p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)
	for range 2 {
		_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: usd(500)})
		require.ErrorIs(t, err, payments.ErrDeclined)
	}
	require.Equal(t, books{500, 500, 0, 0, 0}, s.balanced(t, "o1"), "what was set aside for it is free again")
	got, err := p.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Empty(t, got.Refunds)
	require.Equal(t, "payments.declined", got.Attempts[2].Code)

	_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.ErrorIs(t, err, payments.ErrDeclined)
	require.False(t, errs.KindOf(err).Temporary())

	// Once the provider does it, so does a cancellation that is said again.
	_, err = s.instance(b).Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, books{500, 500, 0, 0, 500}, s.balanced(t, "o1"))
}

func TestCaptureThatIsRefusedLeavesTheHoldToBeVoided(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	b := newBank(provider.NewSandbox(s.clock))
	p := s.instance(refusing{b, map[string]bool{"capture": true}})
	_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.NoError(t, err)
	_, err = p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.ErrorIs(t, err, payments.ErrDeclined)
	_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, books{500, 0, 500, 0, 0}, s.balanced(t, "o1"))
	require.EqualValues(t, 500, b.accounts["o1"].voided)
}

func TestTokensAreNotKept(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	p := s.instance(newBank(provider.NewSandbox(s.clock)))
	_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_insufficient_funds"))
	require.ErrorIs(t, err, payments.ErrInsufficientFunds)
	got, err := p.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	text, err := json.Marshal(got)
	require.NoError(t, err)
	require.NotContains(t, string(text), "tok_")
}

func TestCallsToTheProviderAreMeasured(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	p := service.New(service.Options{
		DB: s.db, Clock: s.clock, Log: log, Provider: provider.NewSandbox(s.clock), Timeout: timeout, Metrics: registry,
		Outbox: outbox.New(payments.Name, s.db, bus.NewInProcess(), s.clock, log, outbox.Options{}),
	})
	for _, token := range []string{"tok_flaky", "tok_flaky", "tok_flaky"} {
		_, _ = p.Authorize(t.Context(), ask("o1", 500, token))
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "stoa_payments_provider_duration_seconds", families[0].GetName())
	counts := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		counts[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	require.Equal(t, map[string]uint64{"authorize failed": 2, "authorize succeeded": 1}, counts)
}

func TestRefundInAnotherCurrencyTellsSo(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	p := s.instance(provider.NewSandbox(s.clock))
	_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.NoError(t, err)
	_, err = p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)
	_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: money.Money{Amount: 1, Currency: "EUR"}})
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
}

// refusing is a provider that refuses some operations for good.
type refusing struct {
	*bank
	operations map[string]bool
}

func (p refusing) Capture(ctx context.Context, r provider.Request) (string, error) {
	if p.operations["capture"] {
		return "", payments.ErrDeclined
	}
	return p.bank.Capture(ctx, r)
}

func (p refusing) Refund(ctx context.Context, r provider.Request) (string, error) {
	if p.operations["refund"] {
		return "", payments.ErrDeclined
	}
	return p.bank.Refund(ctx, r)
}

package module_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders"
	"stoa/modules/payments"
	paymentsmodule "stoa/modules/payments/module"
	"stoa/modules/payments/paymentsrpc"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/db/dbtest"
	"stoa/platform/inbox"
	"stoa/platform/module"
	"stoa/platform/money"
	"stoa/platform/outbox"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// start runs the module as the composition root does, until the test ends.
func start(t *testing.T, b bus.Bus) payments.Service {
	t.Helper()
	m := paymentsmodule.New()
	d := dbtest.Open(t, m.Name, m.Migrations)
	c, log := clock.System(), slog.New(slog.DiscardHandler)
	h := &module.Host{
		Module: m.Name, Clock: c, Log: log, DB: d,
		Outbox: outbox.New(m.Name, d, b, c, log, outbox.Options{}), Inbox: inbox.New(m.Name, d, c, log, inbox.Options{}),
	}
	h.Bind(module.NewServices())
	require.NoError(t, m.Start(t.Context(), h))

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Inbox.Run(ctx) })
	running.Go(func() { _ = h.Outbox.Relay(ctx) })
	for _, work := range h.Work() {
		running.Go(func() { _ = work.Do(ctx) })
	}
	require.NoError(t, b.Subscribe(ctx, m.Name, h.Inbox.Types(), h.Inbox.Deliver))
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	service, err := module.Use(h, payments.Name, paymentsrpc.NewClient)
	require.NoError(t, err)
	return service
}

func TestCancelledOrderGetsItsMoneyBackOnce(t *testing.T) {
	t.Parallel()
	b := bus.NewInProcess()
	s := start(t, b)
	refunded := make(chan bus.Event, 8)
	require.NoError(t, b.Subscribe(t.Context(), "listener", []string{payments.Refunded{}.EventType()}, func(_ context.Context, events []bus.Event) error {
		for _, e := range events {
			refunded <- e
		}
		return nil
	}))
	_, err := s.Authorize(t.Context(), payments.AuthorizeRequest{
		OrderID: "o1", Amount: money.Money{Amount: 700, Currency: "USD"}, Method: "card", Token: "tok_approve",
	})
	require.NoError(t, err)
	_, err = s.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)

	canceled := bus.Event{
		ID: "e1", Source: orders.Name, Type: orders.Canceled{}.EventType(), Subject: "o1", Sequence: 1, Time: time.Now(),
		Data: []byte(`{"order_id": "o1", "user_id": "u1", "reason": "changed my mind"}`),
	}
	twice := []bus.Event{canceled, canceled}
	require.NoError(t, b.Publish(t.Context(), twice))
	require.Equal(t, "o1", (<-refunded).Subject)
	require.NoError(t, b.Publish(t.Context(), twice))

	p, err := s.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, payments.StatusRefunded, p.Status)
	require.Len(t, p.Refunds, 1)
	_, err = s.Authorize(t.Context(), payments.AuthorizeRequest{
		OrderID: "o1", Amount: money.Money{Amount: 700, Currency: "USD"}, Method: "card", Token: "tok_approve",
	})
	require.ErrorIs(t, err, payments.ErrClosed)
}

func TestRoutesAreDescribedWithoutAStart(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, payments.Name, func(r *web.Router) { paymentsmodule.New().Routes(r) })
	require.Equal(t, http.StatusUnauthorized, api.Do(t, http.MethodGet, "/payments", nil).Status)
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for set, fault := range map[string]string{
		"payments.provider=bank":          "sandbox",
		"payments.provider_timeout=0s":    "1ms",
		"payments.provider_timeout=never": "payments.provider_timeout",
	} {
		_, err := config.Load(config.Sources{Set: []string{set}}, paymentsmodule.New().Config)
		require.ErrorContains(t, err, fault, set)
	}
	_, err := config.Load(config.Sources{Set: []string{"payments.provider=sandbox", "payments.provider_timeout=2s"}}, paymentsmodule.New().Config)
	require.NoError(t, err)
}

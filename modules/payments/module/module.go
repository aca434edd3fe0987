// Package module wires payments together: its configuration, schema, routes,
// what it listens to and what it does in the background. The command line
// imports it, and nobody else.
package module

import (
	"context"
	"fmt"

	paymentsmigrations "stoa/migrations/payments"
	"stoa/modules/orders"
	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/rest"
	"stoa/modules/payments/internal/service"
	"stoa/modules/payments/paymentsrpc"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/db"
	"stoa/platform/module"
	"stoa/platform/web"
)

// New gives the module.
func New() module.Module {
	w := &wiring{config: DefaultConfig()}
	return module.Module{
		Name:       payments.Name,
		Config:     []config.Section{{Key: payments.Name, Target: &w.config}},
		Migrations: paymentsmigrations.FS,
		Routes:     func(r *web.Router) { rest.Register(r, w.service) },
		Start:      w.start,
	}
}

type wiring struct {
	config  Config
	service *service.Service // nil until start: routes may be described without it
}

func (w *wiring) start(_ context.Context, h *module.Host) error {
	p, err := newProvider(w.config, h.Clock)
	if err != nil {
		return err
	}
	w.service = service.New(service.Options{
		DB: h.DB, Outbox: h.Outbox, Clock: h.Clock, Log: h.Log, Provider: p, Timeout: w.config.ProviderTimeout, Metrics: h.Metrics,
	})
	module.Provide(h, payments.Service(w.service), paymentsrpc.ServeWith(w.config.ProviderTimeout))
	h.Go("settle", w.service.Settle)
	return module.On(h, "cancel payment", w.cancel)
}

// cancel gives the money of a cancelled order back.
func (w *wiring) cancel(ctx context.Context, _ bus.Event, e orders.Canceled) (db.Effect, error) {
	_, err := w.service.Cancel(ctx, payments.CancelRequest{OrderID: e.OrderID})
	return nil, err
}

// newProvider gives the provider that the configuration names.
func newProvider(cfg Config, c clock.Clock) (provider.Provider, error) {
	switch cfg.Provider {
	case "sandbox":
		return provider.NewSandbox(c), nil
	}
	return nil, fmt.Errorf("there is no payment provider %q", cfg.Provider)
}

// Package module wires the orders module: it says what the module is to the
// rest of the house, and joins its rooms. Only binaries import it. It holds no
// rule.
package module

import (
	"context"
	"errors"

	ordersmigrations "stoa/migrations/orders"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogrpc"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/rest"
	"stoa/modules/orders/internal/service"
	"stoa/modules/orders/ordersrpc"
	"stoa/modules/payments"
	"stoa/modules/payments/paymentsrpc"
	"stoa/modules/users"
	"stoa/modules/users/usersrpc"
	"stoa/platform/config"
	"stoa/platform/module"
	"stoa/platform/web"
)

// New gives the orders module. It asks users for addresses and customers,
// catalog for prices and stock, payments for money.
func New() module.Module {
	m := &wiring{settings: defaults()}
	return module.Module{
		Name:  orders.Name,
		Needs: []string{users.Name, catalog.Name, payments.Name},
		Config: []config.Section{
			{Key: "orders", Target: &m.settings.orders},
			{Key: "carts", Target: &m.settings.carts},
			{Key: "shop", Target: &m.settings.shop},
		},
		Migrations: ordersmigrations.FS,
		Routes:     func(r *web.Router) { rest.Register(r, m.service) },
		Commands:   m.commands,
		Start:      m.start,
	}
}

type wiring struct {
	settings settings
	service  *service.Service // from Start on
}

func (m *wiring) start(_ context.Context, h *module.Host) error {
	usersService, noUsers := module.Use(h, users.Name, usersrpc.NewClient)
	catalogService, noCatalog := module.Use(h, catalog.Name, catalogrpc.NewClient)
	paymentsService, noPayments := module.Use(h, payments.Name, paymentsrpc.NewClient)
	if err := errors.Join(noUsers, noCatalog, noPayments); err != nil {
		return err
	}
	m.service = service.New(service.Deps{
		DB: h.DB, Clock: h.Clock, Log: h.Log, Outbox: h.Outbox, Mail: h.Mail,
		Users: usersService, Catalog: catalogService, Payments: paymentsService,
		Config: m.settings.config(), SagaTrace: h.SagaTrace,
	})
	module.Provide(h, orders.Service(m.service), ordersrpc.Serve)
	h.Go("checkouts", m.service.RunCheckouts)
	h.Go("cart sweep", m.service.SweepCarts)
	return errors.Join(
		module.On(h, "stock released", m.service.OnStockReleased),
		module.On(h, "payment voided", m.service.OnPaymentVoided),
		module.On(h, "payment refunded", m.service.OnPaymentRefunded),
		module.On(h, "erase user", m.service.OnUserDeleted),
		module.On(h, "confirmation letter", m.service.OnConfirmed),
		module.On(h, "shipping letter", m.service.OnShipped),
	)
}

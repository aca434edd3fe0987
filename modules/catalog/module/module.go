// Package module wires the catalog module: it says what the module is to the
// rest of the house, and joins its rooms. Only binaries import it. It holds no
// rule.
package module

import (
	"context"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogrpc"
	"stoa/modules/catalog/internal/rest"
	"stoa/modules/catalog/internal/service"
	"stoa/modules/orders"
	"stoa/platform/bus"
	"stoa/platform/config"
	"stoa/platform/db"
	"stoa/platform/module"
	"stoa/platform/web"
)

// New gives the catalog module. It needs no other, and listens to orders.
func New() module.Module {
	m := &wiring{config: service.DefaultConfig(), shop: service.DefaultShopConfig()}
	return module.Module{
		Name: catalog.Name,
		Config: []config.Section{
			{Key: catalog.Name, Target: &m.config},
			{Key: "shop", Target: &m.shop},
		},
		Migrations: catalogmigrations.FS,
		Routes:     func(r *web.Router) { rest.Register(r, m.service) },
		Commands:   m.commands,
		Start:      m.start,
	}
}

type wiring struct {
	config  service.Config
	shop    service.ShopConfig
	service *service.Service // from Start on
}

func (m *wiring) start(_ context.Context, h *module.Host) error {
	m.service = service.New(service.Deps{
		DB: h.DB, Outbox: h.Outbox, Clock: h.Clock, Log: h.Log,
		Config: m.config, Shop: m.shop,
	})
	module.Provide(h, catalog.Service(m.service), catalogrpc.Serve)
	h.Go("expired reservations", m.service.ReleaseExpired)
	h.Go("imports", m.service.RunImports)
	h.Go("search index", m.service.FillSearch)
	h.Demo(m.demo)
	return module.On(h, "give stock back", func(_ context.Context, _ bus.Event, e orders.Canceled) (db.Effect, error) {
		return m.service.OrderCanceled(e.OrderID), nil
	})
}

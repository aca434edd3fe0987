// Package service is what the catalog does: the rules of products, categories
// and stock, and the use cases that the API, the command line and neighbours
// are served by.
//
// The catalog's own wiring, routes and commands import it, and nobody else. It
// speaks neither HTTP nor SQL, and asks nothing of other modules: it only
// listens to what orders publishes.
package service

import (
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/db"
	"stoa/platform/money"
	"stoa/platform/outbox"
)

// Config is the section "catalog" of the configuration.
type Config struct {
	ReservationTTL time.Duration `koanf:"reservation_ttl" min:"1s" usage:"how long stock stays reserved for an order that is neither confirmed nor given up"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{ReservationTTL: time.Hour} }

// ShopConfig is what the catalog needs of the section "shop".
type ShopConfig struct {
	Currency string `koanf:"currency" usage:"ISO 4217 code, for carts, files and filters that name no currency"`
}

// DefaultShopConfig is what holds where the configuration says nothing.
func DefaultShopConfig() ShopConfig { return ShopConfig{Currency: "USD"} }

// Validate says what will not do.
func (c *ShopConfig) Validate() error {
	if !money.ValidCurrency(c.Currency) {
		return config.BadValue("currency", "%q is no currency of ISO 4217 that prices can be in", c.Currency)
	}
	return nil
}

// Deps is what a Service stands on.
type Deps struct {
	DB     *db.DB
	Outbox *outbox.Outbox
	Clock  clock.Clock
	Log    *slog.Logger
	Config Config
	Shop   ShopConfig
}

// Service is the catalog. It implements catalog.Service.
type Service struct {
	db     *db.DB
	outbox *outbox.Outbox
	clock  clock.Clock
	log    *slog.Logger
	cfg    Config
	shop   ShopConfig

	views *views
	// held is what orders were given a moment ago and will soon be asked for: their
	// items stay what they are; whether they are still held, the database knows.
	held    *otter.Cache[string, store.Reservation]
	uploads chan struct{} // wakes the importer
	exports chan struct{} // holds one for each export that runs
}

var _ catalog.Service = (*Service)(nil)

// heldSize is how many reservations are remembered: those of the checkouts that
// are under way in a few processes.
const heldSize = 4096

// New gives the catalog on its database. Its workers are not begun: see
// ReleaseExpired and RunImports.
func New(d Deps) *Service {
	foreign := d.DB.Foreign
	if d.DB.Dialect() == db.Postgres {
		foreign = nil // other instances write at any time, and nobody tells
	}
	return &Service{
		db: d.DB, outbox: d.Outbox, clock: d.Clock, log: d.Log, cfg: d.Config, shop: d.Shop,
		views:   newViews(d.Clock, foreign),
		held:    otter.Must(&otter.Options[string, store.Reservation]{MaximumSize: heldSize}),
		uploads: make(chan struct{}, 1),
		exports: make(chan struct{}, exportsAtOnce),
	}
}

// Package service holds the rules of the orders module: what a cart may hold,
// what an order costs, how it is checked out, and what may happen to it after.
//
// The module's routes, commands and wiring import it. It asks neighbours only
// through their contracts, never inside a transaction, and knows neither HTTP
// nor tables.
package service

import (
	"context"
	"log/slog"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/modules/users"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/mail"
	"stoa/platform/outbox"
	"stoa/platform/saga"
)

// Service is the orders module at work. It implements orders.Service.
type Service struct {
	Deps
	checkout *saga.Runner[checkout]
	waiting  *waiting
}

var _ orders.Service = (*Service)(nil)

// Deps are what the service works with.
type Deps struct {
	DB     *db.DB
	Clock  clock.Clock
	Log    *slog.Logger
	Outbox *outbox.Outbox
	Mail   mail.Sender

	Users    users.Service
	Catalog  catalog.Service
	Payments payments.Service

	Config Config
	// SagaTrace is called at each point of each checkout; tests set it.
	SagaTrace func(saga.Point)
}

// Config is what the shop's owner decides.
type Config struct {
	// CheckoutTimeout is how long a checkout may take before it is given up.
	CheckoutTimeout time.Duration
	// CartTTL is how long a cart is kept after its last change.
	CartTTL time.Duration
	Shop    Shop
}

// New gives the service. Its checkouts run once RunCheckouts does.
func New(d Deps) *Service {
	s := &Service{Deps: d, waiting: newWaiting()}
	s.checkout = s.newCheckout()
	return s
}

// GetOrder gives an order to a neighbour. Errors: orders.ErrOrderNotFound.
func (s *Service) GetOrder(ctx context.Context, r orders.GetOrderRequest) (orders.Order, error) {
	o, err := store.ReadOrder(ctx, s.DB.Read(), r.ID, "")
	if err != nil {
		return orders.Order{}, err
	}
	return contract(o), nil
}

// owner gives whose orders somebody may see: their own, or, as staff, all, for
// which it is empty.
func owner(by auth.Identity) string {
	if by.Has(auth.RoleStaff) {
		return ""
	}
	return by.UserID
}

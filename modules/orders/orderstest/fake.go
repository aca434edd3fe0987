// Package orderstest is what neighbours of orders test with: a fake of its
// Service that lives in memory, and the contract suite that the fake, the
// service itself and its client all pass.
//
// Tests import it, and nothing else does.
package orderstest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"stoa/modules/orders"
	"stoa/platform/clock"
	"stoa/platform/money"
)

// Fake is orders.Service in memory. It is safe for concurrent use.
type Fake struct {
	clock clock.Clock

	mu     sync.Mutex
	orders map[string]orders.Order
	err    error
}

var _ orders.Service = (*Fake)(nil)

// NewFake gives a fake without orders, which takes times and ids from c.
func NewFake(c clock.Clock) *Fake { return &Fake{clock: c, orders: map[string]orders.Order{}} }

// Put adds an order, or replaces the one with its id.
func (f *Fake) Put(o orders.Order) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders[o.ID] = clone(o)
}

// Fail has every call fail with err, as when the module is away; nil ends that.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Place adds an order of two lamps that was confirmed, and gives it.
func (f *Fake) Place(testing.TB) orders.Order {
	now, usd := f.clock.Now(), func(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }
	o := orders.Order{
		ID: f.clock.ID(), Number: "00000-00001", UserID: f.clock.ID(), Status: orders.StatusConfirmed, Currency: "USD",
		Items: []orders.Item{{
			SKU: "lamp", ProductID: f.clock.ID(), Title: "Lamp", UnitPrice: usd(1999), Quantity: 2, Total: usd(3998),
		}},
		Subtotal: usd(3998), ShippingTotal: usd(0), TaxTotal: usd(0), DiscountTotal: usd(0), Total: usd(3998),
		Payment:         orders.PaymentSummary{Status: "captured", Captured: usd(3998), Refunded: usd(0)},
		ShippingAddress: &orders.ShippingAddress{Name: "Ada", Line1: "12 St James's Square", City: "London", Country: "GB"},
		PlacedAt:        now, UpdatedAt: now, Version: 6,
	}
	f.Put(o)
	return o
}

// GetOrder keeps the contract of orders.Service.
func (f *Fake) GetOrder(ctx context.Context, r orders.GetOrderRequest) (orders.Order, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return orders.Order{}, err
	}
	if f.err != nil {
		return orders.Order{}, f.err
	}
	o, known := f.orders[r.ID]
	if !known {
		return orders.Order{}, orders.ErrOrderNotFound
	}
	return clone(o), nil
}

// clone gives an order that shares nothing.
func clone(o orders.Order) orders.Order {
	o.Items = slices.Clone(o.Items)
	if o.ShippingAddress != nil {
		address := *o.ShippingAddress
		o.ShippingAddress = &address
	}
	if o.Failure != nil {
		failure := *o.Failure
		o.Failure = &failure
	}
	return o
}

package service

import (
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/money"
)

// contract gives an order as others see it.
func contract(o store.Order) orders.Order {
	in := func(amount int64) money.Money { return money.Money{Amount: amount, Currency: o.Currency} }
	var failure *orders.Failure
	if o.FailureCode != "" {
		failure = &orders.Failure{Code: o.FailureCode, Message: o.FailureMessage}
	}
	return orders.Order{
		ID: o.ID, Number: o.Number, UserID: o.UserID, Status: o.Status, Currency: o.Currency, Items: o.Items.V,
		Subtotal: in(o.Subtotal), ShippingTotal: in(o.ShippingTotal), TaxTotal: in(o.TaxTotal),
		DiscountTotal: in(o.DiscountTotal), Total: in(o.Total),
		Payment:         orders.PaymentSummary{Status: o.PaymentStatus, Captured: in(o.Captured), Refunded: in(o.Refunded)},
		ShippingAddress: o.Address.V, Failure: failure,
		PlacedAt: o.PlacedAt.Time, UpdatedAt: o.UpdatedAt.Time, Version: o.Version,
	}
}

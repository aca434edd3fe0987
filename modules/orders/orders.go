// Package orders is the contract of the orders module: carts, checkout and
// everything that happens to an order after it.
//
// Owns carts, orders with their event streams, and checkouts. Needs users,
// catalog and payments. Publishes what happens to an order. Neighbours import
// this package and nothing else of the module; it drags no implementation in.
package orders

import (
	"context"
	"time"

	"stoa/platform/money"
)

// Name is the module's name: in configuration, in the directory and in codes of errors.
const Name = "orders"

// Service is what neighbours may ask of orders.
type Service interface {
	// GetOrder gives an order. Errors: ErrOrderNotFound.
	GetOrder(ctx context.Context, r GetOrderRequest) (Order, error)
}

// GetOrderRequest names an order.
type GetOrderRequest struct {
	ID string `json:"id"`
}

// Order is what a customer bought. Prices and titles are those of the moment it
// was placed.
type Order struct {
	ID            string         `json:"id" format:"uuid"`
	Number        string         `json:"number" doc:"what people call it"`
	UserID        string         `json:"user_id" format:"uuid"`
	Status        string         `json:"status" enum:"pending,confirmed,shipped,delivered,rejected,canceled"`
	Currency      string         `json:"currency"`
	Items         []Item         `json:"items"`
	Subtotal      money.Money    `json:"subtotal"`
	ShippingTotal money.Money    `json:"shipping_total"`
	TaxTotal      money.Money    `json:"tax_total"`
	DiscountTotal money.Money    `json:"discount_total"`
	Total         money.Money    `json:"total"`
	Payment       PaymentSummary `json:"payment"`
	// ShippingAddress is null once the customer's data was erased.
	ShippingAddress *ShippingAddress `json:"shipping_address"`
	// Failure says why an order was rejected or cancelled; null otherwise.
	Failure   *Failure  `json:"failure"`
	PlacedAt  time.Time `json:"placed_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int64     `json:"version"`
}

// The states of an order: pending → confirmed → shipped → delivered,
// pending → rejected, pending or confirmed → canceled.
const (
	StatusPending   = "pending"
	StatusConfirmed = "confirmed"
	StatusShipped   = "shipped"
	StatusDelivered = "delivered"
	StatusRejected  = "rejected"
	StatusCanceled  = "canceled"
)

// Item is one line of an order.
type Item struct {
	SKU       string      `json:"sku"`
	ProductID string      `json:"product_id" format:"uuid"`
	Title     string      `json:"title"`
	UnitPrice money.Money `json:"unit_price"`
	Quantity  int64       `json:"quantity"`
	Total     money.Money `json:"total"`
}

// PaymentSummary is what became of the order's money, as far as orders was told.
type PaymentSummary struct {
	Status   string      `json:"status" enum:"none,authorized,captured,voided,partially_refunded,refunded"`
	Captured money.Money `json:"captured"`
	Refunded money.Money `json:"refunded"`
}

// ShippingAddress is where an order goes.
type ShippingAddress struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country" doc:"ISO 3166-1 alpha-2"`
	Phone      string `json:"phone"`
}

// Failure is why an order came to nothing.
type Failure struct {
	// Code is a stable word, such as "catalog.insufficient_stock".
	Code    string `json:"code"`
	Message string `json:"message"`
}

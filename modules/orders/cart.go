package orders

import (
	"time"

	"stoa/platform/money"
)

// Cart is what somebody is about to buy, with today's prices. Who knows the id
// of a stranger's cart may use it; one made signed in is its maker's alone.
type Cart struct {
	ID       string     `json:"id" format:"uuid" doc:"UUIDv4"`
	Currency string     `json:"currency"`
	Items    []CartItem `json:"items"`
	// Subtotal is the sum of the lines that are in the cart's currency.
	Subtotal  money.Money `json:"subtotal"`
	ExpiresAt time.Time   `json:"expires_at" doc:"when the cart is forgotten; every change puts it off"`
	Version   int64       `json:"version"`
}

// CartItem is one line of a cart. A variant that is not for sale any more stays
// visible with the price it had when it was put in, and none available.
type CartItem struct {
	SKU       string      `json:"sku"`
	ProductID string      `json:"product_id" format:"uuid"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	Total     money.Money `json:"total"`
	Available int64       `json:"available" doc:"how many can be bought now"`
}

// What one cart or order may hold.
const (
	// MaxQuantity is the most of one variant.
	MaxQuantity = 10_000
	// MaxLines is the most different variants.
	MaxLines = 500
)

package conformance

import (
	"time"

	"stoa/platform/money"
)

// What the API answers, as far as the suite reads it. Whether fields are there
// at all is judged on the text of the answers, by shape.

// List is a page of a list.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// User is an account.
type User struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// Session is a pair of tokens.
type Session struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	User         User   `json:"user"`
}

// Address is a stored address.
type Address struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
	Phone      string `json:"phone"`
	IsDefault  bool   `json:"is_default"`
}

// Category is a place in the tree.
type Category struct {
	ID       string  `json:"id"`
	Slug     string  `json:"slug"`
	Name     string  `json:"name"`
	ParentID *string `json:"parent_id"`
	Path     string  `json:"path"`
}

// Product is something for sale.
type Product struct {
	ID          string     `json:"id"`
	Slug        string     `json:"slug"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Status      string     `json:"status"`
	Vendor      string     `json:"vendor"`
	ProductType string     `json:"product_type"`
	Tags        []string   `json:"tags"`
	Categories  []Category `json:"categories"`
	Images      []Image    `json:"images"`
	Options     []Option   `json:"options"`
	Variants    []Variant  `json:"variants"`
	Version     int64      `json:"version"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

// Image is a picture of a product.
type Image struct {
	URL      string `json:"url"`
	Alt      string `json:"alt"`
	Position int64  `json:"position"`
}

// Option is a way in which variants differ.
type Option struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Variant is what can be bought.
type Variant struct {
	ID             string            `json:"id"`
	SKU            string            `json:"sku"`
	Title          string            `json:"title"`
	Options        map[string]string `json:"options"`
	Price          money.Money       `json:"price"`
	CompareAtPrice *money.Money      `json:"compare_at_price"`
	Barcode        string            `json:"barcode"`
	WeightGrams    int64             `json:"weight_grams"`
	Position       int64             `json:"position"`
	Stock          Stock             `json:"stock"`
}

// Stock is how many of a variant there are.
type Stock struct {
	SKU       string `json:"sku"`
	OnHand    *int64 `json:"on_hand"`
	Reserved  *int64 `json:"reserved"`
	Available int64  `json:"available"`
}

// Movement is a line of the stock's ledger.
type Movement struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Quantity int64     `json:"quantity"`
	OrderID  *string   `json:"order_id"`
	Reason   *string   `json:"reason"`
	At       time.Time `json:"at"`
}

// Import is a file that is being read.
type Import struct {
	ID              string     `json:"id"`
	Status          string     `json:"status"`
	RowsTotal       int64      `json:"rows_total"`
	RowsDone        int64      `json:"rows_done"`
	ProductsCreated int64      `json:"products_created"`
	ProductsUpdated int64      `json:"products_updated"`
	RowsSkipped     int64      `json:"rows_skipped"`
	Errors          []RowError `json:"errors"`
}

// RowError is a cell that was refused.
type RowError struct {
	Row     int64  `json:"row"`
	Column  string `json:"column"`
	Message string `json:"message"`
}

// Cart is a cart.
type Cart struct {
	ID        string      `json:"id"`
	Currency  string      `json:"currency"`
	Items     []CartItem  `json:"items"`
	Subtotal  money.Money `json:"subtotal"`
	ExpiresAt time.Time   `json:"expires_at"`
	Version   int64       `json:"version"`
}

// CartItem is a line of a cart.
type CartItem struct {
	SKU       string      `json:"sku"`
	ProductID string      `json:"product_id"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	Total     money.Money `json:"total"`
}

// Order is an order.
type Order struct {
	ID              string         `json:"id"`
	Number          string         `json:"number"`
	UserID          string         `json:"user_id"`
	Status          string         `json:"status"`
	Currency        string         `json:"currency"`
	Items           []OrderItem    `json:"items"`
	Subtotal        money.Money    `json:"subtotal"`
	ShippingTotal   money.Money    `json:"shipping_total"`
	TaxTotal        money.Money    `json:"tax_total"`
	DiscountTotal   money.Money    `json:"discount_total"`
	Total           money.Money    `json:"total"`
	Payment         PaymentSummary `json:"payment"`
	ShippingAddress *Address       `json:"shipping_address"`
	Failure         *Failure       `json:"failure"`
	PlacedAt        time.Time      `json:"placed_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
	Version         int64          `json:"version"`
}

// OrderItem is a line of an order.
type OrderItem struct {
	SKU       string      `json:"sku"`
	ProductID string      `json:"product_id"`
	Title     string      `json:"title"`
	UnitPrice money.Money `json:"unit_price"`
	Quantity  int64       `json:"quantity"`
	Total     money.Money `json:"total"`
}

// PaymentSummary is what an order says of its money.
type PaymentSummary struct {
	Status   string      `json:"status"`
	Captured money.Money `json:"captured"`
	Refunded money.Money `json:"refunded"`
}

// Failure is why an order came to nothing.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Event is a step of an order.
type Event struct {
	Sequence int64          `json:"sequence"`
	Type     string         `json:"type"`
	At       time.Time      `json:"at"`
	Data     map[string]any `json:"data"`
}

// Payment is what became of an order's money.
type Payment struct {
	ID                string      `json:"id"`
	OrderID           string      `json:"order_id"`
	Status            string      `json:"status"`
	Authorized        money.Money `json:"authorized"`
	Captured          money.Money `json:"captured"`
	Refunded          money.Money `json:"refunded"`
	Provider          string      `json:"provider"`
	ProviderReference string      `json:"provider_reference"`
}

// Refund is money that went back.
type Refund struct {
	ID     string      `json:"id"`
	Amount money.Money `json:"amount"`
	Reason string      `json:"reason"`
}

// Problem is how failures are answered (RFC 9457).
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Instance  string `json:"instance"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

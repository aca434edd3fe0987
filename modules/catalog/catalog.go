// Package catalog is the contract of the catalog module: what the shop sells,
// at which price, and how much of it there is.
//
// Owns products, categories and inventory. Needs no other module; listens to
// what orders publishes. Publishes StockReleased. Neighbours import this
// package and nothing else of the module; it drags no implementation in.
package catalog

import (
	"context"
	"time"

	"stoa/platform/money"
)

// Name is the module's name: in configuration, in the directory and in codes of errors.
const Name = "catalog"

// Service is what neighbours may ask of the catalog. The three calls that
// change stock are idempotent by order: said twice, they are done once, and
// what was released stays released.
type Service interface {
	// GetOffers gives what active products' variants cost and how many of each
	// there are, in any order. SKUs that are not for sale are left out.
	GetOffers(ctx context.Context, r GetOffersRequest) ([]Offer, error)

	// GetProducts gives the products with these ids as customers see them, in
	// any order, archived ones too: old orders name them. Unknown ids are left out.
	GetProducts(ctx context.Context, r GetProductsRequest) ([]Product, error)

	// Reserve sets stock aside for an order: all of the items or none.
	// Errors: ErrInsufficientStock, ErrVariantNotFound, ErrReservationClosed
	// (the order's stock was released before this call came).
	Reserve(ctx context.Context, r ReserveRequest) (Reservation, error)

	// Commit takes reserved stock out of the shop (movement "sale").
	// Errors: ErrReservationClosed (released, or expired and gone).
	Commit(ctx context.Context, r CommitRequest) error

	// Release gives back what an order holds: reserved stock becomes available
	// again, committed stock returns (movement "return"). An order that holds
	// nothing may reserve nothing from now on. It tells what was given back.
	Release(ctx context.Context, r ReleaseRequest) (Release, error)
}

// GetOffersRequest asks for offers by SKU, at most 1,000 at once.
type GetOffersRequest struct {
	SKUs []string `json:"skus"`
}

// GetProductsRequest asks for products by id, at most 1,000 at once.
type GetProductsRequest struct {
	IDs []string `json:"ids"`
}

// ReserveRequest asks for stock for an order. A SKU stands in Items once.
type ReserveRequest struct {
	OrderID string `json:"order_id"`
	Items   []Item `json:"items"`
}

// CommitRequest names the order whose reserved stock leaves the shop.
type CommitRequest struct {
	OrderID string `json:"order_id"`
}

// ReleaseRequest names the order that gives its stock back.
type ReleaseRequest struct {
	OrderID string `json:"order_id"`
}

// Item is so many of one variant.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Offer is a variant as it can be bought now.
type Offer struct {
	SKU       string      `json:"sku"`
	ProductID string      `json:"product_id"`
	Title     string      `json:"title"` // of the product, and of the variant where there are several
	Price     money.Money `json:"price"`
	Available int64       `json:"available"`
}

// Reservation is stock set aside for an order.
type Reservation struct {
	OrderID   string    `json:"order_id"`
	Items     []Item    `json:"items"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Release is what an order gave back; no Items where it held nothing.
type Release struct {
	OrderID string `json:"order_id"`
	Items   []Item `json:"items"`
	// Returned tells that the stock had left the shop and came back.
	Returned bool `json:"returned"`
}

// Product is something the shop sells, in one or more variants.
type Product struct {
	ID          string        `json:"id" format:"uuid"`
	Slug        string        `json:"slug"`
	Title       string        `json:"title"`
	Description string        `json:"description" doc:"HTML or plain text, as it was given"`
	Status      string        `json:"status" enum:"draft,active,archived"`
	Vendor      string        `json:"vendor"`
	ProductType string        `json:"product_type"`
	Tags        []string      `json:"tags"`
	Categories  []CategoryRef `json:"categories"`
	Images      []Image       `json:"images"`
	Options     []Option      `json:"options"`
	Variants    []Variant     `json:"variants"`
	Version     int64         `json:"version"`
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
}

// The states of a product. Customers see active ones.
const (
	StatusDraft    = "draft"
	StatusActive   = "active"
	StatusArchived = "archived"
)

// CategoryRef names a category that a product stands in.
type CategoryRef struct {
	ID   string `json:"id" format:"uuid"`
	Slug string `json:"slug"`
	Name string `json:"name"`
	Path string `json:"path" doc:"the slugs from the root, joined by /"`
}

// Image is a picture of a product.
type Image struct {
	URL      string `json:"url"`
	Alt      string `json:"alt"`
	Position int64  `json:"position"`
}

// Option is a way in which a product's variants differ.
type Option struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Variant is one thing that can be bought.
type Variant struct {
	ID             string            `json:"id" format:"uuid"`
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

// Stock is how many of a variant there are. Customers are told Available only.
type Stock struct {
	OnHand    *int64 `json:"on_hand,omitempty"`
	Reserved  *int64 `json:"reserved,omitempty"`
	Available int64  `json:"available"`
}

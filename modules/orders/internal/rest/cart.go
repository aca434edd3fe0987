package rest

import (
	"context"
	"net/http"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

// variantNotFound is catalog's; it is named here for the document.
var variantNotFound = errs.New(errs.NotFound, "catalog.variant_not_found", "there is no such variant")

type createCart struct {
	Body struct {
		Currency string `json:"currency,omitempty" doc:"ISO 4217; the shop's where it is left out." pattern:"^[A-Z]{3}$" example:"USD"`
	}
}

type oneCart struct {
	ID string `path:"id" doc:"Who knows the id of a stranger's cart may use it."`
}

// CartItem is embedded in the inputs of what changes a line of a cart. It is
// exported as Huma reads no others.
type CartItem struct {
	web.IfMatch
	ID  string `path:"id"`
	SKU string `path:"sku"`
}

type putCartItem struct {
	CartItem
	Body struct {
		Quantity int64 `json:"quantity" minimum:"1" maximum:"10000"`
	}
}

type cartAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body orders.Cart
}

type createdCart struct {
	Location string   `header:"Location"`
	ETag     web.ETag `header:"ETag"`
	Body     orders.Cart
}

func (h routes) registerCarts() {
	web.Register(h.router, web.Operation{
		ID: "create-cart", Method: http.MethodPost, Path: "/carts", Status: http.StatusCreated, Idempotent: true,
		Summary: "Make an empty cart", Description: "A cart made signed in is its maker's alone.",
	}, h.createCart)
	web.Register(h.router, web.Operation{
		ID: "get-cart", Method: http.MethodGet, Path: "/carts/{id}",
		Summary: "A cart with today's prices and availability", Errors: []*errs.Error{orders.ErrCartNotFound},
	}, h.getCart)
	web.Register(h.router, web.Operation{
		ID: "put-cart-item", Method: http.MethodPut, Path: "/carts/{id}/items/{sku}",
		Summary: "Set how many of a variant are in a cart",
		Errors:  []*errs.Error{orders.ErrCartNotFound, variantNotFound, orders.ErrCartCheckedOut},
	}, h.putCartItem)
	web.Register(h.router, web.Operation{
		ID: "delete-cart-item", Method: http.MethodDelete, Path: "/carts/{id}/items/{sku}",
		Summary: "Take a variant out of a cart",
		Errors:  []*errs.Error{orders.ErrCartNotFound, orders.ErrCartItemNotFound, orders.ErrCartCheckedOut},
	}, h.deleteCartItem)
}

func (h routes) createCart(ctx context.Context, in *createCart) (*createdCart, error) {
	c, err := h.service.CreateCart(ctx, caller(ctx), in.Body.Currency)
	if err != nil {
		return nil, err
	}
	return &createdCart{Location: web.Base + "/carts/" + c.ID, ETag: web.Version(c.Version), Body: c}, nil
}

func (h routes) getCart(ctx context.Context, in *oneCart) (*cartAnswer, error) {
	return cart(h.service.GetCart(ctx, caller(ctx), in.ID))
}

func (h routes) putCartItem(ctx context.Context, in *putCartItem) (*cartAnswer, error) {
	item := in.item(ctx)
	item.Quantity = in.Body.Quantity
	return cart(h.service.PutCartItem(ctx, item))
}

func (h routes) deleteCartItem(ctx context.Context, in *CartItem) (*cartAnswer, error) {
	return cart(h.service.DeleteCartItem(ctx, in.item(ctx)))
}

func (in CartItem) item(ctx context.Context) service.CartItem {
	return service.CartItem{By: caller(ctx), CartID: in.ID, SKU: in.SKU, Match: in.Check}
}

func cart(c orders.Cart, err error) (*cartAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &cartAnswer{ETag: web.Version(c.Version), Body: c}, nil
}

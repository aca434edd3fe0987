package orders

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrOrderNotFound     = errs.New(errs.NotFound, "orders.order_not_found", "there is no such order")
	ErrCartNotFound      = errs.New(errs.NotFound, "orders.cart_not_found", "there is no such cart")
	ErrCartItemNotFound  = errs.New(errs.NotFound, "orders.cart_item_not_found", "this is not in the cart")
	ErrCartCheckedOut    = errs.New(errs.Conflict, "orders.cart_checked_out", "this cart was checked out already")
	ErrCartChanged       = errs.New(errs.Conflict, "orders.cart_changed", "the cart was changed while it was being checked out")
	ErrPriceChanged      = errs.New(errs.Conflict, "orders.price_changed", "the total has changed")
	ErrInvalidTransition = errs.New(errs.Conflict, "orders.invalid_transition", "the order's state does not allow this")
	ErrNotForSale        = errs.New(errs.Invalid, "orders.not_for_sale", "some of this is not for sale")
	ErrSeveralCurrencies = errs.New(errs.Invalid, "orders.several_currencies", "an order is in one currency")
	ErrCheckoutTimeout   = errs.New(errs.Timeout, "orders.checkout_timeout", "the checkout took too long")
)

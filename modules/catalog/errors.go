package catalog

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrProductNotFound   = errs.New(errs.NotFound, "catalog.product_not_found", "there is no such product")
	ErrVariantNotFound   = errs.New(errs.NotFound, "catalog.variant_not_found", "there is no such variant")
	ErrCategoryNotFound  = errs.New(errs.NotFound, "catalog.category_not_found", "there is no such category")
	ErrInsufficientStock = errs.New(errs.Conflict, "catalog.insufficient_stock", "there is not enough in stock")
	ErrReservationClosed = errs.New(errs.Conflict, "catalog.reservation_closed", "the stock of this order was released")
)

package catalog

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrProductNotFound   = errs.New(errs.NotFound, "catalog.product_not_found", "there is no such product")
	ErrVariantNotFound   = errs.New(errs.NotFound, "catalog.variant_not_found", "there is no such variant")
	ErrCategoryNotFound  = errs.New(errs.NotFound, "catalog.category_not_found", "there is no such category")
	ErrImportNotFound    = errs.New(errs.NotFound, "catalog.import_not_found", "there is no such import")
	ErrInsufficientStock = errs.New(errs.Conflict, "catalog.insufficient_stock", "there is not enough in stock")
	ErrReservationClosed = errs.New(errs.Conflict, "catalog.reservation_closed", "the stock of this order was released")
	ErrSlugTaken         = errs.New(errs.Conflict, "catalog.slug_taken", "another product has this slug")
	ErrSKUTaken          = errs.New(errs.Conflict, "catalog.sku_taken", "another variant has this SKU")
	ErrCategoryTaken     = errs.New(errs.Conflict, "catalog.category_taken", "another category has this slug in the same place")
	ErrCategoryInUse     = errs.New(errs.Conflict, "catalog.category_in_use", "there are products or categories in this category")
	ErrCategoryCycle     = errs.New(errs.Invalid, "catalog.category_cycle", "a category cannot lie below itself")
	ErrCategoryTooDeep   = errs.New(errs.Invalid, "catalog.category_too_deep", "categories cannot be nested that deep")
)

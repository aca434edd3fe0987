package catalog

import (
	"strconv"

	"stoa/platform/errs"
)

const (
	// MaxBatch is how many SKUs or ids one request may name.
	MaxBatch = 1000
	// MaxQuantity is how many of one variant one request may name.
	MaxQuantity = 1_000_000_000
)

// Check tells what is wrong with the request. Errors: errs.ErrInvalid.
func (r ReserveRequest) Check() error {
	if r.OrderID == "" {
		return errs.ErrInvalid.Field("order_id", "is missing")
	}
	if len(r.Items) == 0 || len(r.Items) > MaxBatch {
		return errs.ErrInvalid.Field("items", "must be 1 to %d", MaxBatch)
	}
	seen := make(map[string]bool, len(r.Items))
	for i, item := range r.Items {
		at := "items[" + strconv.Itoa(i) + "]."
		switch {
		case item.SKU == "":
			return errs.ErrInvalid.Field(at+"sku", "is missing")
		case seen[item.SKU]:
			return errs.ErrInvalid.Field(at+"sku", "stands there twice")
		case item.Quantity < 1 || item.Quantity > MaxQuantity:
			return errs.ErrInvalid.Field(at+"quantity", "must be from 1 to %d", MaxQuantity)
		}
		seen[item.SKU] = true
	}
	return nil
}

// CheckBatch tells whether a request names more than MaxBatch. Errors: errs.ErrInvalid.
func CheckBatch(field string, names []string) error {
	if len(names) > MaxBatch {
		return errs.ErrInvalid.Field(field, "must be at most %d", MaxBatch)
	}
	return nil
}

// InsufficientStock gives ErrInsufficientStock with what it is about: the
// answer's members "sku" and "available".
func InsufficientStock(sku string, available int64) error {
	return ErrInsufficientStock.With("there are only %d of %s", available, sku).Detail("sku", sku).Detail("available", available)
}

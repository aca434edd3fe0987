package store

import (
	"maps"
	"slices"

	"stoa/modules/catalog"
)

// Same tells whether two products are alike in all but identifiers, versions,
// times and stock. Variants must stand in the same order.
func Same(a, b *Product) bool {
	return a.Slug == b.Slug && a.Title == b.Title && a.Description == b.Description && a.Status == b.Status &&
		a.Vendor == b.Vendor && a.ProductType == b.ProductType && slices.Equal(a.Tags, b.Tags) && slices.Equal(a.Images, b.Images) &&
		slices.EqualFunc(a.Options, b.Options, func(x, y catalog.Option) bool {
			return x.Name == y.Name && slices.Equal(x.Values, y.Values)
		}) &&
		sameCategories(a, b) &&
		slices.EqualFunc(a.Variants, b.Variants, func(x, y catalog.Variant) bool { return x.SKU == y.SKU && sameVariant(&x, &y) })
}

func sameCategories(a, b *Product) bool {
	return slices.EqualFunc(a.Categories, b.Categories, func(x, y catalog.CategoryRef) bool { return x.Path == y.Path })
}

// sameVariant tells whether two variants with one SKU are alike in all but
// their stock.
func sameVariant(a, b *catalog.Variant) bool {
	return a.ID == b.ID && a.Title == b.Title && maps.Equal(a.Options, b.Options) && a.Price == b.Price && a.Barcode == b.Barcode &&
		a.WeightGrams == b.WeightGrams && a.Position == b.Position && (a.CompareAtPrice == nil) == (b.CompareAtPrice == nil) &&
		(a.CompareAtPrice == nil || *a.CompareAtPrice == *b.CompareAtPrice)
}

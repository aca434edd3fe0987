package service

import (
	"slices"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
)

// merge brings what a file says of a product into the product.
//
// What the file says nothing of stays: fields whose column or member is missing,
// variants that it does not name, and where it names no options at all, the
// options. Variants are known by their SKUs. So a list of new prices does no
// harm, and nothing is taken off sale by being left out of a file; for that
// there is a product's status.
type merge struct {
	product *catalog.Product // what the shop has; of one that is new, nothing
	file    *format.Product
	isNew   bool
	newID   func() string
	stock   map[string]store.Stock
}

// says tells whether a field is the file's to set.
func (m *merge) says(absent format.Fields, f format.Field) bool { return m.isNew || !absent.Has(f) }

func (m *merge) fields() {
	p, file := m.product, m.file
	p.Title = file.Title
	for _, field := range []struct {
		field format.Field
		to    *string
		from  string
	}{
		{format.FieldDescription, &p.Description, file.Description},
		{format.FieldStatus, &p.Status, file.Status},
		{format.FieldVendor, &p.Vendor, file.Vendor},
		{format.FieldProductType, &p.ProductType, file.ProductType},
	} {
		if m.says(file.Absent, field.field) {
			*field.to = field.from
		}
	}
	if m.says(file.Absent, format.FieldTags) {
		p.Tags = file.Tags
	}
	if m.says(file.Absent, format.FieldImages) {
		p.Images = file.Images
	}
	if m.says(file.Absent, format.FieldCategories) {
		p.Categories = make([]catalog.CategoryRef, len(file.Categories))
		for i, path := range file.Categories {
			p.Categories[i].Path = path
		}
	}
}

// variants sets options and variants.
func (m *merge) variants() {
	p, file := m.product, m.file
	options := p.Options
	saysOptions := m.isNew || len(file.Options) > 0 ||
		slices.ContainsFunc(file.Variants, func(v format.Variant) bool { return len(v.Options) > 0 })
	if saysOptions {
		p.Options = slices.Clone(file.Options)
	}
	there := make(map[string]int, len(p.Variants))
	for i := range p.Variants {
		there[p.Variants[i].SKU] = i
	}
	placed := make([]bool, len(p.Variants), len(p.Variants)+len(file.Variants))
	last := int64(0)
	for i := range p.Variants {
		last = max(last, p.Variants[i].Position)
	}
	for i := range file.Variants {
		from := &file.Variants[i]
		at, known := there[from.SKU]
		if !known {
			at = len(p.Variants)
			p.Variants = append(p.Variants, catalog.Variant{ID: m.newID(), SKU: from.SKU, Stock: m.stockOf(from)})
			placed = append(placed, false)
		}
		to := &p.Variants[at]
		says := func(f format.Field) bool { return !known || !from.Absent.Has(f) }
		// A title that was made of the options goes along with them.
		made := saysOptions && to.Title == format.DefaultVariantTitle(options, to.Options)
		if says(format.FieldVariantTitle) || made {
			to.Title = from.Title
		}
		if !known || saysOptions {
			to.Options = from.Options
		}
		if to.Options == nil {
			to.Options = map[string]string{}
		}
		to.Price = from.Price
		if says(format.FieldCompareAtPrice) {
			to.CompareAtPrice = from.CompareAtPrice
		}
		if says(format.FieldBarcode) {
			to.Barcode = from.Barcode
		}
		if says(format.FieldWeight) {
			to.WeightGrams = from.WeightGrams
		}
		switch {
		case m.isNew || !from.Absent.Has(format.FieldPosition):
			to.Position, placed[at] = from.Position, true
		case !known:
			last++
			to.Position = last
		}
	}
	m.place(placed)
}

// stockOf gives what there is of a variant that is new: what the file says, or
// what its SKU has from an earlier life.
func (m *merge) stockOf(v *format.Variant) catalog.Stock {
	if known, there := m.stock[v.SKU]; there {
		return catalog.Stock{Available: known.Available()}
	}
	if v.Quantity != nil {
		return catalog.Stock{Available: *v.Quantity}
	}
	return catalog.Stock{}
}

// place gives variants that the file does not place the next position that is
// free, from their own on. Doing it again changes nothing.
func (m *merge) place(placed []bool) {
	if !slices.Contains(placed, false) || !slices.Contains(placed, true) {
		return
	}
	taken := make(map[int64]bool, len(placed))
	for i, v := range m.product.Variants {
		if placed[i] {
			taken[v.Position] = true
		}
	}
	for i := range m.product.Variants {
		if placed[i] {
			continue
		}
		v := &m.product.Variants[i]
		for taken[v.Position] {
			v.Position++
		}
		taken[v.Position] = true
	}
}

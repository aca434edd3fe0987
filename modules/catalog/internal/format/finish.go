package format

import (
	"cmp"
	"slices"
	"strings"

	"stoa/modules/catalog"
)

// finish gives the product that the rows added up to.
func (b *builder) finish(key string) Record {
	p := &b.record.Product
	p.Slug = key
	slices.SortStableFunc(b.variants, func(x, y sheetVariant) int { return cmp.Compare(x.Position, y.Position) })
	b.variantImages()
	slices.SortStableFunc(b.images, func(x, y sheetImage) int { return cmp.Compare(x.Position, y.Position) })
	if len(b.images) > 0 {
		p.Images = make([]catalog.Image, len(b.images))
	}
	for i := range b.images {
		p.Images[i] = b.images[i].Image
	}
	b.options()
	if len(b.variants) > 0 {
		p.Variants = make([]Variant, 0, len(b.variants))
		b.record.VariantRows = make([]int, 0, len(b.variants))
	}
	for i := range b.variants {
		v := &b.variants[i]
		b.setOptions(v)
		if v.SKU == "" {
			v.SKU = MakeSKU(p.Slug, p.Options, v.Options)
		}
		if v.Absent.Has(FieldVariantTitle) {
			v.Title = DefaultVariantTitle(p.Options, v.Options)
		}
		p.Variants = append(p.Variants, v.Variant)
		b.record.VariantRows = append(b.record.VariantRows, v.row)
	}
	p.normalize(b.record.VariantRows)
	if !b.unclear {
		b.check()
	}
	slices.SortStableFunc(b.record.Errors, func(x, y RowError) int {
		return cmp.Or(cmp.Compare(x.Row, y.Row), cmp.Compare(slices.Index(b.sheet.header, x.Column), slices.Index(b.sheet.header, y.Column)))
	})
	return b.record
}

// variantImages adds the images of variants that are not among those of the
// product, after them.
func (b *builder) variantImages() {
	for _, picture := range b.pictures {
		if slices.ContainsFunc(b.images, func(i sheetImage) bool { return i.URL == picture.URL }) {
			continue
		}
		picture.Position = 1
		for _, image := range b.images {
			picture.Position = max(picture.Position, image.Position+1)
		}
		b.images = append(b.images, picture)
	}
}

// options finds the product's options: those that the file lists, or else those
// that follow from its rows.
func (b *builder) options() {
	p := &b.record.Product
	if b.isListed {
		p.Options = b.listed
		for slot, name := range b.names {
			if name != "" && slot < len(b.listed) && b.listed[slot].Name != name {
				b.fault(RowError{b.nameRows[slot], b.sheet.nameOf(colName1 + column(slot)),
					"differs from the name in " + b.sheet.nameOf(colOptions)})
			}
		}
		return
	}
	values := make([]slotValues, len(b.variants))
	for i := range b.variants {
		values[i] = b.variants[i].values
	}
	p.Options = deriveOptions(b.names, values)
	if p.Options == nil {
		return
	}
	for i, v := range values {
		for slot, value := range v {
			if value != "" && strings.TrimSpace(b.names[slot]) == "" {
				b.fault(RowError{b.variants[i].row, b.sheet.nameOf(colName1 + column(slot)), "is missing, though it has a value"})
			}
		}
	}
}

// setOptions gives a variant the values that stand in columns of their own.
func (b *builder) setOptions(v *sheetVariant) {
	options := b.record.Product.Options
	for slot, value := range v.values {
		if value == "" {
			continue
		}
		name := b.names[slot]
		if b.isListed {
			name = ""
			if slot < len(options) {
				name = options[slot].Name
			}
		}
		if !slices.ContainsFunc(options, func(o catalog.Option) bool { return o.Name == name }) {
			if len(options) > 0 || !strings.EqualFold(value, defaultValue) {
				b.fault(RowError{v.row, b.sheet.nameOf(colValue1 + column(slot)), "belongs to no option of the product"})
			}
			continue
		}
		if _, twice := v.Options[name]; twice {
			b.fault(RowError{v.row, b.sheet.nameOf(colValue1 + column(slot)), "is the second value of the option"})
		}
		if v.Options == nil {
			v.Options = make(map[string]string, len(options))
		}
		v.Options[name] = value
	}
	if len(v.Options) == 0 {
		v.Options = nil
	}
}

// check puts what is wrong with the product into the rows it was read from.
func (b *builder) check() {
	optionsKnown := slices.ContainsFunc(b.record.Errors, func(e RowError) bool {
		return slices.ContainsFunc(optionColumns, func(c column) bool { return b.sheet.nameOf(c) == e.Column })
	})
	for _, fault := range b.record.Product.Check() {
		if optionsKnown && (fault.Field == FieldOptions || fault.Field == FieldVariantOptions) {
			continue // follows from the cell that is already named
		}
		b.fault(b.place(fault))
	}
}

// place gives the row and column of a fault in the product: those that locate
// gives, and where the builder knows better, better ones.
func (b *builder) place(f Fault) RowError {
	e := b.sheet.locate(&b.record, f)
	switch f.Field {
	case FieldImages, FieldImageAlt, FieldImagePosition:
		if f.Index < len(b.images) {
			e.Row = b.images[f.Index].row
		}
	case FieldOptions:
		if options := b.record.Product.Options; !b.isListed && f.Index < len(options) {
			slot := slices.Index(b.names[:], options[f.Index].Name)
			e.Column = b.sheet.nameOf(colName1 + column(max(0, slot)))
		}
	}
	return e
}

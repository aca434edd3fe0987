package format

import (
	"cmp"
	"slices"
	"strings"

	"stoa/modules/catalog"
	"stoa/platform/money"
)

// Product is what a file says of a product. It has no identifiers and no times.
type Product struct {
	Slug        string
	Title       string
	Description string
	Status      string // catalog.StatusActive and so on
	Vendor      string
	ProductType string
	Tags        []string
	// Categories are paths of categories: slugs from the root joined by "/".
	Categories []string
	// Images and Variants are in the order of their positions.
	Images   []catalog.Image
	Options  []catalog.Option
	Variants []Variant
	// Absent are the fields that the file does not speak of: a column that is
	// missing, as opposed to one whose cell is empty. Whoever updates a product
	// may leave them as they are.
	Absent Fields
}

// Variant is what a file says of a variant.
type Variant struct {
	SKU            string
	Title          string
	Options        map[string]string // name of the option: value; nil where there are none
	Price          money.Money
	CompareAtPrice *money.Money
	Barcode        string
	WeightGrams    int64
	Position       int64
	// Quantity is how many there are on hand; nil where the file does not say.
	Quantity *int64
	// Absent are the fields of the variant that the file does not speak of.
	Absent Fields
}

// Field is something that a file says of a product or of a variant.
type Field uint8

// The fields. The first ones are of a product, from FieldSKU on of a variant.
const (
	FieldSlug Field = iota
	FieldTitle
	FieldDescription
	FieldStatus
	FieldVendor
	FieldProductType
	FieldTags
	FieldCategories
	FieldImages // also the URL of one image
	FieldImageAlt
	FieldImagePosition
	FieldOptions
	FieldVariants
	FieldSKU
	FieldVariantTitle
	FieldVariantOptions
	FieldPrice
	FieldCurrency
	FieldCompareAtPrice
	FieldCompareAtCurrency
	FieldBarcode
	FieldWeight
	FieldPosition
	FieldQuantity
	fieldCount
)

// Fields is a set of fields.
type Fields uint32

// FieldsOf gives the set of these fields.
func FieldsOf(fields ...Field) Fields {
	var set Fields
	for _, f := range fields {
		set |= 1 << f
	}
	return set
}

// Has reports whether f is in the set.
func (s Fields) Has(f Field) bool { return s&(1<<f) != 0 }

// DefaultVariantTitle is the title of a variant for which a file has none: the
// values of its options, joined by " / ".
func DefaultVariantTitle(options []catalog.Option, values map[string]string) string {
	titles := make([]string, 0, len(options))
	for _, o := range options {
		if value := values[o.Name]; value != "" {
			titles = append(titles, value)
		}
	}
	return strings.Join(titles, " / ")
}

// normalize brings a product into the one shape that both files and products
// read from them have: no empty or repeated tags, categories and values of
// options, images and variants sorted by positions that all differ. rows, if
// given, goes along with the variants. A product in this shape is left as it is.
func (p *Product) normalize(rows []int) {
	p.Tags = distinct(p.Tags)
	p.Categories = distinct(p.Categories)
	for i := range p.Options {
		p.Options[i].Values = distinct(p.Options[i].Values)
	}
	slices.SortStableFunc(p.Images, func(a, b catalog.Image) int { return cmp.Compare(a.Position, b.Position) })
	p.sortVariants(rows)
	spread(len(p.Images), func(i int) *int64 { return &p.Images[i].Position })
	spread(len(p.Variants), func(i int) *int64 { return &p.Variants[i].Position })
}

// sortVariants sorts the variants by position, and rows with them.
func (p *Product) sortVariants(rows []int) {
	byPosition := func(a, b Variant) int { return cmp.Compare(a.Position, b.Position) }
	if slices.IsSortedFunc(p.Variants, byPosition) {
		return
	}
	order := make([]int, len(p.Variants))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return byPosition(p.Variants[a], p.Variants[b]) })
	variants, sorted := slices.Clone(p.Variants), slices.Clone(rows)
	for to, from := range order {
		p.Variants[to] = variants[from]
		if rows != nil {
			rows[to] = sorted[from]
		}
	}
}

// clone gives a copy whose lists can be changed without changing those of p.
func (p Product) clone() Product {
	p.Images = slices.Clone(p.Images)
	p.Variants = slices.Clone(p.Variants)
	p.Options = slices.Clone(p.Options)
	return p
}

// spread makes sorted positions differ: each that is not above the one before
// it moves up to just above it. Where that leads past the last position there
// may be, all are counted from 1.
func spread(n int, position func(i int) *int64) {
	last := int64(-1)
	for i := range n {
		p := position(i)
		*p = max(*p, last+1)
		last = *p
	}
	if last <= MaxPosition {
		return
	}
	for i := range n {
		*position(i) = int64(i + 1)
	}
}

// distinct gives texts without empty and repeated ones, and nil for none. It
// leaves the given list as it is.
func distinct(texts []string) []string {
	const few = 16 // of which comparing each with each is cheaper than a map
	var seen map[string]struct{}
	if len(texts) > few {
		seen = make(map[string]struct{}, len(texts))
	}
	var kept []string
	for i, text := range texts {
		switch _, repeated := seen[text]; {
		case text == "", repeated, seen == nil && slices.Contains(kept, text):
			continue
		case seen != nil:
			seen[text] = struct{}{}
		}
		if kept == nil {
			kept = make([]string, 0, len(texts)-i)
		}
		kept = append(kept, text)
	}
	return kept
}

package service

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// NewProduct is what a product is made from. What is left out is made: the slug
// from the title, options from those of the variants. Limits are those of
// package format.
type NewProduct struct {
	Slug        string
	Title       string
	Description string
	Status      string
	Vendor      string
	ProductType string
	Tags        []string
	CategoryIDs []string
	Images      []NewImage
	Options     []catalog.Option
	Variants    []NewVariant
}

// NewImage is what an image is made from; without a position it comes last.
type NewImage struct {
	URL, Alt string
	Position *int64
}

// NewVariant is what a variant is made from. Without a SKU it gets one made from
// the slug and its options, without a title the values of its options, and
// without a position it comes last.
type NewVariant struct {
	SKU            string
	Title          *string
	Options        map[string]string
	Price          money.Money
	CompareAtPrice *money.Money
	Barcode        string
	WeightGrams    int64
	Position       *int64
}

// ProductPatch is what changes of a product; what is nil stays.
type ProductPatch struct {
	Slug        *string
	Title       *string
	Description *string
	Status      *string
	Vendor      *string
	ProductType *string
	Tags        *[]string
	CategoryIDs *[]string
	Images      *[]NewImage
	Options     *[]catalog.Option
}

// VariantPatch is what changes of a variant; what is nil stays. A SKU never
// changes: it is what stock and orders know the variant by.
type VariantPatch struct {
	Title            *string
	Options          *map[string]string
	Price            *money.Money
	CompareAtPrice   *money.Money
	NoCompareAtPrice bool // takes it away
	Barcode          *string
	WeightGrams      *int64
	Position         *int64
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// apply changes a product by a patch. Categories are the caller's.
func (p ProductPatch) apply(to *catalog.Product) {
	set(&to.Slug, p.Slug)
	set(&to.Title, p.Title)
	set(&to.Description, p.Description)
	set(&to.Status, p.Status)
	set(&to.Vendor, p.Vendor)
	set(&to.ProductType, p.ProductType)
	set(&to.Tags, p.Tags)
	set(&to.Options, p.Options)
	if p.Images != nil {
		to.Images = newImages(*p.Images)
	}
}

func (p VariantPatch) apply(to *catalog.Variant) {
	set(&to.Title, p.Title)
	set(&to.Options, p.Options)
	set(&to.Price, p.Price)
	set(&to.Barcode, p.Barcode)
	set(&to.WeightGrams, p.WeightGrams)
	set(&to.Position, p.Position)
	if p.CompareAtPrice != nil || p.NoCompareAtPrice {
		to.CompareAtPrice = p.CompareAtPrice
	}
}

func newImages(list []NewImage) []catalog.Image {
	images := make([]catalog.Image, 0, len(list))
	last := int64(0)
	for _, n := range list {
		image := catalog.Image{URL: n.URL, Alt: n.Alt, Position: last + 1}
		set(&image.Position, n.Position)
		last = max(last, image.Position)
		images = append(images, image)
	}
	return images
}

// newVariant makes a variant of a product and adds it to the others.
func newVariant(p *catalog.Product, n NewVariant, ids clock.Clock) *catalog.Variant {
	v := catalog.Variant{
		ID: ids.ID(), SKU: n.SKU, Options: n.Options, Price: n.Price, CompareAtPrice: n.CompareAtPrice,
		Barcode: n.Barcode, WeightGrams: n.WeightGrams, Position: 1,
	}
	for _, other := range p.Variants {
		v.Position = max(v.Position, other.Position+1)
	}
	set(&v.Position, n.Position)
	if v.Options == nil {
		v.Options = map[string]string{}
	}
	addOptions(p, v.Options)
	if v.SKU == "" {
		v.SKU = format.MakeSKU(p.Slug, p.Options, v.Options)
	}
	v.Title = format.DefaultVariantTitle(p.Options, v.Options)
	set(&v.Title, n.Title)
	p.Variants = append(p.Variants, v)
	return &p.Variants[len(p.Variants)-1]
}

// addOptions has a product's options cover those of a variant.
func addOptions(p *catalog.Product, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(p.Options, func(o catalog.Option) bool { return o.Name == name })
		if i < 0 {
			i = len(p.Options)
			p.Options = append(p.Options, catalog.Option{Name: name})
		}
		if value := values[name]; !slices.Contains(p.Options[i].Values, value) {
			p.Options[i].Values = append(slices.Clone(p.Options[i].Values), value)
		}
	}
}

// settle brings a product into the form in which it is kept: lists without
// repetitions and sorted by positions that differ, options that cover the
// variants, and nothing nil.
func settle(p *catalog.Product) {
	p.Tags = distinct(p.Tags)
	options := slices.Clone(p.Options)
	for i := range options {
		options[i].Values = distinct(options[i].Values)
	}
	p.Options = append([]catalog.Option{}, options...)
	for _, v := range p.Variants {
		addOptions(p, v.Options)
	}
	p.Images = append([]catalog.Image{}, p.Images...)
	arrange(p.Images, func(i *catalog.Image) *int64 { return &i.Position })
	p.Variants = append([]catalog.Variant{}, p.Variants...)
	arrange(p.Variants, func(v *catalog.Variant) *int64 { return &v.Position })
}

// arrange sorts by position and moves those apart that have the same.
func arrange[T any](list []T, position func(*T) *int64) {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(*position(&a), *position(&b)) })
	for i := 1; i < len(list); i++ {
		before, here := *position(&list[i-1]), position(&list[i])
		*here = max(*here, before+1)
	}
}

func distinct(texts []string) []string {
	kept := make([]string, 0, len(texts))
	for _, text := range texts {
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// check says what keeps a product from being one. Errors: errs.ErrInvalid with
// every bad field. Variant, where it is not "", is the SKU of the one variant
// that the request was about.
func check(p *store.Product, variant string) error {
	file := toFile(p.Product)
	file.Categories = nil // they were given by id
	invalid := errs.ErrInvalid
	for _, fault := range append(file.Check(), checkPrices(p)...) {
		path := fault.Path()
		if rest, about := strings.CutPrefix(path, "variants["); about && variant != "" {
			number, field, _ := strings.Cut(rest, "].")
			if i, err := strconv.Atoi(number); err == nil && i < len(p.Variants) && p.Variants[i].SKU == variant {
				path = field
			}
		}
		invalid = invalid.Field("body."+path, "%s", fault.Message)
	}
	if len(invalid.Fields) > 0 {
		return invalid
	}
	return nil
}

// checkPrices holds the prices of a variant against each other.
func checkPrices(p *store.Product) []format.Fault {
	var faults []format.Fault
	for i, v := range p.Variants {
		if v.CompareAtPrice != nil && v.CompareAtPrice.Currency != v.Price.Currency {
			faults = append(faults, format.Fault{Field: format.FieldCompareAtPrice, Index: i, Message: "must be in the currency of the price"})
		}
	}
	return faults
}

// toFile gives a product as files have it. Quantities are what is on hand.
func toFile(p catalog.Product) format.Product {
	file := format.Product{
		Slug: p.Slug, Title: p.Title, Description: p.Description, Status: p.Status, Vendor: p.Vendor, ProductType: p.ProductType,
		Tags: p.Tags, Images: p.Images, Options: p.Options,
	}
	for _, ref := range p.Categories {
		file.Categories = append(file.Categories, ref.Path)
	}
	for _, v := range p.Variants {
		file.Variants = append(file.Variants, format.Variant{
			SKU: v.SKU, Title: v.Title, Options: v.Options, Price: v.Price, CompareAtPrice: v.CompareAtPrice, Barcode: v.Barcode,
			WeightGrams: v.WeightGrams, Position: v.Position, Quantity: v.Stock.OnHand,
		})
	}
	return file
}

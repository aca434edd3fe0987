package format

import (
	"strings"

	"stoa/modules/catalog"
	"stoa/platform/money"
)

// complete makes what the file left out.
func (j *jsonProduct) complete(p *Product) {
	if j.isFlat {
		if j.given.Has(FieldVariants) {
			j.fault("variants", "stand beside members of a variant in the product itself")
		}
		j.flat.Position = 1
		j.variants = append(j.variants, j.flat)
	}
	if p.Slug == "" && strings.TrimSpace(p.Title) != "" {
		p.Slug = Slug(p.Title)
	}
	if p.Status == "" {
		p.Status = catalog.StatusActive
	}
	if !j.given.Has(FieldOptions) {
		p.Options = j.named
		for i := range p.Options {
			p.Options[i].Values = distinct(p.Options[i].Values)
		}
	}
	p.Absent = FieldsOf(FieldDescription, FieldStatus, FieldVendor, FieldProductType, FieldTags, FieldCategories,
		FieldImages) &^ j.given
	for i := range j.variants {
		j.completeVariant(p, i)
	}
}

func (j *jsonProduct) completeVariant(p *Product, i int) {
	v := &j.variants[i]
	here := at{name: "variants", index: i}.written()
	if j.isFlat {
		here = at{index: none}
	}
	currency := j.currency
	for _, named := range []string{j.flat.currency, v.currency} {
		if named != "" {
			currency = named
		}
	}
	if !v.price.given {
		j.fault(here.member("price").String(), missing)
	}
	v.Price = j.money(here.member("price"), v.price, currency)
	if v.compare.given {
		compareIn := v.compareIn
		if compareIn == "" {
			compareIn = v.Price.Currency
		}
		compare := j.money(here.member("compare_at_price"), v.compare, compareIn)
		v.CompareAtPrice = &compare
	}
	if v.SKU == "" {
		v.SKU = MakeSKU(p.Slug, p.Options, v.Options)
	}
	if !v.given.Has(FieldVariantTitle) {
		v.Title = DefaultVariantTitle(p.Options, v.Options)
	}
	v.Absent = FieldsOf(FieldVariantTitle, FieldCompareAtPrice, FieldBarcode, FieldWeight, FieldPosition, FieldQuantity) &^ v.given
	p.Variants = append(p.Variants, v.Variant)
}

// check notes what is wrong with the whole product.
func (j *jsonProduct) check(p *Product) {
	for _, fault := range p.Check() {
		path := fault.Path()
		if j.isFlat {
			path = strings.TrimPrefix(path, "variants[0].")
		}
		j.fault(path, fault.Message)
	}
}

func (j *jsonProduct) money(here at, a jsonAmount, currency string) money.Money {
	if a.major == "" {
		if a.minor.Currency == "" {
			a.minor.Currency = currency
		}
		return a.minor
	}
	m, err := money.Parse(a.major, currency)
	if err != nil {
		j.fault(here.String(), messageOf(err))
		m.Currency = j.currency
	}
	return m
}

package format

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"stoa/modules/catalog"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// builder puts a product together from the rows of a sheet.
type builder struct {
	sheet    *sheet
	record   Record
	names    slotValues
	nameRows [slots]int
	variants []sheetVariant
	images   []sheetImage
	pictures []sheetImage // of variants
	listed   []catalog.Option
	isListed bool // the file lists the options in a cell
	unclear  bool // a row has not the cells of the header, so its cells mean nothing
}

type sheetVariant struct {
	Variant
	row    int
	values slotValues
}

type sheetImage struct {
	catalog.Image
	row int
}

// begin makes the builder ready for the product of the current row; what it
// built before stays as it is.
func (b *builder) begin(s *sheet) {
	*b = builder{sheet: s, variants: b.variants[:0], images: b.images[:0], pictures: b.pictures[:0]}
	b.record.First = s.in.row
	b.record.Product.Absent = s.absent & FieldsOf(FieldDescription, FieldStatus, FieldVendor, FieldProductType, FieldTags,
		FieldCategories, FieldImages)
}

// add reads the current row of the sheet.
func (b *builder) add() {
	first := b.record.Rows == 0
	b.record.Last = b.sheet.in.row
	b.record.Rows++
	if b.sheet.in.n != len(b.sheet.header) {
		b.unclear = true
		b.fault(RowError{b.sheet.in.row, "", fmt.Sprintf("has %d cells, and the header has %d", b.sheet.in.n, len(b.sheet.header))})
		return
	}
	b.checkEncoding()
	if first {
		b.product()
	}
	b.optionNames()
	if b.isVariant(first) {
		b.variant()
	}
	b.image()
}

// fault notes a cell that will not do, the first time.
func (b *builder) fault(e RowError) {
	if len(b.record.Errors) >= MaxRowErrors {
		return
	}
	for _, known := range b.record.Errors {
		if known.Row == e.Row && known.Column == e.Column {
			return
		}
	}
	b.record.Errors = append(b.record.Errors, e)
}

func (b *builder) bad(c column, message string, args ...any) {
	b.fault(b.sheet.cellError(c, message, args...))
}

// checkEncoding names every cell of the row that is not UTF-8, also in columns
// that are not read: then the file is in another encoding.
func (b *builder) checkEncoding() {
	if utf8.Valid(b.sheet.in.text) {
		return
	}
	for i, name := range b.sheet.header {
		if !utf8.Valid(b.sheet.in.cell(i)) {
			b.fault(RowError{b.sheet.in.row, clip(name), notUTF8})
		}
	}
}

// text gives a cell of at most so many characters.
func (b *builder) text(c column, most int) string {
	cell := b.sheet.cell(c)
	if len(cell) > most*utf8.UTFMax {
		// Not kept at all, so that a product's size is bounded.
		b.bad(c, "%s", tooLong(most, "characters"))
		return ""
	}
	return string(cell)
}

// word gives a cell without the spaces around it.
func (b *builder) word(c column, most int) string { return strings.TrimSpace(b.text(c, most)) }

func (b *builder) product() {
	p := &b.record.Product
	p.Title = b.text(colTitle, MaxTitle)
	p.Description = b.text(colDescription, MaxDescription)
	p.Vendor = b.text(colVendor, MaxName)
	p.ProductType = b.text(colProductType, MaxName)
	p.Tags = splitList(b.text(colTags, MaxTags*MaxName))
	p.Categories = splitList(b.text(colCategories, MaxCategories*MaxPath))
	p.Status = b.status()
	if list := b.word(colOptions, MaxVariants*MaxName); list != "" {
		b.isListed = true
		options, err := parseCell[[]optionCell](list)
		if err != nil {
			b.bad(colOptions, `is not a JSON array of options, such as [{"name":"Size","values":["S","M"]}]`)
		}
		for _, o := range options {
			b.listed = append(b.listed, catalog.Option{Name: o.Name, Values: o.Values})
		}
	}
}

// status joins what two columns say of whether customers see the product.
func (b *builder) status() string {
	published := true
	switch cell := b.word(colPublished, MaxName); {
	case cell == "", strings.EqualFold(cell, "true"):
	case strings.EqualFold(cell, "false"):
		published = false
	default:
		b.bad(colPublished, "must be TRUE or FALSE")
	}
	status := strings.ToLower(b.word(colStatus, MaxName))
	if status == "unlisted" {
		status = catalog.StatusDraft
	}
	if status == "" {
		status = catalog.StatusActive
	}
	if status == catalog.StatusActive && !published {
		status = catalog.StatusDraft
	}
	return status
}

func (b *builder) optionNames() {
	for slot := range slots {
		c := colName1 + column(slot)
		if !b.sheet.filled(c) {
			continue
		}
		name := b.text(c, MaxName)
		switch {
		case b.names[slot] == "":
			b.names[slot], b.nameRows[slot] = name, b.sheet.in.row
		case b.names[slot] != name:
			b.bad(c, "differs from %q in row %d", clip(b.names[slot]), b.nameRows[slot])
		}
	}
}

func (b *builder) isVariant(first bool) bool {
	columns := identifying
	if first {
		columns = variantColumns
	}
	return slices.ContainsFunc(columns, b.sheet.filled)
}

func (b *builder) variant() {
	if len(b.variants) >= MaxVariants {
		b.fault(RowError{b.record.First, "", fmt.Sprintf("the product has more than %d variants", MaxVariants)})
		return
	}
	b.variants = append(b.variants, sheetVariant{row: b.sheet.in.row})
	v := &b.variants[len(b.variants)-1]
	v.Absent = b.sheet.absent & FieldsOf(FieldVariantTitle, FieldCompareAtPrice, FieldBarcode, FieldWeight, FieldPosition, FieldQuantity)
	v.SKU = b.word(colSKU, MaxSKU)
	v.Title = b.text(colVariantTitle, MaxTitle)
	v.Barcode = b.text(colBarcode, MaxBarcode)
	b.prices(v)
	b.optionValues(v)
	if grams := b.word(colWeight, MaxName); grams != "" {
		v.WeightGrams = b.number(colWeight, grams, true)
	}
	if quantity := b.word(colQuantity, MaxName); quantity != "" {
		n := b.number(colQuantity, quantity, false)
		v.Quantity = &n
	}
	if position := b.word(colPosition, MaxName); position != "" {
		v.Position = b.position(colPosition, position)
	} else if n := len(b.variants); n > 1 {
		v.Position = b.variants[n-2].Position + 1
	} else {
		v.Position = 1
	}
}

func (b *builder) prices(v *sheetVariant) {
	v.Price.Currency = b.sheet.options.Currency
	currency := strings.ToUpper(b.word(colCurrency, MaxName))
	if currency == "" {
		currency = b.sheet.options.Currency
	}
	if !money.ValidCurrency(currency) {
		b.bad(colCurrency, "there is no currency with the code %q", clip(currency))
		return
	}
	price := b.word(colPrice, MaxName)
	if price == "" {
		b.bad(colPrice, missing)
	} else {
		v.Price = b.money(colPrice, price, currency)
	}
	if compare := b.word(colCompareAtPrice, MaxName); compare != "" {
		if other := strings.ToUpper(b.word(colCompareAtCurrency, MaxName)); other != "" {
			currency = other
		}
		amount := b.money(colCompareAtPrice, compare, currency)
		v.CompareAtPrice = &amount
	}
}

func (b *builder) money(c column, text, currency string) money.Money {
	m, err := money.Parse(text, currency)
	if err != nil {
		b.bad(c, "%s", messageOf(err))
		return money.Money{Currency: b.sheet.options.Currency}
	}
	return m
}

// messageOf gives what an error says to people.
func messageOf(err error) string {
	if e, ok := errs.As(err); ok {
		return e.Message
	}
	return err.Error()
}

func (b *builder) optionValues(v *sheetVariant) {
	for slot := range slots {
		c := colValue1 + column(slot)
		v.values[slot] = b.text(c, MaxName)
		if v.values[slot] != "" {
			if message := required(v.values[slot], MaxName); message != "" {
				b.bad(c, "%s", message)
			}
		}
	}
	if further := b.word(colFurtherOptions, MaxOptions*2*MaxName); further != "" {
		values, err := parseCell[map[string]string](further)
		if err != nil {
			b.bad(colFurtherOptions, `is not a JSON object of options, such as {"Material":"Wool"}`)
		}
		v.Options = values
	}
}

// number reads a whole number of 0 or more; one with a fraction is rounded to
// the nearest, halves up, or refused.
func (b *builder) number(c column, text string, round bool) int64 {
	n, message := wholeNumber(text, round)
	if message != "" {
		b.bad(c, "%s", message)
	}
	return n
}

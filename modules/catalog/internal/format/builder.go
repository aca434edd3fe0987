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

func newBuilder(s *sheet) *builder {
	b := &builder{sheet: s}
	b.record.First = s.in.row
	b.record.Product.Absent = s.absent & FieldsOf(FieldDescription, FieldStatus, FieldVendor, FieldProductType, FieldTags,
		FieldCategories, FieldImages)
	return b
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
			b.fault(RowError{b.sheet.in.row, name, notUTF8})
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

// position reads where something stands among others. It is checked here,
// because sorting moves positions that are equal.
func (b *builder) position(c column, text string) int64 {
	n := b.number(c, text, false)
	if message := between(n, MaxPosition); message != "" {
		b.bad(c, "%s", message)
	}
	return n
}

func (b *builder) image() {
	if b.sheet.dialect.imageRows {
		if url := b.word(colImage, MaxURL); url != "" {
			b.addImage(url, b.text(colImageAlt, MaxAlt), b.imagePosition())
		}
		if url := b.word(colVariantImage, MaxURL); url != "" && len(b.pictures) < MaxVariants {
			b.pictures = append(b.pictures, sheetImage{catalog.Image{URL: url}, b.sheet.in.row})
		}
		return
	}
	cell := b.word(colImage, MaxImages*MaxURL)
	if !strings.HasPrefix(cell, "[") {
		for _, url := range splitList(cell) {
			b.addImage(url, "", noPosition)
		}
		return
	}
	images, err := parseCell[[]imageCell](cell)
	if err != nil {
		b.bad(colImage, `is neither a list of URLs nor a JSON array such as [{"url":"https://…","alt":"…","position":1}]`)
	}
	for _, image := range images {
		position := int64(noPosition)
		if image.Position != nil {
			position = *image.Position
			if message := between(position, MaxPosition); message != "" {
				b.bad(colImage, "the position of an image %s", message)
			}
		}
		b.addImage(image.URL, image.Alt, position)
	}
}

// noPosition stands for a position that the file does not name.
const noPosition = -1

func (b *builder) imagePosition() int64 {
	text := b.word(colImagePosition, MaxName)
	if text == "" {
		return noPosition
	}
	return b.position(colImagePosition, text)
}

// addImage takes an image, but not one that the product already has at this
// position or, where it names none, at any: many files repeat the image in the
// row of every variant.
func (b *builder) addImage(url, alt string, position int64) {
	if len(b.images) >= MaxImages {
		b.fault(RowError{b.record.First, "", fmt.Sprintf("the product has more than %d images", MaxImages)})
		return
	}
	for i := range b.images {
		if known := &b.images[i]; known.URL == url && (position == noPosition || position == known.Position) {
			if known.Alt == "" {
				known.Alt = alt
			}
			return
		}
	}
	if position == noPosition {
		position = 1
		if n := len(b.images); n > 0 {
			position = b.images[n-1].Position + 1
		}
	}
	b.images = append(b.images, sheetImage{catalog.Image{URL: url, Alt: alt, Position: position}, b.sheet.in.row})
}

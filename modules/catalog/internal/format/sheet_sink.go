package format

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"stoa/modules/catalog"
)

// sheetSink writes products in a CSV format. encoding/csv writes every cell
// byte for byte, so it will do here.
type sheetSink struct {
	dialect *dialect
	out     *csv.Writer
	line    line
}

// line is the row that is being written.
type line struct {
	product *Product
	cells   []string
	at      [columnCount]int // where each column stands, from 1
}

func newSheetSink(w io.Writer, d *dialect) (*sheetSink, error) {
	s := &sheetSink{dialect: d, out: csv.NewWriter(w)}
	for i, c := range d.columns {
		s.line.at[c.column] = i + 1
	}
	s.line.cells = make([]string, len(d.columns))
	return s, s.out.Write(d.names())
}

// set puts text into a column; formats that do not have it go without.
func (l *line) set(c column, text string) {
	if at := l.at[c]; at > 0 {
		l.cells[at-1] = text
	}
}

func (s *sheetSink) write(p *Product) error {
	s.line.product = p
	rows := max(1, len(p.Variants))
	if s.dialect.imageRows {
		rows = max(rows, len(p.Images))
	}
	for i := range rows {
		clear(s.line.cells)
		s.line.set(colSlug, p.Slug)
		if i == 0 {
			if err := s.setProduct(p); err != nil {
				return err
			}
		}
		var v *Variant
		if i < len(p.Variants) {
			v = &p.Variants[i]
			if err := s.setVariant(p, v); err != nil {
				return err
			}
		}
		if s.dialect.imageRows && i < len(p.Images) {
			s.line.set(colImage, p.Images[i].URL)
			s.line.set(colImageAlt, p.Images[i].Alt)
			s.line.set(colImagePosition, strconv.FormatInt(p.Images[i].Position, 10))
		}
		s.dialect.fill(&s.line, v, i == 0)
		if err := s.out.Write(s.line.cells); err != nil {
			return err
		}
	}
	return nil
}

func (s *sheetSink) close() error {
	s.out.Flush()
	return s.out.Error()
}

func (s *sheetSink) setProduct(p *Product) error {
	l := &s.line
	l.set(colTitle, p.Title)
	l.set(colDescription, p.Description)
	l.set(colStatus, p.Status)
	l.set(colPublished, strings.ToUpper(strconv.FormatBool(p.Status == catalog.StatusActive)))
	l.set(colVendor, p.Vendor)
	l.set(colProductType, p.ProductType)
	l.set(colTags, joinList(p.Tags))
	l.set(colCategories, joinList(p.Categories))
	var names slotValues
	for slot := range min(slots, len(p.Options)) {
		names[slot] = p.Options[slot].Name
		l.set(colName1+column(slot), names[slot])
	}
	variants := make([]slotValues, len(p.Variants))
	for i := range p.Variants {
		variants[i] = valuesOf(p, &p.Variants[i])
	}
	if !equalOptions(deriveOptions(names, variants), p.Options) {
		listed := make([]optionCell, len(p.Options))
		for i, o := range p.Options {
			listed[i] = optionCell(o)
		}
		cell, err := formatCell(listed)
		if err != nil {
			return err
		}
		l.set(colOptions, cell)
	}
	if s.dialect.imageRows {
		return nil
	}
	cell, err := imageList(p.Images)
	l.set(colImage, cell)
	return err
}

func (s *sheetSink) setVariant(p *Product, v *Variant) error {
	l := &s.line
	for slot, value := range valuesOf(p, v) {
		l.set(colValue1+column(slot), value)
	}
	further := make(map[string]string)
	for name, value := range v.Options {
		if i := slices.IndexFunc(p.Options, func(o catalog.Option) bool { return o.Name == name }); i < 0 || i >= slots {
			further[name] = value
		}
	}
	if len(further) > 0 {
		cell, err := formatCell(further)
		if err != nil {
			return err
		}
		l.set(colFurtherOptions, cell)
	}
	l.set(colSKU, v.SKU)
	l.set(colVariantTitle, v.Title)
	l.set(colPrice, v.Price.Decimal())
	l.set(colCurrency, v.Price.Currency)
	if compare := v.CompareAtPrice; compare != nil {
		l.set(colCompareAtPrice, compare.Decimal())
		if compare.Currency != v.Price.Currency {
			l.set(colCompareAtCurrency, compare.Currency)
		}
	}
	l.set(colBarcode, v.Barcode)
	l.set(colWeight, strconv.FormatInt(v.WeightGrams, 10))
	if v.Quantity != nil {
		l.set(colQuantity, strconv.FormatInt(*v.Quantity, 10))
	}
	l.set(colPosition, strconv.FormatInt(v.Position, 10))
	return nil
}

// valuesOf gives a variant's values of the options that have columns.
func valuesOf(p *Product, v *Variant) slotValues {
	var values slotValues
	for slot := range min(slots, len(p.Options)) {
		values[slot] = v.Options[p.Options[slot].Name]
	}
	return values
}

// imageList writes images into one cell: as a list of URLs where that says all
// there is to say, else as JSON.
func imageList(images []catalog.Image) (string, error) {
	urls := make([]string, len(images))
	plain := true
	for i, image := range images {
		urls[i] = image.URL
		plain = plain && image.Alt == "" && image.Position == int64(i+1) && !strings.HasPrefix(image.URL, "[") &&
			!slices.Contains(urls[:i], image.URL)
	}
	if plain {
		return joinList(urls), nil
	}
	cells := make([]imageCell, len(images))
	for i, image := range images {
		cells[i] = imageCell{image.URL, image.Alt, &image.Position}
	}
	return formatCell(cells)
}

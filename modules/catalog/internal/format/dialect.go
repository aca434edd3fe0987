package format

import (
	"strings"
	"unicode"
)

// dialect is what the CSV formats differ in.
type dialect struct {
	// columns are all that are known, in the order in which they are written.
	columns []namedColumn
	// imageRows tells that each image has a row; else all are in one cell.
	imageRows bool
	// unknown tells that columns which are not known are ignored.
	unknown bool
	// fill sets what a row needs beyond the product and its variant, which is
	// nil in a row without one.
	fill func(row *line, v *Variant, first bool)
}

// namedColumn is a column with its name and other names by which it is known.
type namedColumn struct {
	column  column
	name    string
	aliases []string
}

// column is a column of a CSV format. The first ones are fields.
type column uint8

const (
	colSlug              = column(FieldSlug)
	colTitle             = column(FieldTitle)
	colDescription       = column(FieldDescription)
	colStatus            = column(FieldStatus)
	colVendor            = column(FieldVendor)
	colProductType       = column(FieldProductType)
	colTags              = column(FieldTags)
	colCategories        = column(FieldCategories)
	colImage             = column(FieldImages)
	colImageAlt          = column(FieldImageAlt)
	colImagePosition     = column(FieldImagePosition)
	colOptions           = column(FieldOptions)
	colSKU               = column(FieldSKU)
	colVariantTitle      = column(FieldVariantTitle)
	colFurtherOptions    = column(FieldVariantOptions)
	colPrice             = column(FieldPrice)
	colCurrency          = column(FieldCurrency)
	colCompareAtPrice    = column(FieldCompareAtPrice)
	colCompareAtCurrency = column(FieldCompareAtCurrency)
	colBarcode           = column(FieldBarcode)
	colWeight            = column(FieldWeight)
	colPosition          = column(FieldPosition)
	colQuantity          = column(FieldQuantity)
)

const (
	colPublished = column(fieldCount) + iota
	colName1
	colName2
	colName3
	colValue1
	colValue2
	colValue3
	colVariantImage
	// Columns whose values mean nothing here but tell that a row is a variant.
	colTracker
	colPolicy
	colFulfilment
	colShipping
	colTaxable
	colWeightUnit
	colGiftCard
	columnCount
)

// slots is how many options have columns of their own.
const slots = 3

// Shopify's option of a product that has none, and its only value.
const (
	defaultOption = "Title"
	defaultValue  = "Default Title"
)

var (
	// variantColumns tell in the first row of a product that it is a variant.
	variantColumns = []column{
		colPrice, colSKU, colValue1, colValue2, colValue3, colBarcode, colCompareAtPrice, colFurtherOptions,
		colQuantity, colWeight, colPolicy, colFulfilment, colShipping, colTaxable, colVariantTitle, colPosition,
	}
	// identifying tell it in the rows after the first, where other columns may
	// have been filled for a row that is only an image.
	identifying = variantColumns[:8]
	// optionColumns are all that say something of options.
	optionColumns = []column{
		colName1, colName2, colName3, colValue1, colValue2, colValue3, colOptions, colFurtherOptions,
	}
)

// find gives the column of a name in a header.
func (d *dialect) find(name string) (column, bool) {
	name = foldName(name)
	for _, c := range d.columns {
		if foldName(c.name) == name {
			return c.column, true
		}
		for _, alias := range c.aliases {
			if foldName(alias) == name {
				return c.column, true
			}
		}
	}
	return 0, false
}

// name gives the name under which a column is written.
func (d *dialect) name(wanted column) string {
	for _, c := range d.columns {
		if c.column == wanted {
			return c.name
		}
	}
	return ""
}

// names gives the names of all columns of a dialect.
func (d *dialect) names() []string {
	names := make([]string, len(d.columns))
	for i, c := range d.columns {
		names[i] = c.name
	}
	return names
}

// foldName makes names equal that differ in case, or in what stands between
// words.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return '_'
		}
		return unicode.ToLower(r)
	}, strings.TrimSpace(name))
}

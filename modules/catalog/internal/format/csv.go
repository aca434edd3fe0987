package format

// plain is a table with one row for each variant:
//
//	slug                 of the product; without one it is made from the title
//	title                of the product
//	description          HTML or plain text; may have line breaks
//	status               draft, active (if empty) or archived
//	vendor, product_type
//	tags, categories     lists: items joined by commas, in quotes if they hold one;
//	                     a category is its path, such as clothes/shirts
//	images               a list of URLs, or a JSON array of {"url", "alt", "position"}
//	option1_name … option3_value
//	                     the options of the product and their values for the variant
//	options              the options as a JSON array of {"name", "values"}, where
//	                     their order or values do not follow from the rows
//	sku                  if empty, made from slug and options
//	variant_title        if there is no such column, made from the values of the options
//	further_options      values of options past the third, as a JSON object
//	price                in major units: 19.99
//	currency             ISO 4217; if empty, that of the import
//	compare_at_price     in major units
//	compare_at_currency  if empty, that of the price
//	barcode
//	weight_grams
//	quantity             on hand; if empty, it is left as it is
//	position             of the variant; if empty, after the row before
//
// Only title is required. Columns may stand in any order and any case, with
// spaces or hyphens for underscores; a column that is none of these is an
// error, so that a misspelt one is not overlooked. The rows of a product stand
// together, and cells of the product count in its first row. A first row
// without any cell of a variant is a product that has none.
var plain = dialect{
	columns: []namedColumn{
		{colSlug, "slug", []string{"handle"}},
		{colTitle, "title", []string{"name"}},
		{colDescription, "description", nil},
		{colStatus, "status", nil},
		{colVendor, "vendor", []string{"brand"}},
		{colProductType, "product_type", []string{"type"}},
		{colTags, "tags", nil},
		{colCategories, "categories", []string{"category"}},
		{colImage, "images", []string{"image", "image_url"}},
		{colName1, "option1_name", nil},
		{colValue1, "option1_value", nil},
		{colName2, "option2_name", nil},
		{colValue2, "option2_value", nil},
		{colName3, "option3_name", nil},
		{colValue3, "option3_value", nil},
		{colOptions, "options", nil},
		{colSKU, "sku", nil},
		{colVariantTitle, "variant_title", nil},
		{colFurtherOptions, "further_options", nil},
		{colPrice, "price", nil},
		{colCurrency, "currency", nil},
		{colCompareAtPrice, "compare_at_price", nil},
		{colCompareAtCurrency, "compare_at_currency", nil},
		{colBarcode, "barcode", nil},
		{colWeight, "weight_grams", []string{"grams", "weight"}},
		{colQuantity, "quantity", []string{"on_hand", "stock"}},
		{colPosition, "position", nil},
	},
	fill: func(*line, *Variant, bool) {},
}

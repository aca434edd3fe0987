package format

// shopify is the product CSV of Shopify. Its columns are known by the names of
// its older exports ("Handle", "Variant Price") and of those since 2024 ("URL
// handle", "Price"), in any order and any case; other columns are ignored.
// Files are written with the older names, which more programs read. See
// https://help.shopify.com/en/manual/products/import-export/using-csv.
//
// The rows of a handle stand together. The first one has what belongs to the
// product; each has a variant, an image, or both. A first row is a variant if
// it has any cell of one, a further row if it has a value of an option, a SKU,
// a price or a barcode. "Title" with the value "Default Title" means that there
// are no options. Without a handle, the slug is made from the title. Handles
// are read in small letters.
//
//   - Status counts, and if it is active or not there, Published: FALSE is a
//     draft. "unlisted" is a draft too, for it is not shown to customers.
//   - Variant Inventory Qty is what is on hand, whether or not Shopify tracks
//     it (many real files name quantities and no tracker). An empty one says
//     nothing. Below zero, which Shopify allows, is refused.
//   - Variant Grams is the weight in grams, rounded to whole ones. The weight
//     unit only says how Shopify shows it.
//   - A Variant Image that is not among the images becomes one of them.
//   - Shopify's own taxonomy (Product Category) names no category of this shop
//     and is ignored. A gift card is a product like any other.
//
// What Shopify has no place for stands in columns that begin with "Stoa /".
// Options holds the product's options as JSON where their order or values do
// not follow from the rows; Further Options holds, as a JSON object, the values
// of options past the third.
var shopify = dialect{
	columns: []namedColumn{
		{colSlug, "Handle", []string{"URL handle"}},
		{colTitle, "Title", nil},
		{colDescription, "Body (HTML)", []string{"Description", "Body HTML", "Body"}},
		{colVendor, "Vendor", nil},
		{colProductType, "Type", []string{"Product type", "Custom product type"}},
		{colTags, "Tags", nil},
		{colPublished, "Published", []string{"Published on online store"}},
		{colName1, "Option1 Name", nil},
		{colValue1, "Option1 Value", nil},
		{colName2, "Option2 Name", nil},
		{colValue2, "Option2 Value", nil},
		{colName3, "Option3 Name", nil},
		{colValue3, "Option3 Value", nil},
		{colSKU, "Variant SKU", []string{"SKU"}},
		{colWeight, "Variant Grams", []string{"Weight value (grams)", "Weight (grams)"}},
		{colTracker, "Variant Inventory Tracker", []string{"Inventory tracker"}},
		{colQuantity, "Variant Inventory Qty", []string{"Inventory quantity", "Variant Inventory Quantity"}},
		{colPolicy, "Variant Inventory Policy", []string{"Continue selling when out of stock"}},
		{colFulfilment, "Variant Fulfillment Service", []string{"Fulfillment service"}},
		{colPrice, "Variant Price", []string{"Price"}},
		{colCompareAtPrice, "Variant Compare At Price", []string{"Compare-at price", "Compare at price"}},
		{colShipping, "Variant Requires Shipping", []string{"Requires shipping"}},
		{colTaxable, "Variant Taxable", []string{"Charge tax"}},
		{colBarcode, "Variant Barcode", []string{"Barcode"}},
		{colImage, "Image Src", []string{"Product image URL", "Image source"}},
		{colImagePosition, "Image Position", nil},
		{colImageAlt, "Image Alt Text", nil},
		{colGiftCard, "Gift Card", nil},
		{colVariantImage, "Variant Image", []string{"Variant image URL"}},
		{colWeightUnit, "Variant Weight Unit", []string{"Weight unit for display"}},
		{colStatus, "Status", nil},
		{colCategories, "Stoa / Categories", nil},
		{colOptions, "Stoa / Options", nil},
		{colFurtherOptions, "Stoa / Further Options", nil},
		{colVariantTitle, "Stoa / Variant Title", nil},
		{colPosition, "Stoa / Variant Position", nil},
		{colCurrency, "Stoa / Currency", nil},
		{colCompareAtCurrency, "Stoa / Compare At Currency", nil},
	},
	imageRows: true,
	unknown:   true,
	fill: func(row *line, v *Variant, first bool) {
		if first {
			row.set(colGiftCard, "FALSE")
		}
		if v == nil {
			return
		}
		if v.Quantity != nil {
			row.set(colTracker, "shopify")
		}
		row.set(colPolicy, "deny")
		row.set(colFulfilment, "manual")
		row.set(colShipping, "TRUE")
		row.set(colTaxable, "TRUE")
		row.set(colWeightUnit, "g")
		if len(row.product.Options) == 0 {
			if first {
				row.set(colName1, defaultOption)
			}
			row.set(colValue1, defaultValue)
		}
	},
}

package format

// The largest that a product may be. Lengths of texts are in characters
// (Unicode code points), those of a file in bytes.
const (
	MaxSlug        = 255
	MaxTitle       = 500
	MaxDescription = 1 << 20 // bytes
	MaxName        = 255     // of a vendor, type, tag, option and its values
	MaxSKU         = 255
	MaxBarcode     = 255
	MaxPath        = 1000 // of a category
	MaxURL         = 2048
	MaxAlt         = 2000

	MaxTags       = 250
	MaxCategories = 100
	MaxImages     = 1000
	MaxOptions    = 20
	MaxVariants   = 2048 // Shopify's own limit

	MaxWeight   = 1_000_000_000 // grams
	MaxPosition = 1_000_000_000

	// MaxRowErrors is how many bad cells of one product are named.
	MaxRowErrors = 100
	// MaxRow is how many bytes one row of a CSV file may have: past it, a quote
	// has not been closed.
	MaxRow = 8 << 20
	// MaxProduct is how many bytes one product of a JSON file may have.
	MaxProduct = 16 << 20
	// MaxColumns is how many columns a CSV file may have.
	MaxColumns = 2000
)

package catalogtest

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
)

// CompleteJourney writes the priced products of the data set "completejourney"
// (https://github.com/bradleyboehmke/completejourney, CC0) as a product CSV of
// Shopify, in their order, and tells how many there are. The data set is a
// gzipped CSV with the columns product_id, department, product_category,
// product_type, brand, package_size, median_shelf_price_cents, times_sold. It
// is written as it is read, so memory does not grow with it.
//
// Each product has one variant:
//
//	handle    product_type in small letters and hyphens, and the product_id
//	title     product_type, and after a comma the size if there is one
//	body      product_category in a paragraph
//	vendor    brand
//	type      product_category
//	tags      department
//	option    Size: package_size with single spaces; none where it is empty
//	SKU       product_id
//	price     median_shelf_price_cents in US dollars
//	quantity  10 + product_id mod 991, so from 10 to 1,000
//
// Where product_type is empty product_category stands in for it, and for that
// department. All are published and active.
func CompleteJourney(w io.Writer, gzipped io.Reader) (products int, err error) {
	unzipped, err := gzip.NewReader(gzipped)
	if err != nil {
		return 0, fmt.Errorf("read completejourney: %w", err)
	}
	in := csv.NewReader(unzipped)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return 0, fmt.Errorf("read completejourney: %w", err)
	}
	at := map[string]int{}
	for i, name := range header {
		at[name] = i
	}
	for _, name := range []string{"product_id", "department", "product_category", "product_type", "brand", "package_size", "median_shelf_price_cents"} {
		if _, ok := at[name]; !ok {
			return 0, fmt.Errorf("read completejourney: there is no column %s", name)
		}
	}
	out := csv.NewWriter(w)
	if err := out.Write(shopifyColumns); err != nil {
		return 0, err
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			out.Flush()
			return products, out.Error()
		}
		if err != nil {
			return products, fmt.Errorf("read completejourney: %w", err)
		}
		converted, err := journeyRow(func(name string) string { return row[at[name]] })
		if err != nil {
			return products, fmt.Errorf("read completejourney: product %d: %w", products+1, err)
		}
		if err := out.Write(converted); err != nil {
			return products, err
		}
		products++
	}
}

var shopifyColumns = []string{
	"Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams",
	"Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy", "Variant Fulfillment Service", "Variant Price",
	"Variant Requires Shipping", "Variant Taxable", "Gift Card", "Variant Weight Unit", "Status",
}

// journeyRow gives the cells of shopifyColumns for a product.
func journeyRow(cell func(name string) string) ([]string, error) {
	id, err := strconv.ParseUint(cell("product_id"), 10, 32)
	if err != nil {
		return nil, err
	}
	cents, err := strconv.ParseUint(cell("median_shelf_price_cents"), 10, 32)
	if err != nil {
		return nil, err
	}
	category := cell("product_category")
	if category == "" {
		category = cell("department")
	}
	title := cell("product_type")
	if title == "" {
		title = category
	}
	handle := strings.Join(strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
	option, value := "Title", "Default Title"
	if size := strings.Join(strings.Fields(cell("package_size")), " "); size != "" {
		title += ", " + size
		option, value = "Size", size
	}
	return []string{
		fmt.Sprintf("%s-%d", handle, id), title, "<p>" + html.EscapeString(category) + "</p>", cell("brand"), category, cell("department"), "TRUE",
		option, value, strconv.FormatUint(id, 10), "0",
		"shopify", strconv.FormatUint(10+id%991, 10), "deny", "manual", fmt.Sprintf("%d.%02d", cents/100, cents%100),
		"TRUE", "TRUE", "FALSE", "g", "active",
	}, nil
}

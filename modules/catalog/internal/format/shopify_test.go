package format_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/platform/money"
)

// shopify gives a file of rows, each of them cells by column.
func shopify(header string, rows ...string) string {
	return header + "\n" + strings.Join(rows, "\n") + "\n"
}

// one reads a file with one product in which nothing is wrong.
func one(t *testing.T, f format.Format, file string) format.Product {
	t.Helper()
	products := readProducts(t, f, file)
	require.Len(t, products, 1)
	return products[0]
}

// faults reads a file with one product and gives what is wrong with it.
func faults(t *testing.T, f format.Format, file string) []string {
	t.Helper()
	records := read(t, f, file)
	require.Len(t, records, 1)
	var texts []string
	for _, e := range records[0].Errors {
		texts = append(texts, e.Error())
	}
	return texts
}

// The file that Shopify gives as a template, as far as it matters here.
const template = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value," +
	"Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price," +
	"Variant Compare At Price,Variant Barcode,Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,Variant Weight Unit\r\n" +
	"example-t-shirt,Example T-Shirt,,Acme,Shirts,mens t-shirt example,TRUE,Title,\"Lithograph - Height: 9\"\" x Width: 12\"\"\",,," +
	",3629,,,deny,25,,,https://cdn.example.com/shirt.png?e69,1,,FALSE,Our awesome T-shirt,g\r\n" +
	"example-t-shirt,,,,,,,,Small,,,example-shirt-s,200,,,deny,19.99,24.99,,,,,,,g\r\n" +
	"example-t-shirt,,,,,,,,Medium,,,example-shirt-m,200,shopify,,deny,9.9,24.99,,,,,,,g\r\n"

func TestShopifyTemplateIsOneProductOfThreeVariants(t *testing.T) {
	t.Parallel()
	compare := usd(2499)
	litho := `Lithograph - Height: 9" x Width: 12"`
	p := one(t, format.Shopify, template)
	require.Equal(t, format.Product{
		Slug: "example-t-shirt", Title: "Example T-Shirt", Status: catalog.StatusActive, Vendor: "Acme", ProductType: "Shirts",
		Tags:    []string{"mens t-shirt example"},
		Images:  []catalog.Image{{URL: "https://cdn.example.com/shirt.png?e69", Position: 1}},
		Options: []catalog.Option{{Name: "Title", Values: []string{litho, "Small", "Medium"}}},
		Variants: []format.Variant{
			{SKU: "example-t-shirt--lithograph-height-9-x-width-12-91311e7a71", Title: litho, Options: map[string]string{"Title": litho},
				Price: usd(2500), WeightGrams: 3629, Position: 1, Absent: format.FieldsOf(format.FieldVariantTitle, format.FieldPosition)},
			{SKU: "example-shirt-s", Title: "Small", Options: map[string]string{"Title": "Small"}, Price: usd(1999), CompareAtPrice: &compare,
				WeightGrams: 200, Position: 2, Absent: format.FieldsOf(format.FieldVariantTitle, format.FieldPosition)},
			{SKU: "example-shirt-m", Title: "Medium", Options: map[string]string{"Title": "Medium"}, Price: usd(990), CompareAtPrice: &compare,
				WeightGrams: 200, Position: 3, Absent: format.FieldsOf(format.FieldVariantTitle, format.FieldPosition)},
		},
		Absent: format.FieldsOf(format.FieldCategories),
	}, p)
}

func TestShopifyDefaultTitleMeansNoOptions(t *testing.T) {
	t.Parallel()
	const header = "Handle,Title,Option1 Name,Option1 Value,Variant Price"
	for _, row := range []string{"lamp,Lamp,Title,Default Title,5", "lamp,Lamp,,Default Title,5", "lamp,Lamp,,,5", "lamp,Lamp,title,default title,5"} {
		p := one(t, format.Shopify, shopify(header, row))
		require.Empty(t, p.Options)
		require.Empty(t, p.Variants[0].Options)
		require.Equal(t, "lamp", p.Variants[0].SKU)
		require.Empty(t, p.Variants[0].Title)
	}
	// But an option may be called so.
	p := one(t, format.Shopify, shopify(header, "lamp,Lamp,Title,Default Title,5", "lamp,,,Other,5"))
	require.Equal(t, []catalog.Option{{Name: "Title", Values: []string{"Default Title", "Other"}}}, p.Options)
	p = one(t, format.Shopify, shopify(header, "lamp,Lamp,Shade,Default Title,5"))
	require.Equal(t, []catalog.Option{{Name: "Shade", Values: []string{"Default Title"}}}, p.Options)
}

func TestShopifyBodiesAreKeptByteForByte(t *testing.T) {
	t.Parallel()
	body := "<h6>A</h6>\r\n<p>line\nand \r and \"quotes\", and\ttabs</p>\n\n"
	file := "Handle,Title,Body (HTML),Variant Price\r\nlamp,Lamp,\"" + strings.ReplaceAll(body, `"`, `""`) + "\",5\r\n"
	require.Equal(t, body, one(t, format.Shopify, file).Description)
	require.Contains(t, write(t, format.Shopify, readProducts(t, format.Shopify, file)), strings.ReplaceAll(body, `"`, `""`))
}

func TestShopifyStatusAndPublished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ published, status, want string }{
		{"TRUE", "active", catalog.StatusActive}, {"true", "Active", catalog.StatusActive}, {"", "", catalog.StatusActive},
		{"True", "", catalog.StatusActive}, {"FALSE", "", catalog.StatusDraft}, {"false", "active", catalog.StatusDraft},
		{"TRUE", "draft", catalog.StatusDraft}, {"TRUE", "archived", catalog.StatusArchived}, {"FALSE", "ARCHIVED", catalog.StatusArchived},
		{"TRUE", "unlisted", catalog.StatusDraft},
	} {
		p := one(t, format.Shopify, shopify("Handle,Title,Published,Status", "a,A,"+c.published+","+c.status))
		require.Equal(t, c.want, p.Status, "%+v", c)
	}
	require.Equal(t, []string{"row 2, Published: must be TRUE or FALSE", "row 2, Status: must be draft, active or archived"},
		faults(t, format.Shopify, shopify("Handle,Title,Published,Status", "a,A,yes,on")))
	require.True(t, one(t, format.Shopify, "Title\nA\n").Absent.Has(format.FieldStatus))
	require.False(t, one(t, format.Shopify, "Title,Published\nA,\n").Absent.Has(format.FieldStatus))
}

func TestShopifyQuantityIsUnknownWhereTheCellIsEmpty(t *testing.T) {
	t.Parallel()
	const header = "Handle,Title,SKU,Price,Inventory tracker,Inventory quantity"
	p := one(t, format.Shopify, shopify(header, "a,A,1,5,,", "a,,2,5,shopify,", "a,,3,5,shopify,0", "a,,4,5,,7", "a,,5,5,shopify,7.0"))
	var quantities []*int64
	for _, v := range p.Variants {
		quantities = append(quantities, v.Quantity)
	}
	require.Equal(t, []*int64{nil, nil, count(0), count(7), count(7)}, quantities)
	require.Equal(t, []string{
		"row 2, Inventory quantity: must not be below 0", "row 3, Inventory quantity: is not a whole number",
		"row 4, Inventory quantity: is not a whole number", "row 5, Inventory quantity: is not a whole number",
	}, faults(t, format.Shopify, shopify(header, "a,A,1,5,,-1", "a,,2,5,,1.5", "a,,3,5,,many", "a,,4,5,,9223372036854775808")))
}

func TestShopifyGramsAreRounded(t *testing.T) {
	t.Parallel()
	for grams, want := range map[string]int64{"0.0": 0, "": 0, "3629": 3629, "453.59237": 454, "0.5": 1, "0.49": 0, " 12 ": 12} {
		p := one(t, format.Shopify, shopify("Title,Variant Price,Variant Grams,Variant Weight Unit", `A,1,"`+grams+`",kg`))
		require.Equal(t, want, p.Variants[0].WeightGrams, grams)
	}
	for _, grams := range []string{"-1", "-0.5", "1e3", "1,5", "1.", ".5", "+1", "9223372036854775807.5", "1000000001"} {
		require.Len(t, faults(t, format.Shopify, shopify("Title,Variant Price,Variant Grams", `A,1,"`+grams+`"`)), 1, grams)
	}
}

func TestShopifyPricesAreExact(t *testing.T) {
	t.Parallel()
	for price, amount := range map[string]int64{"50": 5000, "19.99": 1999, "9.9": 990, "0": 0, " 7.5000 ": 750} {
		require.Equal(t, usd(amount), one(t, format.Shopify, "Title,Variant Price\nA,"+price+"\n").Variants[0].Price)
	}
	for price, message := range map[string]string{
		"":      "is missing",
		"19,99": `"19,99" is not a decimal number such as 19.99`, "$5": `"$5" is not a decimal number such as 19.99`,
		"1e3": `"1e3" is not a decimal number such as 19.99`, "-1": "must not be below 0",
		"0.001": `"0.001" has more than the 2 decimal places of USD`, "99999999999999999999": "the amount is too large: 99999999999999999999",
	} {
		require.Equal(t, []string{"row 2, Variant Price: " + message},
			faults(t, format.Shopify, shopify("Title,Variant SKU,Variant Price", `A,1,"`+price+`"`)))
	}
	file := shopify("Title,Variant Price,Variant Compare At Price,Stoa / Currency,Stoa / Compare At Currency", "A,5,6,jpy,", "B,5,6,,KWD")
	products := readProducts(t, format.Shopify, file)
	require.Equal(t, money.Money{Amount: 5, Currency: "JPY"}, products[0].Variants[0].Price)
	require.Equal(t, money.Money{Amount: 6, Currency: "JPY"}, *products[0].Variants[0].CompareAtPrice)
	require.Equal(t, usd(500), products[1].Variants[0].Price)
	require.Equal(t, money.Money{Amount: 6000, Currency: "KWD"}, *products[1].Variants[0].CompareAtPrice)
	require.Equal(t, []string{`row 2, Stoa / Currency: there is no currency with the code "XAU"`},
		faults(t, format.Shopify, shopify("Title,Variant Price,Stoa / Currency", "A,5,XAU")))
}

func TestShopifyImagesStandInRowsOfTheirOwnToo(t *testing.T) {
	t.Parallel()
	const header = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src,Image Position,Image Alt Text,Variant Image,Variant Inventory Policy"
	p := one(t, format.Shopify, shopify(header,
		"a,A,Size,S,5,https://x/1,2,first,https://x/1,deny",
		"a,,,M,5,,,,https://x/only-of-m,deny",
		"a,,,,,https://x/2,1,second,,deny", // filled down, but no variant
		"a,,,L,5,https://x/1,,,https://x/2,deny",
		"a,,,,,https://x/3,2,same position,,",
		"a,,,,,https://x/4,,no position,,",
		"a,,,,,,5,no image,,",
	))
	require.Len(t, p.Variants, 3)
	require.Equal(t, []catalog.Image{
		{URL: "https://x/2", Alt: "second", Position: 1},
		{URL: "https://x/1", Alt: "first", Position: 2},
		{URL: "https://x/3", Alt: "same position", Position: 3},
		{URL: "https://x/4", Alt: "no position", Position: 4},
		{URL: "https://x/only-of-m", Position: 5},
	}, p.Images)
}

func TestShopifyTagsMayHoldCommasInQuotes(t *testing.T) {
	t.Parallel()
	for cell, tags := range map[string][]string{
		``: nil, ` , ,`: nil, `a`: {"a"}, `Black, Lamp`: {"Black", "Lamp"}, `a,b , a`: {"a", "b"},
		`"cotton, pre-shrunk", x`: {"cotton, pre-shrunk", "x"}, `12" wide, y`: {`12" wide`, "y"},
		`"say ""hi""",z`: {`say "hi"`, "z"}, `"open, x`: {`"open`, "x"}, `"a"b, c`: {`"a"b`, "c"}, `" a "`: {" a "}, `""`: nil,
	} {
		file := shopify("Title,Tags", `A,"`+strings.ReplaceAll(cell, `"`, `""`)+`"`)
		require.Equal(t, tags, one(t, format.Shopify, file).Tags, "%s", cell)
	}
}

func TestShopifyNewerColumnNamesMeanTheSame(t *testing.T) {
	t.Parallel()
	older := shopify("Handle,Title,Body (HTML),Published,Variant SKU,Variant Barcode,Option1 Name,Option1 Value,Variant Price,"+
		"Variant Compare At Price,Variant Inventory Qty,Variant Grams,Image Src,Image Position,Image Alt Text,Variant Image",
		"a,A,text,TRUE,S,B,Size,M,5,6,7,8,https://x/1,1,alt,https://x/2")
	newer := shopify("URL handle,Title,Description,Published on online store,SKU,Barcode,Option1 name,Option1 value,Price,"+
		"Compare-at price,Inventory quantity,Weight value (grams),Product image URL,Image position,Image alt text,Variant image URL",
		"a,A,text,TRUE,S,B,Size,M,5,6,7,8,https://x/1,1,alt,https://x/2")
	p := one(t, format.Shopify, older)
	require.Equal(t, p, one(t, format.Shopify, newer))
	require.Equal(t, int64(8), p.Variants[0].WeightGrams)
	require.Len(t, p.Images, 2)
	require.Equal(t, "row 2, Compare-at price: \"x\" is not a decimal number such as 19.99",
		faults(t, format.Shopify, "URL handle,Title,Price,Compare-at price\na,A,1,x\n")[0])
}

func TestShopifyHandlesThatComeAgainAreRefused(t *testing.T) {
	t.Parallel()
	records := read(t, format.Shopify, shopify("Handle,Title,Variant SKU,Variant Price", "a,A,1,5", "b,B,2,5", "A,Again,3,5", "c,C,4,5"))
	require.Len(t, records, 4)
	require.Empty(t, records[0].Errors)
	require.Equal(t, []format.RowError{{Row: 4, Column: "Handle",
		Message: `"a" already stands in row 2: rows of one product stand together, and products differ in their slugs`}}, records[2].Errors)
	require.Empty(t, records[3].Errors)
}

func TestShopifyRowsWithoutHandleStandForThemselves(t *testing.T) {
	t.Parallel()
	products := readProducts(t, format.Shopify, shopify("Title,Variant Price", "Floor Lamp,5", "Über Größe №1,6"))
	require.Equal(t, "floor-lamp", products[0].Slug)
	require.Equal(t, "über-größe-1", products[1].Slug)
	require.Equal(t, "floor-lamp", products[0].Variants[0].SKU)
	require.Regexp(t, `^ber-gr-e-1-[0-9a-f]{10}$`, products[1].Variants[0].SKU)
	require.Equal(t, []string{"row 2, Handle: is missing", "row 2, Title: is missing"},
		faults(t, format.Shopify, shopify("Title,Variant Price", ",5")))
}

func TestShopifyNamesEveryBadCellAndReadsOn(t *testing.T) {
	t.Parallel()
	records := read(t, format.Shopify, shopify("Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Grams,Variant Inventory Qty,Image Src",
		`a,A,Acme,Size,S,1,5,0,1,https://x/1`,
		`b,,"tab	bed",,S,"",x,heavy,-1,javascript:alert(1)`,
		`b,,,Colour,M,same,6,0,0,`,
		`b,,,Color,L,same,7,0,0,https:// x`,
		`b,,,,,,,,,"https://x/`+"\x01"+`"`,
		`B C,Spaces,,,,2,5,0,1,`,
		`c,C,`+"Caf\xe9"+`,,,3,5,0,1,`,
		`d,D,Acme,,,4,5,0`,
		`e,E,Acme,Size,S,5,5,0,1,`,
	))
	require.Len(t, records, 6)
	require.Empty(t, records[0].Errors)
	require.Empty(t, records[5].Errors)
	require.Equal(t, []format.RowError{
		{3, "Title", "is missing"},
		{3, "Vendor", "holds the control character U+0009"},
		{3, "Variant Price", `"x" is not a decimal number such as 19.99`},
		{3, "Variant Grams", "is not a whole number"},
		{3, "Variant Inventory Qty", "must not be below 0"},
		{3, "Image Src", "is not an http or https URL"},
		{5, "Option1 Name", `differs from "Colour" in row 4`},
		{5, "Variant SKU", `"same" is the SKU of a variant before it too`},
		{5, "Image Src", "holds a space"},
		{6, "Image Src", "holds the control character U+0001"},
	}, records[1].Errors)
	require.Equal(t, []int{3, 4, 5}, records[1].VariantRows)
	require.Equal(t, []format.RowError{{7, "Handle", `may hold small letters, digits, - and _, but not ' '`}}, records[2].Errors)
	require.Equal(t, []format.RowError{{8, "Vendor", "is not UTF-8 text"}}, records[3].Errors)
	require.Equal(t, []format.RowError{{9, "", "has 8 cells, and the header has 10"}}, records[4].Errors)
}

func TestAFileInAnotherEncodingIsFoundInAnyColumn(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"row 2, SEO Title: is not UTF-8 text"},
		faults(t, format.Shopify, shopify("Handle,Title,SEO Title", "a,A,Caf\xe9")))
}

func TestShopifyOptionWithoutANameIsAnError(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"row 2, Option2 Name: is missing, though it has a value"},
		faults(t, format.Shopify, shopify("Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Price", "A,Size,S,,Red,5")))
}

func TestShopifyVariantsWithTheSameOptionsNeedSKUs(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{`row 3, Variant SKU: "a--s" is the SKU of a variant before it too`},
		faults(t, format.Shopify, shopify("Title,Handle,Option1 Name,Option1 Value,Variant SKU,Variant Price", "A,a,Size,S,,5", ",a,,s,,5")))
}

func TestBlankRowsAndLineBreaksInCellsKeepRowNumbers(t *testing.T) {
	t.Parallel()
	records := read(t, format.Shopify, "Handle,Title,Body (HTML),Variant Price\r\n\r\na,A,\"x\r\ny\r\nz\",5\r\n,,,\r\nb,B,,x\r\n\r\n")
	require.Len(t, records, 2)
	require.Equal(t, []int{3, 3, 1}, []int{records[0].First, records[0].Last, records[0].Rows})
	require.Equal(t, 5, records[1].Errors[0].Row)
}

func TestAProductOfTwoThousandVariantsIsReadAndOneOfMoreRefused(t *testing.T) {
	t.Parallel()
	file := func(variants int) string {
		rows := []string{"Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src"}
		for i := range variants {
			rows = append(rows, fmt.Sprintf("a,%s,%s,v%d,5,https://x/%d", map[bool]string{true: "A"}[i == 0], map[bool]string{true: "N"}[i == 0], i, i%900))
		}
		return strings.Join(append(rows, "b,B,,,5,"), "\n")
	}
	products := readProducts(t, format.Shopify, file(2000))
	require.Len(t, products, 2)
	require.Len(t, products[0].Variants, 2000)
	require.Len(t, products[0].Images, 900)
	requireRoundTrip(t, products)

	records := read(t, format.Shopify, file(100_000))
	require.Len(t, records, 2)
	require.Equal(t, []format.RowError{{2, "", "the product has more than 2048 variants"}}, records[0].Errors)
	require.Equal(t, 100_000, records[0].Rows)
	require.Empty(t, records[1].Errors)
}

func TestLargeCellsAreReadUpToTheirLimit(t *testing.T) {
	t.Parallel()
	file := func(n int) string {
		return "Handle,Title,Body (HTML),Variant Price,SEO Title\na,A,\"" + strings.Repeat("x\n", n/2) + "\",5," + strings.Repeat("s", n) + "\nb,B,,5,\n"
	}
	products := readProducts(t, format.Shopify, file(format.MaxDescription))
	require.Len(t, products[0].Description, format.MaxDescription)
	require.Len(t, products, 2)
	records := read(t, format.Shopify, file(format.MaxDescription+2))
	require.Equal(t, []format.RowError{{2, "Body (HTML)", "is longer than 1048576 bytes"}}, records[0].Errors)
	require.Empty(t, records[1].Errors)

	for _, large := range []string{file(format.MaxRow), "Title\n\"" + strings.Repeat("x\n", format.MaxRow)} {
		var broken *format.FileError
		require.ErrorAs(t, readFault(format.Shopify, large), &broken)
		require.Equal(t, 2, broken.Row)
		require.Equal(t, "the row is longer than 8 MiB; is a quote not closed?", broken.Message)
	}
	require.Equal(t, []string{"row 2, Title: is longer than 500 characters", "row 2, Vendor: is longer than 255 characters"},
		faults(t, format.Shopify, "Handle,Title,Vendor\na,"+strings.Repeat("é", 501)+","+strings.Repeat("v", 5000)+"\n"))
}

func TestFaultsFoundLaterAreLocated(t *testing.T) {
	t.Parallel()
	file := shopify("Handle,Title,Option1 Name,Option1 Value,Variant Price,Inventory quantity", "a,A,Size,S,5,1", "a,,,M,5,2")
	reader, err := format.NewReader(format.Shopify, strings.NewReader(file), dollars)
	require.NoError(t, err)
	record, err := reader.Next()
	require.NoError(t, err)
	for fault, want := range map[format.Fault]string{
		{format.FieldQuantity, 1, "is below what is reserved"}: "row 3, Inventory quantity: is below what is reserved",
		{format.FieldCategories, 0, "x"}:                       "row 2, Stoa / Categories: x",
		{format.FieldOptions, 0, "x"}:                          "row 2, Option1 Name: x",
		{format.FieldVariantOptions, 1, "x"}:                   "row 3, Option1 Value: x",
		{format.FieldVariants, 0, "x"}:                         "row 2: x",
	} {
		require.Equal(t, want, reader.Locate(record, fault).Error())
	}
}

package format_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/platform/money"
)

func TestJSONIsOneProductALine(t *testing.T) {
	t.Parallel()
	compare := money.Money{Amount: 5, Currency: "JPY"}
	file := write(t, format.JSON, []format.Product{
		{Slug: "a", Title: "<A> & ü", Status: catalog.StatusDraft},
		{Slug: "b", Title: "B", Status: catalog.StatusActive, Images: []catalog.Image{{URL: "/1", Alt: "x", Position: 3}},
			Options:  []catalog.Option{{Name: "Size", Values: []string{"S"}}, {Name: "Color"}},
			Variants: []format.Variant{{SKU: "1", Options: map[string]string{"Size": "S"}, Price: usd(5), CompareAtPrice: &compare, Quantity: count(0)}}},
	})
	require.Equal(t, `{"products":[
{"slug":"a","title":"<A> & ü","description":"","status":"draft","vendor":"","product_type":"","tags":[],"categories":[],"images":[],"options":[],"variants":[]},
{"slug":"b","title":"B","description":"","status":"active","vendor":"","product_type":"","tags":[],"categories":[],`+
		`"images":[{"url":"/1","alt":"x","position":3}],"options":[{"name":"Size","values":["S"]},{"name":"Color","values":[]}],`+
		`"variants":[{"sku":"1","title":"","options":{"Size":"S"},"price":{"amount":5,"currency":"USD"},"compare_at_price":{"amount":5,"currency":"JPY"},`+
		`"barcode":"","weight_grams":0,"position":0,"quantity":0}]}
]}
`, file)
}

// What other shops' lists look like: names in capitals, prices as decimals, no
// slugs, so that of two products with one title the second is refused.
func TestJSONListsOfProductsAreRead(t *testing.T) {
	t.Parallel()
	for _, path := range dataFiles(t, "eshop/catalog.json") {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var listed []struct {
			Name, Brand string
			Price       json.Number
		}
		require.NoError(t, json.Unmarshal(data, &listed))
		records := read(t, format.JSON, string(data))
		require.Len(t, records, len(listed))
		titles := map[string]bool{}
		var products []format.Product
		for i, record := range records {
			p := record.Product
			require.Equal(t, listed[i].Name, p.Title)
			require.Equal(t, listed[i].Brand, p.Vendor)
			price, err := money.Parse(listed[i].Price.String(), "USD")
			require.NoError(t, err)
			require.Equal(t, price, p.Variants[0].Price)
			require.Equal(t, titles[p.Title], len(record.Errors) > 0)
			if !titles[p.Title] {
				products = append(products, p)
			}
			titles[p.Title] = true
		}
		requireRoundTrip(t, products)
	}
}

func TestJSONReadsWhatTheAPIShows(t *testing.T) {
	t.Parallel()
	p := one(t, format.JSON, `{"products":[{"id":"0193b4a0-7c1e-7abc-8def-0123456789ab","slug":"shirt","title":"Shirt","description":"","status":"active",
		"vendor":"","product_type":"","tags":["x"],"categories":[{"id":"1","slug":"shirts","name":"Shirts","path":"clothes/shirts"}],
		"images":[{"url":"https://x/1","alt":"","position":1}],"options":[{"name":"Size","values":["S","M"]}],
		"variants":[{"id":"2","sku":"shirt-m","title":"M","options":{"Size":"M"},"price":{"amount":1999,"currency":"EUR"},"compare_at_price":null,
		"barcode":"","weight_grams":0,"position":1,"stock":{"on_hand":5,"reserved":1,"available":4}}],
		"version":3,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}]}`)
	require.Equal(t, format.Product{
		Slug: "shirt", Title: "Shirt", Status: catalog.StatusActive, Tags: []string{"x"}, Categories: []string{"clothes/shirts"},
		Images: []catalog.Image{{URL: "https://x/1", Position: 1}}, Options: []catalog.Option{{Name: "Size", Values: []string{"S", "M"}}},
		Variants: []format.Variant{{SKU: "shirt-m", Title: "M", Options: map[string]string{"Size": "M"},
			Price: money.Money{Amount: 1999, Currency: "EUR"}, Position: 1, Quantity: count(5)}},
	}, p)
}

func TestJSONMakesWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	p := one(t, format.JSON, `[{"title":"Shirt","currency":"EUR","images":["/1",{"url":"/2"}],"variants":[
		{"options":{"Size":"S","Color":"Red"},"price":19.99},
		{"options":{"Size":"M","Color":"Red"},"price":"20","currency":"JPY"},
		{"options":{"Size":"L","Color":"Sky Blue"},"price":{"amount":5},"compare_at_price":6,"position":9},
		{"options":{"Size":"XL","Color":null},"price":1,"compare_at_price":"2","compare_at_currency":"KWD","quantity":null}]}]`)
	require.Equal(t, "shirt", p.Slug)
	require.Equal(t, catalog.StatusActive, p.Status)
	require.Equal(t, []catalog.Image{{URL: "/1", Position: 1}, {URL: "/2", Position: 2}}, p.Images)
	require.Equal(t, []catalog.Option{{Name: "Size", Values: []string{"S", "M", "L", "XL"}}, {Name: "Color", Values: []string{"Red", "Sky Blue"}}}, p.Options)
	require.Equal(t, "shirt--s--red", p.Variants[0].SKU)
	require.Equal(t, "S / Red", p.Variants[0].Title)
	require.Equal(t, money.Money{Amount: 1999, Currency: "EUR"}, p.Variants[0].Price)
	require.Equal(t, money.Money{Amount: 20, Currency: "JPY"}, p.Variants[1].Price)
	require.Equal(t, money.Money{Amount: 5, Currency: "EUR"}, p.Variants[2].Price)
	require.Equal(t, money.Money{Amount: 600, Currency: "EUR"}, *p.Variants[2].CompareAtPrice)
	require.Equal(t, money.Money{Amount: 2000, Currency: "KWD"}, *p.Variants[3].CompareAtPrice)
	require.Equal(t, []int64{1, 2, 9, 10}, []int64{p.Variants[0].Position, p.Variants[1].Position, p.Variants[2].Position, p.Variants[3].Position})
	require.True(t, p.Absent.Has(format.FieldCategories))
	require.False(t, p.Absent.Has(format.FieldImages))
	require.True(t, p.Variants[0].Absent.Has(format.FieldQuantity))
	require.False(t, p.Variants[3].Absent.Has(format.FieldQuantity))
}

func TestJSONFaultsNameTheirMember(t *testing.T) {
	t.Parallel()
	for product, want := range map[string][]string{
		`5`:                                     {"row 1: must be an object"},
		`null`:                                  {"row 1: must be an object"},
		`{}`:                                    {"row 1, slug: is missing", "row 1, title: is missing"},
		`{"title":5,"tags":"x","slug":"a"}`:     {"row 1, title: must be text", "row 1, tags: must be a list"},
		`{"title":"A","tags":["x",5,""]}`:       {"row 1, tags[1]: must be text", "row 1, tags[2]: is missing"},
		`{"title":"A","pirce":5}`:               {"row 1, pirce: there is no such member"},
		`{"title":"A","Title":"B"}`:             {"row 1, Title: stands twice"},
		`{"title":"A","title":"B"}`:             {"row 1, title: stands twice"},
		"{\"title\":\"\xe9\"}":                  {"row 1, title: is not Unicode text"},
		`{"title":"a\ud800"}`:                   {"row 1, title: is not Unicode text"},
		`{"title":"a\u0000b"}`:                  {"row 1, title: holds the control character U+0000"},
		`{"title":"A","status":"Active"}`:       {"row 1, status: must be draft, active or archived"},
		`{"title":"A","price":"19,99"}`:         {`row 1, price: "19,99" is not a decimal number such as 19.99`},
		`{"title":"A","price":1e3}`:             {`row 1, price: "1e3" is not a decimal number such as 19.99`},
		`{"title":"A","price":-1}`:              {`row 1, price: must not be below 0`},
		`{"title":"A","price":true}`:            {`row 1, price: must be an amount such as {"amount":1999,"currency":"USD"} or 19.99`},
		`{"title":"A","sku":"x"}`:               {"row 1, price: is missing"},
		`{"title":"A","price":1,"variants":[]}`: {"row 1, variants: stand beside members of a variant in the product itself"},
		`{"title":"A","variants":[{"sku":"1","price":{"amount":1.5,"currency":"USD"}},{"sku":"1","price":{"currency":"EUR"}}]}`: {
			"row 1, variants[0].price.amount: is not a whole number", "row 1, variants[1].price.amount: is missing",
			`row 1, variants[1].sku: "1" is the SKU of a variant before it too`},
		`{"title":"A","variants":[{"price":{"amount":1,"currency":"usd"},"weight_grams":"1","quantity":-1,"options":{"x":5}}]}`: {
			"row 1, variants[0].weight_grams: must be a whole number", "row 1, variants[0].quantity: must not be below 0",
			"row 1, variants[0].options.x: must be text", `row 1, variants[0].options: the value of "x" is missing`,
			`row 1, variants[0].price: there is no currency with the code "usd"`},
		`{"title":"A","variants":[{"price":1,"position":1e3},5]}`: {
			"row 1, variants[0].position: is not a whole number", "row 1, variants[1]: must be an object", "row 1, variants[1].price: is missing",
			`row 1, variants[1].sku: "a" is the SKU of a variant before it too`},
		`{"title":"A","images":[{"url":"data:x","size":1,"position":2000000000}],"categories":[{"path":5}],"options":[{"name":"S"},{"name":"S"}]}`: {
			"row 1, images[0].size: there is no such member", "row 1, images[0].position: must be between 0 and 1000000000",
			"row 1, categories[0].path: must be text", "row 1, categories[0]: is missing",
			"row 1, images[0].url: is not an http or https URL", "row 1, options[1]: has the same name as an option before it"},
		`{"title":"A","variants":[{"options":{"a":"b","a":"c"},"price":1}]}`: {"row 1, variants[0].options.a: stands twice"},
	} {
		require.Equal(t, want, faults(t, format.JSON, "["+product+"]"), "%s", product)
	}
}

func TestJSONReadsOnBehindABadProduct(t *testing.T) {
	t.Parallel()
	records := read(t, format.JSON, "{ \"products\" : [\n{\"title\":\"A\",\"price\":5},{\"title\":\"\xff\"},{\"title\":\"B\",\"title\":\"B\"},\n{\"title\":\"a\",\"sku\":\"x\",\"price\":5},{\"title\":\"C\",\"price\":5}]}")
	require.Len(t, records, 5)
	require.Empty(t, records[0].Errors)
	require.Len(t, records[1].Errors, 1)
	require.Len(t, records[2].Errors, 1)
	require.Equal(t, []format.RowError{{4, "slug", `"a" already stands in row 1: rows of one product stand together, and products differ in their slugs`}}, records[3].Errors)
	require.Empty(t, records[4].Errors)
	require.Equal(t, 5, records[4].First)
}

func TestJSONProductOfAnySizeDoesNotFillMemory(t *testing.T) {
	t.Parallel()
	var broken *format.FileError
	require.ErrorAs(t, readFault(format.JSON, `[{"title":"A"},{"description":"`+strings.Repeat("x", format.MaxProduct+100_000)+`"}]`), &broken)
	require.Equal(t, 2, broken.Row)
	require.Equal(t, "the product is larger than 16 MiB", broken.Message)
}

func TestJSONFileMayBeLargerThanAProduct(t *testing.T) {
	t.Parallel()
	product := `{"title":"A","description":"` + strings.Repeat("x", format.MaxDescription) + `"},`
	n, err := format.Count(format.JSON, strings.NewReader("["+strings.Repeat(product, 20)+`{"title":"B"}]`))
	require.NoError(t, err)
	require.Equal(t, 21, n)
}

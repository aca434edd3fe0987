package format_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/platform/money"
)

func TestCSVColumnsStandInAnyOrderCaseAndSpelling(t *testing.T) {
	t.Parallel()
	compare := money.Money{Amount: 900, Currency: "JPY"}
	want := format.Product{
		Slug: "shirt", Title: "Shirt", Description: "A\nshirt", Status: catalog.StatusDraft, Vendor: "Acme", ProductType: "Shirts",
		Tags: []string{"red", "a,b"}, Categories: []string{"clothes/shirts", "sale"},
		Images:  []catalog.Image{{URL: "https://x/1", Position: 1}, {URL: "https://x/2,3", Position: 2}},
		Options: []catalog.Option{{Name: "Size", Values: []string{"S", "M"}}},
		Variants: []format.Variant{
			{SKU: "shirt-s", Title: "small", Options: map[string]string{"Size": "S"}, Price: money.Money{Amount: 800, Currency: "JPY"},
				CompareAtPrice: &compare, Barcode: "0123", WeightGrams: 200, Position: 1, Quantity: count(5)},
			{SKU: "shirt--m", Title: "", Options: map[string]string{"Size": "M"}, Price: usd(999), Position: 2},
		},
	}
	p := one(t, format.CSV, "Quantity,weight grams,Barcode,COMPARE-AT-PRICE,currency,price,variant title,sku,option1 value,Option1_Name,"+
		"Images,Category,tags,type,brand,status,description,name,Handle,position\n"+
		"5,200,0123,900,jpy,800,small,shirt-s,S,Size,\"https://x/1, \"\"https://x/2,3\"\"\",\"clothes/shirts,sale\",\"red, \"\"a,b\"\"\",Shirts,Acme,Draft,\"A\nshirt\",Shirt,Shirt,\n"+
		",,,,,9.99,,,M,,,,,,,,,,shirt,\n")
	require.Equal(t, want, p)
}

func TestCSVNeedsNoMoreThanATitle(t *testing.T) {
	t.Parallel()
	products := readProducts(t, format.CSV, "title,price,quantity\nFloor Lamp,19.99,3\nOnly Announced,,\n")
	all := format.FieldsOf(format.FieldDescription, format.FieldStatus, format.FieldVendor, format.FieldProductType, format.FieldTags,
		format.FieldCategories, format.FieldImages)
	require.Equal(t, []format.Product{
		{Slug: "floor-lamp", Title: "Floor Lamp", Status: catalog.StatusActive, Absent: all, Variants: []format.Variant{{
			SKU: "floor-lamp", Price: usd(1999), Position: 1, Quantity: count(3),
			Absent: format.FieldsOf(format.FieldVariantTitle, format.FieldCompareAtPrice, format.FieldBarcode, format.FieldWeight, format.FieldPosition),
		}}},
		{Slug: "only-announced", Title: "Only Announced", Status: catalog.StatusActive, Absent: all},
	}, products)
}

func TestCSVRowsOfOneTitleAreVariantsOfOneProduct(t *testing.T) {
	t.Parallel()
	p := one(t, format.CSV, "title,option1_name,option1_value,price,image\nShirt,Size,S,5,https://x/1\nShirt,Size,M,6,https://x/1\n")
	require.Equal(t, []catalog.Option{{Name: "Size", Values: []string{"S", "M"}}}, p.Options)
	require.Equal(t, []string{"shirt--s", "shirt--m"}, []string{p.Variants[0].SKU, p.Variants[1].SKU})
	require.Equal(t, []string{"S", "M"}, []string{p.Variants[0].Title, p.Variants[1].Title})
	require.Equal(t, []catalog.Image{{URL: "https://x/1", Position: 1}}, p.Images)
}

func TestCSVUnknownColumnsAreNamed(t *testing.T) {
	t.Parallel()
	var broken *format.FileError
	require.ErrorAs(t, readFault(format.CSV, "title,pirce\nA,5\n"), &broken)
	require.Equal(t, 1, broken.Row)
	require.Equal(t, "pirce", broken.Column)
	require.Contains(t, broken.Message, "there is no such column; known are slug, title,")
	// Columns without a name, which spreadsheets leave behind, say nothing.
	require.Equal(t, "A", one(t, format.CSV, "title,price,,\nA,5,,\n").Title)
}

func TestCSVFaultsNameTheirCell(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"title,price,position\nA,5,x\n":                                                                              "row 2, position: is not a whole number",
		"title,price,position\nA,5,1000000001\n":                                                                     "row 2, position: must be between 0 and 1000000000",
		"title,options\nA,[{]\n":                                                                                     `row 2, options: is not a JSON array of options, such as [{"name":"Size","values":["S","M"]}]`,
		"title,options\nA,\"[{\"\"name\"\":\"\"S\"\",\"\"x\"\":1}]\"\n":                                              `row 2, options: is not a JSON array of options, such as [{"name":"Size","values":["S","M"]}]`,
		"title,options\nA,\"[{\"\"name\"\":\"\"\"\"}]\"\n":                                                           "row 2, options: is missing",
		"title,price,further options\nA,5,[]\n":                                                                      `row 2, further options: is not a JSON object of options, such as {"Material":"Wool"}`,
		"title,price,further options\nA,5,\"{\"\"M\"\":\"\"W\"\"}\"\n":                                               "row 2, further options: names an option that the product does not have",
		"title,price,images\nA,5,[1]\n":                                                                              `row 2, images: is neither a list of URLs nor a JSON array such as [{"url":"https://…","alt":"…","position":1}]`,
		"title,price,images\nA,5,\"https://x, ftp://x\"\n":                                                           "row 2, images: is not an http or https URL",
		"title,price,images\nA,5,\"[{\"\"url\"\":\"\"/a\"\",\"\"position\"\":-1}]\"\n":                               "row 2, images: the position of an image must be between 0 and 1000000000",
		"title,price,categories\nA,5,\"a, b//c\"\n":                                                                  `row 2, categories: is not slugs joined by /: "" is missing`,
		"title,price,categories\nA,5,Clothes\n":                                                                      `row 2, categories: is not slugs joined by /: "Clothes" may hold small letters, digits, - and _, but not 'C'`,
		"title,slug,price\nA,0193b4a0-7c1e-7abc-8def-0123456789ab,5\n":                                               "row 2, slug: has the shape of an id",
		"title,price,compare_at_price,compare_at_currency\nA,5,6,xx\n":                                               `row 2, compare_at_price: there is no currency with the code "XX"`,
		"title,option1_name,option1_value,price\nA,Size,\" \",5\n":                                                   "row 2, option1_value: is missing",
		"title,option1_name,option1_value,price\nA, ,S,5\n":                                                          "row 2, option1_name: is missing, though it has a value",
		"title,price,options,option1_name,option1_value\nA,5,\"[{\"\"name\"\":\"\"S\"\",\"\"values\"\":[]}]\",T,x\n": "row 2, option1_name: differs from the name in options",
		"title,price,options,option2_value\nA,5,\"[{\"\"name\"\":\"\"S\"\",\"\"values\"\":[]}]\",x\n":                "row 2, option2_value: belongs to no option of the product",
		"title,price,option1_name,option1_value,option2_name,option2_value\nA,5,S,x,S,y\n":                           "row 2, option2_value: is the second value of the option",
	} {
		require.Equal(t, []string{want}, faults(t, format.CSV, file), "%q", file)
	}
}

func TestCSVProductWithTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	cell := func(n int, item string) (list string) {
		for i := range n {
			list += item + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + ","
		}
		return list
	}
	require.Equal(t, []string{"row 2, tags: there are more than 250"}, faults(t, format.CSV, "title,tags\nA,\""+cell(251, "")+"\"\n"))
	require.Equal(t, []string{"row 2, categories: there are more than 100"}, faults(t, format.CSV, "title,categories\nA,\""+cell(101, "")+"\"\n"))
	require.Equal(t, []string{"row 2: the product has more than 1000 images"}, faults(t, format.CSV, "title,images\nA,\""+cell(1001, "/")+"\"\n"))
	require.Len(t, faults(t, format.CSV, "title,tags\nA,\""+cell(249, "\x01")+"\"\n"), 1)
}

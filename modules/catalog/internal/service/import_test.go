package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
)

var (
	csvFile     = service.ImportOptions{Format: "csv"}
	shopifyFile = service.ImportOptions{Format: "shopify"}
	jsonFile    = service.ImportOptions{Format: "json"}
)

const shirts = `slug,title,description,status,vendor,product_type,tags,categories,images,option1_name,option1_value,sku,price,compare_at_price,barcode,weight_grams,quantity
shirt,Linen Shirt,<p>Light</p>,active,Weaver,Shirts,"linen, summer",clothes/shirts,https://x.example/1.jpg,Size,S,shirt-s,50,,,200,3
shirt,,,,,,,,,,M,shirt-m,45.50,60,4006381333931,220,0
lamp,Floor Lamp,,draft,Lux,Lamps,,"home/lamps, sale",,,,LAMP,69.99,,,,4
`

// errorsOf gives what an import says of rows, a line each.
func errorsOf(i service.Import) []string {
	var list []string
	for _, e := range i.Errors {
		list = append(list, fmt.Sprintf("%d %s: %s", e.Row, e.Column, e.Message))
	}
	return list
}

func TestAFileBecomesProductsWithStockAndCategories(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	i := s.good(t, shirts, csvFile)
	require.EqualValues(t, 3, i.RowsTotal)
	require.EqualValues(t, 2, i.ProductsCreated)
	require.Zero(t, i.ProductsUpdated+i.ProductsUnchanged+i.RowsSkipped+i.ErrorsTotal)
	require.Nil(t, i.Failure)
	require.Equal(t, []string{"csv", "upsert", "USD"}, []string{i.Format, i.Mode, i.Currency})

	shirt := s.product(t, "shirt")
	require.Equal(t, []string{"Linen Shirt", "<p>Light</p>", "active", "Weaver", "Shirts"},
		[]string{shirt.Title, shirt.Description, shirt.Status, shirt.Vendor, shirt.ProductType})
	require.Equal(t, []string{"linen", "summer"}, shirt.Tags)
	require.Equal(t, []catalog.Option{{Name: "Size", Values: []string{"S", "M"}}}, shirt.Options)
	require.Equal(t, []catalog.Image{{URL: "https://x.example/1.jpg", Position: 1}}, shirt.Images)
	require.EqualValues(t, 1, shirt.Version)
	require.Len(t, shirt.Variants, 2)
	medium := shirt.Variants[1]
	require.Equal(t, money.Money{Amount: 4550, Currency: "USD"}, medium.Price)
	require.Equal(t, money.Money{Amount: 6000, Currency: "USD"}, *medium.CompareAtPrice)
	require.Equal(t, map[string]string{"Size": "M"}, medium.Options)
	require.Equal(t, "M", medium.Title)

	// Categories that were not there were made, with those above them.
	list, err := s.ListCategories(t.Context(), "", 10)
	require.NoError(t, err)
	names := map[string]string{}
	for _, c := range list {
		names[c.Path] = c.Name
	}
	require.Equal(t, map[string]string{"clothes": "Clothes", "clothes/shirts": "Shirts", "home": "Home", "home/lamps": "Lamps", "sale": "Sale"}, names)
	in, _, err := s.ListProducts(t.Context(), service.ListQuery{Category: "home", Limit: 10})
	require.NoError(t, err)
	require.Len(t, in, 1)
	found, _, err := s.ListProducts(t.Context(), service.ListQuery{Text: "linen", Limit: 10})
	require.NoError(t, err)
	require.Len(t, found, 1)

	stock, err := s.GetInventory(t.Context(), "shirt-s")
	require.NoError(t, err)
	require.Equal(t, service.Inventory{SKU: "shirt-s", OnHand: 3, Available: 3}, stock)
	moved, err := s.ListMovements(t.Context(), "shirt-s", "", 10)
	require.NoError(t, err)
	require.Len(t, moved, 1)
	require.Equal(t, "import", moved[0].Kind)
	none, err := s.ListMovements(t.Context(), "shirt-m", "", 10)
	require.NoError(t, err)
	require.Empty(t, none)
	s.sound(t)
}

func TestAFileImportedTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	shirt, lamp := s.product(t, "shirt"), s.product(t, "lamp")
	s.clock.Advance(time.Hour)
	i := s.good(t, shirts, csvFile)
	require.EqualValues(t, 2, i.ProductsUnchanged)
	require.Zero(t, i.ProductsCreated+i.ProductsUpdated)
	require.Equal(t, shirt, s.product(t, "shirt"))
	require.Equal(t, lamp, s.product(t, "lamp"))
	require.EqualValues(t, 2, s.count(t, `SELECT count(*) FROM movements`))

	// What changes is counted by product, and a change of stock makes no version.
	i = s.good(t, strings.Replace(shirts, "200,3", "200,8", 1), csvFile)
	require.EqualValues(t, 1, i.ProductsUpdated)
	require.EqualValues(t, 1, i.ProductsUnchanged)
	after := s.product(t, "shirt")
	require.EqualValues(t, 8, *after.Variants[0].Stock.OnHand)
	require.Equal(t, shirt.Version, after.Version)
	i = s.good(t, strings.Replace(shirts, "50,,,200,3", "40,,,200,8", 1), csvFile)
	require.EqualValues(t, 1, i.ProductsUpdated)
	require.Equal(t, shirt.Version+1, s.product(t, "shirt").Version)
	require.EqualValues(t, 4000, s.product(t, "shirt").Variants[0].Price.Amount)
	s.sound(t)
}

func TestWhatAFileSaysNothingOfStays(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	before := s.product(t, "shirt")

	// A list of prices: no options, no stock, one variant of two.
	i := s.good(t, "slug,title,sku,price\nshirt,Linen Shirt,shirt-m,44\n", csvFile)
	require.EqualValues(t, 1, i.ProductsUpdated)
	want := before
	want.Variants = append([]catalog.Variant{}, before.Variants...)
	want.Variants[1].Price.Amount = 4400
	want.Version, want.UpdatedAt = 2, s.product(t, "shirt").UpdatedAt
	require.Equal(t, want, s.product(t, "shirt"))

	// A product alone, in JSON.
	i = s.good(t, `[{"slug":"shirt","title":"Shirt"}]`, jsonFile)
	require.EqualValues(t, 1, i.ProductsUpdated)
	want.Title, want.Version = "Shirt", 3
	require.Equal(t, want, s.product(t, "shirt"))

	// What it does say counts, also where that is nothing.
	s.good(t, `[{"slug":"shirt","title":"Shirt","tags":[],"categories":null,"images":[],"vendor":"","variants":[{"sku":"shirt-m","price":44,"compare_at_price":null,"options":{"Size":"M"}}]}]`, jsonFile)
	after := s.product(t, "shirt")
	require.Empty(t, after.Tags)
	require.Empty(t, after.Categories)
	require.Empty(t, after.Images)
	require.Empty(t, after.Vendor)
	require.Nil(t, after.Variants[1].CompareAtPrice)
	require.Equal(t, "4006381333931", after.Variants[1].Barcode)
	s.sound(t)
}

func TestVariantsThatAreNotNamedStayAndMakeRoom(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	const file = "slug,title,option1_name,option1_value,sku,price,quantity,position\nshirt,Linen Shirt,Size,XL,shirt-xl,55,1,1\nshirt,,,L,shirt-l,55,1,2\n"
	s.good(t, file, csvFile)
	order := func() (list []string) {
		for _, v := range s.product(t, "shirt").Variants {
			list = append(list, fmt.Sprintf("%d %s", v.Position, v.SKU))
		}
		return list
	}
	require.Equal(t, []string{"1 shirt-xl", "2 shirt-l", "3 shirt-s", "4 shirt-m"}, order())
	require.Equal(t, []catalog.Option{{Name: "Size", Values: []string{"XL", "L", "S", "M"}}}, s.product(t, "shirt").Options)
	i := s.good(t, file, csvFile)
	require.EqualValues(t, 1, i.ProductsUnchanged)
	s.sound(t)
}

func TestATitleMadeOfOptionsGoesAlongWithThem(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, "slug,title,option1_name,option1_value,sku,price\na,A,Size,S,a,1\nb,B,Size,S,b,1\n", csvFile)
	s.good(t, "slug,title,option1_name,option1_value,sku,price,variant_title\nb,B,Size,S,b,1,Own\n", csvFile)
	s.good(t, "slug,title,option1_name,option1_value,sku,price\na,A,Size,Small,a,1\nb,B,Size,Small,b,1\n", csvFile)
	require.Equal(t, "Small", s.product(t, "a").Variants[0].Title)
	require.Equal(t, "Own", s.product(t, "b").Variants[0].Title)
}

func TestWhatTheShopForbidsIsRefusedByRowAndColumn(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "o", Items: []catalog.Item{{SKU: "shirt-s", Quantity: 2}}})
	require.NoError(t, err)
	before := s.export(t, "json")

	deep := strings.Repeat("a/", service.MaxCategoryDepth) + "a"
	i := s.read(t, `Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Stoa / Categories,Stoa / Compare At Currency,Variant Compare At Price
shirt,Linen Shirt,Size,S,shirt-s,1,50,,,
shirt,,,M,shirt-m,0,50,,,
stolen,Stolen,,,LAMP,1,5,new/one,,
first,First,,,mine,1,5,,,
second,Second,,,mine,1,5,,,
deep,Deep,,,deep,1,5,`+deep+`,,
many,Many,,,many,1000000000001,5,,,
two,Two,,,two,1,5,,EUR,7
bad,Bad,,,bad,x,y,,,
good,Good,,,good,1,5,,,
`, shopifyFile)
	require.Equal(t, "succeeded", i.Status)
	require.Equal(t, []string{
		`2 Variant Inventory Qty: must not be below the 2 that orders have reserved`,
		`4 Variant SKU: "LAMP" is a variant of the product "lamp"`,
		`6 Variant SKU: "mine" is a variant of the product "first"`,
		`7 Stoa / Categories: is more than 16 categories deep`,
		`8 Variant Inventory Qty: must not be above 1000000000000`,
		`9 Variant Compare At Price: must be in the currency of the price`,
		`10 Variant Inventory Qty: must be a whole number, but is "x"`,
		`10 Variant Price: must be an amount such as 19.99, but is "y"`,
	}, replaceMessages(errorsOf(i)))
	require.EqualValues(t, 8, i.ErrorsTotal)
	require.EqualValues(t, 10, i.RowsDone)
	require.EqualValues(t, 8, i.RowsSkipped, "all rows of what is refused")
	require.EqualValues(t, 2, i.ProductsCreated)
	require.Zero(t, s.count(t, `SELECT count(*) FROM categories WHERE path LIKE 'new%'`), "what is refused leaves nothing")
	require.EqualValues(t, 3, *s.product(t, "shirt").Variants[0].Stock.OnHand)
	require.NotEqual(t, before, s.export(t, "json"))

	// What is reserved may be on hand, and no less.
	s.good(t, strings.Replace(shirts, "200,3", "200,2", 1), csvFile)
	stock, err := s.GetInventory(t.Context(), "shirt-s")
	require.NoError(t, err)
	require.Equal(t, service.Inventory{SKU: "shirt-s", OnHand: 2, Reserved: 2}, stock)
	s.sound(t)
}

// replaceMessages keeps what this package does not word out of the comparison.
func replaceMessages(list []string) []string {
	for i, line := range list {
		if strings.HasPrefix(line, "10 Variant Inventory Qty: ") {
			list[i] = `10 Variant Inventory Qty: must be a whole number, but is "x"`
		}
		if strings.HasPrefix(line, "10 Variant Price: ") {
			list[i] = `10 Variant Price: must be an amount such as 19.99, but is "y"`
		}
	}
	return list
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	lamp := s.product(t, "lamp")
	create := service.ImportOptions{Format: "csv", Mode: service.ImportCreate}
	i := s.read(t, "slug,title,price\nlamp,Another,5\nnew,New,5\n", create)
	require.Equal(t, []string{`2 slug: there is a product "lamp" already`}, errorsOf(i))
	require.EqualValues(t, 1, i.ProductsCreated)
	require.EqualValues(t, 1, i.RowsSkipped)
	require.Equal(t, lamp, s.product(t, "lamp"))
}

func TestADryRunTellsWhatWouldHappenAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "o", Items: []catalog.Item{{SKU: "shirt-s", Quantity: 2}}})
	require.NoError(t, err)
	// Products in batches of their own claim SKUs, of which the last is taken.
	var file strings.Builder
	file.WriteString("slug,title,sku,price,quantity,categories\nshirt,Linen Shirt,shirt-s,50,1,\nlamp,Lamp,LAMP,70,9,a/b\n")
	for n := range 500 {
		fmt.Fprintf(&file, "p%d,P,sku-%d,5,1,a/c%d\n", n, n, n%7)
	}
	file.WriteString("late,Late,sku-3,5,1,\n")
	before := s.export(t, "json")
	dry := s.read(t, file.String(), service.ImportOptions{Format: "csv", DryRun: true})
	require.Equal(t, before, s.export(t, "json"))
	require.Zero(t, s.count(t, `SELECT count(*) FROM categories WHERE path LIKE 'a%'`))
	require.EqualValues(t, 2, s.count(t, `SELECT count(*) FROM movements`))
	require.Equal(t, []string{
		`2 quantity: must not be below the 2 that orders have reserved`, `504 sku: "sku-3" is a variant of the product "p3"`,
	}, errorsOf(dry))
	require.EqualValues(t, 500, dry.ProductsCreated)
	require.EqualValues(t, 1, dry.ProductsUpdated)

	real := s.read(t, file.String(), csvFile)
	require.Equal(t, comparable(dry), comparable(real))
}

// comparable gives what an import did, whenever that was.
func comparable(i service.Import) service.Import {
	i.ID, i.DryRun, i.CreatedAt, i.StartedAt, i.FinishedAt = "", false, time.Time{}, nil, nil
	return i
}

func TestASKUOfAnEarlierLifeBringsItsStock(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	_, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: "o", Items: []catalog.Item{{SKU: "LAMP", Quantity: 3}}})
	require.NoError(t, err)
	require.NoError(t, s.DeleteVariant(t.Context(), "lamp", "LAMP", nil))

	i := s.read(t, "slug,title,sku,price,quantity\nother,Other,LAMP,5,2\n", csvFile)
	require.Equal(t, []string{`2 quantity: must not be below the 3 that orders have reserved`}, errorsOf(i))
	s.good(t, "slug,title,sku,price\nother,Other,LAMP,5\n", csvFile)
	require.EqualValues(t, 4, *s.product(t, "other").Variants[0].Stock.OnHand)
	s.sound(t)
	s.good(t, "slug,title,sku,price,quantity\nother,Other,LAMP,5,3\n", csvFile)
	require.EqualValues(t, 0, s.product(t, "other").Variants[0].Stock.Available)
	s.sound(t)
}

func TestOptionsThatWillNotDoAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	for _, c := range []struct {
		options service.ImportOptions
		file    string
		where   string
	}{
		{service.ImportOptions{}, shirts, "query.format"},
		{service.ImportOptions{Format: "xml"}, shirts, "query.format"},
		{service.ImportOptions{Format: "csv", Mode: "destroy"}, shirts, "query.mode"},
		{service.ImportOptions{Format: "csv", Currency: "ZZZ"}, shirts, "query.currency"},
		{service.ImportOptions{Format: "csv"}, "", "body"},
		{service.ImportOptions{Format: "csv"}, "nothing,of,this\n", "body"},
		{service.ImportOptions{Format: "json"}, "null", "body"},
		{service.ImportOptions{Format: "shopify"}, "\x1f\x8b\x08", "body"},
	} {
		_, err := s.StartImport(t.Context(), strings.NewReader(c.file), c.options)
		e, ok := errs.As(err)
		require.True(t, ok, "%v", err)
		require.ErrorIs(t, err, errs.ErrInvalid)
		require.Equal(t, c.where, e.Fields[0].Location, "%+v", c)
	}
	breaksOff := errs.New(errs.BadRequest, "broken", "it breaks off")
	_, err := s.StartImport(t.Context(), io.MultiReader(strings.NewReader(shirts), failing{breaksOff}), csvFile)
	require.ErrorIs(t, err, breaksOff)
	require.Zero(t, s.chunks(t))
	require.Zero(t, s.count(t, `SELECT count(*) FROM imports`))
	_, err = s.GetImport(t.Context(), "x")
	require.ErrorIs(t, err, catalog.ErrImportNotFound)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAFormatIsToldByNameAndHeader(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	for _, c := range []struct{ name, file, want string }{
		{"a.csv", shirts, "csv"}, {"-", shirts, "csv"}, {"a.JSON", `[{"title":"A"}]`, "json"}, {"-", `{"products":[]}`, "json"},
		{"a.csv", "Handle,Title,Body (HTML),Variant Price\na,A,,5\n", "shopify"}, {"noname", "Title,Variant SKU\nA,\n", "shopify"},
	} {
		i, err := s.ImportFile(t.Context(), strings.NewReader(c.file), c.name, service.ImportOptions{DryRun: true}, func(service.Import) {})
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, i.Format)
	}
	for name, file := range map[string]string{"a.csv": "a,b\n1,2\n", "a.json": shirts, "-": ""} {
		_, err := s.ImportFile(t.Context(), strings.NewReader(file), name, service.ImportOptions{}, func(service.Import) {})
		require.ErrorIs(t, err, errs.ErrInvalid, name)
	}
}

func TestABrokenFileFailsBeforeAnythingIsImported(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	i := s.read(t, shirts+"x,\"X", csvFile)
	require.Equal(t, "failed", i.Status)
	require.Equal(t, "the file cannot be read: row 5: a quote is opened and never closed", *i.Failure)
	require.NotNil(t, i.FinishedAt)
	require.Zero(t, i.ProductsCreated)
	require.Zero(t, s.count(t, `SELECT count(*) FROM products`))
	i = s.read(t, `{"products":[{"title":"A"}`, jsonFile)
	require.Equal(t, "failed", i.Status)
}

func TestErrorsAreCountedAllAndKeptUpToABound(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	var file strings.Builder
	file.WriteString("slug,title,price\n")
	for n := range 1500 {
		fmt.Fprintf(&file, "p%d,P,none\n", n)
	}
	i := s.read(t, file.String(), csvFile)
	require.Len(t, i.Errors, service.MaxImportErrors)
	require.EqualValues(t, 1001, i.Errors[999].Row)
	require.EqualValues(t, 1500, i.ErrorsTotal)
	require.EqualValues(t, 1500, i.RowsSkipped)
}

func TestAFileOfNothingSucceeds(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	require.Zero(t, s.good(t, "slug,title\n", csvFile).RowsTotal)
	require.Zero(t, s.good(t, "[]", jsonFile).RowsTotal)
}

func TestStoppingACommandEndsItsImport(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.ImportFile(ctx, strings.NewReader(manyProducts(1000)), "x.csv", csvFile, func(i service.Import) {
		if i.RowsDone > 0 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	var id string
	require.NoError(t, s.db.Read().QueryRowContext(t.Context(), `SELECT id FROM imports`).Scan(&id))
	i, err := s.GetImport(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "failed", i.Status)
	require.Contains(t, *i.Failure, "stopped")
	require.EqualValues(t, i.ProductsCreated, s.count(t, `SELECT count(*) FROM products`))
	require.Positive(t, i.ProductsCreated)
	require.Less(t, i.ProductsCreated, int64(1000))
	require.Zero(t, s.chunks(t))
}

func TestCustomersSeeWhatWasImportedAtOnce(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.good(t, shirts, csvFile)
	view := func() string {
		v, err := s.ViewProduct(t.Context(), "shirt")
		require.NoError(t, err)
		return string(v.JSON)
	}
	require.Contains(t, view(), "Linen Shirt")
	s.good(t, strings.Replace(shirts, "Linen Shirt", "Cotton Shirt", 1), csvFile)
	require.Contains(t, view(), "Cotton Shirt")
	require.Contains(t, view(), `"available":3`)
	s.good(t, "slug,title,sku,price,quantity\nshirt,Cotton Shirt,shirt-s,50,9\n", csvFile)
	require.Contains(t, view(), `"available":9`)
}

// manyProducts is a file of so many products in two variants each, and a bad
// one after every hundred.
func manyProducts(n int) string {
	var file strings.Builder
	file.WriteString("slug,title,vendor,tags,categories,option1_name,option1_value,sku,price,quantity\n")
	for p := range n {
		fmt.Fprintf(&file, "p-%d,Product %d,Vendor %d,\"even, t%d\",c%d/d%d,Size,S,p-%d-s,%d.50,%d\n", p, p, p%11, p%5, p%3, p%13, p, p%90, p%4)
		fmt.Fprintf(&file, "p-%d,,,,,,M,p-%d-m,%d.99,%d\n", p, p, p%90, p%7)
		if p%100 == 99 {
			fmt.Fprintf(&file, "bad-%d,Bad,,,,,,,nothing,1\n", p)
		}
	}
	return file.String()
}

func TestExportsOfAllFormatsComeBackTheSame(t *testing.T) {
	t.Parallel()
	source := openImporting(t)
	source.good(t, shirts, csvFile)
	source.read(t, manyProducts(250), csvFile)
	source.good(t, `[{"slug":"odd","title":" =1+1, \"quoted\" 🪔","description":"a\r\nb\nc","status":"archived","tags":["a,b","\"c"],
		"images":[{"url":"/x.png","alt":"1\n2","position":7},{"url":"/x.png","position":9}],
		"options":[{"name":"A","values":["1","2"]},{"name":"B","values":["x"]},{"name":"C","values":["y"]},{"name":"D","values":["z","w"]}],
		"variants":[{"sku":"o-1","title":"","options":{"A":"2","D":"w"},"price":{"amount":1999,"currency":"KWD"},"compare_at_price":{"amount":5,"currency":"KWD"},"position":4},
		{"sku":"o-2","options":{"A":"1"},"price":{"amount":0,"currency":"JPY"},"position":9,"quantity":5}]},{"slug":"bare","title":"Bare"}]`, jsonFile)
	for _, format := range []string{"shopify", "json", "csv"} {
		file := source.export(t, format)
		target := openImporting(t)
		target.good(t, file, service.ImportOptions{Format: format})
		require.Equal(t, file, target.export(t, format), format)
		require.Equal(t, source.export(t, "json"), target.export(t, "json"), "by way of %s", format)
		i := target.good(t, file, service.ImportOptions{Format: format})
		require.EqualValues(t, 254, i.ProductsUnchanged, format)
		target.sound(t)
	}
	require.ErrorIs(t, source.Export(t.Context(), "xml", io.Discard), errs.ErrInvalid)
	full := errors.New("full")
	require.ErrorIs(t, source.Export(t.Context(), "json", writerOf(func([]byte) (int, error) { return 0, full })), full)
}

type writerOf func(p []byte) (int, error)

func (w writerOf) Write(p []byte) (int, error) { return w(p) }

func TestAnExportIsOfOneState(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	s.read(t, manyProducts(400), csvFile)
	want := s.export(t, "json")
	var out bytes.Buffer
	changed := false
	err := s.Export(t.Context(), "json", writerOf(func(p []byte) (int, error) {
		if !changed {
			changed = true
			s.good(t, "slug,title,sku,price\np-999,Last,p-999,5\np-398,Renamed,p-398-s,5\n", csvFile)
		}
		return out.Write(p)
	}))
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, want, out.String())
	require.NotEqual(t, want, s.export(t, "json"))
}

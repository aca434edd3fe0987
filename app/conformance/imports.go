package conformance

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// imports are what reading catalogue files promises.
func imports() []promise {
	return []promise{
		{"a Shopify file becomes products", importsShopify},
		{"a file imported twice changes nothing", importsTwice},
		{"bad rows are named and the rest is imported", importsBadRows},
		{"a dry run changes nothing", importsDry},
		{"what exists is left alone where products are only created", importsCreateOnly},
		{"a quantity below what is reserved is refused", importsBelowReserved},
		{"a file may come in a form", importsForm},
		{"what is no such file is refused or fails", importsNonsense},
	}
}

const shopifyHeader = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Variant Barcode,Image Src,Image Position,Image Alt Text,Variant Weight Unit,Status\n"

// shopifyFile is a small file as Shopify writes it, about products whose
// handles begin with a prefix: a lamp, and a shirt in two sizes with two images.
func shopifyFile(prefix string) string {
	return shopifyHeader +
		prefix + `-lamp,Floor Lamp,"<p>Black, with a ""shade""</p>` + "\n" + `<p>Second line</p>",Company 123,Indoor,"Black, Lamp",true,Title,Default Title,,0.0,4,69.99,85.00,,https://cdn.example.com/lamp.jpg?v=1,1,,kg,active` + "\n" +
		prefix + `-shirt,Linen Shirt,<p>Light</p>,Weaver,Shirts,linen,TRUE,Size,S,` + prefix + `-S,200,3,50,,,https://cdn.example.com/shirt.jpg,1,Front,g,active` + "\n" +
		prefix + `-shirt,,,,,,,,M,` + prefix + `-M,220,0,9.9,19.99,4006381333931,https://cdn.example.com/back.jpg,2,Back,g,` + "\n"
}

// upload sends a file for import.
func (w *world) upload(t testing.TB, query, file string, with ...With) *Answer {
	t.Helper()
	kind := "text/csv"
	if strings.Contains(query, "format=json") {
		kind = "application/json"
	}
	return w.staff.Post(t, "/catalog/imports?"+query, file, append([]With{contentType(kind)}, with...)...)
}

// imported sends a file and waits until it has been read.
func (w *world) imported(t testing.TB, query, file string, with ...With) Import {
	t.Helper()
	a := w.upload(t, query, file, with...).Want(t, http.StatusAccepted)
	shape(t, a.Body, importFields...)
	require.NotEmpty(t, a.Header.Get("Location"), "Location of %s", a)
	return w.importDone(t, a.Header.Get("Location"))
}

// importDone waits for an import, whose address is what Location said.
func (w *world) importDone(t testing.TB, location string) Import {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	var i Import
	eventually(t, 60*time.Second, "the import ends", func() error {
		a := w.staff.Try(t.Context(), http.MethodGet, u.Path, nil)
		if a.Status != http.StatusOK {
			return fmt.Errorf("%s", a)
		}
		if i = decode[Import](t, a); i.Status != "succeeded" && i.Status != "failed" {
			return fmt.Errorf("it is %s", i.Status)
		}
		shape(t, a.Want(t, http.StatusOK).Body, importFields...)
		return nil
	})
	return i
}

func importsShopify(t *testing.T, w *world) {
	prefix := unique("shopify")
	i := w.imported(t, "format=shopify&currency=USD", shopifyFile(prefix))
	require.Equal(t, "succeeded", i.Status, "%+v", i)
	require.Empty(t, i.Errors)
	require.EqualValues(t, 3, i.RowsTotal)
	require.EqualValues(t, 3, i.RowsDone)
	require.EqualValues(t, 2, i.ProductsCreated)
	require.Zero(t, i.ProductsUpdated)

	lamp := get[Product](t, w.staff, "/products/"+prefix+"-lamp")
	require.Equal(t, []any{"Floor Lamp", "Company 123", "Indoor", "active"}, []any{lamp.Title, lamp.Vendor, lamp.ProductType, lamp.Status})
	require.Contains(t, lamp.Description, `with a "shade"`)
	require.Contains(t, lamp.Description, "Second line")
	require.ElementsMatch(t, []string{"Black", "Lamp"}, lamp.Tags)
	require.Len(t, lamp.Variants, 1)
	require.NotEmpty(t, lamp.Variants[0].SKU, "a variant without a SKU gets one")
	require.Equal(t, usd(6999), lamp.Variants[0].Price)
	require.Equal(t, usd(8500), *lamp.Variants[0].CompareAtPrice)
	w.wantStock(t, lamp.Variants[0].SKU, 4, 0)

	shirt := get[Product](t, w.staff, "/products/"+prefix+"-shirt")
	require.Len(t, shirt.Variants, 2)
	require.Len(t, shirt.Images, 2)
	require.Equal(t, []Option{{"Size", []string{"S", "M"}}}, shirt.Options)
	require.Equal(t, usd(5000), shirt.Variants[0].Price)
	require.Equal(t, usd(990), shirt.Variants[1].Price)
	require.Equal(t, map[string]string{"Size": "M"}, shirt.Variants[1].Options)
	require.Equal(t, "4006381333931", shirt.Variants[1].Barcode)
	require.EqualValues(t, 220, shirt.Variants[1].WeightGrams)
	w.wantStock(t, prefix+"-S", 3, 0)
}

func importsTwice(t *testing.T, w *world) {
	prefix := unique("twice")
	first := w.imported(t, "format=shopify", shopifyFile(prefix))
	require.EqualValues(t, 2, first.ProductsCreated, "%+v", first)
	lamp, shirt := get[Product](t, w.staff, "/products/"+prefix+"-lamp"), get[Product](t, w.staff, "/products/"+prefix+"-shirt")
	second := w.imported(t, "format=shopify&mode=upsert", shopifyFile(prefix))
	require.Equal(t, "succeeded", second.Status)
	require.Zero(t, second.ProductsCreated)
	require.Empty(t, second.Errors)
	require.Equal(t, lamp, get[Product](t, w.staff, "/products/"+prefix+"-lamp"))
	require.Equal(t, shirt, get[Product](t, w.staff, "/products/"+prefix+"-shirt"))
	w.wantStock(t, prefix+"-S", 3, 0)
	require.Len(t, all[Movement](t, w.staff, "/inventory/"+prefix+"-S/movements", nil), 1, "nothing moved the second time")

	changed := strings.Replace(shopifyFile(prefix), prefix+"-S,200,3,50", prefix+"-S,200,8,45.50", 1)
	third := w.imported(t, "format=shopify", changed)
	require.EqualValues(t, 1, third.ProductsUpdated, "%+v", third)
	require.Equal(t, usd(4550), get[Product](t, w.staff, "/products/"+prefix+"-shirt").Variants[0].Price)
	w.wantStock(t, prefix+"-S", 8, 0)
}

func importsBadRows(t *testing.T, w *world) {
	prefix := unique("bad")
	file := shopifyFile(prefix) +
		prefix + "-price,Bad Price,,V,T,,true,Title,Default Title," + prefix + "-P,1,1,abc,,,,,,g,active\n" +
		prefix + "-quantity,Bad Quantity,,V,T,,true,Title,Default Title," + prefix + "-Q,1,many,5.00,,,,,,g,active\n" +
		prefix + "-fraction,Bad Fraction,,V,T,,true,Title,Default Title," + prefix + "-F,1,1,5.001,,,,,,g,active\n" +
		prefix + "-good,Good,,V,T,,true,Title,Default Title," + prefix + "-G,1,1,5.00,,,,,,g,active\n"
	i := w.imported(t, "format=shopify", file)
	require.EqualValues(t, 7, i.RowsTotal, "%+v", i)
	require.EqualValues(t, 3, i.ProductsCreated, "%+v", i)
	require.GreaterOrEqual(t, i.RowsSkipped, int64(3), "%+v", i)
	require.Len(t, i.Errors, 3, "%+v", i)
	columns := map[int64]string{}
	for _, e := range i.Errors {
		require.NotEmpty(t, e.Message)
		require.NotRegexp(t, leaks, e.Message)
		columns[e.Row] = e.Column
	}
	var found []string
	for _, c := range columns {
		found = append(found, c)
	}
	require.Len(t, columns, 3, "each bad row is named by its number: %+v", i.Errors)
	require.ElementsMatch(t, []string{"Variant Price", "Variant Inventory Qty", "Variant Price"}, found)
	for _, slug := range []string{"-price", "-quantity", "-fraction"} {
		w.staff.Get(t, "/products/"+prefix+slug).Want(t, http.StatusNotFound)
	}
	require.Equal(t, "Good", get[Product](t, w.staff, "/products/"+prefix+"-good").Title)
}

func importsDry(t *testing.T, w *world) {
	prefix := unique("dry")
	i := w.imported(t, "format=shopify&dry_run=true", shopifyFile(prefix))
	require.Equal(t, "succeeded", i.Status, "%+v", i)
	require.EqualValues(t, 3, i.RowsTotal)
	w.staff.Get(t, "/products/"+prefix+"-lamp").Want(t, http.StatusNotFound)
	w.staff.Get(t, "/inventory/"+prefix+"-S").Want(t, http.StatusNotFound)
	bad := w.imported(t, "format=shopify&dry_run=true", strings.Replace(shopifyFile(prefix), "69.99", "abc", 1))
	require.NotEmpty(t, bad.Errors, "a dry run finds what is wrong")
}

func importsCreateOnly(t *testing.T, w *world) {
	prefix := unique("create")
	w.imported(t, "format=shopify", shopifyFile(prefix))
	again := strings.Replace(shopifyFile(prefix), "Floor Lamp", "Another Lamp", 1) +
		prefix + "-new,New,,V,T,,true,Title,Default Title," + prefix + "-N,1,1,5.00,,,,,,g,active\n"
	i := w.imported(t, "format=shopify&mode=create", again)
	require.EqualValues(t, 1, i.ProductsCreated, "%+v", i)
	require.Zero(t, i.ProductsUpdated, "%+v", i)
	require.Equal(t, "Floor Lamp", get[Product](t, w.staff, "/products/"+prefix+"-lamp").Title)
	require.Equal(t, "New", get[Product](t, w.staff, "/products/"+prefix+"-new").Title)
}

func importsBelowReserved(t *testing.T, w *world) {
	prefix := unique("held")
	w.imported(t, "format=shopify", shopifyFile(prefix))
	o := w.holding(t, w.customer, line(prefix+"-S", 2))
	i := w.imported(t, "format=shopify", strings.Replace(shopifyFile(prefix), prefix+"-S,200,3,", prefix+"-S,200,1,", 1))
	require.NotEmpty(t, i.Errors, "%+v", i)
	w.wantStock(t, prefix+"-S", 3, 2)
	w.cancel(t, w.customer, o.ID)
	w.settled(t, prefix+"-S", 3, 0)
}

func importsForm(t *testing.T, w *world) {
	prefix := unique("form")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "products.csv")
	require.NoError(t, err)
	_, err = file.Write([]byte(shopifyFile(prefix)))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	i := w.imported(t, "format=shopify", body.String(), contentType(form.FormDataContentType()))
	require.EqualValues(t, 2, i.ProductsCreated, "%+v", i)
}

func importsNonsense(t *testing.T, w *world) {
	good := shopifyFile(unique("nonsense"))
	for _, query := range []string{"format=xml", "format=", "", "format=shopify&mode=destroy", "format=shopify&currency=ZZZ", "format=shopify&dry_run=perhaps", "format=shopify&unknown=1"} {
		w.upload(t, query, good).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	w.upload(t, "format=shopify", good, contentType("application/xml")).Refused(t, http.StatusUnsupportedMediaType)
	for _, who := range []*Caller{w.anyone, w.customer} {
		who.Post(t, "/catalog/imports?format=shopify", good, contentType("text/csv")).Refused(t, http.StatusUnauthorized, http.StatusForbidden)
	}
	w.staff.Get(t, "/catalog/imports/0193f3a0-0000-7000-8000-000000000000").Refused(t, http.StatusNotFound)
	for format, files := range map[string][]string{
		"shopify": {"", "not,a,shopify,file\n1,2,3,4\n", "\xff\xfe\x00", "<html></html>", shopifyHeader + "\"unclosed", "\x1f\x8b\x08\x00"},
		"csv":     {"", "nothing,of,this\n1,2,3\n", "\x00\x01\x02"},
		"json":    {"", "{", "[1,2,3]", `"text"`, "null", strings.Repeat("[", 100_000)},
	} {
		for _, file := range files {
			a := w.upload(t, "format="+format, file)
			if a.Status != http.StatusAccepted {
				a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType)
				continue
			}
			i := w.importDone(t, a.Header.Get("Location"))
			require.True(t, i.Status == "failed" || len(i.Errors) > 0, "format=%s takes %q: %+v", format, shorten(file), i)
			require.Zero(t, i.ProductsCreated)
		}
	}
	// Larger than any import: told by its length, before all of it is sent.
	tooLarge := w.request(t, w.staff, "POST", base+"/catalog/imports?format=shopify", "", "Content-Type: text/csv", fmt.Sprintf("Content-Length: %d", 64<<20+1))
	answers, _ := w.exchange(t, tooLarge+good+strings.Repeat("x", 16<<10))
	require.Len(t, answers, 1)
	answers[0].Refused(t, http.StatusRequestEntityTooLarge)
}

func importsRealFiles(t *testing.T, w *world) {
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "shopify", "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		require.NoError(t, err)
		handles := map[string]bool{}
		for _, row := range rows[1:] {
			handles[row[0]] = true
		}
		i := w.imported(t, "format=shopify", string(text))
		require.Equal(t, "succeeded", i.Status, "%s: %+v", path, i)
		require.Empty(t, i.Errors, "%s", path)
		require.EqualValues(t, len(handles), i.ProductsCreated, "%s", path)
		require.EqualValues(t, len(rows)-1, i.RowsTotal, "%s", path)
		for handle := range handles {
			p := get[Product](t, w.staff, "/products/"+url.PathEscape(handle))
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.Variants)
		}
	}
	before := w.exported(t, "shopify")
	i := w.imported(t, "format=shopify", before)
	require.Empty(t, i.Errors)
	require.Zero(t, i.ProductsCreated)
	require.Equal(t, before, w.exported(t, "shopify"))
}

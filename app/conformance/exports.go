package conformance

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// exports are what writing catalogue files promises.
func exports() []promise {
	return []promise{
		{"an export is ordered by slug and has no ids and times", exportsAreOrdered},
		{"an export is for staff", exportsForStaff},
	}
}

// exported reads the whole catalogue as a file.
func (w *world) exported(t testing.TB, format string) string {
	t.Helper()
	a := w.staff.Get(t, "/catalog/export?format="+format)
	require.Equal(t, http.StatusOK, a.Status, "%s", a)
	return string(a.Body)
}

// furnish fills a shop with products that are hard to write down, and with the
// categories they stand in.
func (w *world) furnish(t testing.TB) {
	t.Helper()
	root := w.category(t, "household", nil)
	leaf := w.category(t, "lamps", &root.ID)
	for i, text := range []string{
		`plain`, `with "quotes", commas`, "two\nlines", "carriage\r\nreturn", "=1+1", "+49 30", "-5", "@user", "日本語 ünïcödé 🪔", " spaces ", `back\slash`, "tab\there", "semi;colon", "<b>bold</b> & more", "null", "0012",
	} {
		body := shirt("product-" + string(rune('a'+i)))
		oneLine := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return '~'
			}
			return r
		}, text)
		body["title"], body["description"], body["vendor"] = "Title "+oneLine, text, "Vendor "+oneLine
		if i%3 == 0 {
			body["category_ids"] = []string{leaf.ID}
		}
		if i%5 == 0 {
			body["category_ids"] = []string{root.ID, leaf.ID}
		}
		body["status"] = []string{"active", "draft", "archived"}[i%3]
		p := w.create(t, body)
		w.adjust(t, p.Variants[i%2].SKU, int64(i))
	}
	for slug, price := range map[string]money.Money{
		"yen": {Amount: 1999, Currency: "JPY"}, "dinar": {Amount: 1999, Currency: "KWD"}, "euro": {Amount: 1, Currency: "EUR"}, "free": usd(0), "dear": usd(1 << 50),
	} {
		body := productBody(slug, price)
		body["tags"], body["description"] = []string{}, ""
		w.create(t, body)
	}
}

// catalogueFiles are what files of a whole catalogue promise.
func catalogueFiles() []promise {
	return []promise{
		{"what is exported is read back to the same catalogue", exportsRoundTrip},
		{"real Shopify files are imported", importsRealFiles},
		{"catalog import and export do what the API does", importsByCommand},
	}
}

func exportsRoundTrip(t *testing.T, source *world) {
	source.furnish(t)
	for _, format := range []string{"shopify", "json", "csv"} {
		t.Run(format, func(t *testing.T) {
			file := source.exported(t, format)
			require.Equal(t, file, source.exported(t, format))

			target := openEmpty(t, source.topology)
			root := target.category(t, "household", nil)
			target.category(t, "lamps", &root.ID)
			i := target.imported(t, "format="+format, file)
			require.Equal(t, "succeeded", i.Status, "%+v", i)
			require.Empty(t, i.Errors)
			require.Equal(t, file, target.exported(t, format))

			want := all[Product](t, source.staff, "/products", nil)
			got := map[string]Product{}
			for _, p := range all[Product](t, target.staff, "/products", nil) {
				got[p.Slug] = p
			}
			for _, p := range want {
				require.Equal(t, timeless(p), timeless(got[p.Slug]), "%s by way of %s", p.Slug, format)
			}
			again := target.imported(t, "format="+format, file)
			require.Zero(t, again.ProductsCreated, "%+v", again)
			require.Empty(t, again.Errors)
			require.Equal(t, file, target.exported(t, format))
		})
	}
}

// timeless gives what of a product stands in a file.
func timeless(p Product) Product {
	p.ID, p.Version, p.CreatedAt, p.UpdatedAt = "", 0, time.Time{}, time.Time{}
	p.Categories = slices.Clone(p.Categories)
	for i := range p.Categories {
		p.Categories[i].ID = ""
	}
	slices.SortFunc(p.Categories, func(a, b Category) int { return strings.Compare(a.Path, b.Path) })
	p.Variants = slices.Clone(p.Variants)
	for i := range p.Variants {
		p.Variants[i].ID = ""
	}
	return p
}

func exportsAreOrdered(t *testing.T, w *world) {
	for range 3 {
		w.sell(t, usd(100), 1)
	}
	table, err := csv.NewReader(strings.NewReader(w.exported(t, "shopify"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "Handle", table[0][0])
	for _, column := range []string{"Title", "Body (HTML)", "Vendor", "Tags", "Option1 Name", "Variant SKU", "Variant Price", "Image Src", "Status"} {
		require.Contains(t, table[0], column, "a column of Shopify's")
	}
	var handles []string
	for _, row := range table[1:] {
		handles = append(handles, row[0])
	}
	require.True(t, slices.IsSorted(handles), "ordered by slug")

	text := w.exported(t, "json")
	require.True(t, json.Valid([]byte(text)))
	for _, name := range []string{`"id"`, `"created_at"`, `"updated_at"`, `"version"`} {
		require.NotContains(t, text, name)
	}
	table, err = csv.NewReader(strings.NewReader(w.exported(t, "csv"))).ReadAll()
	require.NoError(t, err)
	for _, column := range table[0] {
		require.NotContains(t, []string{"id", "created_at", "updated_at", "version"}, column)
	}
}

func exportsForStaff(t *testing.T, w *world) {
	w.anyone.Get(t, "/catalog/export?format=json").Want(t, http.StatusUnauthorized)
	w.customer.Get(t, "/catalog/export?format=json").Want(t, http.StatusForbidden)
	for _, bad := range []string{"?format=xml", "?format=", "?format=json&unknown=1"} {
		w.staff.Get(t, "/catalog/export"+bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
}

package service_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/db/dbtest"
)

// Whatever files come one after the other: a dry run tells what the import then
// does, and the same file again changes nothing.
func TestFilesOfAllKinds(t *testing.T) {
	t.Parallel()
	s, run := openImporting(t), 0
	rapid.Check(t, func(r *rapid.T) {
		run++ // each with slugs and SKUs of its own
		if dbtest.Raced && run > 20 {
			return
		}
		for range rapid.IntRange(1, 4).Draw(r, "files") {
			file := drawFile(r, strconv.Itoa(run))
			dry := s.read(t, file, service.ImportOptions{Format: "csv", DryRun: true})
			before := s.export(t, "json")
			first := s.read(t, file, csvFile)
			require.Equal(r, comparable(dry), comparable(first), file)
			after := s.export(t, "json")
			require.Equal(r, first.ProductsCreated+first.ProductsUpdated > 0, before != after, "%s\n%s\n%s", file, before, after)
			again := s.read(t, file, csvFile)
			require.Zero(r, again.ProductsCreated+again.ProductsUpdated, "%s\n%s\n%s", file, after, s.export(t, "json"))
			require.Equal(r, first.RowsSkipped, again.RowsSkipped)
			require.Equal(r, after, s.export(t, "json"))
			s.sound(t)
		}
	})
}

// drawFile draws a table with some of the columns, of a few products that share
// slugs, SKUs and options.
func drawFile(r *rapid.T, own string) string {
	values := map[string][]string{
		"status": {"", "draft", "active", "archived"}, "tags": {"", "a", "a, b"}, "categories": {"", "x", "x/y, z"},
		"images": {"", "/1", "/1, /2"}, "variant_title": {"", "T"}, "compare_at_price": {"", "9"}, "barcode": {"", "1"},
		"quantity": {"", "0", "5"}, "position": {"", "1", "2", "7"}, "currency": {"", "USD", "EUR"},
		"option1_name": {"Size"}, "option1_value": {"", "S", "M", "L"},
	}
	columns := []string{"slug", "title", "sku", "price"}
	for _, c := range rapid.Permutation([]string{"status", "tags", "categories", "images", "variant_title", "compare_at_price", "barcode", "quantity", "position", "currency"}).Draw(r, "columns")[:rapid.IntRange(0, 10).Draw(r, "further columns")] {
		columns = append(columns, c)
	}
	if rapid.Bool().Draw(r, "options") {
		columns = append(columns, "option1_name", "option1_value")
	}
	var out strings.Builder
	w := csv.NewWriter(&out)
	require.NoError(r, w.Write(columns))
	for _, slug := range rapid.Permutation([]string{"a", "b", "c"}).Draw(r, "slugs")[:rapid.IntRange(1, 3).Draw(r, "products")] {
		for range rapid.IntRange(1, 3).Draw(r, "variants") {
			row := []string{
				slug + own, rapid.SampledFrom([]string{"A", "B"}).Draw(r, "title"),
				rapid.SampledFrom([]string{own + "-1", own + "-2", own + "-3", own + "-4", ""}).Draw(r, "sku"), rapid.SampledFrom([]string{"1", "2.50"}).Draw(r, "price"),
			}
			for _, c := range columns[4:] {
				row = append(row, rapid.SampledFrom(values[c]).Draw(r, c))
			}
			require.NoError(r, w.Write(row))
		}
	}
	w.Flush()
	return out.String()
}

func TestRealShopifyFilesAreImported(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(testdata(t, "shopify", "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	s := openImporting(t)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		requireImported(t, s, string(text))
	}
	requireComesBack(t, s, "shopify", "json", "csv")
}

func TestARealCatalogueIsImported(t *testing.T) {
	if testing.Short() {
		t.Skip("20,832 products take some seconds")
	}
	t.Parallel()
	s := openImporting(t)
	file := journey(t)
	requireImported(t, s, file)
	requireComesBack(t, s, "shopify")
}

// requireImported imports a file of Shopify and counts by the file's own rows.
func requireImported(t *testing.T, s *importing, file string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	require.NoError(t, err)
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	handles, stock := map[string]bool{}, int64(0)
	for _, row := range rows[1:] {
		handles[row[at["Handle"]]] = true
		if quantity := row[at["Variant Inventory Qty"]]; quantity != "" {
			n, err := strconv.ParseInt(quantity, 10, 64)
			require.NoError(t, err)
			stock += n
		}
	}
	products, onHand := s.count(t, `SELECT count(*) FROM products`), s.count(t, `SELECT coalesce(sum(on_hand), 0) FROM stock`)
	i := s.good(t, file, shopifyFile)
	require.EqualValues(t, len(rows)-1, i.RowsTotal)
	require.EqualValues(t, len(handles), i.ProductsCreated)
	require.Equal(t, products+int64(len(handles)), s.count(t, `SELECT count(*) FROM products`))
	require.Equal(t, onHand+stock, s.count(t, `SELECT sum(on_hand) FROM stock`))
	for handle := range handles {
		if len(handles) < 100 {
			p := s.product(t, handle)
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.Variants)
		}
	}
	s.sound(t)
	s.clock.Advance(time.Hour)
	again := s.good(t, file, shopifyFile)
	require.EqualValues(t, len(handles), again.ProductsUnchanged)
	require.Zero(t, s.count(t, `SELECT count(*) FROM products WHERE version > 1 OR updated_at > created_at`))
	s.sound(t)
}

// requireComesBack exports what there is and reads it into an empty shop.
func requireComesBack(t *testing.T, s *importing, formats ...string) {
	t.Helper()
	for _, format := range formats {
		file := s.export(t, format)
		target := openImporting(t)
		target.good(t, file, service.ImportOptions{Format: format})
		require.True(t, file == target.export(t, format), format)
		target.sound(t)
	}
}

// The memory of an import does not grow with its file, but for some bytes for
// each product's slug.
func TestMemoryStaysFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("it imports 8,000 products, and looks at the heap")
	}
	s := openImporting(t)
	file := manyProducts(8000)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early, late uint64
	i, err := s.ImportFile(t.Context(), strings.NewReader(file), "x.csv", csvFile, func(i service.Import) {
		switch {
		case early == 0 && i.RowsDone > 3000:
			early = heap()
		case late == 0 && i.RowsDone > 14_000:
			late = heap()
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 8000, i.ProductsCreated)
	require.NotZero(t, late)
	require.Less(t, int64(late)-int64(early), int64(4<<20), "from %d to %d bytes", early, late)
}

package format_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/catalogtest"
	"stoa/modules/catalog/internal/format"
)

// journey opens the supermarket's products: all of them, or some made up.
func journey(t *testing.T) io.Reader {
	t.Helper()
	if dir := os.Getenv("TESTDATA_DIR"); dir != "" {
		file, err := os.Open(filepath.Join(dir, "completejourney", "priced-products.csv.gz"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = file.Close() })
		return file
	}
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	_, err := io.WriteString(w, "product_id,department,product_category,product_type,brand,package_size,median_shelf_price_cents,times_sold\n")
	for id := range 500 {
		if err == nil {
			_, err = io.WriteString(w, strconv.Itoa(20_000+id)+",DELI,CHEESE & HAM,SLICED <MILD>,Private,"+[]string{"", "16  OZ"}[id%2]+",199,1\n")
		}
	}
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return &file
}

func TestASupermarketIsReadWithoutAFault(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	n, err := catalogtest.CompleteJourney(&file, journey(t))
	require.NoError(t, err)
	products := readProducts(t, format.Shopify, file.String())
	require.Len(t, products, n)
	if os.Getenv("TESTDATA_DIR") != "" {
		require.Equal(t, 20_832, n)
	}
	skus := map[string]bool{}
	for _, p := range products {
		require.Len(t, p.Variants, 1)
		skus[p.Variants[0].SKU] = true
		require.Equal(t, p.Variants[0].Title != "", len(p.Options) == 1)
	}
	require.Len(t, skus, n)
	requireRoundTrip(t, products)
}

package catalogtest_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/catalogtest"
)

const journeyHeader = "product_id,department,product_category,product_type,brand,package_size,median_shelf_price_cents,times_sold\n"

func gzipped(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return &file
}

func TestCompleteJourneyBecomesAShopifyFile(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	n, err := catalogtest.CompleteJourney(&out, gzipped(t, journeyHeader+
		"28897,GROCERY,EGGS,EGGS - X-LARGE,Private,A D   1 DZ,109,1\n"+
		"32553,GROCERY,MILK & CREAM,FLUID MILK WHITE ONLY,National,,5,1\n"+
		"821675,MISCELLANEOUS,,,National,,0,2\n"))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, `Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,`+
		`Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Fulfillment Service,Variant Price,`+
		`Variant Requires Shipping,Variant Taxable,Gift Card,Variant Weight Unit,Status
eggs-x-large-28897,"EGGS - X-LARGE, A D 1 DZ",<p>EGGS</p>,Private,EGGS,GROCERY,TRUE,Size,A D 1 DZ,28897,0,shopify,168,deny,manual,1.09,TRUE,TRUE,FALSE,g,active
fluid-milk-white-only-32553,FLUID MILK WHITE ONLY,<p>MILK &amp; CREAM</p>,National,MILK & CREAM,GROCERY,TRUE,Title,Default Title,32553,0,shopify,851,deny,manual,0.05,TRUE,TRUE,FALSE,g,active
miscellaneous-821675,MISCELLANEOUS,<p>MISCELLANEOUS</p>,National,MISCELLANEOUS,MISCELLANEOUS,TRUE,Title,Default Title,821675,0,shopify,146,deny,manual,0.00,TRUE,TRUE,FALSE,g,active
`, out.String())
}

func TestCompleteJourneyRefusesAnotherFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a,b\n1,2\n", journeyHeader + "x,GROCERY,EGGS,EGGS,Private,,1,1\n", journeyHeader + "1,GROCERY,EGGS,EGGS,Private,,1.5,1\n"} {
		_, err := catalogtest.CompleteJourney(&strings.Builder{}, gzipped(t, text))
		require.Error(t, err)
	}
	_, err := catalogtest.CompleteJourney(&strings.Builder{}, strings.NewReader(journeyHeader))
	require.ErrorIs(t, err, gzip.ErrHeader)
}

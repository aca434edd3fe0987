package history_test

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders/internal/replay/history"
)

// TestRealHistoryIsPlannedWhole holds the plan of the real file against what
// can be counted in it without planning anything.
func TestRealHistoryIsPlannedWhole(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	path := filepath.Join(dir, "online-retail", "online-retail-2010-12_2011-03.csv.gz")
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	lines, err := history.Read(f, 0)
	require.NoError(t, err)
	require.Len(t, lines, 142_083)
	p, err := history.NewPlan(lines, "GBP")
	require.NoError(t, err)
	accounted(t, p)

	want := count(t, path)
	require.Equal(t, 6_877, len(want.invoices))
	require.Len(t, p.Products, len(want.codes))
	variants, stockIn := 0, int64(0)
	for _, product := range p.Products {
		variants += len(product.Variants)
		for _, v := range product.Variants {
			stockIn += v.StockIn()
		}
	}
	require.Equal(t, len(want.skus), variants)
	require.Equal(t, want.soldPieces+want.writtenPieces, stockIn)

	var got figures
	guests := 0
	placed := map[string]bool{}
	for _, c := range p.Customers {
		if c.ID == "" {
			guests++
		}
		for _, s := range c.Steps {
			if s.Order != nil {
				placed[s.Order.Invoice] = true
				got.sold += s.Order.Total.Amount
				continue
			}
			got.back += s.Return.Amount.Amount
			for _, item := range s.Return.Items {
				got.backPieces += item.Pieces
			}
		}
	}
	require.Equal(t, len(want.placed), len(placed))
	require.Equal(t, want.guests, guests)
	require.Equal(t, want.customers, len(p.Customers)-guests)
	require.Equal(t, want.sold, got.sold)
	require.Equal(t, want.back, got.back)
	require.Equal(t, want.backPieces, got.backPieces)
	sums := fates(p)
	require.Equal(t, want.soldPieces, sums[history.Ordered])
	require.Equal(t, want.writtenPieces, sums[history.WrittenOff])
	require.Equal(t, want.backPieces, sums[history.Cancelled]+sums[history.Refunded])
	require.Zero(t, sums[history.Unreadable])

	// Counted by other means still, outside of this test.
	require.Len(t, want.codes, 3_099)
	require.Len(t, want.skus, 9_978)
	require.Len(t, want.placed, 5_164)
	require.Equal(t, 483, want.guests)
	require.Equal(t, 2_132, want.customers)
}

// figures are what a file comes to; amounts are in pennies.
type figures struct {
	invoices, codes, skus, placed map[string]bool
	guests, customers             int
	sold, back                    int64
	soldPieces, backPieces        int64
	writtenPieces                 int64
}

// count goes through the file once, line by line, with nothing of the planner.
func count(t *testing.T, path string) figures {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	rows, err := csv.NewReader(unzipped).ReadAll()
	require.NoError(t, err)

	named := regexp.MustCompile(`^(([^0-9]*[0-9]){4}[A-Z0-9_]*|DCGS[A-Z0-9]+)$`)
	priced := regexp.MustCompile(`^[0-9]+(\.[0-9]{1,2})?$`)
	c := figures{invoices: map[string]bool{}, codes: map[string]bool{}, skus: map[string]bool{}, placed: map[string]bool{}}
	customers, guests := map[string]bool{}, map[string]bool{}
	has := map[string]int64{} // pieces by customer and SKU
	type writeOff struct {
		code   string
		pieces int64
	}
	var written []writeOff
	for _, row := range rows[1:] {
		invoice, code, price, customer := row[0], strings.ToUpper(row[1]), row[5], row[6]
		c.invoices[invoice] = true
		if !named.MatchString(code) {
			continue
		}
		pieces, err := strconv.ParseInt(row[3], 10, 64)
		holds(t, err == nil, "%s pieces", row[3])
		cancels := strings.HasPrefix(invoice, "C")
		if pieces < 0 && !cancels {
			written = append(written, writeOff{code, -pieces})
			continue
		}
		holds(t, priced.MatchString(price), "a price of %s", price)
		whole, fraction, _ := strings.Cut(price, ".")
		pennies, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
		holds(t, err == nil, "a price of %s", price)
		if pennies == 0 {
			continue
		}
		sku := code + " " + strconv.FormatInt(pennies, 10)
		if cancels {
			back := min(-pieces, has[customer+sku])
			if customer == "" {
				back = 0
			}
			has[customer+sku] -= back
			c.back += back * pennies
			c.backPieces += back
			continue
		}
		if customer == "" {
			guests[invoice] = true
		} else {
			customers[customer] = true
		}
		has[customer+sku] += pieces
		c.codes[code], c.skus[sku], c.placed[invoice] = true, true, true
		c.sold += pieces * pennies
		c.soldPieces += pieces
	}
	for _, w := range written {
		if c.codes[w.code] {
			c.writtenPieces += w.pieces
		}
	}
	c.guests, c.customers = len(guests), len(customers)
	return c
}

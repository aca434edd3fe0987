package history_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/money"
)

func gbp(amount int64) money.Money { return money.Money{Amount: amount, Currency: "GBP"} }

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

func plan(t *testing.T, rows ...string) *history.Plan {
	t.Helper()
	lines, err := history.Read(strings.NewReader(header+strings.Join(rows, "\n")), 0)
	require.NoError(t, err)
	p, err := history.NewPlan(lines, "GBP")
	require.NoError(t, err)
	accounted(t, p)
	return p
}

func sample(t *testing.T, limit int) *history.Plan {
	t.Helper()
	f, err := os.Open("testdata/sample.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	lines, err := history.Read(f, limit)
	require.NoError(t, err)
	p, err := history.NewPlan(lines, "GBP")
	require.NoError(t, err)
	accounted(t, p)
	return p
}

// accounted holds what must be so of any plan: every piece of every line is
// accounted for once, nothing is given back that was not bought, and a cart
// can hold every order.
func accounted(t *testing.T, p *history.Plan) {
	t.Helper()
	pieces := make([]int64, len(p.Lines))
	entries := make([]int, len(p.Lines))
	for _, e := range p.Entries {
		pieces[e.Line] += e.Pieces
		entries[e.Line]++
	}
	for i, l := range p.Lines {
		holds(t, entries[i] > 0, "line %d is not accounted for", l.Number)
		holds(t, l.Bad != "" || pieces[i] == max(l.Quantity, -l.Quantity), "line %d has %d pieces", l.Number, pieces[i])
	}

	sold, names := map[*history.Variant]int64{}, map[string]bool{}
	for _, c := range p.Customers {
		holds(t, !names[c.Name()], "%s stands there twice", c.Name())
		names[c.Name()] = true
		kept := map[*history.Order]map[*history.Variant]int64{}
		touched := map[*history.Order]bool{}
		for _, s := range c.Steps {
			if o := s.Order; o != nil {
				holds(t, s.Return == nil, "%s is an order and a return", o.Mark())
				holds(t, len(o.Items) > 0 && len(o.Items) <= orders.MaxLines, "%s has %d items", o.Mark(), len(o.Items))
				kept[o] = map[*history.Variant]int64{}
				var total int64
				for _, item := range o.Items {
					holds(t, item.Pieces > 0 && item.Pieces <= orders.MaxQuantity, "%s has %d of %s", o.Mark(), item.Pieces, item.Variant.SKU)
					holds(t, kept[o][item.Variant] == 0, "%s has %s twice", o.Mark(), item.Variant.SKU)
					kept[o][item.Variant] = item.Pieces
					total += item.Pieces * item.Variant.Price.Amount
					sold[item.Variant] += item.Pieces
				}
				holds(t, o.Total == gbp(total), "%s comes to %d, not %s", o.Mark(), total, o.Total)
				continue
			}
			r := s.Return
			holds(t, kept[r.Of] != nil, "%s comes before it was bought, or from somebody else", r.Mark())
			var sum int64
			for _, item := range r.Items {
				kept[r.Of][item.Variant] -= item.Pieces
				holds(t, item.Pieces > 0 && kept[r.Of][item.Variant] >= 0, "%s gives %d of %s back", r.Mark(), item.Pieces, item.Variant.SKU)
				sum += item.Pieces * item.Variant.Price.Amount
			}
			holds(t, r.Amount == gbp(sum), "%s comes to %d, not %s", r.Mark(), sum, r.Amount)
			holds(t, !r.Whole || !touched[r.Of] && r.Amount == r.Of.Total, "%s is not all of it", r.Mark())
			touched[r.Of] = true
		}
	}
	for _, product := range p.Products {
		require.NotEmpty(t, product.Variants)
		require.NotEmpty(t, product.Title)
		for _, v := range product.Variants {
			require.Equal(t, fmt.Sprintf("%s-%d", product.Code, v.Price.Amount), v.SKU)
			require.Equal(t, sold[v], v.Sold, v.SKU)
			require.Positive(t, v.StockIn())
		}
	}
}

// holds is require.True without its cost, for what is asked of every line.
func holds(t *testing.T, condition bool, format string, args ...any) {
	t.Helper()
	if !condition {
		require.Failf(t, "the plan does not hold", format, args...)
	}
}

// fates adds up the pieces of each fate.
func fates(p *history.Plan) map[history.Fate]int64 {
	sums := map[history.Fate]int64{}
	for _, e := range p.Entries {
		sums[e.Fate] += e.Pieces
	}
	return sums
}

// describe writes the steps of a customer in short.
func describe(c *history.Customer) (steps []string) {
	for _, s := range c.Steps {
		var items []history.Item
		var text string
		switch {
		case s.Order != nil:
			text, items = "buy "+s.Order.Mark(), s.Order.Items
		case s.Return.Whole:
			text, items = "cancel "+s.Return.Mark(), s.Return.Items
		default:
			text, items = "return "+s.Return.Mark(), s.Return.Items
		}
		for _, item := range items {
			text += fmt.Sprintf(" %d×%s", item.Pieces, item.Variant.SKU)
		}
		steps = append(steps, text)
	}
	return steps
}

func TestSampleIsPlannedByTheRules(t *testing.T) {
	t.Parallel()
	p := sample(t, 0)

	var products []string
	for _, product := range p.Products {
		text := product.Code + " " + product.Title
		for _, v := range product.Variants {
			text += fmt.Sprintf(" %s:%d+%d", v.SKU, v.Sold, v.Written)
		}
		products = append(products, text)
	}
	require.Equal(t, []string{
		"10001A BLUE CUP 10001A-255:25008+0 10001A-495:1+0",
		"10002 TIN BOX 10002-100:13+8",
		"10004 CAKE STAND, SMALL 10004-1275:2+0",
	}, products)

	require.Len(t, p.Customers, 3)
	require.Equal(t, "501", p.Customers[0].Name())
	require.Equal(t, []string{
		"buy 100001 8×10001A-255 1×10001A-495 3×10002-100",
		"buy 100002 4×10002-100",
		"cancel C100005 of 100002 4×10002-100",
		"return C100006 of 100001 8×10001A-255",
	}, describe(p.Customers[0]))
	require.Equal(t, gbp(8*255+495+300), p.Customers[0].Steps[0].Order.Total)
	require.Equal(t, "EIRE", p.Customers[0].Steps[1].Order.Country)

	require.Equal(t, "guest-100003", p.Customers[1].Name())
	require.Equal(t, []string{"buy 100003 5×10002-100 2×10004-1275"}, describe(p.Customers[1]))

	require.Equal(t, "502", p.Customers[2].Name())
	require.Equal(t, []string{
		"buy 100009 10000×10001A-255 1×10002-100",
		"buy 100009/2 10000×10001A-255",
		"buy 100009/3 5000×10001A-255",
		"cancel C100010 of 100009 10000×10001A-255 1×10002-100",
		"cancel C100010 of 100009/2 10000×10001A-255",
		"cancel C100010 of 100009/3 5000×10001A-255",
	}, describe(p.Customers[2]))

	require.Len(t, p.WriteOffs, 2)
	require.Equal(t, "100004", p.WriteOffs[0].Mark)
	require.Equal(t, "100004/2", p.WriteOffs[1].Mark)
	require.Equal(t, "10002-100", p.WriteOffs[0].Variant.SKU)

	require.Equal(t, map[history.Fate]int64{
		history.Ordered: 8 + 1 + 3 + 4 + 5 + 2 + 25001, history.Cancelled: 4 + 25001, history.Refunded: 8, history.WrittenOff: 8,
		history.Charge: 2, history.ZeroPrice: 1, history.BrokenPrice: 1, history.NegativePrice: 2,
		history.NobodyToGive: 1, history.NothingToCancel: 2 + 1, history.NeverSold: 2, history.Unreadable: 0,
	}, fates(p))
}

func TestLimitTakesTheFirstInvoicesWhole(t *testing.T) {
	t.Parallel()
	p := sample(t, 3)
	require.Len(t, p.Customers, 2)
	require.Len(t, p.Customers[0].Steps, 2)
	require.Equal(t, []string{"buy 100003 5×10002-100 2×10004-1275"}, describe(p.Customers[1]), "its last line stands at the end of the file")
	require.EqualValues(t, 12, p.Products[1].Variants[0].StockIn())
}

func TestInvoiceThatIsTakenBackLineForLineIsTheOneThatIsCancelled(t *testing.T) {
	t.Parallel()
	p := plan(t,
		"1,10001,A,2,d,1.00,7,X", "1,10002,B,1,d,2.00,7,X",
		"2,10001,A,2,d,1.00,7,X",
		"3,10001,A,5,d,1.00,7,X",
		"C4,10001,A,-2,d,1.00,7,X",
		"C5,10001,A,-2,d,1.00,7,X", "C5,10002,B,-1,d,2.00,7,X",
		"C6,10001,A,-6,d,1.00,7,X",
	)
	require.Equal(t, []string{
		"buy 1 2×10001-100 1×10002-200", "buy 2 2×10001-100", "buy 3 5×10001-100",
		"cancel C4 of 2 2×10001-100",
		"cancel C5 of 1 2×10001-100 1×10002-200",
		"cancel C6 of 3 5×10001-100",
	}, describe(p.Customers[0]))
	require.EqualValues(t, 1, fates(p)[history.NothingToCancel])
}

func TestOtherwiseTheLatestPurchasesAreTakenBackFirst(t *testing.T) {
	t.Parallel()
	p := plan(t,
		"1,10001,A,4,d,1.00,7,X",
		"2,10001,A,4,d,1.00,7,X", "2,10002,B,1,d,2.00,7,X",
		"C3,10001,A,-1,d,1.00,7,X",
		"C4,10001,A,-6,d,1.00,7,X",
		"C5,10001,A,-1,d,1.00,7,X", "C5,10002,B,-1,d,2.00,7,X",
	)
	require.Equal(t, []string{
		"buy 1 4×10001-100", "buy 2 4×10001-100 1×10002-200",
		"return C3 of 2 1×10001-100",
		"return C4 of 2 3×10001-100",
		"return C4 of 1 3×10001-100",
		"return C5 of 1 1×10001-100", // all of it is back by now, but not at once
		"return C5 of 2 1×10002-200",
	}, describe(p.Customers[0]))
}

func TestNothingIsTakenBackThatComesLaterOrIsSomebodyElses(t *testing.T) {
	t.Parallel()
	p := plan(t,
		"C1,10001,A,-1,d,1.00,7,X",
		"2,10001,A,1,d,1.00,7,X",
		"C3,10001,A,-1,d,1.00,8,X",
	)
	require.Equal(t, []string{"buy 2 1×10001-100"}, describe(p.Customers[0]))
	require.Len(t, p.Customers, 1)
	require.EqualValues(t, 2, fates(p)[history.NothingToCancel])
}

func TestInvoiceThatNoCartHoldsBecomesSeveralOrders(t *testing.T) {
	t.Parallel()
	var rows []string
	for i := range orders.MaxLines + 1 {
		rows = append(rows, fmt.Sprintf("1,%05d,A,1,d,1.00,7,X", i))
	}
	p := plan(t, rows...)
	require.Len(t, p.Customers[0].Steps, 2)
	require.Len(t, p.Customers[0].Steps[0].Order.Items, orders.MaxLines)
	require.Equal(t, "1/2", p.Customers[0].Steps[1].Order.Mark())
}

func TestCodesThatNameNoGoodsAreCharges(t *testing.T) {
	t.Parallel()
	for code, charge := range map[string]bool{
		"POST": true, "DOT": true, "M": true, "m": true, "D": true, "S": true, "C2": true, "BANK CHARGES": true, "AMAZONFEE": true,
		"ADJUST2": true, "TEST001": true, "PADS": true, "": true, "12/345": true, "1234 5": true,
		"85123A": false, "85123a": false, "gift_0001_40": false, "DCGSSBOY": false, "DCGS0076": false, "SP1002": false,
	} {
		p := plan(t, "1,"+code+",A,1,d,1.00,7,X")
		require.Equal(t, charge, len(p.Products) == 0, code)
	}
}

func TestPricesThatAreNoneAreLeftOut(t *testing.T) {
	t.Parallel()
	for price, fate := range map[string]history.Fate{
		"0": history.ZeroPrice, "0.0": history.ZeroPrice, "0.00": history.ZeroPrice,
		"0.001": history.BrokenPrice, "1.005": history.BrokenPrice,
		"-1.00": history.NegativePrice, "-11062.06": history.NegativePrice,
		"": history.Unreadable, "free": history.Unreadable, "1e3": history.Unreadable, "NaN": history.Unreadable,
		"99999999999999999999": history.Unreadable, "92233720368547758.07": history.Unreadable,
	} {
		p := plan(t, "1,10001,A,2,d,"+price+",7,X")
		require.Empty(t, p.Customers, price)
		require.EqualValues(t, 2, fates(p)[fate], price)
	}
	p := plan(t, "1,10001,A,2,d,2.5,7,X", "2,10001,A,2,d,2.50,7,X", "3,10001,A,2,d,2.500,7,X")
	require.Len(t, p.Products[0].Variants, 1, "written otherwise, the same price")
}

func TestTitleIsTheCommonestDescription(t *testing.T) {
	t.Parallel()
	p := plan(t, "1,10001,,1,d,1.00,7,X", "2,10001,CUP,1,d,1.00,7,X", "3,10001,BLUE  CUP,1,d,1.00,7,X", "4,10001,BLUE CUP,1,d,2.00,7,X", "5,10002,,1,d,1.00,7,X")
	require.Equal(t, "BLUE CUP", p.Products[0].Title)
	require.Equal(t, "10002", p.Products[1].Title)
}

func TestFileIsReadZippedOrPlainWithAnyOrderOfColumns(t *testing.T) {
	t.Parallel()
	plain := "\ufeffcountry,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo,Extra\n" +
		"France,12583.0,0.85,2010-12-01,12,\"SET, \xa3 40\",22728,536370,x\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte(plain))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, file := range []string{plain, zipped.String()} {
		lines, err := history.Read(strings.NewReader(file), 0)
		require.NoError(t, err)
		require.Equal(t, []history.Line{{
			Number: 2, Invoice: "536370", Code: "22728", Description: "SET, £ 40", Quantity: 12, Price: "0.85", Customer: "12583", Country: "France",
		}}, lines)
	}
}

func TestFilesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "a,b,c\n1,2,3\n", "\x1f\x8b broken", header + "1,\"unclosed,A,1,d,1.00,7,X\n"} {
		_, err := history.Read(strings.NewReader(file), 0)
		require.Error(t, err, "%q", file)
	}
	_, err := history.NewPlan(nil, "XXX")
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
	lines, err := history.Read(strings.NewReader(header+"1,10001,A,1,d,92233720368547758.06,7,X\n1,10002,A,1,d,92233720368547758.06,7,X\n"), 0)
	require.NoError(t, err)
	_, err = history.NewPlan(lines, "GBP")
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestLinesThatCannotBeReadAreTold(t *testing.T) {
	t.Parallel()
	p := plan(t, "1,10001,A", "1,10001,A,0,d,1.00,7,X", "1,10001,A,1.5,d,1.00,7,X", "1,10001,A,9999999999,d,1.00,7,X",
		"C2,10001,A,1,d,1.00,7,X", ",10001,A,1,d,1.00,7,X", "1,10001,A,1,d,1.00,7,X,more,fields")
	require.Len(t, p.Customers, 1, "more fields than columns do no harm")
	n := 0
	for _, e := range p.Entries {
		if e.Fate == history.Unreadable {
			require.NotEmpty(t, e.Note)
			n++
		}
	}
	require.Equal(t, 6, n)
}

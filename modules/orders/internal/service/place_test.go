package service_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/modules/users"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/errs"
	"stoa/platform/money"
)

func checkout(token, cart string) service.PlaceOrder {
	r := ask(token)
	r.CartID = cart
	return r
}

func TestACartIsCheckedOutOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 500)
		s.open()
		c := s.fill(ada, "lamp")
		const many = 200
		type outcome struct {
			order orders.Order
			err   error
		}
		outcomes := make(chan outcome, many)
		for range many {
			go func() {
				o, err := s.PlaceOrder(t.Context(), checkout("tok_approve", c.ID))
				outcomes <- outcome{o, err}
			}()
		}
		placed := 0
		for range many {
			if o := <-outcomes; o.err == nil {
				placed++
				require.Equal(t, orders.StatusConfirmed, o.order.Status)
			} else {
				require.ErrorIs(t, o.err, orders.ErrCartCheckedOut)
			}
		}
		require.Equal(t, 1, placed)
		require.Equal(t, "499 on hand, 0 reserved", s.stock("lamp"))
		list, _, err := s.ListOrders(t.Context(), everyOrder)
		require.NoError(t, err)
		require.Len(t, list, 1)

		_, err = s.put(ada, c.ID, "lamp", 2)
		require.ErrorIs(t, err, orders.ErrCartCheckedOut)
		_, err = s.take(ada, c.ID, "lamp")
		require.ErrorIs(t, err, orders.ErrCartCheckedOut)
		now, err := s.GetCart(t.Context(), ada, c.ID)
		require.NoError(t, err)
		require.Len(t, now.Items, 1, "it can be looked at")
		require.NoError(t, s.cancel(ada, list[0].ID))
		_, err = s.PlaceOrder(t.Context(), checkout("tok_approve", c.ID))
		require.ErrorIs(t, err, orders.ErrCartCheckedOut, "who calls an order off does not want the cart back")
	})
}

func TestACartIsOpenAgainWhereItsOrderIsRejected(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		c := s.fill(ada, "lamp")
		o, err := s.PlaceOrder(t.Context(), checkout("tok_decline", c.ID))
		require.NoError(t, err)
		require.Equal(t, orders.StatusRejected, o.Status)
		_, err = s.put(ada, c.ID, "lamp", 2)
		require.NoError(t, err)
		o, err = s.PlaceOrder(t.Context(), checkout("tok_approve", c.ID))
		require.NoError(t, err)
		require.Equal(t, orders.StatusConfirmed, o.Status)
		require.EqualValues(t, 2, o.Items[0].Quantity)
	})
}

func TestACartThatChangesMeanwhileIsNotOrderedUnseen(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		c := s.fill(ada, "lamp")
		s.users.AddAddress(ada.UserID, users.Address{ID: "home", Name: "Ada", Country: "GB"})
		changed := false
		s.catalog.Before(changing(&changed, func() {
			_, err := s.put(ada, c.ID, "lamp", 2)
			require.NoError(t, err)
		}))
		_, err := s.PlaceOrder(t.Context(), checkout("tok_approve", c.ID))
		require.ErrorIs(t, err, orders.ErrCartChanged)
		o, err := s.PlaceOrder(t.Context(), checkout("tok_approve", c.ID))
		require.NoError(t, err)
		require.EqualValues(t, 2, o.Items[0].Quantity)
	})
}

func TestThePriceThatWasSeenIsThePriceThatIsPaid(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.config.Shop.Shipping = map[string]int64{"USD": 490}
		s.sell("lamp", usd(500), 5)
		s.open()
		r := ask("tok_approve", "lamp")
		for _, expected := range []money.Money{usd(989), usd(991), {Amount: 990, Currency: "EUR"}} {
			r.ExpectedTotal = &expected
			_, err := s.PlaceOrder(t.Context(), r)
			require.ErrorIs(t, err, orders.ErrPriceChanged)
			e, _ := errs.As(err)
			require.Equal(t, usd(990), e.Details["total"])
		}
		right := usd(990)
		r.ExpectedTotal = &right
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, right, o.Total)
	})
}

func TestWhatAnOrderRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.sell("lampe", money.Money{Amount: 450, Currency: "EUR"}, 5)
		s.sell("dear", usd(math.MaxInt64/2), 5)
		s.sell("palace", usd(math.MaxInt64), 5)
		s.open()
		empty := s.newCart(ada)
		full := s.fill(ada, "lamp")
		euros := s.fill(ada, "lampe") // the cart is in USD
		mixed := s.fill(ada, "lamp", "lampe")
		s.users.AddAddress(bob.UserID, users.Address{ID: "bob's", Name: "Bob", Country: "GB"})
		many := make([]orders.Line, 0, orders.MaxLines+1)
		for i := range orders.MaxLines + 1 {
			many = append(many, orders.Line{SKU: fmt.Sprint(i), Quantity: 1})
		}
		line := func(sku string, quantity int64) orders.Line { return orders.Line{SKU: sku, Quantity: quantity} }
		for name, c := range map[string]struct {
			change func(r *service.PlaceOrder)
			want   error
		}{
			"neither cart nor items":  {func(r *service.PlaceOrder) { r.Items = nil }, errs.ErrInvalid},
			"cart and items":          {func(r *service.PlaceOrder) { r.CartID = full.ID }, errs.ErrInvalid},
			"neither kind of address": {func(r *service.PlaceOrder) { r.ShippingAddress = nil }, errs.ErrInvalid},
			"both kinds of address":   {func(r *service.PlaceOrder) { r.AddressID = "home" }, errs.ErrInvalid},
			"an address of another":   {func(r *service.PlaceOrder) { r.ShippingAddress, r.AddressID = nil, "bob's" }, users.ErrAddressNotFound},
			"no name":                 {func(r *service.PlaceOrder) { r.ShippingAddress.Name = "  " }, errs.ErrInvalid},
			"a long name":             {func(r *service.PlaceOrder) { r.ShippingAddress.Name = strings.Repeat("a", 201) }, errs.ErrInvalid},
			"lines in a line":         {func(r *service.PlaceOrder) { r.ShippingAddress.City = "Lon\r\ndon" }, errs.ErrInvalid},
			"no country":              {func(r *service.PlaceOrder) { r.ShippingAddress.Country = "" }, errs.ErrInvalid},
			"no such country":         {func(r *service.PlaceOrder) { r.ShippingAddress.Country = "UK" }, errs.ErrInvalid},
			"half of two countries":   {func(r *service.PlaceOrder) { r.ShippingAddress.Country = "D " }, errs.ErrInvalid},
			"no quantity":             {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 0)} }, errs.ErrInvalid},
			"less than none":          {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 2), line("lamp", -1)} }, errs.ErrInvalid},
			"too many":                {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 10_001)} }, errs.ErrInvalid},
			"too many together":       {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 10_000), line("lamp", 1)} }, errs.ErrInvalid},
			"more than can be counted": {func(r *service.PlaceOrder) {
				r.Items = []orders.Line{line("lamp", math.MaxInt64), line("lamp", math.MaxInt64)}
			}, errs.ErrInvalid},
			"too many lines":           {func(r *service.PlaceOrder) { r.Items = many }, errs.ErrInvalid},
			"no sku":                   {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("", 1)} }, errs.ErrInvalid},
			"not for sale":             {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 1), line("unicorn", 1)} }, orders.ErrNotForSale},
			"several currencies":       {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("lamp", 1), line("lampe", 1)} }, orders.ErrSeveralCurrencies},
			"a price past counting":    {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("dear", 3)} }, money.ErrOverflow},
			"a sum past counting":      {func(r *service.PlaceOrder) { r.Items = []orders.Line{line("palace", 1), line("lamp", 1)} }, money.ErrOverflow},
			"an empty cart":            {func(r *service.PlaceOrder) { r.Items, r.CartID = nil, empty.ID }, errs.ErrInvalid},
			"no such cart":             {func(r *service.PlaceOrder) { r.Items, r.CartID = nil, "nothing" }, orders.ErrCartNotFound},
			"a cart of other money":    {func(r *service.PlaceOrder) { r.Items, r.CartID = nil, euros.ID }, orders.ErrSeveralCurrencies},
			"a cart of several moneys": {func(r *service.PlaceOrder) { r.Items, r.CartID = nil, mixed.ID }, orders.ErrSeveralCurrencies},
		} {
			r := ask("tok_approve", "lamp")
			c.change(&r)
			_, err := s.PlaceOrder(t.Context(), r)
			require.ErrorIs(t, err, c.want, name)
			require.Contains(t, []errs.Kind{errs.Invalid, errs.NotFound}, errs.KindOf(err), name)
		}
		list, _, err := s.ListOrders(t.Context(), everyOrder)
		require.NoError(t, err)
		require.Empty(t, list)
		require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
		r := ask("tok_approve", "lampe")
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, "EUR", o.Total.Currency, "items are in whatever currency they have")
	})
}

func TestAnAddressOfOnesOwn(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		s.users.AddAddress(ada.UserID, users.Address{
			ID: "home", Name: "Ada", Line1: "1", Line2: "2", City: "Athens", Region: "Attica", PostalCode: "105", Country: "GR", Phone: "30",
		})
		r := ask("tok_approve", "lamp")
		r.ShippingAddress, r.AddressID = nil, "home"
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, &orders.ShippingAddress{
			Name: "Ada", Line1: "1", Line2: "2", City: "Athens", Region: "Attica", PostalCode: "105", Country: "GR", Phone: "30",
		}, o.ShippingAddress)
	})
}

func TestShippingAndTax(t *testing.T) {
	for name, c := range map[string]struct {
		included             bool
		country              string
		shipping, tax, total int64
	}{
		"added":    {false, "DE", 490, 1900 + 93, 10000 + 490 + 1993},
		"included": {true, "DE", 490, 1675, 10490}, // 10490 × 19 ÷ 119 = 1674.87
		"no tax":   {false, "GB", 490, 0, 10490},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.config.Shop = service.Shop{
					Currency: "USD", Shipping: map[string]int64{"USD": 490},
					Tax: service.Tax{Included: c.included, Rates: map[string]money.Rate{"DE": money.BasisPoints(1900)}},
				}
				s.sell("lamp", usd(10000), 5)
				s.open()
				r := ask("tok_approve", "lamp")
				r.ShippingAddress.Country = c.country
				o, err := s.PlaceOrder(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, []money.Money{usd(10000), usd(c.shipping), usd(c.tax), usd(0), usd(c.total)},
					[]money.Money{o.Subtotal, o.ShippingTotal, o.TaxTotal, o.DiscountTotal, o.Total})
				require.Equal(t, usd(c.total), o.Payment.Captured)
			})
		})
	}
}

func TestAnOrderThatCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("leaflet", usd(0), 5)
		s.open()
		o := s.buy("tok_approve", "leaflet")
		require.Equal(t, orders.StatusConfirmed, o.Status)
		require.NoError(t, s.cancel(ada, o.ID))
		synctest.Wait()
		require.Equal(t, "5 on hand, 0 reserved", s.stock("leaflet"))
	})
}

// TestTotals holds the sums of an order to add up, for any prices and rates.
func TestTotalsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shop := service.Shop{
			Shipping: map[string]int64{"USD": rapid.Int64Range(0, 10_000).Draw(t, "shipping")},
			Tax: service.Tax{
				Included: rapid.Bool().Draw(t, "included"),
				Rates:    map[string]money.Rate{"DE": money.Rate(rapid.Int64Range(0, 1_000_000).Draw(t, "rate"))},
			},
		}
		prices := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000), 1, 20).Draw(t, "prices")
		subtotal, shipping, tax, total, err := service.Totals(shop, "USD", "DE", prices)
		require.NoError(t, err)
		var sum int64
		for _, p := range prices {
			sum += p
		}
		require.Equal(t, sum, subtotal)
		require.Equal(t, shop.Shipping["USD"], shipping)
		if shop.Tax.Included {
			require.Equal(t, subtotal+shipping, total)
			require.LessOrEqual(t, tax, total)
		} else {
			require.Equal(t, subtotal+shipping+tax, total)
		}
		if shop.Tax.Rates["DE"] == 0 {
			require.Zero(t, tax)
		}
	})
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for set, fault := range map[string]string{
		"shop.currency=XYZ":       "shop.currency",
		"shop.shipping.XYZ=4":     "shop.shipping.XYZ",
		"shop.shipping.USD=-1":    "shop.shipping.USD",
		"shop.tax.rates.UK=20%":   "shop.tax.rates.UK",
		"shop.tax.rates.DE=9000%": "shop.tax.rates.DE",
	} {
		shop := service.DefaultShop()
		_, err := config.Load(config.Sources{Set: []string{set}}, []config.Section{{Key: "shop", Target: &shop}})
		require.ErrorContains(t, err, fault, set)
	}
	shop := service.DefaultShop()
	_, err := config.Load(config.Sources{Set: []string{"shop.shipping.eur=450", "shop.tax.rates.de=19%", "shop.currency=EUR"}}, []config.Section{{Key: "shop", Target: &shop}})
	require.NoError(t, err)
	require.Equal(t, service.Shop{
		Currency: "EUR", Shipping: map[string]int64{"EUR": 450}, Tax: service.Tax{Rates: map[string]money.Rate{"DE": money.BasisPoints(1900)}},
	}, shop)
}

// stuck is a clock whose randomness is the same twice.
type stuck struct {
	clock.Clock
	left int
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.left > 0 {
		s.left--
		clear(p)
		return len(p), nil
	}
	return s.Clock.Read(p)
}

func TestNoTwoOrdersHaveOneNumber(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		s.Clock = &stuck{s.Clock, 2}
		require.Equal(t, "00000-00000", s.buy("tok_approve", "lamp").Number)
		require.NotEqual(t, "00000-00000", s.buy("tok_approve", "lamp").Number)
	})
}

package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// checkout is what placing an order promises.
func checkout() []promise {
	return []promise{
		{"an order says what was bought, for how much and where it goes", placesOrder},
		{"an order may be of a cart", checksOutCart},
		{"a cart is checked out once", checksOutOnce},
		{"a cart whose order is rejected is open again", reopensCart},
		{"an order waits for its outcome as long as it is asked to", waits},
		{"a total that is no longer right is refused, with the right one", expectsTotal},
		{"prices and titles stay those of the moment", keepsPrices},
		{"the same SKU twice is added up", addsUp},
		{"lines of several currencies are refused", mixedCurrencies},
		{"what cannot be ordered is refused", badOrders},
		{"what is not there is not sold", soldOut},
	}
}

func placesOrder(t *testing.T, w *world) {
	lamp, p := w.sell(t, usd(1999), 5)
	chair, _ := w.sell(t, usd(501), 5)
	a := w.customer.Post(t, "/orders", orderBody("tok_approve", line(lamp, 2), line(chair, 3)), wait(30)).Want(t, http.StatusCreated)
	shape(t, a.Body, orderFields...)
	for _, item := range elements(t, part(t, a.Body, "items")) {
		shape(t, item, orderItemFields...)
	}
	shape(t, part(t, a.Body, "payment"), "status", "captured", "refunded")
	o := decode[Order](t, a)
	require.Regexp(t, uuidV7, o.ID)
	require.NotEmpty(t, o.Number)
	require.Equal(t, w.customer.User.ID, o.UserID)
	require.Equal(t, "confirmed", o.Status)
	require.Nil(t, o.Failure)
	require.Equal(t, OrderItem{lamp, p.ID, o.Items[0].Title, usd(1999), 2, usd(3998)}, o.Items[0])
	require.Contains(t, o.Items[0].Title, p.Title)
	require.Equal(t, usd(5501), o.Subtotal)
	require.Equal(t, usd(0), o.DiscountTotal)
	require.Equal(t, o.Total.Amount, o.Subtotal.Amount+o.ShippingTotal.Amount+o.TaxTotal.Amount-o.DiscountTotal.Amount)
	require.Equal(t, PaymentSummary{"captured", o.Total, usd(0)}, o.Payment)
	require.Equal(t, "1 High Street", o.ShippingAddress.Line1)
	require.Equal(t, "US", o.ShippingAddress.Country)

	location := a.Header.Get("Location")
	require.True(t, strings.HasPrefix(location, "/") || strings.HasPrefix(location, w.URL()), "Location: %s", location)
	require.True(t, strings.HasSuffix(location, "/orders/"+o.ID), "Location: %s", location)
	require.Equal(t, o, get[Order](t, w.customer, "/orders/"+o.ID))
	require.Equal(t, []string{"order_placed", "stock_reserved", "payment_authorized", "stock_committed", "payment_captured", "order_confirmed"},
		types(w.events(t, o.ID)))
	w.wantStock(t, lamp, 3, 0)
	w.wantStock(t, chair, 2, 0)
	ledger := all[Movement](t, w.staff, "/inventory/"+lamp+"/movements", nil)
	sale := ledger[0]
	if sale.Kind != "sale" {
		sale = ledger[len(ledger)-1]
	}
	require.Equal(t, "sale", sale.Kind)
	require.EqualValues(t, -2, sale.Quantity)
	require.Equal(t, o.ID, *sale.OrderID)
}

func checksOutCart(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	cart := newCart(t, w.customer, line(sku, 2))
	o := decode[Order](t, w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID), wait(30)).Want(t, http.StatusCreated))
	require.Equal(t, "confirmed", o.Status)
	require.Equal(t, cart.Subtotal, o.Subtotal)
	require.EqualValues(t, 2, o.Items[0].Quantity)
	empty := newCart(t, w.customer)
	w.customer.Post(t, "/orders", checkoutBody("tok_approve", empty.ID)).Refused(t, http.StatusUnprocessableEntity, http.StatusConflict)
	w.customer.Post(t, "/orders", checkoutBody("tok_approve", system().Secret())).Problem(t, http.StatusNotFound, "orders.cart_not_found")
}

func checksOutOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	cart := newCart(t, w.customer, line(sku, 2))
	w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID), wait(30)).Want(t, http.StatusCreated)
	w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID)).Problem(t, http.StatusConflict, "orders.cart_checked_out")
	w.customer.Put(t, "/carts/"+cart.ID+"/items/"+sku, fields{"quantity": 1}).Problem(t, http.StatusConflict, "orders.cart_checked_out")
	w.settled(t, sku, 3, 0)
}

func reopensCart(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 5)
	cart := newCart(t, w.customer, line(sku, 2))
	o := decode[Order](t, w.customer.Post(t, "/orders", checkoutBody("tok_decline", cart.ID), wait(30)).Want(t, http.StatusCreated))
	require.Equal(t, "rejected", o.Status)
	w.customer.Put(t, "/carts/"+cart.ID+"/items/"+sku, fields{"quantity": 1}).Want(t, http.StatusOK)
	again := decode[Order](t, w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID), wait(30)).Want(t, http.StatusCreated))
	require.Equal(t, "confirmed", again.Status)
	require.NotEqual(t, o.ID, again.ID)
	w.settled(t, sku, 4, 0)
}

func waits(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(1999), 10)
	place := func(token string, with ...With) (Order, float64) {
		var a *Answer
		spent := took(func() { a = w.customer.Post(t, "/orders", orderBody(token, line(sku, 1)), with...) })
		return decode[Order](t, a.Want(t, http.StatusCreated)), spent.Seconds()
	}
	o, spent := place("tok_slow")
	require.Equal(t, "pending", o.Status)
	require.Less(t, spent, 1.5, "without Prefer nothing is waited for")
	short, spent := place("tok_slow", wait(1))
	require.Equal(t, "pending", short.Status)
	require.InDelta(t, 1.0, spent, 0.9)
	long, spent := place("tok_slow", wait(30))
	require.Equal(t, "confirmed", long.Status)
	require.Less(t, spent, 15.0, "no longer than the outcome takes")
	for _, odd := range []string{"wait=0", "wait=-1", "wait=nonsense", "respond-async", "wait"} {
		_, spent := place("tok_approve", header("Prefer", odd))
		require.Less(t, spent, 5.0, "Prefer: %s", odd)
	}
	for _, id := range []string{o.ID, short.ID} {
		require.Equal(t, "confirmed", w.decided(t, id).Status)
	}
}

func expectsTotal(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(1999), 5)
	body := orderBody("tok_approve", line(sku, 2))
	for _, wrong := range []any{usd(3997), usd(0), money.Money{Amount: 3998, Currency: "EUR"}} {
		body["expected_total"] = wrong
		a := w.customer.Post(t, "/orders", body)
		if wrong != usd(3997) {
			a.Refused(t, http.StatusConflict, http.StatusUnprocessableEntity)
			continue
		}
		a.Problem(t, http.StatusConflict, "orders.price_changed")
		require.Regexp(t, `\{"amount":\s*3998,\s*"currency":\s*"USD"\}`, string(a.Body), "with the new total")
	}
	for _, bad := range []any{3998, "39.98", usd(-1), fields{"amount": 39.98, "currency": "USD"}} {
		body["expected_total"] = bad
		w.customer.Post(t, "/orders", body).Refused(t, http.StatusUnprocessableEntity, http.StatusConflict)
	}
	body["expected_total"] = usd(3998)
	require.Equal(t, "confirmed", decode[Order](t, w.customer.Post(t, "/orders", body, wait(30)).Want(t, http.StatusCreated)).Status)

	cart := newCart(t, w.customer, line(sku, 1))
	w.staff.Patch(t, "/products/"+p.ID+"/variants/"+sku, fields{"price": usd(2500)}).Want(t, http.StatusOK)
	checkout := checkoutBody("tok_approve", cart.ID)
	checkout["expected_total"] = cart.Subtotal
	w.customer.Post(t, "/orders", checkout).Problem(t, http.StatusConflict, "orders.price_changed")
	checkout["expected_total"] = usd(2500)
	w.customer.Post(t, "/orders", checkout, wait(30)).Want(t, http.StatusCreated)
	w.settled(t, sku, 2, 0)
}

func keepsPrices(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(1999), 5)
	before := w.confirmed(t, w.customer, line(sku, 1))
	w.staff.Patch(t, "/products/"+p.ID+"/variants/"+sku, fields{"price": usd(1)}).Want(t, http.StatusOK)
	w.staff.Patch(t, "/products/"+p.ID, fields{"title": "Something else"}).Want(t, http.StatusOK)
	require.Equal(t, before.Items, get[Order](t, w.customer, "/orders/"+before.ID).Items)
	require.Equal(t, usd(1), w.confirmed(t, w.customer, line(sku, 1)).Items[0].UnitPrice)
}

func addsUp(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	o := w.confirmed(t, w.customer, line(sku, 1), line(sku, 2))
	require.Len(t, o.Items, 1)
	require.EqualValues(t, 3, o.Items[0].Quantity)
	require.Equal(t, usd(300), o.Subtotal)
	w.settled(t, sku, 2, 0)
}

func mixedCurrencies(t *testing.T, w *world) {
	euro, _ := w.sell(t, money.Money{Amount: 100, Currency: "EUR"}, 5)
	dollar, _ := w.sell(t, usd(100), 5)
	w.customer.Post(t, "/orders", orderBody("tok_approve", line(euro, 1), line(dollar, 1))).Refused(t, http.StatusUnprocessableEntity)
	o := w.confirmed(t, w.customer, line(euro, 2))
	require.Equal(t, money.Money{Amount: 200, Currency: "EUR"}, o.Subtotal)
	require.Equal(t, "EUR", o.Currency)
	w.wantStock(t, dollar, 5, 0)
}

func badOrders(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	cart := newCart(t, w.customer, line(sku, 1))
	with := func(name string, value any) fields {
		body := orderBody("tok_approve", line(sku, 1))
		body[name] = value
		return body
	}
	without := func(names ...string) fields {
		body := orderBody("tok_approve", line(sku, 1))
		for _, name := range names {
			delete(body, name)
		}
		return body
	}
	for _, bad := range []fields{
		{}, without("items"), without("payment"), without("shipping_address"), with("cart_id", cart.ID), with("address_id", "0193f3a0-0000-7000-8000-000000000000"),
		with("items", []any{}), with("items", nil), with("items", fields{}), with("items", []any{line(sku, 0)}), with("items", []any{line(sku, -1)}), with("items", []any{line(sku, 10_001)}),
		with("items", []any{line(sku, 1.5)}), with("items", []any{line(sku, "1")}), with("items", []any{fields{"sku": sku, "quantity": 1, "price": 1}}), with("items", []any{fields{"quantity": 1}}),
		with("payment", fields{"method": "cash", "token": "tok_approve"}), with("payment", fields{"method": "card", "token": "tok_nonsense"}),
		with("payment", fields{"method": "card", "token": ""}), with("payment", fields{"method": "card"}), with("payment", fields{"method": "card", "token": "tok_approve", "amount": 1}),
		with("shipping_address", addressBody(fields{"country": "XX"})), with("shipping_address", fields{}), with("shipping_address", "here"),
		with("total", usd(1)), with("price", 1), with("status", "confirmed"), with("user_id", w.other.User.ID), with("id", "0193f3a0-0000-7000-8000-000000000000"), with("discount_total", usd(99)),
	} {
		w.customer.Post(t, "/orders", bad).Refused(t, http.StatusUnprocessableEntity)
	}
	w.customer.Post(t, "/orders", orderBody("tok_approve", line("no-such-sku", 1))).Refused(t, http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusConflict)
	w.anyone.Post(t, "/orders", orderBody("tok_approve", line(sku, 1))).Want(t, http.StatusUnauthorized)
	var many []fields
	for i := range 5000 {
		many = append(many, line(fmt.Sprintf("SKU-%d", i), 1))
	}
	w.customer.Post(t, "/orders", orderBody("tok_approve", many...)).Refused(t, http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge)
	w.wantStock(t, sku, 5, 0)
}

func soldOut(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 2)
	plenty, _ := w.sell(t, usd(100), 9)
	a := w.customer.Post(t, "/orders", orderBody("tok_approve", line(plenty, 2), line(sku, 3)), wait(30))
	if a.Status == http.StatusCreated {
		o := decode[Order](t, a.Want(t, http.StatusCreated))
		require.Equal(t, "rejected", o.Status)
		require.NotNil(t, o.Failure)
		require.Equal(t, "catalog.insufficient_stock", o.Failure.Code)
		require.NotEmpty(t, o.Failure.Message)
		require.Equal(t, "none", o.Payment.Status)
		require.Contains(t, types(w.events(t, o.ID)), "order_rejected")
	} else {
		a.Problem(t, http.StatusConflict, "catalog.insufficient_stock")
	}
	w.settled(t, sku, 2, 0)
	w.settled(t, plenty, 9, 0)
}

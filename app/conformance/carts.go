package conformance

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// carts are what filling a cart promises.
func carts() []promise {
	return []promise{
		{"a cart shows today's prices and availability", fillsCart},
		{"a quantity is from 1 to 10,000", cartQuantities},
		{"a cart has one currency", cartCurrency},
		{"a stranger's cart belongs to who knows its id", strangersCart},
		{"a customer's cart is theirs alone", customersCart},
		{"a cart is not made from bad values", badCarts},
		{"sums that do not fit are refused", cartOverflow},
		{"changes at once are all kept", cartAtOnce},
	}
}

func fillsCart(t *testing.T, w *world) {
	lamp, p := w.sell(t, usd(1999), 7)
	chair, _ := w.sell(t, usd(5000), 0)
	a := w.anyone.Post(t, "/carts", fields{}).Want(t, http.StatusCreated)
	shape(t, a.Body, cartFields...)
	cart := decode[Cart](t, a)
	require.Regexp(t, uuidV4, cart.ID, "a cart's id is a capability")
	require.Equal(t, "USD", cart.Currency)
	require.Equal(t, usd(0), cart.Subtotal)
	require.InDelta(t, 720, cart.ExpiresAt.Sub(system().Now()).Hours(), 1, "carts.ttl")
	elements(t, part(t, a.Body, "items"))

	path := "/carts/" + cart.ID
	w.anyone.Put(t, path+"/items/"+lamp, fields{"quantity": 2}).Want(t, http.StatusOK)
	a = w.anyone.Put(t, path+"/items/"+chair, fields{"quantity": 1}).Want(t, http.StatusOK)
	shape(t, a.Body, cartFields...)
	for _, item := range elements(t, part(t, a.Body, "items")) {
		shape(t, item, cartItemFields...)
	}
	cart = decode[Cart](t, a)
	require.Len(t, cart.Items, 2)
	first := cart.Items[0]
	require.Equal(t, []any{lamp, p.ID, int64(2), usd(1999), usd(3998)}, []any{first.SKU, first.ProductID, first.Quantity, first.UnitPrice, first.Total})
	require.NotEmpty(t, first.Title)
	require.Equal(t, usd(8998), cart.Subtotal)

	w.staff.Patch(t, "/products/"+p.ID+"/variants/"+lamp, fields{"price": usd(999)}).Want(t, http.StatusOK)
	today := get[Cart](t, w.anyone, path)
	require.Equal(t, usd(999), today.Items[0].UnitPrice)
	require.Equal(t, usd(6998), today.Subtotal)

	w.anyone.Put(t, path+"/items/"+lamp, fields{"quantity": 5}).Want(t, http.StatusOK)
	require.EqualValues(t, 5, get[Cart](t, w.anyone, path).Items[0].Quantity, "PUT sets, it does not add")
	w.anyone.Delete(t, path+"/items/"+lamp).Want(t, http.StatusOK)
	require.Len(t, get[Cart](t, w.anyone, path).Items, 1)
	w.anyone.Get(t, "/carts/"+system().Secret()).Problem(t, http.StatusNotFound, "orders.cart_not_found")
	w.anyone.Put(t, path+"/items/no-such-sku", fields{"quantity": 1}).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
}

func cartQuantities(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	cart := newCart(t, w.anyone, line(sku, 1))
	path := "/carts/" + cart.ID + "/items/" + sku
	for _, bad := range []string{"0", "-1", "10001", "2147483648", "9223372036854775807", "9223372036854775808", "1.5", "1e400", `"1"`, "null", "[1]", "true", "NaN", "1e1000000"} {
		w.anyone.Put(t, path, `{"quantity":`+bad+`}`).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	for _, bad := range []string{"0", "-1", "10001", "1.5"} {
		w.anyone.Put(t, path, `{"quantity":`+bad+`}`).Want(t, http.StatusUnprocessableEntity)
	}
	for _, bad := range []fields{{}, {"quantity": 1, "price": usd(1)}, {"quantity": 1, "unit_price": 1}, {"quantity": 1, "Quantity": 2}, {"qty": 1}} {
		w.anyone.Put(t, path, bad).Refused(t, http.StatusUnprocessableEntity)
	}
	require.EqualValues(t, 1, get[Cart](t, w.anyone, "/carts/"+cart.ID).Items[0].Quantity)
	w.anyone.Put(t, path, fields{"quantity": 10_000}).Want(t, http.StatusOK)
}

func cartCurrency(t *testing.T, w *world) {
	euro, _ := w.sell(t, money.Money{Amount: 100, Currency: "EUR"}, 5)
	dollar, _ := w.sell(t, usd(100), 5)
	cart := decode[Cart](t, w.customer.Post(t, "/carts", fields{"currency": "EUR"}).Want(t, http.StatusCreated))
	require.Equal(t, "EUR", cart.Currency)
	w.customer.Put(t, "/carts/"+cart.ID+"/items/"+euro, fields{"quantity": 1}).Want(t, http.StatusOK)
	mixed := w.customer.Put(t, "/carts/"+cart.ID+"/items/"+dollar, fields{"quantity": 1})
	if mixed.Status == http.StatusOK {
		w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID), wait(30)).Refused(t, http.StatusUnprocessableEntity)
		return
	}
	mixed.Refused(t, http.StatusUnprocessableEntity)
	require.Len(t, get[Cart](t, w.customer, "/carts/"+cart.ID).Items, 1)
}

func strangersCart(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	cart := newCart(t, w.anyone, line(sku, 2))
	for _, who := range []*Caller{w.anyone, w.customer, w.other} {
		require.Equal(t, usd(200), get[Cart](t, who, "/carts/"+cart.ID).Subtotal)
	}
	// Who signs in with it can check it out.
	o := decode[Order](t, w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID), wait(30)).Want(t, http.StatusCreated))
	require.Equal(t, "confirmed", o.Status)
	require.Equal(t, w.customer.User.ID, o.UserID)
}

func customersCart(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	cart := newCart(t, w.customer, line(sku, 2))
	path, missing := "/carts/"+cart.ID, "/carts/"+system().Secret()
	for _, who := range []*Caller{w.anyone, w.other, w.staff} {
		theirs, nobodys := who.Get(t, path), who.Get(t, missing)
		require.Equal(t, nobodys.Problem(t, http.StatusNotFound, "orders.cart_not_found").Detail, theirs.Problem(t, http.StatusNotFound, "orders.cart_not_found").Detail)
		who.Put(t, path+"/items/"+sku, fields{"quantity": 9}).Problem(t, http.StatusNotFound, "orders.cart_not_found")
		who.Delete(t, path+"/items/"+sku).Problem(t, http.StatusNotFound, "orders.cart_not_found")
	}
	w.other.Post(t, "/orders", checkoutBody("tok_approve", cart.ID)).Problem(t, http.StatusNotFound, "orders.cart_not_found")
	require.EqualValues(t, 2, get[Cart](t, w.customer, path).Items[0].Quantity)
}

func badCarts(t *testing.T, w *world) {
	for _, bad := range []fields{
		{"currency": "ZZZ"}, {"currency": "usd!"}, {"currency": 5}, {"currency": ""}, {"user_id": w.customer.User.ID}, {"items": []any{line("x", 1)}}, {"id": system().Secret()}, {"unknown": 1},
	} {
		w.anyone.Post(t, "/carts", bad).Refused(t, http.StatusUnprocessableEntity)
	}
	for _, id := range []string{"nonsense", "0193f3a0-0000-7000-8000-000000000000", "%27", "1", "null"} {
		w.anyone.Get(t, "/carts/"+id).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
}

func cartOverflow(t *testing.T, w *world) {
	dear, _ := w.sell(t, usd(1<<60), 5)
	cart := newCart(t, w.customer, line(dear, 1))
	for _, quantity := range []int{16, 10_000} {
		a := w.customer.Put(t, "/carts/"+cart.ID+"/items/"+dear, fields{"quantity": quantity})
		if a.Status == http.StatusOK {
			a = w.customer.Post(t, "/orders", checkoutBody("tok_approve", cart.ID))
		}
		a.Refused(t, http.StatusUnprocessableEntity)
	}
	w.customer.Post(t, "/orders", orderBody("tok_approve", line(dear, 16))).Refused(t, http.StatusUnprocessableEntity)
	// Each line fits and their sum does not.
	var lines []fields
	for range 9 {
		sku, _ := w.sell(t, usd(1<<60), 5)
		lines = append(lines, line(sku, 1))
	}
	w.customer.Post(t, "/orders", orderBody("tok_approve", lines...)).Refused(t, http.StatusUnprocessableEntity)
}

func cartAtOnce(t *testing.T, w *world) {
	var skus []string
	for range 8 {
		sku, _ := w.sell(t, usd(100), 5)
		skus = append(skus, sku)
	}
	cart := newCart(t, w.anyone)
	for _, a := range together(len(skus), func(i int) *Answer {
		return w.anyone.Try(t.Context(), http.MethodPut, base+"/carts/"+cart.ID+"/items/"+skus[i], fields{"quantity": i + 1})
	}) {
		a.Want(t, http.StatusOK)
	}
	now := get[Cart](t, w.anyone, "/carts/"+cart.ID)
	require.Len(t, now.Items, len(skus))
	require.Equal(t, usd(3600), now.Subtotal)
}

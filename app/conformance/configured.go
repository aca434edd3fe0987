package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// asConfigured is the configuration of a shop that is not as it comes.
var asConfigured = []string{
	"shop.currency=EUR", "shop.shipping.EUR=490", "shop.tax.rates.DE=19%",
	"http.body_limit=2KiB", "http.cors_origins=https://shop.example", "auth.access_ttl=5m", "carts.ttl=2s",
}

// configured is what a shop that is configured so promises.
func configured() []promise {
	return []promise{
		{"a shop charges shipping and tax in its own currency", chargesShippingAndTax},
		{"limits of the listener, and who may call from a browser, are configured", configuredListener},
		{"a cart is kept as long as it says", cartsExpire},
	}
}

func eur(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

func chargesShippingAndTax(t *testing.T, w *world) {
	w.customer = w.newcomer(t)
	sku, _ := w.sell(t, eur(10_000), 10)
	cart := decode[Cart](t, w.customer.Post(t, "/carts", fields{}).Want(t, http.StatusCreated))
	require.Equal(t, "EUR", cart.Currency)
	prefix := unique("euro")
	require.Empty(t, w.imported(t, "format=shopify", shopifyFile(prefix)).Errors)
	require.Equal(t, eur(6999), get[Product](t, w.staff, "/products/"+prefix+"-lamp").Variants[0].Price)

	for country, tax := range map[string]bool{"DE": true, "US": false} {
		body := orderBody("tok_approve", line(sku, 1))
		address := addressBody(fields{"country": country})
		delete(address, "is_default")
		body["shipping_address"] = address
		o := decode[Order](t, w.customer.Post(t, "/orders", body, wait(30)).Want(t, http.StatusCreated))
		require.Equal(t, "confirmed", o.Status)
		require.Equal(t, eur(10_000), o.Subtotal)
		require.Equal(t, eur(490), o.ShippingTotal)
		require.Equal(t, tax, o.TaxTotal.Amount >= 1900, "tax to %s: %+v", country, o.TaxTotal)
		require.Equal(t, tax, o.TaxTotal.Amount != 0)
		require.Equal(t, eur(10_490+o.TaxTotal.Amount), o.Total)
		require.Equal(t, o.Total, o.Payment.Captured)
	}
	wrong := orderBody("tok_approve", line(sku, 1))
	wrong["expected_total"] = eur(10_000)
	w.customer.Post(t, "/orders", wrong).Problem(t, http.StatusConflict, "orders.price_changed")
}

func configuredListener(t *testing.T, w *world) {
	w.admin.Patch(t, "/users/me", fields{"name": strings.Repeat("x", 3000)}).Want(t, http.StatusRequestEntityTooLarge)
	w.admin.Patch(t, "/users/me", fields{"name": "short"}).Want(t, http.StatusOK)
	s := decode[Session](t, w.anyone.Post(t, "/sessions", fields{"email": w.admin.Email, "password": w.admin.Password}).Want(t, http.StatusCreated))
	require.InDelta(t, 300, s.ExpiresIn, 2)

	const allowed = "Access-Control-Allow-Origin"
	preflight := func(origin string) *Answer {
		return w.anyone.Do(t, http.MethodOptions, "/products", nil, header("Origin", origin),
			header("Access-Control-Request-Method", "POST"), header("Access-Control-Request-Headers", "authorization,content-type"))
	}
	ours := preflight("https://shop.example")
	require.Less(t, ours.Status, 300, "%s", ours)
	require.Equal(t, "https://shop.example", ours.Header.Get(allowed))
	require.Contains(t, ours.Header.Get("Access-Control-Allow-Methods"), "POST")
	require.Contains(t, strings.ToLower(ours.Header.Get("Access-Control-Allow-Headers")), "authorization")
	require.Equal(t, "https://shop.example", w.anyone.Get(t, "/products", header("Origin", "https://shop.example")).Header.Get(allowed))
	for _, other := range []string{"https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"} {
		require.Empty(t, preflight(other).Header.Get(allowed), other)
		require.Empty(t, w.anyone.Get(t, "/products", header("Origin", other)).Header.Get(allowed), other)
	}
}

func cartsExpire(t *testing.T, w *world) {
	c := w.newcomer(t)
	sku, _ := w.sell(t, eur(100), 5)
	cart := newCart(t, c, line(sku, 1))
	require.LessOrEqual(t, cart.ExpiresAt.Sub(system().Now()), 2*time.Second)
	eventually(t, 10*time.Second, "the cart is gone", func() error {
		if a := c.Try(t.Context(), http.MethodGet, base+"/carts/"+cart.ID, nil); a.Status != http.StatusNotFound {
			return fmt.Errorf("%s", a)
		}
		return nil
	})
	c.Put(t, "/carts/"+cart.ID+"/items/"+sku, fields{"quantity": 2}).Problem(t, http.StatusNotFound, "orders.cart_not_found")
	c.Post(t, "/orders", checkoutBody("tok_approve", cart.ID)).Problem(t, http.StatusNotFound, "orders.cart_not_found")
}

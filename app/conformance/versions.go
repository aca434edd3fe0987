package conformance

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// versions are what ETag, If-None-Match and If-Match promise.
func versions() []promise {
	return []promise{
		{"what has not changed is not sent again", notModified},
		{"a product's ETag changes with its stock", etagFollowsStock},
		{"a product is not changed by who saw an older one", staleProduct},
		{"a user is not changed by who saw an older one", staleUser},
		{"a cart is not changed by who saw an older one", staleCart},
		{"an order is not changed by who saw an older one", staleOrder},
		{"of many who saw the same version one changes it", oneOfManyWriters},
	}
}

func notModified(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(500), 5)
	cart := decode[Cart](t, w.anyone.Post(t, "/carts", fields{}).Want(t, http.StatusCreated))
	order := w.confirmed(t, w.customer, line(sku, 1))
	for _, what := range []struct {
		who  *Caller
		path string
	}{
		{w.anyone, "/products/" + p.ID}, {w.staff, "/products/" + p.Slug}, {w.customer, "/users/me"},
		{w.admin, "/users/" + w.customer.User.ID}, {w.anyone, "/carts/" + cart.ID}, {w.customer, "/orders/" + order.ID},
	} {
		first := what.who.Get(t, what.path).Want(t, http.StatusOK)
		tag := first.Header.Get("ETag")
		require.Regexp(t, `^(W/)?"[^"]+"$`, tag, "ETag of %s", first)
		for _, condition := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			again := what.who.Get(t, what.path, header("If-None-Match", condition))
			require.Equal(t, http.StatusNotModified, again.Status, "If-None-Match: %s: %s", condition, again)
			require.Equal(t, tag, again.Header.Get("ETag"), "a 304 has the ETag: %s", again)
			require.Empty(t, again.Body)
		}
		what.who.Get(t, what.path, header("If-None-Match", `"other"`)).Want(t, http.StatusOK)
	}
}

func etagFollowsStock(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(500), 5)
	path := "/products/" + p.ID
	for _, who := range []*Caller{w.staff, w.anyone} {
		before := who.Get(t, path).Want(t, http.StatusOK)
		version := w.staff.Get(t, path).Want(t, http.StatusOK).Header.Get("ETag")
		w.adjust(t, sku, 1)
		after := who.Get(t, path, header("If-None-Match", before.Header.Get("ETag"))).Want(t, http.StatusOK)
		require.NotEqual(t, before.Header.Get("ETag"), after.Header.Get("ETag"))
		require.Equal(t, decode[Product](t, before).Variants[0].Stock.Available+1, decode[Product](t, after).Variants[0].Stock.Available)
		// The product itself has not changed, so what was seen of it still holds.
		w.staff.Patch(t, path, fields{"vendor": unique("vendor")}, header("If-Match", version)).Want(t, http.StatusOK)
	}
}

func staleProduct(t *testing.T, w *world) {
	_, p := w.sell(t, usd(500), 1)
	path := "/products/" + p.ID
	old := w.staff.Get(t, path).Want(t, http.StatusOK).Header.Get("ETag")
	changed := w.staff.Patch(t, path, fields{"title": "Second"}, header("If-Match", old)).Want(t, http.StatusOK)
	require.Greater(t, decode[Product](t, changed).Version, p.Version)
	for _, condition := range []string{old, `"nonsense"`} {
		w.staff.Patch(t, path, fields{"title": "Third"}, header("If-Match", condition)).Want(t, http.StatusPreconditionFailed)
		w.staff.Delete(t, path, header("If-Match", condition)).Want(t, http.StatusPreconditionFailed)
	}
	now := w.staff.Get(t, path).Want(t, http.StatusOK)
	require.Equal(t, "Second", decode[Product](t, now).Title)
	w.staff.Patch(t, path, fields{"title": "Third"}, header("If-Match", "*")).Want(t, http.StatusOK)
	w.staff.Patch(t, path, fields{"title": "Fourth"}).Want(t, http.StatusOK)
}

func staleUser(t *testing.T, w *world) {
	c := w.newcomer(t)
	old := c.Get(t, "/users/me").Want(t, http.StatusOK).Header.Get("ETag")
	c.Patch(t, "/users/me", fields{"name": "Second"}, header("If-Match", old)).Want(t, http.StatusOK)
	c.Patch(t, "/users/me", fields{"name": "Third"}, header("If-Match", old)).Want(t, http.StatusPreconditionFailed)
	w.admin.Patch(t, "/users/"+c.User.ID, fields{"name": "Third"}, header("If-Match", old)).Want(t, http.StatusPreconditionFailed)
	require.Equal(t, "Second", get[User](t, c, "/users/me").Name)
}

func staleCart(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(500), 5)
	cart := w.anyone.Post(t, "/carts", fields{}).Want(t, http.StatusCreated)
	id := decode[Cart](t, cart).ID
	old := w.anyone.Get(t, "/carts/"+id).Want(t, http.StatusOK).Header.Get("ETag")
	item := "/carts/" + id + "/items/" + sku
	w.anyone.Put(t, item, fields{"quantity": 1}, header("If-Match", old)).Want(t, http.StatusOK)
	w.anyone.Put(t, item, fields{"quantity": 2}, header("If-Match", old)).Want(t, http.StatusPreconditionFailed)
	w.anyone.Delete(t, item, header("If-Match", old)).Want(t, http.StatusPreconditionFailed)
	require.EqualValues(t, 1, get[Cart](t, w.anyone, "/carts/"+id).Items[0].Quantity)
}

func staleOrder(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(500), 5)
	order := w.confirmed(t, w.customer, line(sku, 1))
	path := "/orders/" + order.ID
	old := w.staff.Get(t, path).Want(t, http.StatusOK).Header.Get("ETag")
	w.staff.Post(t, path+"/shipments", fields{"carrier": "Post", "tracking_number": "1"}, header("If-Match", old)).Want(t, http.StatusCreated)
	w.staff.Post(t, path+"/delivery", fields{}, header("If-Match", old)).Want(t, http.StatusPreconditionFailed)
	require.Equal(t, "shipped", w.order(t, order.ID).Status)
}

func oneOfManyWriters(t *testing.T, w *world) {
	_, p := w.sell(t, usd(500), 1)
	path := "/products/" + p.ID
	tag := w.staff.Get(t, path).Want(t, http.StatusOK).Header.Get("ETag")
	answers := together(12, func(i int) *Answer {
		return w.staff.Try(t.Context(), http.MethodPatch, base+path, fields{"title": fmt.Sprintf("Writer %d", i)}, header("If-Match", tag))
	})
	var won []*Answer
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won = append(won, a)
			continue
		}
		a.Want(t, http.StatusPreconditionFailed)
	}
	require.Len(t, won, 1)
	require.Equal(t, decode[Product](t, won[0]).Title, get[Product](t, w.staff, path).Title)
}

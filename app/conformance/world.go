package conformance

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// world is a shop with people in it.
type world struct {
	Shop
	topology Topology
	client   *http.Client

	keys   string  // the directory of its signing keys
	anyone *Caller // a stranger
	admin  *Caller
	staff  *Caller // may do what staff may, and no more
	// Two customers that nothing is done to: tests may buy as them, and read.
	customer, other *Caller
}

// open starts a shop and lets an admin, staff and two customers in. Nothing is
// limited unless set says so.
func open(t testing.TB, topology Topology, set ...string) *world {
	t.Helper()
	w := openEmpty(t, topology, set...)
	people := together(3, func(int) *Caller { return w.register(t) })
	for _, p := range people {
		require.NotNil(t, p, "a customer could not register")
	}
	w.staff, w.customer, w.other = people[0], people[1], people[2]
	w.admin.Patch(t, "/users/"+w.staff.User.ID, fields{"roles": []string{"customer", "staff"}}).Want(t, http.StatusOK)
	w.staff = w.signIn(t, w.staff.Email, w.staff.Password)
	return w
}

// openEmpty starts a shop with an admin only, who is its staff as well.
func openEmpty(t testing.TB, topology Topology, set ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{topology: topology, client: newClient(), keys: filepath.Join(dir, "signing")}
	t.Cleanup(w.client.CloseIdleConnections)
	w.Shop = topology.Start(t, dir, append([]string{"ratelimit.enabled=false", "auth.keys_dir=" + w.keys}, set...)...)
	w.anyone = &Caller{url: w.URL(), client: w.client}
	email := unique("admin") + "@example.com"
	made := w.Command(t, goodPassword+"\n", "users", "create-admin", "--email", email, "--password-stdin")
	require.Zero(t, made.Exit, "users create-admin: %s%s", made.Stdout, made.Stderr)
	w.admin = w.signIn(t, email, goodPassword)
	w.staff = w.admin
	return w
}

// goodPassword is one that the shop takes.
const goodPassword = "correct horse battery staple 9"

// fields is a body that is written by hand.
type fields map[string]any

// register makes an account and signs in to it; nil where that failed. It may
// be called at once from many goroutines.
func (w *world) register(t testing.TB) *Caller {
	email := unique("customer") + "@example.com"
	made := w.anyone.Try(t.Context(), http.MethodPost, base+"/users", fields{"email": email, "password": goodPassword, "name": "A Customer"})
	if made.Status != http.StatusCreated {
		t.Errorf("%s", made)
		return nil
	}
	return w.signIn(t, email, goodPassword)
}

// newcomer gives a customer of one's own, for what would disturb others.
func (w *world) newcomer(t testing.TB) *Caller {
	t.Helper()
	c := w.register(t)
	require.NotNil(t, c)
	return c
}

// signIn opens a session.
func (w *world) signIn(t testing.TB, email, password string) *Caller {
	t.Helper()
	a := w.anyone.Try(t.Context(), http.MethodPost, base+"/sessions", fields{"email": email, "password": password})
	if a.Status != http.StatusCreated {
		t.Errorf("sign in as %s: %s", email, a)
		return nil
	}
	c := w.session(decode[Session](t, a))
	c.Password = password
	return c
}

// session gives the caller whose session it is.
func (w *world) session(s Session) *Caller {
	return &Caller{User: s.User, Email: s.User.Email, url: w.URL(), token: s.AccessToken, refresh: s.RefreshToken, client: w.client}
}

// usd is an amount of the shop's own currency.
func usd(cents int64) money.Money { return money.Money{Amount: cents, Currency: "USD"} }

// productBody describes a product with one variant, which is named after it.
func productBody(slug string, price money.Money) fields {
	return fields{
		"slug": slug, "title": "Title of " + slug, "description": "What " + slug + " is for", "status": "active",
		"vendor": "Vendor", "product_type": "Thing", "tags": []string{"conformance"}, "category_ids": []string{},
		"images": []any{}, "options": []any{},
		"variants": []any{fields{"sku": "SKU-" + slug, "title": "Default", "options": fields{}, "price": price}},
	}
}

// sell puts a product on sale, with so many on hand, and gives its SKU.
func (w *world) sell(t testing.TB, price money.Money, onHand int64) (sku string, p Product) {
	t.Helper()
	p = w.create(t, productBody(unique("thing"), price))
	sku = p.Variants[0].SKU
	w.adjust(t, sku, onHand)
	return sku, p
}

// create makes a product.
func (w *world) create(t testing.TB, body fields) Product {
	t.Helper()
	return decode[Product](t, w.staff.Post(t, "/products", body).Want(t, http.StatusCreated))
}

// adjust changes what is on hand.
func (w *world) adjust(t testing.TB, sku string, delta int64) {
	t.Helper()
	if delta != 0 {
		w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": delta, "reason": "counted"}).Want(t, http.StatusCreated)
	}
}

// stock reads what there is of a SKU.
func (w *world) stock(t testing.TB, sku string) (onHand, reserved, available int64) {
	t.Helper()
	s := get[Stock](t, w.staff, "/inventory/"+sku)
	require.NotNil(t, s.OnHand)
	require.NotNil(t, s.Reserved)
	require.Equal(t, *s.OnHand-*s.Reserved, s.Available, "available = on_hand − reserved, of %s", sku)
	require.GreaterOrEqual(t, s.Available, int64(0), "of %s", sku)
	return *s.OnHand, *s.Reserved, s.Available
}

// wantStock holds the stock of a SKU to numbers, and the ledger to them.
func (w *world) wantStock(t testing.TB, sku string, onHand, reserved int64) {
	t.Helper()
	has, held, _ := w.stock(t, sku)
	require.Equal(t, [2]int64{onHand, reserved}, [2]int64{has, held}, "on hand and reserved of %s", sku)
	w.wantMoved(t, sku, onHand)
}

// wantMoved holds the ledger of a SKU to what is on hand.
func (w *world) wantMoved(t testing.TB, sku string, onHand int64) {
	t.Helper()
	var sum int64
	for _, m := range all[Movement](t, w.staff, "/inventory/"+sku+"/movements", nil) {
		sum += m.Quantity
	}
	require.Equal(t, onHand, sum, "the sum of the movements of %s is what is on hand", sku)
}

// home is where orders of the suite go.
var home = fields{
	"name": "A Customer", "line1": "1 High Street", "line2": "", "city": "Springfield", "region": "OR",
	"postal_code": "97477", "country": "US", "phone": "+1 555 0100",
}

// line is so many of a SKU.
func line(sku string, quantity any) fields { return fields{"sku": sku, "quantity": quantity} }

// orderBody describes an order of items.
func orderBody(token string, items ...fields) fields {
	return fields{"items": items, "shipping_address": home, "payment": fields{"method": "card", "token": token}}
}

// checkoutBody describes an order of a cart.
func checkoutBody(token, cart string) fields {
	return fields{"cart_id": cart, "shipping_address": home, "payment": fields{"method": "card", "token": token}}
}

// buy orders items and waits until it is decided.
func (w *world) buy(t testing.TB, c *Caller, token string, items ...fields) Order {
	t.Helper()
	return decode[Order](t, c.Post(t, "/orders", orderBody(token, items...), wait(30)).Want(t, http.StatusCreated))
}

// confirmed orders items and wants the order confirmed.
func (w *world) confirmed(t testing.TB, c *Caller, items ...fields) Order {
	t.Helper()
	o := w.buy(t, c, "tok_approve", items...)
	require.Equal(t, "confirmed", o.Status, "%+v", o)
	return o
}

// order reads an order as staff.
func (w *world) order(t testing.TB, id string) Order {
	t.Helper()
	return get[Order](t, w.staff, "/orders/"+id)
}

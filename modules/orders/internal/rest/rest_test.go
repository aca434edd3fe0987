package rest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	ordersmigrations "stoa/migrations/orders"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogtest"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/rest"
	"stoa/modules/orders/internal/service"
	"stoa/modules/payments/paymentstest"
	"stoa/modules/users"
	"stoa/modules/users/userstest"
	"stoa/platform/auth"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/mail/mailtest"
	"stoa/platform/money"
	"stoa/platform/outbox"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

const (
	adaID = "0193f3a0-0000-7000-8000-00000000ada0"
	bobID = "0193f3a0-0000-7000-8000-00000000b0b0"
)

// shop is the API over the service, with fakes for neighbours.
type shop struct {
	*webtest.Server
	t        *testing.T
	users    *userstest.Fake
	catalog  *catalogtest.Fake
	payments *paymentstest.Fake

	ada, bob, staff *webtest.Client
}

func open(t *testing.T) *shop {
	t.Helper()
	c, log := clock.System(), slog.New(slog.DiscardHandler)
	d := dbtest.Open(t, orders.Name, ordersmigrations.FS)
	s := &shop{
		t: t, catalog: catalogtest.NewFake(c), payments: paymentstest.NewFake(c),
		users: userstest.NewFake(users.User{ID: adaID, Email: "ada@example.com", Name: "Ada", Roles: []string{"customer"}, Status: "active"}),
	}
	work := service.New(service.Deps{
		DB: d, Clock: c, Log: log, Outbox: outbox.New(orders.Name, d, bus.NewInProcess(), c, log, outbox.Options{}), Mail: &mailtest.Outbox{},
		Users: s.users, Catalog: s.catalog, Payments: s.payments,
		Config: service.Config{CheckoutTimeout: 30 * time.Second, CartTTL: time.Hour, Shop: service.DefaultShop()},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = work.RunCheckouts(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	s.Server = webtest.New(t, orders.Name, func(r *web.Router) { rest.Register(r, work) },
		func(o *webtest.Options) { o.Idempotency = idempotency.New(d, c) })
	s.ada, s.bob, s.staff = s.As(adaID), s.As(bobID), s.As("0193f3a0-0000-7000-8000-000000005aff", auth.RoleStaff)
	return s
}

func (s *shop) sell(sku string, price int64, onHand int64) {
	s.catalog.Sell(s.t, catalog.Offer{SKU: sku, Title: "The " + sku, Price: money.Money{Amount: price, Currency: "USD"}, Available: onHand})
}

type object map[string]any

var home = object{"name": "Ada", "line1": "12 St James's Square", "city": "London", "country": "GB"}

func body(token string, items ...object) object {
	return object{"items": items, "shipping_address": home, "payment": object{"method": "card", "token": token}}
}

func line(sku string, quantity int) object { return object{"sku": sku, "quantity": quantity} }

// buy orders a lamp and waits for it.
func (s *shop) buy(by *webtest.Client, token string) orders.Order {
	s.t.Helper()
	a := by.Do(s.t, http.MethodPost, "/orders", body(token, line("lamp", 1)), "Prefer", "wait=30")
	require.Equal(s.t, http.StatusCreated, a.Status, "%s", a.Body)
	var o orders.Order
	a.JSON(s.t, &o)
	return o
}

func (s *shop) refused(a webtest.Answer, status int, code string) web.Problem {
	s.t.Helper()
	require.Equal(s.t, status, a.Status, "%s", a.Body)
	p := a.Problem(s.t)
	require.Equal(s.t, code, p.Code)
	return p
}

func TestACartFromMakingToCheckout(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("a lamp/ü", 1999, 5)
	a := s.Do(t, http.MethodPost, "/carts", object{"currency": "USD"})
	require.Equal(t, http.StatusCreated, a.Status)
	var c orders.Cart
	a.JSON(t, &c)
	require.Equal(t, "/api/v1/carts/"+c.ID, a.Header.Get("Location"))
	require.NotEmpty(t, a.Header.Get("ETag"))

	item := "/carts/" + c.ID + "/items/" + url.PathEscape("a lamp/ü")
	a = s.Do(t, http.MethodPut, item, object{"quantity": 2}, "If-Match", a.Header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	tag := a.Header.Get("ETag")
	a.JSON(t, &c)
	require.EqualValues(t, 3998, c.Subtotal.Amount)
	require.Equal(t, http.StatusNotModified, s.Do(t, http.MethodGet, "/carts/"+c.ID, nil, "If-None-Match", tag).Status)
	s.catalog.SetOnHand(t, "a lamp/ü", 4)
	require.Equal(t, http.StatusOK, s.Do(t, http.MethodGet, "/carts/"+c.ID, nil, "If-None-Match", tag).Status, "the ETag changes with all it shows")

	for _, quantity := range []string{"0", "-1", "10001", "2147483648", "9223372036854775808", "1.5", `"1"`, "null"} {
		a := s.Do(t, http.MethodPut, item, `{"quantity":`+quantity+`}`)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, quantity)
	}
	s.refused(s.Do(t, http.MethodPut, "/carts/"+c.ID+"/items/unknown", object{"quantity": 1}), http.StatusNotFound, "catalog.variant_not_found")
	s.refused(s.Do(t, http.MethodPut, item, object{"quantity": 1}, "If-Match", `"1-x"`), http.StatusPreconditionFailed, "precondition_failed")
	s.refused(s.Do(t, http.MethodGet, "/carts/0193f3a0-0000-4000-8000-000000000000", nil), http.StatusNotFound, "orders.cart_not_found")
	s.refused(s.Do(t, http.MethodDelete, "/carts/"+c.ID+"/items/unknown", nil), http.StatusNotFound, "orders.cart_item_not_found")
	s.refused(s.Do(t, http.MethodPost, "/carts", object{"currency": ""}), http.StatusUnprocessableEntity, "invalid")
	s.refused(s.Do(t, http.MethodPost, "/carts", object{"currency": "XYZ"}), http.StatusUnprocessableEntity, "money.unknown_currency")

	checkout := object{"cart_id": c.ID, "shipping_address": home, "payment": object{"method": "card", "token": "tok_approve"}}
	require.Equal(t, http.StatusCreated, s.ada.Do(t, http.MethodPost, "/orders", checkout, "Prefer", "wait=30").Status)
	s.refused(s.ada.Do(t, http.MethodPost, "/orders", checkout), http.StatusConflict, "orders.cart_checked_out")
	s.refused(s.Do(t, http.MethodDelete, item, nil), http.StatusConflict, "orders.cart_checked_out")
}

func TestACartMadeSignedInIsItsMakersAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	var c orders.Cart
	first := s.ada.Do(t, http.MethodPost, "/carts", `{}`, "Idempotency-Key", "k")
	first.JSON(t, &c)
	again := s.ada.Do(t, http.MethodPost, "/carts", `{}`, "Idempotency-Key", "k")
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, first.Header.Get("Location"), again.Header.Get("Location"))
	require.Equal(t, http.StatusOK, s.ada.Do(t, http.MethodGet, "/carts/"+c.ID, nil).Status)
	hers := s.bob.Do(t, http.MethodGet, "/carts/"+c.ID, nil)
	none := s.bob.Do(t, http.MethodGet, "/carts/0193f3a0-0000-4000-8000-000000000000", nil)
	s.refused(hers, http.StatusNotFound, "orders.cart_not_found")
	require.Equal(t, none.Problem(t).Detail, hers.Problem(t).Detail)
}

func TestAnOrderFromPlacingToDelivery(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 5)
	a := s.ada.Do(t, http.MethodPost, "/orders", body("tok_approve", line("lamp", 1), line("lamp", 2)), "Prefer", "respond-async, wait=10")
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	require.Equal(t, "wait=10", a.Header.Get("Preference-Applied"))
	var o orders.Order
	a.JSON(t, &o)
	require.Equal(t, "confirmed", o.Status)
	require.EqualValues(t, 3, o.Items[0].Quantity)
	path := "/orders/" + o.ID
	require.Equal(t, "/api/v1"+path, a.Header.Get("Location"))

	read := s.ada.Do(t, http.MethodGet, path, nil)
	require.JSONEq(t, string(a.Body), string(read.Body))
	require.Equal(t, a.Header.Get("ETag"), read.Header.Get("ETag"))
	var fields map[string]json.RawMessage
	read.JSON(t, &fields)
	for _, field := range []string{"id", "number", "user_id", "status", "currency", "items", "subtotal", "shipping_total", "tax_total",
		"discount_total", "total", "payment", "shipping_address", "failure", "placed_at", "updated_at", "version"} {
		require.Contains(t, fields, field)
	}
	require.Len(t, fields, 17, "what was not asked for is left out")

	for _, c := range []struct {
		by     *webtest.Client
		status int
	}{{s.Client, http.StatusUnauthorized}, {s.ada, http.StatusForbidden}} {
		for _, action := range []string{"shipments", "delivery", "refunds"} {
			require.Equal(t, c.status, c.by.Do(t, http.MethodPost, path+"/"+action, "{").Status, action)
		}
	}
	s.refused(s.staff.Do(t, http.MethodPost, path+"/delivery", object{}), http.StatusConflict, "orders.invalid_transition")
	parcel := object{"carrier": "Royal Mail", "tracking_number": "AB123"}
	first := s.staff.Do(t, http.MethodPost, path+"/shipments", parcel, "If-Match", read.Header.Get("ETag"), "Idempotency-Key", "ship")
	require.Equal(t, http.StatusCreated, first.Status, "%s", first.Body)
	var shipment orders.Shipment
	first.JSON(t, &shipment)
	require.Equal(t, o.ID, shipment.OrderID)
	require.Equal(t, "AB123", shipment.TrackingNumber)
	require.Equal(t, first.Body, s.staff.Do(t, http.MethodPost, path+"/shipments", parcel, "If-Match", read.Header.Get("ETag"), "Idempotency-Key", "ship").Body)
	s.refused(s.staff.Do(t, http.MethodPost, path+"/delivery", object{}, "If-Match", read.Header.Get("ETag")), http.StatusPreconditionFailed, "precondition_failed")
	s.refused(s.ada.Do(t, http.MethodPost, path+"/cancellation", object{"reason": "late"}), http.StatusConflict, "orders.invalid_transition")
	a = s.staff.Do(t, http.MethodPost, path+"/delivery", nil)
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	a.JSON(t, &o)
	require.Equal(t, "delivered", o.Status)

	var history struct{ Items []orders.Event }
	s.ada.Do(t, http.MethodGet, path+"/events", nil).JSON(t, &history)
	require.Len(t, history.Items, 8)
	require.Equal(t, "order_delivered", history.Items[7].Type)
	require.JSONEq(t, `{}`, string(history.Items[7].Data))
}

func TestACancellation(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 5)
	o := s.buy(s.ada, "tok_approve")
	path := "/orders/" + o.ID + "/cancellation"
	s.refused(s.bob.Do(t, http.MethodPost, path, object{"reason": "mine"}), http.StatusNotFound, "orders.order_not_found")
	a := s.ada.Do(t, http.MethodPost, path, object{"reason": "changed my mind"})
	require.Equal(t, http.StatusAccepted, a.Status, "%s", a.Body)
	var fields map[string]json.RawMessage
	a.JSON(t, &fields)
	require.JSONEq(t, `{"code": "orders.canceled", "message": "changed my mind"}`, string(fields["failure"]))
	s.refused(s.ada.Do(t, http.MethodPost, path, object{}), http.StatusConflict, "orders.invalid_transition")
}

func TestARefund(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 5)
	path := "/orders/" + s.buy(s.ada, "tok_approve").ID + "/refunds"
	part := object{"amount": object{"amount": 200, "currency": "USD"}, "reason": "a scratch"}
	a := s.staff.Do(t, http.MethodPost, path, part, "Idempotency-Key", "r")
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	require.Equal(t, a.Body, s.staff.Do(t, http.MethodPost, path, part, "Idempotency-Key", "r").Body)
	more := object{"amount": object{"amount": 301, "currency": "USD"}}
	s.refused(s.staff.Do(t, http.MethodPost, path, more), http.StatusConflict, "payments.refund_exceeds_capture")
	s.refused(s.staff.Do(t, http.MethodPost, path, more, "Idempotency-Key", "r"), http.StatusUnprocessableEntity, "idempotency.key_reused")
	for _, bad := range []string{`{}`, `{"amount": 5}`, `{"amount": {"amount": 0, "currency": "USD"}}`, `{"amount": {"amount": -5, "currency": "USD"}}`,
		`{"amount": {"amount": 5, "currency": "EUR"}}`, `{"amount": {"amount": 5}}`, `{"amount": {"amount": 5, "currency": "USD"}, "order_id": "x"}`} {
		require.Equal(t, http.StatusUnprocessableEntity, s.staff.Do(t, http.MethodPost, path, bad).Status, bad)
	}
	s.payments.FailNext("Refund", errs.ErrUnavailable)
	rest := object{"amount": object{"amount": 300, "currency": "USD"}}
	require.Equal(t, http.StatusServiceUnavailable, s.staff.Do(t, http.MethodPost, path, rest, "Idempotency-Key", "s").Status)
	require.Equal(t, http.StatusCreated, s.staff.Do(t, http.MethodPost, path, rest, "Idempotency-Key", "s").Status)
	require.Equal(t, "refunded", s.order(s.list(s.staff, "").Items[0].ID).Payment.Status)
}

func (s *shop) order(id string) (o orders.Order) {
	s.t.Helper()
	s.staff.Do(s.t, http.MethodGet, "/orders/"+id, nil).JSON(s.t, &o)
	return o
}

// page is a page of orders.
type page struct {
	Items []struct {
		orders.Order
		User     json.RawMessage
		Products json.RawMessage
		Warnings []string
	}
	Next *string `json:"next_cursor"`
}

func (s *shop) list(by *webtest.Client, query string) (p page) {
	s.t.Helper()
	a := by.Do(s.t, http.MethodGet, "/orders"+query, nil)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	a.JSON(s.t, &p)
	return p
}

func TestWhatPlacingAnOrderRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 5)
	s.sell("dear", 1<<62, 5)
	with := func(change func(b object)) object {
		b := body("tok_approve", line("lamp", 1))
		change(b)
		return b
	}
	for name, c := range map[string]struct {
		body any
		code string
	}{
		"nothing":          {object{}, "invalid"},
		"no payment":       {with(func(b object) { delete(b, "payment") }), "invalid"},
		"cart and items":   {with(func(b object) { b["cart_id"] = "x" }), "invalid"},
		"two addresses":    {with(func(b object) { b["address_id"] = "x" }), "invalid"},
		"no items":         {with(func(b object) { b["items"] = []object{} }), "invalid"},
		"a price":          {with(func(b object) { b["items"] = []object{{"sku": "lamp", "quantity": 1, "price": 1}} }), "invalid"},
		"a user":           {with(func(b object) { b["user_id"] = bobID }), "invalid"},
		"no quantity":      {with(func(b object) { b["items"] = []object{line("lamp", 0)} }), "invalid"},
		"more than 10,000": {with(func(b object) { b["items"] = []object{line("lamp", 6000), line("lamp", 6000)} }), "invalid"},
		"an unknown country": {with(func(b object) {
			b["shipping_address"] = object{"name": "A", "line1": "1", "city": "L", "country": "UK"}
		}), "invalid"},
		"an unknown variant":     {with(func(b object) { b["items"] = []object{line("unicorn", 1)} }), "orders.not_for_sale"},
		"an unknown token":       {with(func(b object) { b["payment"] = object{"method": "card", "token": "x"} }), "payments.unknown_method"},
		"an unknown method":      {with(func(b object) { b["payment"] = object{"method": "shells", "token": "tok_approve"} }), "payments.unknown_method"},
		"a sum past int64":       {with(func(b object) { b["items"] = []object{line("dear", 2)} }), "money.overflow"},
		"half an expectation":    {with(func(b object) { b["expected_total"] = object{"amount": 500} }), "invalid"},
		"an expectation in null": {with(func(b object) { b["expected_total"] = "500 USD" }), "invalid"},
	} {
		a := s.ada.Do(t, http.MethodPost, "/orders", c.body)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "%s: %s", name, a.Body)
		require.Equal(t, c.code, a.Problem(t).Code, name)
	}
	a := s.ada.Do(t, http.MethodPost, "/orders", with(func(b object) { b["expected_total"] = object{"amount": 499, "currency": "USD"} }))
	s.refused(a, http.StatusConflict, "orders.price_changed")
	var problem struct{ Total money.Money }
	a.JSON(t, &problem)
	require.Equal(t, money.Money{Amount: 500, Currency: "USD"}, problem.Total)
	s.refused(s.ada.Do(t, http.MethodPost, "/orders", with(func(b object) { delete(b, "shipping_address"); b["address_id"] = "x" })),
		http.StatusNotFound, "users.address_not_found")
	s.refused(s.Do(t, http.MethodPost, "/orders", "{"), http.StatusUnauthorized, "unauthenticated")
	require.Empty(t, s.list(s.staff, "").Items)
}

func TestAKeyPlacesOneOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 500)
	place := func(prefer string) webtest.Answer {
		return s.ada.Do(t, http.MethodPost, "/orders", body("tok_approve", line("lamp", 1)), "Idempotency-Key", "k", "Prefer", prefer)
	}
	first := place("wait=10")
	require.Equal(t, http.StatusCreated, first.Status)
	plain := s.ada.Do(t, http.MethodPost, "/orders", body("tok_approve", line("lamp", 1)))
	require.NotContains(t, plain.Header, "Preference-Applied", "nothing was preferred")
	again := place("wait=20")
	require.Equal(t, first.Body, again.Body, "a preference is no part of the request")
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	s.refused(s.ada.Do(t, http.MethodPost, "/orders", body("tok_approve", line("lamp", 2)), "Idempotency-Key", "k"),
		http.StatusUnprocessableEntity, "idempotency.key_reused")
	require.Equal(t, http.StatusCreated, s.bob.Do(t, http.MethodPost, "/orders", body("tok_approve", line("lamp", 1)), "Idempotency-Key", "k").Status,
		"keys are each caller's own")
	require.Len(t, s.list(s.staff, "").Items, 3)
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 500)
	var placed []orders.Order
	for i := range 7 {
		token := "tok_approve"
		if i == 3 {
			token = "tok_decline"
		}
		placed = append(placed, s.buy(s.ada, token))
	}
	s.buy(s.bob, "tok_approve")
	require.Len(t, s.list(s.ada, "").Items, 7)
	require.Len(t, s.list(s.staff, "").Items, 8)
	require.Len(t, s.list(s.staff, "?user_id="+bobID).Items, 1)
	require.Empty(t, s.list(s.ada, "?user_id="+bobID).Items)
	require.Len(t, s.list(s.ada, "?status=rejected").Items, 1)
	at := url.QueryEscape(placed[2].PlacedAt.Format(time.RFC3339Nano))
	require.Len(t, s.list(s.ada, "?placed_after="+at).Items, 4)
	require.Len(t, s.list(s.ada, "?placed_before="+at).Items, 2)

	var seen []string
	query := "?limit=3"
	for {
		p := s.list(s.ada, query)
		for _, o := range p.Items {
			seen = append(seen, o.ID)
		}
		if p.Next == nil {
			break
		}
		s.refused(s.bob.Do(t, http.MethodGet, "/orders?limit=3&cursor="+*p.Next, nil), http.StatusUnprocessableEntity, "invalid")
		s.refused(s.ada.Do(t, http.MethodGet, "/orders?limit=3&status=confirmed&cursor="+*p.Next, nil), http.StatusUnprocessableEntity, "invalid")
		query = "?limit=3&cursor=" + *p.Next
	}
	require.Len(t, seen, 7)
	require.Equal(t, placed[6].ID, seen[0])
	for _, bad := range []string{"?limit=0", "?limit=201", "?limit=x", "?cursor=x", "?status=lost", "?placed_after=yesterday", "?sort=total", "?expand=payments", "?user_id=nonsense"} {
		require.Equal(t, http.StatusUnprocessableEntity, s.ada.Do(t, http.MethodGet, "/orders"+bad, nil).Status, bad)
	}
	require.Equal(t, http.StatusUnauthorized, s.Do(t, http.MethodGet, "/orders", nil).Status)
}

func TestExpandedOrders(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 500)
	o := s.buy(s.ada, "tok_approve")
	path := "/orders/" + o.ID
	fields := func(query string) (has map[string]json.RawMessage) {
		a := s.ada.Do(t, http.MethodGet, path+query, nil)
		require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
		a.JSON(t, &has)
		return has
	}
	has := fields("?expand=user,products")
	require.Contains(t, string(has["user"]), `"ada@example.com"`)
	require.Contains(t, string(has["products"]), `"The lamp"`)
	require.JSONEq(t, `[]`, string(has["warnings"]))
	has = fields("?expand=user")
	require.NotContains(t, has, "products")
	require.Contains(t, has, "warnings")

	s.users.Fail(errs.ErrUnavailable)
	has = fields("?expand=user,products")
	require.JSONEq(t, `null`, string(has["user"]))
	require.Contains(t, string(has["products"]), `"The lamp"`)
	require.JSONEq(t, `["users"]`, string(has["warnings"]))
	list := s.list(s.ada, "?expand=user")
	require.Equal(t, "null", string(list.Items[0].User))
	require.Equal(t, []string{"users"}, list.Items[0].Warnings)
}

func TestOthersOrdersAreAsIfTheyWereNotThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell("lamp", 500, 500)
	o := s.buy(s.ada, "tok_approve")
	for _, id := range []string{o.ID, "0193f3a0-0000-7000-8000-000000000000", "nonsense", "%27%20OR%201=1", strings.Repeat("x", 3000)} {
		for _, path := range []string{"/orders/" + id, "/orders/" + id + "/events", "/orders/" + id + "?expand=user"} {
			p := s.refused(s.bob.Do(t, http.MethodGet, path, nil), http.StatusNotFound, "orders.order_not_found")
			require.Equal(t, orders.ErrOrderNotFound.Message, p.Detail)
		}
	}
	require.Equal(t, http.StatusOK, s.staff.Do(t, http.MethodGet, "/orders/"+o.ID, nil).Status)
}

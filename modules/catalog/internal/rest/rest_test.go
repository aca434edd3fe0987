package rest_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/rest"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/auth"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/idempotency"
	"stoa/platform/outbox"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// api is a catalog that is served.
type api struct {
	*webtest.Server
	service *service.Service
	staff   *webtest.Client
}

func open(t testing.TB) *api {
	t.Helper()
	d := dbtest.Open(t, catalog.Name, catalogmigrations.FS)
	c, log := clock.System(), slog.New(slog.DiscardHandler)
	s := service.New(service.Deps{
		DB: d, Clock: c, Log: log, Config: service.DefaultConfig(), Shop: service.DefaultShopConfig(),
		Outbox: outbox.New(catalog.Name, d, bus.NewInProcess(), c, log, outbox.Options{}),
	})
	server := webtest.New(t, catalog.Name, func(r *web.Router) { rest.Register(r, s) }, func(o *webtest.Options) {
		o.Idempotency = idempotency.New(d, c)
	})
	return &api{Server: server, service: s, staff: server.As("staff", auth.RoleStaff)}
}

// want does a call as staff and reads its answer.
func want[T any](t testing.TB, c *webtest.Client, status int, method, path string, body any, header ...string) (T, webtest.Answer) {
	t.Helper()
	a := c.Do(t, method, path, body, header...)
	require.Equal(t, status, a.Status, "%s %s: %s", method, path, a.Body)
	var v T
	if len(a.Body) > 0 {
		require.NoError(t, json.Unmarshal(a.Body, &v))
	}
	return v, a
}

type problem struct {
	Code   string
	Errors []struct{ Location, Message string }
}

func refused(t testing.TB, c *webtest.Client, status int, code, method, path string, body any, header ...string) problem {
	t.Helper()
	p, a := want[problem](t, c, status, method, path, body, header...)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(t, code, p.Code, "%s", a.Body)
	return p
}

const lamp = `{"title": "Floor Lamp", "status": "active", "tags": ["indoor"], "variants": [{"sku": "lamp", "price": {"amount": 1999, "currency": "USD"}}]}`

func (a *api) lamp(t testing.TB) catalog.Product {
	t.Helper()
	p, _ := want[catalog.Product](t, a.staff, http.StatusCreated, http.MethodPost, "/products", lamp)
	return p
}

func TestAProductIsCreatedFoundChangedAndArchived(t *testing.T) {
	t.Parallel()
	a := open(t)
	p, made := want[catalog.Product](t, a.staff, http.StatusCreated, http.MethodPost, "/products", lamp)
	require.Equal(t, "/api/v1/products/"+p.ID, made.Header.Get("Location"))
	require.Equal(t, "floor-lamp", p.Slug)

	byID, first := want[catalog.Product](t, a.staff, http.StatusOK, http.MethodGet, "/products/"+p.ID, nil)
	require.Equal(t, p, byID)
	bySlug, _ := want[catalog.Product](t, a.staff, http.StatusOK, http.MethodGet, "/products/floor-lamp", nil)
	require.Equal(t, p, bySlug)

	tag := first.Header.Get("ETag")
	q, _ := want[catalog.Product](t, a.staff, http.StatusOK, http.MethodPatch, "/products/"+p.ID, `{"title": "Lamp", "tags": null, "vendor": "Acme"}`, "If-Match", tag)
	require.Equal(t, []any{"Lamp", []string{}, "Acme", int64(2)}, []any{q.Title, q.Tags, q.Vendor, q.Version})
	refused(t, a.staff, http.StatusPreconditionFailed, web.ErrPreconditionFailed.Code, http.MethodPatch, "/products/"+p.ID, `{"title": "X"}`, "If-Match", tag)
	refused(t, a.staff, http.StatusUnprocessableEntity, "invalid", http.MethodPatch, "/products/"+p.ID, `{"title": null}`)
	refused(t, a.staff, http.StatusUnprocessableEntity, "invalid", http.MethodPatch, "/products/"+p.ID, `{"variants": []}`)

	require.Equal(t, http.StatusNoContent, a.staff.Do(t, http.MethodDelete, "/products/"+p.ID, nil).Status)
	refused(t, a.Client, http.StatusNotFound, "catalog.product_not_found", http.MethodGet, "/products/"+p.ID, nil)
	gone, _ := want[catalog.Product](t, a.staff, http.StatusOK, http.MethodGet, "/products/"+p.ID, nil)
	require.Equal(t, "archived", gone.Status)
}

func TestCustomersAreToldWhatIsAvailableAndNoMore(t *testing.T) {
	t.Parallel()
	a := open(t)
	p := a.lamp(t)
	for _, who := range []*webtest.Client{a.Client, a.As("customer")} {
		for _, path := range []string{"/products/" + p.ID, "/products/" + p.Slug, "/products?limit=1"} {
			answer := who.Do(t, http.MethodGet, path, nil)
			require.Equal(t, http.StatusOK, answer.Status)
			require.Contains(t, string(answer.Body), `"stock":{"available":0}`)
			require.NotContains(t, string(answer.Body), "on_hand")
		}
	}
	answer := a.staff.Do(t, http.MethodGet, "/products?limit=1", nil)
	require.Contains(t, string(answer.Body), `"stock":{"on_hand":0,"reserved":0,"available":0}`)
}

func TestEveryFieldOfAProductIsPresent(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.lamp(t)
	for _, who := range []*webtest.Client{a.Client, a.staff} {
		p, _ := want[map[string]any](t, who, http.StatusOK, http.MethodGet, "/products/floor-lamp", nil)
		for _, name := range []string{"id", "slug", "title", "description", "status", "vendor", "product_type", "tags", "categories", "images", "options", "variants", "version", "created_at", "updated_at"} {
			require.Contains(t, p, name)
			require.NotNil(t, p[name], name)
		}
		v := p["variants"].([]any)[0].(map[string]any)
		for _, name := range []string{"id", "sku", "title", "options", "price", "compare_at_price", "barcode", "weight_grams", "position", "stock"} {
			require.Contains(t, v, name)
		}
		require.Nil(t, v["compare_at_price"])
		require.Equal(t, map[string]any{}, v["options"])
	}
}

func TestAnETagChangesWithTheStockAndIfMatchDoesNotMind(t *testing.T) {
	t.Parallel()
	a := open(t)
	p := a.lamp(t)
	_, staff := want[catalog.Product](t, a.staff, http.StatusOK, http.MethodGet, "/products/"+p.ID, nil)
	_, before := want[catalog.Product](t, a.Client, http.StatusOK, http.MethodGet, "/products/"+p.ID, nil)
	tag := before.Header.Get("ETag")
	require.Equal(t, http.StatusNotModified, a.Do(t, http.MethodGet, "/products/"+p.ID, nil, "If-None-Match", tag).Status)
	want[any](t, a.staff, http.StatusCreated, http.MethodPost, "/inventory/lamp/adjustments", `{"delta": 3, "reason": "delivery"}`)
	_, after := want[catalog.Product](t, a.Client, http.StatusOK, http.MethodGet, "/products/"+p.ID, nil, "If-None-Match", tag)
	require.NotEqual(t, tag, after.Header.Get("ETag"))
	want[any](t, a.staff, http.StatusOK, http.MethodPatch, "/products/"+p.ID, `{"vendor": "Acme"}`, "If-Match", staff.Header.Get("ETag"))
}

func TestVariantsHaveAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	a := open(t)
	p := a.lamp(t)
	path := "/products/" + p.ID + "/variants"
	v, made := want[catalog.Variant](t, a.staff, http.StatusCreated, http.MethodPost, path,
		`{"sku": "lamp/xl é", "options": {"Size": "XL"}, "price": {"amount": 5, "currency": "USD"}, "compare_at_price": null}`)
	require.Equal(t, []any{"lamp/xl é", "XL", int64(2)}, []any{v.SKU, v.Title, v.Position})
	require.Contains(t, made.Header.Get("ETag"), `"2-`)
	at := path + "/" + url.PathEscape(v.SKU)
	v, _ = want[catalog.Variant](t, a.staff, http.StatusOK, http.MethodPatch, at, `{"compare_at_price": {"amount": 9, "currency": "USD"}, "barcode": "1"}`)
	require.EqualValues(t, 9, v.CompareAtPrice.Amount)
	v, _ = want[catalog.Variant](t, a.staff, http.StatusOK, http.MethodPatch, at, `{"compare_at_price": null, "barcode": null}`)
	require.Nil(t, v.CompareAtPrice)
	require.Empty(t, v.Barcode)
	bad := refused(t, a.staff, http.StatusUnprocessableEntity, "invalid", http.MethodPatch, at, `{"price": {"amount": -1, "currency": "USD"}}`)
	require.Equal(t, "body.price", bad.Errors[0].Location)
	refused(t, a.staff, http.StatusUnprocessableEntity, "invalid", http.MethodPatch, at, `{"sku": "other"}`)
	refused(t, a.staff, http.StatusConflict, "catalog.sku_taken", http.MethodPost, "/products", lamp)
	require.Equal(t, http.StatusNoContent, a.staff.Do(t, http.MethodDelete, at, nil).Status)
	refused(t, a.staff, http.StatusNotFound, "catalog.variant_not_found", http.MethodDelete, at, nil)
}

func TestCategoriesAreListedChangedAndMoved(t *testing.T) {
	t.Parallel()
	a := open(t)
	home, _ := want[catalog.Category](t, a.staff, http.StatusCreated, http.MethodPost, "/categories", `{"slug": "home", "name": "Home", "parent_id": null}`)
	lamps, _ := want[catalog.Category](t, a.staff, http.StatusCreated, http.MethodPost, "/categories", `{"name": "Lamps", "parent_id": "`+home.ID+`"}`)
	require.Equal(t, "home/lamps", lamps.Path)
	page, _ := want[web.List[catalog.Category]](t, a.Client, http.StatusOK, http.MethodGet, "/categories?limit=1", nil)
	require.Equal(t, []catalog.Category{home}, page.Items)
	page, _ = want[web.List[catalog.Category]](t, a.Client, http.StatusOK, http.MethodGet, "/categories?limit=1&cursor="+page.NextCursor, nil)
	require.Equal(t, web.List[catalog.Category]{Items: []catalog.Category{lamps}}, page)
	refused(t, a.staff, http.StatusUnprocessableEntity, "catalog.category_cycle", http.MethodPatch, "/categories/"+home.ID, `{"parent_id": "`+lamps.ID+`"}`)
	refused(t, a.staff, http.StatusConflict, "catalog.category_in_use", http.MethodDelete, "/categories/"+home.ID, nil)
	lamps, _ = want[catalog.Category](t, a.staff, http.StatusOK, http.MethodPatch, "/categories/"+lamps.ID, `{"parent_id": null, "slug": "lights"}`)
	require.Equal(t, []any{"lights", (*string)(nil)}, []any{lamps.Path, lamps.ParentID})
	require.Equal(t, http.StatusNoContent, a.staff.Do(t, http.MethodDelete, "/categories/"+home.ID, nil).Status)
}

func TestAnAdjustmentIsMadeOnceForAKey(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.lamp(t)
	const path, body = "/inventory/lamp/adjustments", `{"delta": 5, "reason": "delivery"}`
	made, first := want[service.Adjustment](t, a.staff, http.StatusCreated, http.MethodPost, path, body, "Idempotency-Key", "k")
	require.EqualValues(t, 5, made.OnHand)
	again := a.staff.Do(t, http.MethodPost, path, body, "Idempotency-Key", "k")
	require.Equal(t, string(first.Body), string(again.Body))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	refused(t, a.staff, http.StatusConflict, "catalog.insufficient_stock", http.MethodPost, path, `{"delta": -6, "reason": ""}`)
	for _, bad := range []string{`{"delta": 0, "reason": "x"}`, `{"delta": 9000000000, "reason": "x"}`, `{"reason": "x"}`, `{"delta": 1, "reason": "a\u0000b"}`} {
		require.Equal(t, http.StatusUnprocessableEntity, a.staff.Do(t, http.MethodPost, path, bad).Status, bad)
	}
	inventory, _ := want[service.Inventory](t, a.staff, http.StatusOK, http.MethodGet, "/inventory/lamp", nil)
	require.Equal(t, service.Inventory{SKU: "lamp", OnHand: 5, Available: 5}, inventory)
	ledger, _ := want[web.List[service.Movement]](t, a.staff, http.StatusOK, http.MethodGet, "/inventory/lamp/movements", nil)
	require.Equal(t, []service.Movement{made.Movement}, ledger.Items)
	refused(t, a.staff, http.StatusNotFound, "catalog.variant_not_found", http.MethodGet, "/inventory/nothing/movements", nil)
}

func TestALedgerHasPages(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.lamp(t)
	for range 5 {
		want[any](t, a.staff, http.StatusCreated, http.MethodPost, "/inventory/lamp/adjustments", `{"delta": 1, "reason": ""}`)
	}
	seen := map[string]bool{}
	pages := 0
	for cursor := ""; ; pages++ {
		page, _ := want[web.List[service.Movement]](t, a.staff, http.StatusOK, http.MethodGet, "/inventory/lamp/movements?limit=2&cursor="+cursor, nil)
		for _, m := range page.Items {
			seen[m.ID] = true
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Len(t, seen, 5)
	require.Equal(t, 2, pages)
}

func TestProductsAreFilteredSortedAndPaged(t *testing.T) {
	t.Parallel()
	a := open(t)
	for _, body := range []string{
		`{"title": "Red Lamp", "vendor": "Acme", "status": "active", "variants": [{"sku": "a", "price": {"amount": 300, "currency": "USD"}}]}`,
		`{"title": "Blue Lamp", "vendor": "Acme", "status": "active", "variants": [{"sku": "b", "price": {"amount": 100, "currency": "USD"}}]}`,
		`{"title": "Chair", "status": "draft", "variants": [{"sku": "c", "price": {"amount": 200, "currency": "EUR"}}]}`,
	} {
		want[any](t, a.staff, http.StatusCreated, http.MethodPost, "/products", body)
	}
	find := func(who *webtest.Client, query string) []string {
		slugs := []string{}
		for cursor := ""; ; {
			page, _ := want[web.List[catalog.Product]](t, who, http.StatusOK, http.MethodGet, "/products?limit=1&cursor="+cursor+"&"+query, nil)
			for _, p := range page.Items {
				slugs = append(slugs, p.Slug)
			}
			if cursor = page.NextCursor; cursor == "" {
				return slugs
			}
		}
	}
	require.Equal(t, []string{"blue-lamp", "red-lamp"}, find(a.Client, ""))
	require.Equal(t, []string{"chair", "blue-lamp", "red-lamp"}, find(a.staff, ""))
	require.Equal(t, []string{"red-lamp", "blue-lamp"}, find(a.Client, "sort=-price&vendor=ACME"))
	require.Equal(t, []string{"blue-lamp"}, find(a.Client, "q=lamp&max_price=200"))
	require.Equal(t, []string{"chair"}, find(a.staff, "currency=EUR"))
	require.Empty(t, find(a.Client, "status=draft"))
	require.Equal(t, []string{"chair"}, find(a.staff, "status=draft"))
	require.Empty(t, find(a.Client, "in_stock=true"))
	require.Equal(t, []string{"red-lamp"}, find(a.Client, "sku=a"))

	page, _ := want[web.List[catalog.Product]](t, a.staff, http.StatusOK, http.MethodGet, "/products?limit=1", nil)
	for _, query := range []string{"limit=1&sort=price", "limit=1&vendor=Acme", "limit=1&q=lamp"} {
		refused(t, a.staff, http.StatusUnprocessableEntity, "invalid", http.MethodGet, "/products?"+query+"&cursor="+page.NextCursor, nil)
	}
	refused(t, a.Client, http.StatusUnprocessableEntity, "invalid", http.MethodGet, "/products?limit=1&cursor="+page.NextCursor, nil)
	for _, bad := range []string{"min_price=-1", "max_price=-1", "max_price=9223372036854775808", "min_price=1.5", "currency=ZZZ&min_price=1", "in_stock=perhaps", "sort=password", "status=asleep", "limit=0", "x=1"} {
		require.Equal(t, http.StatusUnprocessableEntity, a.Do(t, http.MethodGet, "/products?"+bad, nil).Status, bad)
	}
}

func TestTheCatalogIsChangedByStaffOnly(t *testing.T) {
	t.Parallel()
	a := open(t)
	p := a.lamp(t)
	for _, call := range [][2]string{
		{http.MethodPost, "/products"}, {http.MethodPatch, "/products/" + p.ID}, {http.MethodDelete, "/products/" + p.ID},
		{http.MethodPost, "/products/" + p.ID + "/variants"}, {http.MethodPatch, "/products/" + p.ID + "/variants/lamp"},
		{http.MethodDelete, "/products/" + p.ID + "/variants/lamp"}, {http.MethodPost, "/categories"}, {http.MethodPatch, "/categories/x"},
		{http.MethodDelete, "/categories/x"}, {http.MethodGet, "/inventory/lamp"}, {http.MethodPost, "/inventory/lamp/adjustments"},
		{http.MethodGet, "/inventory/lamp/movements"}, {http.MethodPost, "/catalog/imports?format=csv"}, {http.MethodGet, "/catalog/imports/x"},
		{http.MethodGet, "/catalog/export?format=csv"},
	} {
		require.Equal(t, http.StatusUnauthorized, a.Do(t, call[0], call[1], nil).Status, "%v", call)
		require.Equal(t, http.StatusForbidden, a.As("customer").Do(t, call[0], call[1], nil).Status, "%v", call)
	}
	admin := a.As("admin", auth.RoleAdmin)
	require.Equal(t, http.StatusOK, admin.Do(t, http.MethodGet, "/inventory/lamp", nil).Status)
}

func TestTheDocumentDescribesProducts(t *testing.T) {
	t.Parallel()
	a := open(t)
	text, err := a.Web.OpenAPI(false)
	require.NoError(t, err)
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	require.Contains(t, doc.Components.Schemas["catalog.Product"].Properties, "variants")
	require.Contains(t, doc.Components.Schemas["catalog.ProductList"].Properties, "items")
}

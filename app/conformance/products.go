package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// products are what the catalogue's products promise.
func products() []promise {
	return []promise{
		{"a product is made as it was described", createsProduct},
		{"a product is found by id and by slug", findsProduct},
		{"customers see active products, and of stock what is available", customersSee},
		{"a patch changes what it names", patchesProduct},
		{"bad values are refused", badProducts},
		{"slugs and SKUs are taken once", uniqueNames},
		{"variants are added, changed and removed", variants},
		{"a deleted product is archived, not lost", archivesProduct},
		{"strange text comes back as it was, or is refused", strangeProducts},
	}
}

// shirt describes a product with options, images and two variants.
func shirt(slug string) fields {
	return fields{
		"slug": slug, "title": "Linen Shirt", "description": "<p>Light & airy</p>", "status": "active", "vendor": "Weaver",
		"product_type": "Shirts", "tags": []string{"linen", "summer"}, "category_ids": []string{},
		"images":  []any{fields{"url": "https://images.example.com/shirt.jpg", "alt": "A shirt", "position": 1}},
		"options": []any{fields{"name": "Size", "values": []string{"S", "M"}}},
		"variants": []any{
			fields{"sku": "S-" + slug, "title": "Small", "options": fields{"Size": "S"}, "price": usd(1999), "compare_at_price": usd(2499), "barcode": "4006381333931", "weight_grams": 200, "position": 1},
			fields{"sku": "M-" + slug, "title": "Medium", "options": fields{"Size": "M"}, "price": usd(2099), "compare_at_price": nil, "barcode": "", "weight_grams": 220, "position": 2},
		},
	}
}

func createsProduct(t *testing.T, w *world) {
	slug := unique("shirt")
	a := w.staff.Post(t, "/products", shirt(slug)).Want(t, http.StatusCreated)
	shape(t, a.Body, productFields...)
	for _, v := range elements(t, part(t, a.Body, "variants")) {
		shape(t, v, variantFields...)
		shape(t, part(t, v, "stock"), "on_hand", "reserved", "available")
	}
	p := decode[Product](t, a)
	require.Regexp(t, uuidV7, p.ID)
	require.Equal(t, []any{slug, "Linen Shirt", "<p>Light & airy</p>", "active", "Weaver", "Shirts"},
		[]any{p.Slug, p.Title, p.Description, p.Status, p.Vendor, p.ProductType})
	require.ElementsMatch(t, []string{"linen", "summer"}, p.Tags)
	require.Equal(t, []Option{{"Size", []string{"S", "M"}}}, p.Options)
	require.Equal(t, []Image{{"https://images.example.com/shirt.jpg", "A shirt", 1}}, p.Images)
	require.Len(t, p.Variants, 2)
	small := p.Variants[0]
	require.Regexp(t, uuidV7, small.ID)
	require.Equal(t, "S-"+slug, small.SKU)
	require.Equal(t, map[string]string{"Size": "S"}, small.Options)
	require.Equal(t, usd(1999), small.Price)
	require.Equal(t, usd(2499), *small.CompareAtPrice)
	require.Equal(t, "4006381333931", small.Barcode)
	require.EqualValues(t, 200, small.WeightGrams)
	require.Nil(t, p.Variants[1].CompareAtPrice)
	require.Zero(t, small.Stock.Available)
	if at := a.Header.Get("Location"); at != "" {
		require.Equal(t, http.StatusOK, w.staff.Fetch(t, at).Status, "Location: %s", at)
	}
}

func findsProduct(t *testing.T, w *world) {
	p := w.create(t, shirt(unique("found")))
	byID, bySlug := w.staff.Get(t, "/products/"+p.ID).Want(t, http.StatusOK), w.staff.Get(t, "/products/"+p.Slug).Want(t, http.StatusOK)
	require.Equal(t, string(byID.Body), string(bySlug.Body))
	require.Equal(t, p, decode[Product](t, byID))
	for _, missing := range []string{"no-such-slug", "0193f3a0-0000-7000-8000-000000000000", strings.ToUpper(p.Slug) + "X", p.ID[:35], "%27%20OR%201%3D1", strings.Repeat("s", 3000)} {
		w.anyone.Get(t, "/products/"+missing).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
}

func customersSee(t *testing.T, w *world) {
	vendor := unique("vendor")
	for _, status := range []string{"draft", "active", "archived"} {
		body := shirt(unique(status))
		body["status"], body["vendor"] = status, vendor
		p := w.create(t, body)
		w.adjust(t, p.Variants[0].SKU, 4)
		w.staff.Get(t, "/products/"+p.ID).Want(t, http.StatusOK)
		for _, who := range []*Caller{w.anyone, w.customer} {
			a := who.Get(t, "/products/"+p.Slug)
			if status != "active" {
				a.Problem(t, http.StatusNotFound, "catalog.product_not_found")
				continue
			}
			shape(t, a.Want(t, http.StatusOK).Body, productFields...)
			seen := decode[Product](t, a)
			require.EqualValues(t, 4, seen.Variants[0].Stock.Available)
			require.Nil(t, seen.Variants[0].Stock.OnHand, "customers see what is available only: %s", a)
			require.Nil(t, seen.Variants[0].Stock.Reserved)
		}
		require.Equal(t, p.ID, get[List[Product]](t, w.staff, "/products?status="+status+"&vendor="+vendor).Items[0].ID)
	}
	require.Len(t, get[List[Product]](t, w.anyone, "/products?vendor="+vendor).Items, 1)
	for _, status := range []string{"draft", "archived"} {
		a := w.customer.Get(t, "/products?status="+status+"&vendor="+vendor)
		if a.Status == http.StatusOK {
			require.Empty(t, decode[List[Product]](t, a).Items, "customers see active products only")
			continue
		}
		a.Refused(t, http.StatusForbidden, http.StatusUnprocessableEntity)
	}
	w.anyone.Get(t, "/products?status=asleep").Refused(t, http.StatusUnprocessableEntity)
}

func patchesProduct(t *testing.T, w *world) {
	p := w.create(t, shirt(unique("patched")))
	path := "/products/" + p.ID
	a := w.staff.Patch(t, path, fields{"title": "Cotton Shirt", "tags": []string{"cotton"}, "status": "draft"}).Want(t, http.StatusOK)
	shape(t, a.Body, productFields...)
	q := decode[Product](t, a)
	require.Equal(t, "Cotton Shirt", q.Title)
	require.Equal(t, []string{"cotton"}, q.Tags)
	require.Equal(t, "draft", q.Status)
	require.Greater(t, q.Version, p.Version)
	require.Equal(t, p.Variants, q.Variants)
	require.Equal(t, p.Images, q.Images)
	require.False(t, q.UpdatedAt.Before(p.UpdatedAt))
	require.Equal(t, p.CreatedAt, q.CreatedAt)
	w.staff.Patch(t, path, fields{"images": []any{}, "vendor": "Other"}).Want(t, http.StatusOK)
	require.Empty(t, get[Product](t, w.staff, path).Images)
	renamed := unique("renamed")
	w.staff.Patch(t, path, fields{"slug": renamed}).Want(t, http.StatusOK)
	require.Equal(t, p.ID, get[Product](t, w.staff, "/products/"+renamed).ID)
	w.staff.Patch(t, "/products/0193f3a0-0000-7000-8000-000000000000", fields{"title": "X"}).Problem(t, http.StatusNotFound, "catalog.product_not_found")
}

func badProducts(t *testing.T, w *world) {
	_, good := w.sell(t, usd(100), 1)
	variant := func(name string, value any) fields {
		body := productBody(unique("bad"), usd(100))
		body["variants"].([]any)[0].(fields)[name] = value
		return body
	}
	product := func(name string, value any) fields {
		body := productBody(unique("bad"), usd(100))
		body[name] = value
		return body
	}
	for _, bad := range []fields{
		{}, product("title", nil), product("title", ""), product("title", 5), product("status", "asleep"), product("tags", "one"), product("unknown", 1),
		product("id", good.ID), product("version", 9), product("created_at", "2001-01-01T00:00:00Z"), product("slug", "a b/c"), product("slug", "../x"),
		product("category_ids", []string{"0193f3a0-0000-7000-8000-000000000000"}), product("category_ids", []string{"nonsense"}),
		product("title", strings.Repeat("x", 200_000)), product("variants", fields{}), product("images", []any{fields{"url": "javascript:alert(1)", "alt": "", "position": 1}}),
		variant("price", usd(-1)), variant("price", 19.99), variant("price", fields{"amount": 19.99, "currency": "USD"}), variant("price", fields{"amount": "1999", "currency": "USD"}),
		variant("price", fields{"amount": 1, "currency": "ZZZ"}), variant("price", fields{"amount": 1}), variant("price", fields{"amount": 1, "currency": "USD", "x": 1}),
		variant("price", nil), variant("weight_grams", -1), variant("weight_grams", 1.5), variant("stock", fields{"on_hand": 5}), variant("on_hand", 5),
		variant("options", []string{"S"}), variant("sku", 5), variant("sku", strings.Repeat("x", 10_000)), variant("id", good.ID), variant("unknown", 1),
	} {
		w.staff.Post(t, "/products", bad).Refused(t, http.StatusUnprocessableEntity)
	}
	w.staff.Post(t, "/products", `{"slug":"x","variants":[{"price":{"amount":9223372036854775808,"currency":"USD"}}]}`).
		Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	for _, bad := range []fields{{"status": "asleep"}, {"title": nil}, {"unknown": 1}, {"version": 1}, {"id": good.ID}} {
		w.staff.Patch(t, "/products/"+good.ID, bad).Refused(t, http.StatusUnprocessableEntity)
	}
	require.Equal(t, good.Version, get[Product](t, w.staff, "/products/"+good.ID).Version)
}

func uniqueNames(t *testing.T, w *world) {
	_, p := w.sell(t, usd(100), 0)
	w.staff.Post(t, "/products", productBody(p.Slug, usd(100))).Refused(t, http.StatusConflict)
	sameSKU := productBody(unique("other"), usd(100))
	sameSKU["variants"].([]any)[0].(fields)["sku"] = p.Variants[0].SKU
	w.staff.Post(t, "/products", sameSKU).Refused(t, http.StatusConflict)
	w.staff.Get(t, "/products/"+sameSKU["slug"].(string)).Refused(t, http.StatusNotFound)
	twice := shirt(unique("twice"))
	for _, v := range twice["variants"].([]any) {
		v.(fields)["sku"] = "SAME-" + twice["slug"].(string)
	}
	w.staff.Post(t, "/products", twice).Refused(t, http.StatusConflict, http.StatusUnprocessableEntity)

	slug, made := unique("rush"), 0
	for _, a := range together(8, func(int) *Answer {
		return w.staff.Try(t.Context(), http.MethodPost, base+"/products", productBody(slug, usd(100)))
	}) {
		if a.Status == http.StatusCreated {
			made++
		} else {
			a.Refused(t, http.StatusConflict)
		}
	}
	require.Equal(t, 1, made)
}

func variants(t *testing.T, w *world) {
	p := w.create(t, shirt(unique("varied")))
	path := "/products/" + p.ID + "/variants"
	large := fields{"sku": "L-" + p.Slug, "title": "Large", "options": fields{"Size": "L"}, "price": usd(2199)}
	require.Less(t, w.staff.Post(t, path, large).Status, 300)
	q := get[Product](t, w.staff, "/products/"+p.ID)
	require.Len(t, q.Variants, 3)
	require.Greater(t, q.Version, p.Version)
	w.staff.Post(t, path, large).Refused(t, http.StatusConflict, http.StatusUnprocessableEntity)
	w.staff.Post(t, path, fields{"sku": unique("bad"), "options": fields{"Size": "X"}, "price": usd(-5)}).Refused(t, http.StatusUnprocessableEntity)
	w.staff.Post(t, "/products/0193f3a0-0000-7000-8000-000000000000/variants", large).Refused(t, http.StatusNotFound)

	w.adjust(t, "L-"+p.Slug, 2)
	changed := w.staff.Patch(t, path+"/L-"+p.Slug, fields{"price": usd(2299)})
	require.Equal(t, http.StatusOK, changed.Status, "%s", changed)
	for _, v := range get[Product](t, w.staff, "/products/"+p.Slug).Variants {
		if v.SKU == "L-"+p.Slug {
			require.Equal(t, usd(2299), v.Price)
			require.EqualValues(t, 2, v.Stock.Available, "a new price leaves the stock alone")
		}
	}
	w.staff.Patch(t, path+"/no-such-sku", fields{"price": usd(1)}).Problem(t, http.StatusNotFound, "catalog.variant_not_found")
	w.staff.Patch(t, path+"/L-"+p.Slug, fields{"price": "free"}).Refused(t, http.StatusUnprocessableEntity)

	w.staff.Delete(t, path+"/S-"+p.Slug).Want(t, http.StatusNoContent)
	w.staff.Delete(t, path+"/S-"+p.Slug).Refused(t, http.StatusNotFound)
	require.Len(t, get[Product](t, w.staff, "/products/"+p.ID).Variants, 2)
	for _, who := range []*Caller{w.customer, w.anyone} {
		who.Post(t, path, large).Refused(t, http.StatusForbidden, http.StatusUnauthorized)
		who.Patch(t, path+"/M-"+p.Slug, fields{"price": usd(1)}).Refused(t, http.StatusForbidden, http.StatusUnauthorized)
		who.Delete(t, path+"/M-"+p.Slug).Refused(t, http.StatusForbidden, http.StatusUnauthorized)
	}
}

func archivesProduct(t *testing.T, w *world) {
	sku, p := w.sell(t, usd(700), 3)
	order := w.confirmed(t, w.customer, line(sku, 1))
	w.staff.Delete(t, "/products/"+p.ID).Want(t, http.StatusNoContent)
	w.anyone.Get(t, "/products/"+p.ID).Problem(t, http.StatusNotFound, "catalog.product_not_found")
	require.Equal(t, "archived", get[Product](t, w.staff, "/products/"+p.ID).Status)
	require.Equal(t, p.Title, get[Order](t, w.customer, "/orders/"+order.ID).Items[0].Title, "an old order still says what was bought")
	again := w.customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 1)), wait(30))
	require.Contains(t, []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}, again.Status, "what is archived is not for sale: %s", again)
}

func strangeProducts(t *testing.T, w *world) {
	p := w.create(t, productBody(unique("strange"), usd(100)))
	path := "/products/" + p.ID
	for _, text := range strangeTexts(t) {
		a := w.staff.Patch(t, path, fields{"title": text, "description": text})
		if a.Status != http.StatusOK {
			a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
			continue
		}
		q := get[Product](t, w.staff, path)
		require.Equal(t, strings.TrimSpace(text), strings.TrimSpace(q.Title))
		require.Equal(t, strings.TrimSpace(text), strings.TrimSpace(q.Description))
	}
}

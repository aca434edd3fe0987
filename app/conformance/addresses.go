package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// addresses are what the address book promises.
func addresses() []promise {
	return []promise{
		{"an address can be made, read, replaced and deleted", keepsAddresses},
		{"one address at most is the default", defaultAddress},
		{"a country is one of ISO 3166", countries},
		{"an address is its owner's alone", addressIsPrivate},
		{"an address is not made from bad values", badAddresses},
	}
}

// addressBody describes an address; more replaces fields of it.
func addressBody(more fields) fields {
	body := fields{"is_default": false}
	for name, value := range home {
		body[name] = value
	}
	for name, value := range more {
		body[name] = value
	}
	return body
}

func keepsAddresses(t *testing.T, w *world) {
	c := w.newcomer(t)
	a := c.Post(t, "/users/me/addresses", addressBody(nil)).Want(t, http.StatusCreated)
	shape(t, a.Body, addressFields...)
	made := decode[Address](t, a)
	require.Regexp(t, uuidV7, made.ID)
	require.Equal(t, "1 High Street", made.Line1)
	path := "/users/me/addresses/" + made.ID
	require.Equal(t, made, get[Address](t, c, path))

	replaced := decode[Address](t, c.Put(t, path, addressBody(fields{"line1": "2 Low Street", "country": "NA"})).Want(t, http.StatusOK))
	require.Equal(t, made.ID, replaced.ID)
	require.Equal(t, "2 Low Street", replaced.Line1)
	require.Equal(t, "NA", replaced.Country, "Namibia is a country")

	c.Post(t, "/users/me/addresses", addressBody(fields{"name": "Second"})).Want(t, http.StatusCreated)
	require.Len(t, all[Address](t, c, "/users/me/addresses", nil), 2)
	c.Delete(t, path).Want(t, http.StatusNoContent)
	c.Get(t, path).Problem(t, http.StatusNotFound, "users.address_not_found")
	c.Delete(t, path).Refused(t, http.StatusNotFound)
	c.Put(t, path, addressBody(nil)).Refused(t, http.StatusNotFound)
	require.Len(t, all[Address](t, c, "/users/me/addresses", nil), 1)
}

func defaultAddress(t *testing.T, w *world) {
	c := w.newcomer(t)
	wantDefault := func(id string) {
		t.Helper()
		for _, a := range all[Address](t, c, "/users/me/addresses", nil) {
			require.Equal(t, a.ID == id, a.IsDefault, "%+v", a)
		}
	}
	first := decode[Address](t, c.Post(t, "/users/me/addresses", addressBody(fields{"is_default": true})).Want(t, http.StatusCreated))
	wantDefault(first.ID)
	second := decode[Address](t, c.Post(t, "/users/me/addresses", addressBody(fields{"is_default": true})).Want(t, http.StatusCreated))
	wantDefault(second.ID)
	c.Put(t, "/users/me/addresses/"+first.ID, addressBody(fields{"is_default": true})).Want(t, http.StatusOK)
	wantDefault(first.ID)
}

func countries(t *testing.T, w *world) {
	c := w.newcomer(t)
	for _, bad := range []any{"", "XX", "UK", "EU", "USA", "U", "EIRE", "United States", "us\x00", 1, nil, "ZZ"} {
		c.Post(t, "/users/me/addresses", addressBody(fields{"country": bad})).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	for _, good := range []string{"US", "DE", "NA", "GB", "TV"} {
		c.Post(t, "/users/me/addresses", addressBody(fields{"country": good})).Want(t, http.StatusCreated)
	}
}

func addressIsPrivate(t *testing.T, w *world) {
	c := w.newcomer(t)
	made := decode[Address](t, c.Post(t, "/users/me/addresses", addressBody(nil)).Want(t, http.StatusCreated))
	path, missing := "/users/me/addresses/"+made.ID, "/users/me/addresses/0193f3a0-0000-7000-8000-000000000000"
	for _, who := range []*Caller{w.other, w.admin} {
		for method, body := range map[string]any{http.MethodGet: nil, http.MethodDelete: nil, http.MethodPut: addressBody(nil)} {
			theirs := who.Do(t, method, path, body).Problem(t, http.StatusNotFound, "users.address_not_found")
			nobodys := who.Do(t, method, missing, body).Problem(t, http.StatusNotFound, "users.address_not_found")
			require.Equal(t, nobodys.Detail, theirs.Detail, "the same answer as one that does not exist")
		}
	}
	w.anyone.Get(t, path).Want(t, http.StatusUnauthorized)
	require.Equal(t, made, get[Address](t, c, path))

	sku, _ := w.sell(t, usd(100), 3)
	order := fields{"items": []any{line(sku, 1)}, "address_id": made.ID, "payment": fields{"method": "card", "token": "tok_approve"}}
	w.other.Post(t, "/orders", order).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	o := decode[Order](t, c.Post(t, "/orders", order, wait(30)).Want(t, http.StatusCreated))
	require.NotNil(t, o.ShippingAddress)
	require.Equal(t, made.Line1, o.ShippingAddress.Line1)
}

func badAddresses(t *testing.T, w *world) {
	c := w.newcomer(t)
	for _, bad := range []fields{
		{"line1": nil}, {"line1": 5}, {"line1": strings.Repeat("x", 100_000)}, {"user_id": w.other.User.ID}, {"unknown": 1}, {"is_default": "yes"},
		{"id": "0193f3a0-0000-7000-8000-000000000000"}, {"city": "Spring\x00field"},
	} {
		c.Post(t, "/users/me/addresses", addressBody(bad)).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	for _, id := range []string{"nonsense", "%27", "0", strings.Repeat("9", 500)} {
		c.Get(t, "/users/me/addresses/"+id).Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
	require.Empty(t, all[Address](t, c, "/users/me/addresses", nil))
}

package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// administration is what admins may do with accounts.
func administration() []promise {
	return []promise{
		{"users are found by text, role and status", findsUsers},
		{"roles, status and name can be changed", changesUsers},
		{"only admins may", onlyAdmins},
		{"deleting a user ends sessions and erases personal data", deletesUser},
	}
}

func findsUsers(t *testing.T, w *world) {
	c := w.newcomer(t)
	find := func(query url.Values) []User { return all[User](t, w.admin, "/users", query) }
	ids := func(users []User) map[string]bool {
		set := map[string]bool{}
		for _, u := range users {
			set[u.ID] = true
		}
		return set
	}
	a := w.admin.Get(t, "/users?q="+url.QueryEscape(c.Email)).Want(t, http.StatusOK)
	items := elements(t, part(t, a.Body, "items"))
	require.Len(t, items, 1)
	shape(t, items[0], userFields...)
	require.True(t, ids(find(url.Values{"q": {c.Email}}))[c.User.ID])

	staff := ids(find(url.Values{"role": {"staff"}}))
	require.True(t, staff[w.staff.User.ID])
	require.False(t, staff[c.User.ID])
	require.True(t, ids(find(url.Values{"role": {"customer"}}))[c.User.ID])
	require.True(t, ids(find(url.Values{"role": {"admin"}}))[w.admin.User.ID])

	w.admin.Patch(t, "/users/"+c.User.ID, fields{"status": "disabled"}).Want(t, http.StatusOK)
	require.True(t, ids(find(url.Values{"status": {"disabled"}}))[c.User.ID])
	require.False(t, ids(find(url.Values{"status": {"active"}}))[c.User.ID])
	for _, bad := range []string{"role=king", "status=asleep", "role=%00"} {
		w.admin.Get(t, "/users?"+bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	for _, text := range strangeTexts(t) {
		a := w.admin.Get(t, "/users?q="+url.QueryEscape(text))
		require.Less(t, a.Status, 500, "%s", a)
	}
}

func changesUsers(t *testing.T, w *world) {
	c := w.newcomer(t)
	path := "/users/" + c.User.ID
	require.Equal(t, c.User.ID, get[User](t, w.admin, path).ID)
	a := w.admin.Patch(t, path, fields{"roles": []string{"customer", "staff"}, "name": "Promoted"}).Want(t, http.StatusOK)
	shape(t, a.Body, userFields...)
	require.ElementsMatch(t, []string{"customer", "staff"}, decode[User](t, a).Roles)
	require.Equal(t, "Promoted", decode[User](t, a).Name)
	for _, bad := range []fields{
		{"roles": []string{"king"}}, {"roles": "admin"}, {"roles": []any{1}}, {"status": "asleep"}, {"status": nil}, {"email": "new@example.com"}, {"id": w.admin.User.ID}, {"unknown": 1},
	} {
		w.admin.Patch(t, path, bad).Refused(t, http.StatusUnprocessableEntity)
	}
	w.admin.Get(t, "/users/0193f3a0-0000-7000-8000-000000000000").Problem(t, http.StatusNotFound, "users.user_not_found")
	w.admin.Get(t, "/users/nonsense").Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity)
	w.admin.Patch(t, "/users/0193f3a0-0000-7000-8000-000000000000", fields{"name": "X"}).Problem(t, http.StatusNotFound, "users.user_not_found")
}

func onlyAdmins(t *testing.T, w *world) {
	path := "/users/" + w.other.User.ID
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/users", nil}, {"GET", path, nil}, {"PATCH", path, fields{"roles": []string{"admin"}}}, {"DELETE", path, nil},
		{"PATCH", "/users/" + w.customer.User.ID, fields{"roles": []string{"customer", "admin"}}},
	} {
		w.anyone.Do(t, call.method, call.path, call.body).Want(t, http.StatusUnauthorized)
		w.customer.Do(t, call.method, call.path, call.body).Want(t, http.StatusForbidden)
		w.staff.Do(t, call.method, call.path, call.body).Want(t, http.StatusForbidden)
	}
	require.Equal(t, []string{"customer"}, get[User](t, w.admin, path).Roles)
}

func deletesUser(t *testing.T, w *world) {
	c := w.newcomer(t)
	sku, _ := w.sell(t, usd(100), 3)
	order := w.confirmed(t, c, line(sku, 1))
	c.Post(t, "/users/me/addresses", addressBody(nil)).Want(t, http.StatusCreated)
	path := "/users/" + c.User.ID
	w.admin.Delete(t, path).Want(t, http.StatusNoContent)
	wantOut(t, c, "the account was deleted")
	c.renew(t).Want(t, http.StatusUnauthorized)
	w.admin.Get(t, path).Problem(t, http.StatusNotFound, "users.user_not_found")
	w.admin.Delete(t, path).Refused(t, http.StatusNotFound)
	require.Empty(t, all[User](t, w.admin, "/users", url.Values{"q": {c.Email}}))
	w.anyone.Post(t, "/sessions", fields{"email": c.Email, "password": c.Password}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")

	// users.user_deleted.v1 reaches orders: the order stays, the person goes.
	eventually(t, 15*time.Second, "orders erases what it knows of the person", func() error {
		o := w.order(t, order.ID)
		if o.ShippingAddress != nil && (o.ShippingAddress.Name != "" || o.ShippingAddress.Line1 != "" || o.ShippingAddress.Phone != "") {
			return fmt.Errorf("the shipping address is %+v", *o.ShippingAddress)
		}
		return nil
	})
	require.Equal(t, order.Total, w.order(t, order.ID).Total)
	w.anyone.Post(t, "/users", account(c.Email, goodPassword)).Want(t, http.StatusCreated)
}

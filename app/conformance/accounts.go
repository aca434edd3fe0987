package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// accounts are what registering and one's own account promise.
func accounts() []promise {
	return []promise{
		{"whoever registers is a customer", registers},
		{"an e-mail address is taken once, in whatever case", emailTaken},
		{"one of many who register the same address at once succeeds", emailTakenAtOnce},
		{"an account is not made from bad values", badAccounts},
		{"one's own account can be read and renamed", ownAccount},
		{"nobody raises themselves", raisesNobody},
		{"strange text comes back as it was, or is refused", strangeNames},
	}
}

func account(email, password string) fields {
	return fields{"email": email, "password": password, "name": "A Customer"}
}

func registers(t *testing.T, w *world) {
	email := unique("new") + "@example.com"
	a := w.anyone.Post(t, "/users", account(email, goodPassword)).Want(t, http.StatusCreated)
	shape(t, a.Body, userFields...)
	u := decode[User](t, a)
	require.Regexp(t, uuidV7, u.ID)
	require.Equal(t, email, u.Email)
	require.Equal(t, "A Customer", u.Name)
	require.Equal(t, []string{"customer"}, u.Roles)
	require.Equal(t, "active", u.Status)
	require.NotContains(t, string(a.Body), "password")
	require.NotContains(t, string(a.Body), "argon")
}

func emailTaken(t *testing.T, w *world) {
	local := unique("taken")
	w.anyone.Post(t, "/users", account(local+"@example.com", goodPassword)).Want(t, http.StatusCreated)
	for _, same := range []string{local + "@example.com", strings.ToUpper(local) + "@EXAMPLE.com", "T" + local[1:] + "@Example.Com"} {
		w.anyone.Post(t, "/users", account(same, goodPassword)).Problem(t, http.StatusConflict, "users.email_taken")
	}
	w.signIn(t, strings.ToUpper(local)+"@Example.com", goodPassword)
}

func emailTakenAtOnce(t *testing.T, w *world) {
	email := unique("rush") + "@example.com"
	made := 0
	for _, a := range together(8, func(int) *Answer {
		return w.anyone.Try(t.Context(), http.MethodPost, base+"/users", account(email, goodPassword))
	}) {
		if a.Status == http.StatusCreated {
			made++
			continue
		}
		a.Problem(t, http.StatusConflict, "users.email_taken")
	}
	require.Equal(t, 1, made)
}

func badAccounts(t *testing.T, w *world) {
	good := unique("bad") + "@example.com"
	for _, bad := range []fields{
		{}, {"email": good}, {"email": good, "password": goodPassword, "name": 5}, {"email": good, "password": nil, "name": "A"},
		{"email": good, "password": goodPassword, "name": "A", "roles": []string{"admin"}},
		{"email": good, "password": goodPassword, "name": "A", "role": "admin"},
		{"email": good, "password": goodPassword, "name": "A", "status": "active"},
		{"email": good, "password": goodPassword, "name": "A", "id": "0193f3a0-0000-7000-8000-000000000000"},
		{"email": good, "password": goodPassword, "name": "A", "Name": "B"},
		{"email": good, "password": goodPassword, "name": strings.Repeat("x", 100_000)},
		account("", goodPassword), account("nobody", goodPassword), account("@example.com", goodPassword), account("a@", goodPassword),
		account("a b@example.com", goodPassword), account("a@example.com\r\nBcc: b@example.com", goodPassword),
		account("a@example.com,b@example.com", goodPassword), account(strings.Repeat("a", 400)+"@example.com", goodPassword),
		account("A Customer <"+good+">", goodPassword),
	} {
		w.anyone.Post(t, "/users", bad).Refused(t, http.StatusUnprocessableEntity)
	}
	w.anyone.Post(t, "/sessions", fields{"email": good, "password": goodPassword}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
}

func ownAccount(t *testing.T, w *world) {
	c := w.newcomer(t)
	a := c.Get(t, "/users/me").Want(t, http.StatusOK)
	shape(t, a.Body, userFields...)
	require.Equal(t, c.User.ID, decode[User](t, a).ID)

	renamed := c.Patch(t, "/users/me", fields{"name": "Another Name"}).Want(t, http.StatusOK)
	shape(t, renamed.Body, userFields...)
	require.Equal(t, "Another Name", decode[User](t, renamed).Name)
	c.Patch(t, "/users/me", fields{"name": "As plain JSON"}, contentType("application/json")).Want(t, http.StatusOK)
	c.Patch(t, "/users/me", fields{}).Want(t, http.StatusOK)
	require.Equal(t, "As plain JSON", get[User](t, c, "/users/me").Name)
	w.anyone.Get(t, "/users/me").Want(t, http.StatusUnauthorized)
	w.anyone.Patch(t, "/users/me", fields{"name": "X"}).Want(t, http.StatusUnauthorized)
}

func raisesNobody(t *testing.T, w *world) {
	c := w.newcomer(t)
	before := c.Get(t, "/users/me").Want(t, http.StatusOK)
	for _, patch := range []fields{
		{"roles": []string{"admin"}}, {"role": "admin"}, {"status": "disabled"}, {"email": "other@example.com"}, {"id": w.admin.User.ID},
		{"name": "X", "roles": []string{"customer", "staff"}}, {"password": "another fine password"}, {"created_at": "2001-01-01T00:00:00Z"}, {"is_admin": true},
	} {
		c.Patch(t, "/users/me", patch).Refused(t, http.StatusUnprocessableEntity)
	}
	require.Equal(t, string(before.Body), string(c.Get(t, "/users/me").Want(t, http.StatusOK).Body), "nothing changed")
}

func strangeNames(t *testing.T, w *world) {
	c := w.newcomer(t)
	for _, name := range strangeTexts(t) {
		a := c.Patch(t, "/users/me", fields{"name": name})
		if a.Status != http.StatusOK {
			a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
			continue
		}
		got := decode[User](t, a.Want(t, http.StatusOK)).Name
		require.Equal(t, got, get[User](t, c, "/users/me").Name)
		// Leading and trailing space may be taken off; nothing else may change.
		require.Equal(t, strings.TrimSpace(name), strings.TrimSpace(got))
	}
}

package rest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	usersmigrations "stoa/migrations/users"
	"stoa/modules/users"
	"stoa/modules/users/internal/password"
	"stoa/modules/users/internal/rest"
	"stoa/modules/users/internal/service"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/mail/mailtest"
	"stoa/platform/outbox"
	"stoa/platform/ratelimit"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

const (
	good   = "correct horse battery"
	better = "staple of the 2nd horse"
)

// shop is the users module behind a web server in memory.
type shop struct {
	*webtest.Server
	service *service.Service
	clock   *clock.Fake
	mail    *mailtest.Outbox
}

func open(t *testing.T) *shop {
	t.Helper()
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d := dbtest.Open(t, "users", usersmigrations.FS)
	log := slog.New(slog.DiscardHandler)
	authority := auth.NewAuthority(auth.DefaultConfig(), t.TempDir(), c, log)
	keys, err := auth.OpenKeys(authority.Config, c, log)
	require.NoError(t, err)
	post := &mailtest.Outbox{}
	s := service.New(service.Deps{
		DB: d, Outbox: outbox.New("users", d, nil, c, log, outbox.Options{}), Clock: c, Log: log, Mail: post,
		Limits: ratelimit.New(ratelimit.DefaultConfig(), c),
		Auth:   authority.Config, Keys: keys, Verifier: authority.Verifier,
		Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1},
	})
	authority.Verifier.Follow(s)
	require.NoError(t, authority.Verifier.Sync(t.Context()))
	server := webtest.New(t, users.Name, func(r *web.Router) { rest.Register(r, s) }, func(o *webtest.Options) {
		o.Deps.Clock, o.Deps.Auth = c, authority.Verifier
	})
	return &shop{server, s, c, post}
}

// person is somebody who is signed in.
type person struct {
	shop    *shop
	user    users.User
	access  string
	refresh string
}

type session struct {
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type"`
	ExpiresIn    int64      `json:"expires_in"`
	RefreshToken string     `json:"refresh_token"`
	User         users.User `json:"user"`
}

func (p *person) do(t *testing.T, method, path string, body any, header ...string) webtest.Answer {
	t.Helper()
	return p.shop.Do(t, method, path, body, append([]string{"Authorization", "Bearer " + p.access}, header...)...)
}

func (s *shop) signIn(t *testing.T, email, password string) *person {
	t.Helper()
	a := s.Do(t, http.MethodPost, "/sessions", map[string]string{"email": email, "password": password})
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	var in session
	a.JSON(t, &in)
	return &person{s, in.User, in.AccessToken, in.RefreshToken}
}

func (s *shop) customer(t *testing.T, email string) *person {
	t.Helper()
	a := s.Do(t, http.MethodPost, "/users", map[string]string{"email": email, "password": good, "name": "Somebody"})
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	return s.signIn(t, email, good)
}

func (s *shop) admin(t *testing.T) *person {
	t.Helper()
	_, err := s.service.CreateAdmin(t.Context(), service.RegisterRequest{Email: "root@example.com", Name: "Root", Password: good})
	require.NoError(t, err)
	return s.signIn(t, "root@example.com", good)
}

func requireProblem(t *testing.T, a webtest.Answer, status int, code string) {
	t.Helper()
	p := a.Problem(t)
	require.Equal(t, status, p.Status, "%s", a.Body)
	require.Equal(t, code, p.Code, "%s", a.Body)
}

func names(t *testing.T, body []byte) []string {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &object))
	var list []string
	for name := range object {
		list = append(list, name)
	}
	return list
}

func TestRegisterAndSignIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.Do(t, http.MethodPost, "/users", `{"email":"Ada@example.com","password":"`+good+`","name":"Ada"}`)
	require.Equal(t, http.StatusCreated, a.Status)
	require.ElementsMatch(t, []string{"id", "email", "name", "roles", "status", "created_at", "updated_at"}, names(t, a.Body))
	require.NotEmpty(t, a.Header.Get("ETag"))
	requireProblem(t, s.Do(t, http.MethodPost, "/users", `{"email":"ada@EXAMPLE.com","password":"`+good+`","name":"Ada"}`), http.StatusConflict, "users.email_taken")

	a = s.Do(t, http.MethodPost, "/sessions", `{"email":"ada@example.com","password":"`+good+`"}`)
	require.Equal(t, http.StatusCreated, a.Status)
	require.ElementsMatch(t, []string{"access_token", "token_type", "expires_in", "refresh_token", "user"}, names(t, a.Body))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	var in session
	a.JSON(t, &in)
	require.Equal(t, "Bearer", in.TokenType)
	require.EqualValues(t, 900, in.ExpiresIn)
	require.Equal(t, "Ada@example.com", in.User.Email)

	me := (&person{shop: s, access: in.AccessToken}).do(t, http.MethodGet, "/users/me", nil)
	require.Equal(t, http.StatusOK, me.Status)
	var user users.User
	me.JSON(t, &user)
	require.Equal(t, in.User, user)
}

func TestWrongAndUnknownAreAnsweredWithTheSameBytes(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.customer(t, "ada@example.com")
	ask := func(email string) string {
		a := s.Do(t, http.MethodPost, "/sessions", map[string]string{"email": email, "password": better}, "X-Request-Id", "same")
		requireProblem(t, a, http.StatusUnauthorized, "users.invalid_credentials")
		require.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
		return string(a.Body)
	}
	require.Equal(t, ask("ada@example.com"), ask("nobody@example.com"))
}

func TestBodiesThatWillNotDo(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.customer(t, "ada@example.com")
	admin := s.admin(t)
	address := `{"name":"A","line1":"B","city":"C","country":"GR"}`
	for name, tc := range map[string]struct {
		who                *person
		method, path, body string
		status             int
	}{
		"a role at registration":         {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","name":"E","roles":["admin"]}`, 422},
		"a status at registration":       {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","name":"E","status":"active"}`, 422},
		"no name":                        {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `"}`, 422},
		"null for a name":                {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","name":null}`, 422},
		"a number for an e-mail address": {nil, "POST", "/users", `{"email":1,"password":"` + good + `","name":"E"}`, 422},
		"a common password":              {nil, "POST", "/users", `{"email":"e@example.com","password":"1q2w3e4r5t","name":"E"}`, 422},
		"two passwords":                  {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","password":"` + better + `","name":"E"}`, 400},
		"a name in another case":         {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","Name":"E"}`, 422},
		"a tail":                         {nil, "POST", "/users", `{"email":"e@example.com","password":"` + good + `","name":"E"}{}`, 400},
		"nothing":                        {nil, "POST", "/sessions", ``, 400},
		"null":                           {nil, "POST", "/sessions", `null`, 422},
		"a list":                         {nil, "POST", "/sessions", `[]`, 422},
		"a list for a password":          {nil, "POST", "/sessions", `{"email":"ada@example.com","password":["a"]}`, 422},
		"no refresh token":               {nil, "POST", "/sessions/refresh", `{}`, 422},
		"raising oneself":                {ada, "PATCH", "/users/me", `{"roles":["admin"]}`, 422},
		"null for one's own name":        {ada, "PATCH", "/users/me", `{"name":null}`, 422},
		"an empty name":                  {ada, "PATCH", "/users/me", `{"name":"  "}`, 422},
		"an unknown role":                {admin, "PATCH", "/users/" + ada.user.ID, `{"roles":["king"]}`, 422},
		"null for a role":                {admin, "PATCH", "/users/" + ada.user.ID, `{"roles":[null]}`, 422},
		"null for roles":                 {admin, "PATCH", "/users/" + ada.user.ID, `{"roles":null}`, 422},
		"an unknown status":              {admin, "PATCH", "/users/" + ada.user.ID, `{"status":"gone"}`, 422},
		"null for a status":              {admin, "PATCH", "/users/" + ada.user.ID, `{"status":null}`, 422},
		"a password by an admin":         {admin, "PATCH", "/users/" + ada.user.ID, `{"password":"` + better + `"}`, 422},
		"an address's owner":             {ada, "POST", "/users/me/addresses", strings.Replace(address, "{", `{"user_id":"`+admin.user.ID+`",`, 1), 422},
		"an address's id":                {ada, "POST", "/users/me/addresses", strings.Replace(address, "{", `{"id":"`+admin.user.ID+`",`, 1), 422},
		"an unknown country":             {ada, "POST", "/users/me/addresses", strings.Replace(address, "GR", "XX", 1), 422},
		"an address without a city":      {ada, "POST", "/users/me/addresses", strings.Replace(address, `"city":"C",`, "", 1), 422},
		"no address of mail":             {nil, "POST", "/password-resets", `{"email":"nobody"}`, 422},
		"a limit of none":                {admin, "GET", "/users?limit=0", "", 422},
		"a limit past the last":          {admin, "GET", "/users?limit=201", "", 422},
		"a cursor of one's own making":   {admin, "GET", "/users?cursor=abc", "", 422},
		"a filter that there is not":     {admin, "GET", "/users?colour=red", "", 422},
		"a role that there is not":       {admin, "GET", "/users?role=king", "", 422},
		"a long search":                  {admin, "GET", "/users?q=" + strings.Repeat("x", 201), "", 422},
	} {
		t.Run(name, func(t *testing.T) {
			var body any
			if tc.body != "" || tc.method == "POST" {
				body = tc.body
			}
			var a webtest.Answer
			if tc.who == nil {
				a = s.Do(t, tc.method, tc.path, body)
			} else {
				a = tc.who.do(t, tc.method, tc.path, body)
			}
			p := a.Problem(t)
			require.Equal(t, tc.status, p.Status, "%s", a.Body)
			if tc.status == http.StatusUnprocessableEntity {
				require.NotEmpty(t, p.Errors, "%s", a.Body)
			}
		})
	}
	var user users.User
	ada.do(t, http.MethodGet, "/users/me", nil).JSON(t, &user)
	require.Equal(t, ada.user, user, "nothing changed")
	requireProblem(t, s.Do(t, http.MethodPost, "/sessions", `{"email":"e@example.com","password":"`+good+`"}`), http.StatusUnauthorized, "users.invalid_credentials")
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin := s.admin(t)
	ada, eve := s.customer(t, "ada@example.com"), s.customer(t, "eve@example.com")
	staff := s.customer(t, "staff@example.com")
	require.Equal(t, http.StatusOK, admin.do(t, http.MethodPatch, "/users/"+staff.user.ID, `{"roles":["staff"]}`).Status)
	own := []struct{ method, path, body string }{
		{"GET", "/users/me", ""}, {"PATCH", "/users/me", `bad`}, {"POST", "/users/me/password", `bad`}, {"DELETE", "/sessions/current", ""},
		{"GET", "/users/me/addresses", ""}, {"POST", "/users/me/addresses", `bad`},
		{"GET", "/users/me/addresses/x", ""}, {"PUT", "/users/me/addresses/x", `bad`}, {"DELETE", "/users/me/addresses/x", ""},
	}
	admins := []struct{ method, path, body string }{
		{"GET", "/users", ""}, {"GET", "/users/" + eve.user.ID, ""}, {"PATCH", "/users/" + eve.user.ID, `bad`}, {"DELETE", "/users/" + eve.user.ID, ""},
	}
	for _, call := range append(own, admins...) {
		requireProblem(t, s.Do(t, call.method, call.path, call.body), http.StatusUnauthorized, "unauthenticated")
	}
	for _, call := range admins {
		for _, who := range []*person{ada, staff} {
			requireProblem(t, who.do(t, call.method, call.path, call.body), http.StatusForbidden, "forbidden")
		}
	}
	require.Equal(t, http.StatusOK, admin.do(t, http.MethodGet, "/users/"+eve.user.ID, nil).Status)
}

func TestSignInWorksBesideATokenThatHasRunOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.customer(t, "ada@example.com")
	s.clock.Advance(time.Hour)
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, http.StatusOK, ada.do(t, http.MethodPost, "/sessions/refresh", map[string]string{"refresh_token": ada.refresh}).Status)
	require.Equal(t, http.StatusCreated, ada.do(t, http.MethodPost, "/sessions", map[string]string{"email": "ada@example.com", "password": good}).Status)
}

func TestRefreshAndSignOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.customer(t, "ada@example.com")
	refresh := func(token string) webtest.Answer {
		return s.Do(t, http.MethodPost, "/sessions/refresh", map[string]string{"refresh_token": token})
	}
	a := refresh(ada.refresh)
	require.Equal(t, http.StatusOK, a.Status)
	var next session
	a.JSON(t, &next)
	requireProblem(t, refresh(ada.refresh), http.StatusUnauthorized, "users.invalid_refresh_token")
	requireProblem(t, refresh(next.RefreshToken), http.StatusUnauthorized, "users.invalid_refresh_token")
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")

	ada = s.signIn(t, "ada@example.com", good)
	a = ada.do(t, http.MethodDelete, "/sessions/current", nil)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.Empty(t, a.Body)
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
}

func TestGuessingIsAnsweredWithWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	for n := 0; ; n++ {
		require.Less(t, n, 20)
		a := s.Do(t, http.MethodPost, "/sessions", map[string]string{"email": "ada@example.com", "password": better}, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n))
		if a.Status == http.StatusUnauthorized {
			continue
		}
		requireProblem(t, a, http.StatusTooManyRequests, "users.too_many_attempts")
		require.Regexp(t, `^[1-9][0-9]*$`, a.Header.Get("Retry-After"))
		return
	}
}

func TestAnAdminBringsCustomersInBulk(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin := s.admin(t)
	limit := ratelimit.DefaultConfig().Register.Count
	register := func(n int, who ...string) webtest.Answer {
		return s.Do(t, http.MethodPost, "/users", map[string]string{"email": fmt.Sprintf("u%d@example.com", n), "password": good, "name": "U"}, who...)
	}
	for n := range limit {
		require.Equal(t, http.StatusCreated, register(n).Status)
	}
	requireProblem(t, register(limit), http.StatusTooManyRequests, "users.too_many_attempts")
	require.Equal(t, http.StatusCreated, register(limit, "Authorization", "Bearer "+admin.access).Status)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin, ada := s.admin(t), s.customer(t, "ada@example.com")
	path := "/users/" + ada.user.ID
	first := admin.do(t, http.MethodGet, path, nil).Header.Get("ETag")
	require.Equal(t, first, ada.do(t, http.MethodGet, "/users/me", nil).Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, admin.do(t, http.MethodGet, path, nil, "If-None-Match", first).Status)

	a := ada.do(t, http.MethodPatch, "/users/me", `{"name":"Ada"}`, "If-Match", first, "Content-Type", "application/merge-patch+json")
	require.Equal(t, http.StatusOK, a.Status)
	second := a.Header.Get("ETag")
	require.NotEqual(t, first, second)
	for _, call := range []struct{ method, body string }{{http.MethodPatch, `{"name":"Eve"}`}, {http.MethodDelete, ""}} {
		requireProblem(t, admin.do(t, call.method, path, call.body, "If-Match", first), http.StatusPreconditionFailed, "precondition_failed")
	}
	requireProblem(t, ada.do(t, http.MethodPatch, "/users/me", `{"name":"Eve"}`, "If-Match", first), http.StatusPreconditionFailed, "precondition_failed")
	var user users.User
	admin.do(t, http.MethodGet, path, nil, "If-None-Match", first).JSON(t, &user)
	require.Equal(t, "Ada", user.Name)
	require.Equal(t, http.StatusNoContent, admin.do(t, http.MethodDelete, path, nil, "If-Match", second).Status)
	requireProblem(t, admin.do(t, http.MethodGet, path, nil), http.StatusNotFound, "users.user_not_found")
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin, ada := s.admin(t), s.customer(t, "ada@example.com")
	requireProblem(t, admin.do(t, http.MethodPatch, "/users/"+admin.user.ID, `{"roles":["customer"]}`), http.StatusConflict, "users.last_admin")
	requireProblem(t, admin.do(t, http.MethodDelete, "/users/"+admin.user.ID, nil), http.StatusConflict, "users.last_admin")

	a := admin.do(t, http.MethodPatch, "/users/"+ada.user.ID, `{"roles":["admin"]}`)
	require.Equal(t, http.StatusOK, a.Status)
	var raised users.User
	a.JSON(t, &raised)
	require.Equal(t, []string{"customer", "admin"}, raised.Roles)
	require.Equal(t, http.StatusOK, ada.do(t, http.MethodGet, "/users", nil).Status, "at once, with the token of before")
	require.Equal(t, http.StatusOK, admin.do(t, http.MethodPatch, "/users/"+ada.user.ID, `{"roles":[]}`).Status)
	requireProblem(t, ada.do(t, http.MethodGet, "/users", nil), http.StatusForbidden, "forbidden")
	require.Equal(t, http.StatusOK, ada.do(t, http.MethodGet, "/users/me", nil).Status)

	require.Equal(t, http.StatusOK, admin.do(t, http.MethodPatch, "/users/"+ada.user.ID, `{"status":"disabled"}`).Status)
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
	for _, id := range []string{"nonsense", "%27%20OR%201=1", "0193f6a8-0000-7000-8000-000000000000"} {
		requireProblem(t, admin.do(t, http.MethodGet, "/users/"+id, nil), http.StatusNotFound, "users.user_not_found")
		requireProblem(t, admin.do(t, http.MethodPatch, "/users/"+id, `{"name":"X"}`), http.StatusNotFound, "users.user_not_found")
		requireProblem(t, admin.do(t, http.MethodDelete, "/users/"+id, nil), http.StatusNotFound, "users.user_not_found")
	}
}

func TestListsHaveCursorsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin := s.admin(t)
	var want []string
	for n := range 5 {
		want = append([]string{s.customer(t, fmt.Sprintf("u%d@example.com", n)).user.ID}, want...)
	}
	page := func(query string) (list web.List[users.User]) {
		a := admin.do(t, http.MethodGet, "/users?"+query, nil)
		require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
		a.JSON(t, &list)
		return list
	}
	var got []string
	for query := "limit=2"; query != ""; {
		list := page(query)
		for _, u := range list.Items {
			got = append(got, u.ID)
		}
		if query = ""; list.NextCursor != "" {
			query = "limit=2&cursor=" + list.NextCursor
		}
	}
	require.Equal(t, append(want, admin.user.ID), got)

	cursor := page("limit=2").NextCursor
	for _, foreign := range []string{"/users?role=admin&cursor=", "/users?q=u1&cursor=", "/users/me/addresses?cursor="} {
		requireProblem(t, admin.do(t, http.MethodGet, foreign+cursor, nil), http.StatusUnprocessableEntity, "invalid")
	}
	require.JSONEq(t, `{"items":[]}`, string(admin.do(t, http.MethodGet, "/users?q=nobody", nil).Body))
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada, eve := s.customer(t, "ada@example.com"), s.customer(t, "eve@example.com")
	a := ada.do(t, http.MethodPost, "/users/me/addresses", `{"name":"Ada","line1":"1 Street","city":"Athens","country":"GR","is_default":true}`)
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	require.ElementsMatch(t, []string{"id", "name", "line1", "line2", "city", "region", "postal_code", "country", "phone", "is_default"}, names(t, a.Body))
	var home users.Address
	a.JSON(t, &home)
	path := "/users/me/addresses/" + home.ID
	require.Equal(t, web.Base+path, a.Header.Get("Location"))
	require.JSONEq(t, string(a.Body), string(ada.do(t, http.MethodGet, path, nil).Body))

	body := `{"name":"Ada","line1":"2 Street","city":"Athens","country":"GR"}`
	for _, call := range []struct{ method, body string }{{http.MethodGet, ""}, {http.MethodPut, body}, {http.MethodDelete, ""}} {
		foreign := eve.do(t, call.method, path, call.body, "X-Request-Id", "same")
		none := eve.do(t, call.method, "/users/me/addresses/0193f6a8-0000-7000-8000-000000000000", call.body, "X-Request-Id", "same")
		requireProblem(t, foreign, http.StatusNotFound, "users.address_not_found")
		require.Equal(t, none.Problem(t).Detail, foreign.Problem(t).Detail)
	}
	a = ada.do(t, http.MethodPut, path, body)
	require.Equal(t, http.StatusOK, a.Status)
	var replaced users.Address
	a.JSON(t, &replaced)
	require.Equal(t, users.Address{ID: home.ID, Name: "Ada", Line1: "2 Street", City: "Athens", Country: "GR"}, replaced)
	require.Equal(t, http.StatusNoContent, ada.do(t, http.MethodDelete, path, nil).Status)
	requireProblem(t, ada.do(t, http.MethodGet, path, nil), http.StatusNotFound, "users.address_not_found")
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.customer(t, "ada@example.com")
	elsewhere := s.signIn(t, "ada@example.com", good)

	change := func(current, next string) webtest.Answer {
		return ada.do(t, http.MethodPost, "/users/me/password", map[string]string{"current_password": current, "new_password": next})
	}
	requireProblem(t, change(better, better), http.StatusUnauthorized, "users.invalid_credentials")
	requireProblem(t, change(good, "1234567890"), http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, http.StatusNoContent, change(good, better).Status)
	requireProblem(t, elsewhere.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, http.StatusOK, ada.do(t, http.MethodGet, "/users/me", nil).Status)

	known := s.Do(t, http.MethodPost, "/password-resets", `{"email":"ADA@example.com"}`)
	unknown := s.Do(t, http.MethodPost, "/password-resets", `{"email":"nobody@example.com"}`)
	require.Equal(t, http.StatusAccepted, known.Status)
	require.Equal(t, known.Status, unknown.Status)
	require.Equal(t, known.Body, unknown.Body)
	done := make(chan error, 1)
	go func() { done <- s.service.MailResets(t.Context()) }() // which ends just before Cleanup
	t.Cleanup(func() { require.NoError(t, <-done) })
	sent, err := s.mail.Await(t.Context(), 1)
	require.NoError(t, err)
	token := regexp.MustCompile(`(?m)^[A-Za-z0-9_-]{43}$`).FindString(sent[0].Text)
	requireProblem(t, s.Do(t, http.MethodPost, "/password-resets/nonsense", `{"password":"`+good+`"}`), http.StatusNotFound, "users.reset_not_found")
	requireProblem(t, s.Do(t, http.MethodPost, "/password-resets/"+token, `{"password":"short"}`), http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, http.StatusNoContent, s.Do(t, http.MethodPost, "/password-resets/"+token, `{"password":"`+good+`"}`).Status)
	requireProblem(t, ada.do(t, http.MethodGet, "/users/me", nil), http.StatusUnauthorized, "unauthenticated")
	requireProblem(t, s.Do(t, http.MethodPost, "/password-resets/"+token, `{"password":"`+good+`"}`), http.StatusNotFound, "users.reset_not_found")
	s.signIn(t, "ada@example.com", good)
}

func TestTheDocumentsAreMadeWithoutAService(t *testing.T) {
	t.Parallel()
	server := webtest.New(t, users.Name, func(r *web.Router) { rest.Register(r, nil) })
	document := server.Raw(t, http.MethodGet, "/openapi.json", nil).Body
	for _, path := range []string{"/users", "/users/me", "/sessions", "/sessions/refresh", "/sessions/current", "/users/me/password", "/password-resets", "/password-resets/{token}", "/users/me/addresses", "/users/me/addresses/{id}", "/users/{id}"} {
		require.Contains(t, string(document), `"`+web.Base+path+`"`)
	}
}

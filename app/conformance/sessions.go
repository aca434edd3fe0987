package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sessions are what signing in, renewing and signing out promise.
func sessions() []promise {
	return []promise{
		{"signing in gives a pair of tokens", signsIn},
		{"a wrong password and an unknown address are told alike", wrongCredentials},
		{"a refresh token is spent once", refreshes},
		{"a spent refresh token revokes the family", spentRefreshToken},
		{"of 50 refreshes at once at most one head lives", refreshesAtOnce},
		{"signing out ends the session", signsOut},
		{"signing out ends that session only", signsOutOfOne},
		{"a disabled account is out", disabled},
		{"a demoted member of staff has lost the right", demoted},
	}
}

// bound is how long a token may live on after it was revoked.
const bound = 60 * time.Second

// inARow is how often in a row an answer must be the same for all instances of a
// module to have given it.
const inARow = 8

// wantOut waits until a caller's token has lost its power, at every instance.
func wantOut(t testing.TB, c *Caller, why string) {
	t.Helper()
	eventually(t, bound, why+": the access token must die", func() error {
		for range inARow {
			if a := c.Try(t.Context(), http.MethodGet, base+"/users/me", nil); a.Status != http.StatusUnauthorized {
				return fmt.Errorf("%s", a)
			}
		}
		return nil
	})
}

func (c *Caller) renew(t testing.TB) *Answer {
	return c.as("").Try(t.Context(), http.MethodPost, base+"/sessions/refresh", fields{"refresh_token": c.refresh})
}

func signsIn(t *testing.T, w *world) {
	a := w.anyone.Post(t, "/sessions", fields{"email": w.customer.Email, "password": w.customer.Password}).Want(t, http.StatusCreated)
	shape(t, a.Body, "access_token", "token_type", "expires_in", "refresh_token", "user")
	shape(t, part(t, a.Body, "user"), userFields...)
	s := decode[Session](t, a)
	require.Equal(t, "Bearer", s.TokenType)
	require.InDelta(t, 900, s.ExpiresIn, 2, "auth.access_ttl is 15m")
	require.Equal(t, w.customer.User.ID, s.User.ID)
	require.Contains(t, strings.ToLower(a.Header.Get("Cache-Control")), "no-store", "tokens are not for caches")

	head, err := base64.RawURLEncoding.DecodeString(strings.Split(s.AccessToken, ".")[0])
	require.NoError(t, err)
	var h map[string]string
	require.NoError(t, json.Unmarshal(head, &h))
	require.Contains(t, []string{"EdDSA", "ES256"}, h["alg"])
	published := w.anyone.Fetch(t, "/.well-known/jwks.json")
	require.Contains(t, string(published.Body), h["kid"], "the key that signs is published")
	require.Equal(t, s.User.ID, get[User](t, w.session(s), "/users/me").ID)
}

func wrongCredentials(t *testing.T, w *world) {
	wrong := w.anyone.Post(t, "/sessions", fields{"email": w.customer.Email, "password": "not this one at all"})
	unknown := w.anyone.Post(t, "/sessions", fields{"email": unique("nobody") + "@example.com", "password": "not this one at all"})
	p, q := wrong.Problem(t, http.StatusUnauthorized, "users.invalid_credentials"), unknown.Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
	p.RequestID, q.RequestID = "", ""
	require.Equal(t, p, q)
	for _, body := range []fields{{}, {"email": w.customer.Email}, {"email": w.customer.Email, "password": 1}, {"email": w.customer.Email, "password": goodPassword, "remember": true}} {
		w.anyone.Post(t, "/sessions", body).Refused(t, http.StatusUnprocessableEntity)
	}
	long := w.anyone.Post(t, "/sessions", fields{"email": w.customer.Email, "password": strings.Repeat("x", 500_000)})
	long.Refused(t, http.StatusUnauthorized, http.StatusUnprocessableEntity)
}

func refreshes(t *testing.T, w *world) {
	c := w.newcomer(t)
	a := c.renew(t).Want(t, http.StatusOK)
	shape(t, a.Body, "access_token", "token_type", "expires_in", "refresh_token")
	next := w.session(decode[Session](t, a))
	require.NotEqual(t, c.refresh, next.refresh)
	require.Equal(t, c.User.ID, get[User](t, next, "/users/me").ID)
	next.renew(t).Want(t, http.StatusOK)
	for _, bad := range []string{"", "nonsense", next.token, strings.Repeat("x", 10_000), c.refresh + "x"} {
		other := *c
		other.refresh = bad
		other.renew(t).Refused(t, http.StatusUnauthorized, http.StatusUnprocessableEntity)
	}
}

func spentRefreshToken(t *testing.T, w *world) {
	c := w.newcomer(t)
	elsewhere := w.signIn(t, c.Email, c.Password)
	next := w.session(decode[Session](t, c.renew(t).Want(t, http.StatusOK)))
	c.renew(t).Want(t, http.StatusUnauthorized)
	next.renew(t).Want(t, http.StatusUnauthorized)
	wantOut(t, next, "the family is revoked")
	wantOut(t, c, "the family is revoked")
	elsewhere.renew(t).Want(t, http.StatusOK)
}

func refreshesAtOnce(t *testing.T, w *world) {
	c := w.newcomer(t)
	answers := together(50, func(int) *Answer { return c.renew(t) })
	var heads []*Caller
	for _, a := range answers {
		if a.Status == http.StatusOK {
			heads = append(heads, w.session(decode[Session](t, a)))
			continue
		}
		a.Refused(t, http.StatusUnauthorized)
	}
	require.LessOrEqual(t, len(heads), 1, "one refresh token makes one pair")
	// 49 have used a spent one.
	for _, h := range heads {
		h.renew(t).Want(t, http.StatusUnauthorized)
		wantOut(t, h, "the family is revoked")
	}
}

func signsOut(t *testing.T, w *world) {
	c := w.newcomer(t)
	c.Delete(t, "/sessions/current").Want(t, http.StatusNoContent)
	wantOut(t, c, "signed out")
	c.renew(t).Want(t, http.StatusUnauthorized)
	w.anyone.Delete(t, "/sessions/current").Want(t, http.StatusUnauthorized)
}

func signsOutOfOne(t *testing.T, w *world) {
	c := w.newcomer(t)
	elsewhere := w.signIn(t, c.Email, c.Password)
	next := w.session(decode[Session](t, c.renew(t).Want(t, http.StatusOK)))
	next.Delete(t, "/sessions/current").Want(t, http.StatusNoContent)
	wantOut(t, next, "signed out")
	wantOut(t, c, "an earlier token of the same family")
	elsewhere.Get(t, "/users/me").Want(t, http.StatusOK)
	elsewhere.renew(t).Want(t, http.StatusOK)
}

func disabled(t *testing.T, w *world) {
	c := w.newcomer(t)
	path := "/users/" + c.User.ID
	off := w.admin.Patch(t, path, fields{"status": "disabled"}).Want(t, http.StatusOK)
	require.Equal(t, "disabled", decode[User](t, off).Status)
	wantOut(t, c, "disabled")
	c.renew(t).Want(t, http.StatusUnauthorized)
	w.anyone.Post(t, "/sessions", fields{"email": c.Email, "password": c.Password}).Refused(t, http.StatusUnauthorized, http.StatusForbidden)

	w.admin.Patch(t, path, fields{"status": "active"}).Want(t, http.StatusOK)
	c.renew(t).Want(t, http.StatusUnauthorized)
	w.signIn(t, c.Email, c.Password).Get(t, "/users/me").Want(t, http.StatusOK)
}

func demoted(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 1)
	c := w.newcomer(t)
	path := "/users/" + c.User.ID
	for role, reads := range map[string]string{"staff": "/inventory/" + sku, "admin": "/users/" + w.customer.User.ID} {
		w.admin.Patch(t, path, fields{"roles": []string{"customer", role}}).Want(t, http.StatusOK)
		raised := w.signIn(t, c.Email, c.Password)
		raised.Get(t, reads).Want(t, http.StatusOK)
		w.admin.Patch(t, path, fields{"roles": []string{"customer"}}).Want(t, http.StatusOK)
		eventually(t, bound, "a demoted "+role+" is refused", func() error {
			if a := raised.Try(t.Context(), http.MethodGet, base+reads, nil); a.Status != http.StatusForbidden {
				return fmt.Errorf("%s", a)
			}
			return nil
		})
		raised.Get(t, "/users/me").Want(t, http.StatusOK)
	}
}

func accessExpires(t *testing.T, w *world) {
	short := openEmpty(t, w.topology, "auth.access_ttl=2s")
	eventually(t, 10*time.Second, "the access token expires", func() error {
		if a := short.admin.Try(t.Context(), http.MethodGet, base+"/users/me", nil); a.Status != http.StatusUnauthorized {
			return fmt.Errorf("%s", a)
		}
		return nil
	})
	next := short.session(decode[Session](t, short.admin.renew(t).Want(t, http.StatusOK)))
	next.Get(t, "/users/me").Want(t, http.StatusOK)
	// A token that has run out is in nobody's way who signs in again.
	short.admin.Post(t, "/sessions", fields{"email": short.admin.Email, "password": short.admin.Password}).Want(t, http.StatusCreated)
}

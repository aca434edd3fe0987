package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// passwords are what choosing, changing and resetting one promises.
func passwords() []promise {
	return []promise{
		{"a password has 10 to 256 characters", passwordLengths},
		{"the commonest passwords are refused", commonPasswords},
		{"passwords that differ after the 72nd byte are told apart", longPasswords},
		{"changing it ends all other sessions", changesPassword},
		{"a reset reaches the user by mail and works once", resetsPassword},
		{"a reset for an unknown address looks the same", resetsUnknown},
		{"a bad reset token is refused", badResets},
	}
}

func passwordLengths(t *testing.T, w *world) {
	for _, bad := range []string{"", "short", "9 charact", strings.Repeat("é", 9), strings.Repeat("x y", 86)} {
		w.anyone.Post(t, "/users", account(unique("length")+"@example.com", bad)).Refused(t, http.StatusUnprocessableEntity)
	}
	for _, good := range []string{"ten char s", strings.Repeat("é→", 128), "пароль из слов 7"} {
		email := unique("length") + "@example.com"
		w.anyone.Post(t, "/users", account(email, good)).Want(t, http.StatusCreated)
		require.NotNil(t, w.signIn(t, email, good))
	}
}

func commonPasswords(t *testing.T, w *world) {
	for _, common := range []string{"1234567890", "qwertyuiop", "1q2w3e4r5t"} {
		p := w.anyone.Post(t, "/users", account(unique("common")+"@example.com", common)).Refused(t, http.StatusUnprocessableEntity)
		require.NotEmpty(t, p.Errors, "%+v", p)
	}
}

func longPasswords(t *testing.T, w *world) {
	email, long := unique("long")+"@example.com", strings.Repeat("0123456 ", 9)
	w.anyone.Post(t, "/users", account(email, long+"a")).Want(t, http.StatusCreated)
	w.anyone.Post(t, "/sessions", fields{"email": email, "password": long + "b"}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
	w.anyone.Post(t, "/sessions", fields{"email": email, "password": long}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
	require.NotNil(t, w.signIn(t, email, long+"a"))
}

const otherPassword = "another fine password 7"

func changesPassword(t *testing.T, w *world) {
	c := w.newcomer(t)
	elsewhere := w.signIn(t, c.Email, c.Password)
	change := func(current, next string) *Answer {
		return c.Post(t, "/users/me/password", fields{"current_password": current, "new_password": next})
	}
	change("not the one", otherPassword).Refused(t, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity)
	change(c.Password, "short").Refused(t, http.StatusUnprocessableEntity)
	change(c.Password, "1234567890").Refused(t, http.StatusUnprocessableEntity)
	elsewhere.Get(t, "/users/me").Want(t, http.StatusOK)

	change(c.Password, otherPassword).Want(t, http.StatusNoContent)
	wantOut(t, elsewhere, "the password was changed")
	elsewhere.renew(t).Want(t, http.StatusUnauthorized)
	c.Get(t, "/users/me").Want(t, http.StatusOK)
	c.renew(t).Want(t, http.StatusOK)
	w.anyone.Post(t, "/sessions", fields{"email": c.Email, "password": c.Password}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
	require.NotNil(t, w.signIn(t, c.Email, otherPassword))
}

// secrets find what may be a token in a mail.
var secrets = regexp.MustCompile(`[A-Za-z0-9_-]{20,}`)

// mailed gives what may be the tokens of the mails to an address, the last
// first, out of what the log sender has printed.
func (w *world) mailed(t testing.TB, email string) []string {
	t.Helper()
	var found []string
	eventually(t, 10*time.Second, "the mail to "+email+" is sent", func() error {
		found = nil
		for l := range strings.Lines(w.Output()) {
			if strings.Contains(l, email) {
				for _, s := range secrets.FindAllString(strings.ReplaceAll(l, `\n`, " "), -1) {
					if !strings.Contains(email, s) {
						found = append(found, s)
					}
				}
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("nothing printed has a token for them")
		}
		return nil
	})
	slices.Reverse(found)
	return found
}

// reset sets a password with the newest token mailed to an address.
func (w *world) reset(t testing.TB, email, password string) (token string) {
	t.Helper()
	var last *Answer
	for _, s := range w.mailed(t, email) {
		last = w.anyone.Post(t, "/password-resets/"+s, fields{"password": password})
		if last.Status == http.StatusNoContent {
			return s
		}
	}
	require.FailNow(t, "no token of the mail works", "%s", last)
	return ""
}

func resetsPassword(t *testing.T, w *world) {
	c := w.newcomer(t)
	a := w.anyone.Post(t, "/password-resets", fields{"email": strings.ToUpper(c.Email)}).Want(t, http.StatusAccepted)
	require.NotContains(t, string(a.Body), "token")
	for _, s := range w.mailed(t, c.Email) {
		w.anyone.Post(t, "/password-resets/"+s, fields{"password": "short"}).Refused(t,
			http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusGone, http.StatusUnauthorized, http.StatusBadRequest)
	}
	// A password that will not do has not spent the token.
	token := w.reset(t, c.Email, otherPassword)
	wantOut(t, c, "the password was reset")
	c.renew(t).Want(t, http.StatusUnauthorized)
	w.anyone.Post(t, "/sessions", fields{"email": c.Email, "password": c.Password}).Problem(t, http.StatusUnauthorized, "users.invalid_credentials")
	require.NotNil(t, w.signIn(t, c.Email, otherPassword))

	again := w.anyone.Post(t, "/password-resets/"+token, fields{"password": "yet another password 3"})
	again.Refused(t, http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusGone, http.StatusUnauthorized)
	require.NotNil(t, w.signIn(t, c.Email, otherPassword))
}

func resetsUnknown(t *testing.T, w *world) {
	c := w.newcomer(t)
	known := w.anyone.Post(t, "/password-resets", fields{"email": c.Email}).Want(t, http.StatusAccepted)
	unknown := w.anyone.Post(t, "/password-resets", fields{"email": unique("nobody") + "@example.com"}).Want(t, http.StatusAccepted)
	require.Equal(t, string(known.Body), string(unknown.Body))
	require.Equal(t, known.Header.Get("Content-Type"), unknown.Header.Get("Content-Type"))
	w.anyone.Post(t, "/password-resets", fields{"email": "nobody"}).Refused(t, http.StatusUnprocessableEntity)
}

func badResets(t *testing.T, w *world) {
	used := map[string]bool{}
	for _, token := range []string{"nonsense", strings.Repeat("A", 43), "0193f3a0-0000-7000-8000-000000000000", "%27%20OR%201=1", strings.Repeat("x", 3000)} {
		p := w.anyone.Post(t, "/password-resets/"+token, fields{"password": otherPassword}).Refused(t,
			http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusGone, http.StatusUnauthorized, http.StatusBadRequest)
		used[p.Code] = true
	}
	require.LessOrEqual(t, len(used), 2, "bad tokens are told alike: %v", used)
}

package conformance

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// forged is what a forged access token meets. It is measured alone.
func forged() []promise {
	return []promise{{"a forged token is refused at once", forgedTokens}}
}

// tokens are what a foreign or spoilt access token meets.
func tokens() []promise {
	return []promise{
		{"a token of another issuer or for another audience is refused", foreignTokens},
		{"a refresh token is no access token", refreshTokenAsAccess},
	}
}

// jwt is a token taken apart.
type jwt struct{ head, body map[string]any }

var encoding = base64.RawURLEncoding

func parseJWT(t testing.TB, token string) jwt {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	var j jwt
	for i, into := range []*map[string]any{&j.head, &j.body} {
		text, err := encoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, into))
	}
	return j
}

// with gives a copy with other members in its head.
func (j jwt) with(members fields) jwt {
	head := maps.Clone(j.head)
	for name, value := range members {
		head[name] = value
	}
	return jwt{head, j.body}
}

// claiming gives a copy with other claims; nil is none.
func (j jwt) claiming(claims fields) jwt {
	body := maps.Clone(j.body)
	for name, value := range claims {
		body[name] = value
		if value == nil {
			delete(body, name)
		}
	}
	return jwt{j.head, body}
}

func (j jwt) input(t testing.TB) string {
	t.Helper()
	head, err := json.Marshal(j.head)
	require.NoError(t, err)
	body, err := json.Marshal(j.body)
	require.NoError(t, err)
	return encoding.EncodeToString(head) + "." + encoding.EncodeToString(body)
}

func (j jwt) signed(t testing.TB, sign func(input []byte) []byte) string {
	t.Helper()
	input := j.input(t)
	return input + "." + encoding.EncodeToString(sign([]byte(input)))
}

func hmacOf(of func() hash.Hash, key []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		m := hmac.New(of, key)
		m.Write(input)
		return m.Sum(nil)
	}
}

// forgeries are tokens that nobody but the shop may make, made by somebody else.
func forgeries(t testing.TB, w *world) map[string]string {
	t.Helper()
	good := w.admin.token
	j := parseJWT(t, good)
	parts := strings.Split(good, ".")
	published := w.anyone.Fetch(t, "/.well-known/jwks.json").Body
	keys := decode[struct {
		Keys []map[string]string `json:"keys"`
	}](t, &Answer{Body: published})
	public, err := encoding.DecodeString(keys.Keys[0]["x"])
	require.NoError(t, err)
	seed := make([]byte, ed25519.SeedSize)
	_, _ = system().Read(seed) // never fails
	secret := ed25519.NewKeyFromSeed(seed)
	own := secret.Public().(ed25519.PublicKey)
	byMe := func(input []byte) []byte { return ed25519.Sign(secret, input) }
	nothing := func([]byte) []byte { return nil }
	ownKey := fields{"kty": "OKP", "crv": "Ed25519", "x": encoding.EncodeToString(own), "kid": "mine", "alg": "EdDSA", "use": "sig"}

	made := map[string]string{
		"signed by somebody else":   j.signed(t, byMe),
		"a changed body":            parts[0] + "." + encoding.EncodeToString([]byte(`{"sub":"x","exp":9999999999}`)) + "." + parts[2],
		"a cut signature":           good[:len(good)-4],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                good + "." + parts[2],
		"a padded signature":        good + "==",
		"a million dots":            strings.Repeat(".", 1_000_000),
		"many dots":                 strings.Repeat(".", 6000),
		"HS256 with the public key": j.with(fields{"alg": "HS256"}).signed(t, hmacOf(sha256.New, public)),
		"HS256 with the key's text": j.with(fields{"alg": "HS256"}).signed(t, hmacOf(sha256.New, []byte(keys.Keys[0]["x"]))),
		"HS256 with the key set":    j.with(fields{"alg": "HS256"}).signed(t, hmacOf(sha256.New, published)),
		"HS512 with nothing":        j.with(fields{"alg": "HS512"}).signed(t, hmacOf(sha512.New, nil)),
		"its own key in jwk":        j.with(fields{"jwk": ownKey, "kid": "mine"}).signed(t, byMe),
		"its own key in jwk alone":  j.with(fields{"jwk": ownKey}).signed(t, byMe),
		"an unknown crit":           j.with(fields{"crit": []string{"exp"}, "exp": 1}).signed(t, byMe),
		"a key elsewhere, jku":      j.with(fields{"jku": "http://127.0.0.1:9/keys.json", "kid": "mine"}).signed(t, byMe),
		"a key elsewhere, x5u":      j.with(fields{"x5u": "http://127.0.0.1:9/cert.pem", "kid": "mine"}).signed(t, byMe),
		"RS256":                     j.with(fields{"alg": "RS256"}).signed(t, byMe),
		"not base64":                "ä.ö.ü",
		"an empty head":             encoding.EncodeToString([]byte(`{}`)) + "." + parts[1] + "." + parts[2],
		"duplicate members":         encoding.EncodeToString([]byte(`{"alg":"none","alg":"EdDSA"}`)) + "." + parts[1] + "." + parts[2],
		"deep claims":               parts[0] + "." + encoding.EncodeToString([]byte(strings.Repeat("[", 4000))) + "." + parts[2],
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		made["alg "+alg] = j.with(fields{"alg": alg}).signed(t, nothing)
		made["alg "+alg+" with the signature"] = j.with(fields{"alg": alg}).input(t) + "." + parts[2]
	}
	for name, kid := range map[string]any{
		"unknown": "nobody", "a path": "../../../../etc/passwd", "a null device": "/dev/null", "SQL": "' UNION SELECT 'x' --", "a number": 1, "null": nil, "a list": []string{"x"}, "long": strings.Repeat("k", 5000),
	} {
		made["kid is "+name] = j.with(fields{"kid": kid}).signed(t, byMe)
	}
	made["kid of a megabyte"] = j.with(fields{"kid": strings.Repeat("k", 1<<20)}).signed(t, byMe)
	return made
}

func forgedTokens(t *testing.T, w *world) {
	w.admin.Get(t, "/users/me").Want(t, http.StatusOK)
	var spent []time.Duration
	for name, token := range forgeries(t, w) {
		var a *Answer
		spent = append(spent, took(func() {
			a = w.anyone.Try(t.Context(), http.MethodGet, base+"/users", nil, header("Authorization", "Bearer "+token))
		}))
		require.NoError(t, a.Err, name)
		allowed := []int{http.StatusUnauthorized}
		if len(token) > 8000 {
			allowed = append(allowed, http.StatusRequestHeaderFieldsTooLarge)
		}
		require.Contains(t, allowed, a.Status, "%s: %s", name, a)
		a.problem(t)
	}
	slices.Sort(spent)
	require.Less(t, spent[len(spent)*9/10], 50*time.Millisecond, "a forged token costs nothing")
	w.admin.Get(t, "/users/me").Want(t, http.StatusOK)
}

// foreignTokens are signed with the shop's own key, as those are of others who
// share it.
func foreignTokens(t *testing.T, w *world) {
	files, err := filepath.Glob(filepath.Join(w.keys, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	text, err := os.ReadFile(files[len(files)-1])
	require.NoError(t, err)
	var key map[string]any // a private JWK (RFC 8037 §2)
	require.NoError(t, json.Unmarshal(text, &key))
	seed, err := encoding.DecodeString(key["d"].(string))
	require.NoError(t, err)
	byShop := func(input []byte) []byte { return ed25519.Sign(ed25519.NewKeyFromSeed(seed), input) }

	j := parseJWT(t, w.admin.token)
	require.Equal(t, j.head["kid"], key["kid"])
	for name, claims := range map[string]fields{
		"another issuer":   {"iss": "https://other.example"},
		"no issuer":        {"iss": nil},
		"another audience": {"aud": "other"},
		"other audiences":  {"aud": []string{"other", "another"}},
		"no audience":      {"aud": nil},
	} {
		w.anyone.as(j.claiming(fields{}).signed(t, byShop)).Get(t, "/users").Want(t, http.StatusOK)
		a := w.anyone.as(j.claiming(claims).signed(t, byShop)).Get(t, "/users")
		require.Equal(t, http.StatusUnauthorized, a.Status, "%s: %s", name, a)
	}
}

func refreshTokenAsAccess(t *testing.T, w *world) {
	c := w.newcomer(t)
	c.as(c.refresh).Get(t, "/users/me").Want(t, http.StatusUnauthorized)
	w.anyone.Get(t, "/users/me", header("X-API-Key", c.refresh)).Want(t, http.StatusUnauthorized)
	w.anyone.Get(t, "/users/me", header("X-API-Key", c.token)).Want(t, http.StatusUnauthorized)
	c.renew(t).Want(t, http.StatusOK)
}

func tokensAfterRestart(t *testing.T, w *world) {
	gone := w.newcomer(t)
	gone.Delete(t, "/sessions/current").Want(t, http.StatusNoContent)
	w.Kill(t)
	w.Restart(t)
	w.admin.Get(t, "/users/me").Want(t, http.StatusOK)
	gone.Get(t, "/users/me").Want(t, http.StatusUnauthorized)
	gone.renew(t).Want(t, http.StatusUnauthorized)
	w.admin.renew(t).Want(t, http.StatusOK)
}

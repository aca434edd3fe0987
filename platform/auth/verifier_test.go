package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/auth/authtest"
	"stoa/platform/clock"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestVerifyGivesTheBearer(t *testing.T) {
	t.Parallel()
	a := authtest.New(t, clock.NewFake(start, 1))
	id, token := a.SignIn(t, auth.RoleStaff)

	for range 2 { // judged, and then remembered
		got, err := a.Verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
}

func TestATokenEndsWhenItExpiresAlsoWhenItIsRemembered(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	a := authtest.New(t, c)
	_, token := a.SignIn(t)

	c.Advance(a.Config.AccessTTL - time.Microsecond)
	_, err := a.Verifier.Verify(t.Context(), token)
	require.NoError(t, err)

	c.Advance(time.Microsecond)
	_, err = a.Verifier.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
}

// forger makes tokens of any content, signed by the key that signs now.
type forger struct {
	key     ed25519.PrivateKey
	keyID   string
	subject string
	now     int64
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func (f forger) sign(header, claims string) string {
	text := encode(header) + "." + encode(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(f.key, []byte(text)))
}

// header is the one that ours have, with more members appended.
func (f forger) header(more string) string {
	return fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":%q%s}`, f.keyID, more)
}

// claims are what ours have, with some replaced or left out (for an empty value).
func (f forger) claims(change map[string]string) string {
	all := []struct{ name, value string }{
		{"iss", `"stoa"`}, {"aud", `"stoa"`}, {"sub", fmt.Sprintf("%q", f.subject)}, {"sid", `"s"`}, {"roles", `["customer"]`},
		{"iat", fmt.Sprint(f.now)}, {"nbf", fmt.Sprint(f.now)}, {"exp", fmt.Sprint(f.now + 900)}, {"jti", `"j"`},
	}
	var members []string
	for _, c := range all {
		value, changed := change[c.name]
		if !changed {
			value = c.value
		}
		if value != "" {
			members = append(members, fmt.Sprintf("%q:%s", c.name, value))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	a := authtest.New(t, c)
	keyID, private := a.Keys.Signing()
	f := forger{private, keyID, c.ID(), c.Now().Unix()}
	public := private.Public().(ed25519.PublicKey)
	stranger := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	later := fmt.Sprint(f.now + 60)

	// What is forged below is good but for the one thing that each row changes.
	good := f.sign(f.header(""), f.claims(nil))
	id, err := a.Verifier.Verify(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, f.subject, id.UserID)

	signed := strings.Split(good, ".")
	unsigned := func(alg string) string {
		return encode(fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, keyID)) + "." + encode(f.claims(nil)) + "."
	}
	hs256 := func(key []byte) string {
		text := encode(fmt.Sprintf(`{"alg":"HS256","typ":"at+jwt","kid":%q}`, keyID)) + "." + encode(f.claims(nil))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	claims := func(name, value string) string { return f.sign(f.header(""), f.claims(map[string]string{name: value})) }
	kid := func(id string) string {
		return f.sign(fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":%q}`, id), f.claims(nil))
	}
	typ := func(typ string) string {
		return f.sign(fmt.Sprintf(`{"alg":"EdDSA",%s"kid":%q}`, typ, keyID), f.claims(nil))
	}
	published := fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q}`, base64.RawURLEncoding.EncodeToString(stranger.Public().(ed25519.PublicKey)))

	for name, token := range map[string]string{
		"nothing":                               "",
		"no token":                              "hello",
		"two dots only":                         "..",
		"a million dots":                        strings.Repeat(".", 1_000_000),
		"three dots":                            good + ".",
		"one dot":                               signed[0] + "." + signed[1],
		"alg none":                              unsigned("none"),
		"alg NONE":                              unsigned("NONE"),
		"alg nOnE":                              unsigned("nOnE"),
		"alg nothing":                           unsigned(""),
		"HS256 signed with the public key":      hs256(public),
		"HS256 signed with its text":            hs256([]byte(base64.RawURLEncoding.EncodeToString(public))),
		"another algorithm's name":              f.sign(strings.Replace(f.header(""), "EdDSA", "ES256", 1), f.claims(nil)),
		"an unknown key":                        kid("another"),
		"no key":                                f.sign(`{"alg":"EdDSA","typ":"at+jwt"}`, f.claims(nil)),
		"a key that is a path":                  kid("../../../../etc/passwd"),
		"a key that is SQL":                     kid("' OR 1=1 --"),
		"a key of a megabyte":                   kid(strings.Repeat("k", 1<<20)),
		"a stranger's signature":                forger{stranger, keyID, f.subject, f.now}.sign(f.header(""), f.claims(nil)),
		"a signature of other claims":           signed[0] + "." + encode(f.claims(map[string]string{"roles": `["admin"]`})) + "." + signed[2],
		"no signature":                          signed[0] + "." + signed[1] + ".",
		"jku":                                   f.sign(f.header(`,"jku":"http://127.0.0.1:1/keys"`), f.claims(nil)),
		"x5u":                                   f.sign(f.header(`,"x5u":"http://127.0.0.1:1/cert"`), f.claims(nil)),
		"x5c":                                   f.sign(f.header(`,"x5c":["MII"]`), f.claims(nil)),
		"jwk":                                   forger{stranger, keyID, f.subject, f.now}.sign(f.header(`,"jwk":`+published), f.claims(nil)),
		"an unknown crit":                       f.sign(f.header(`,"crit":["exp2"],"exp2":1`), f.claims(nil)),
		"crit b64":                              f.sign(f.header(`,"crit":["b64"],"b64":false`), f.claims(nil)),
		"a header that says alg twice":          f.sign(f.header(`,"alg":"EdDSA"`), f.claims(nil)),
		"a header of another case":              f.sign(strings.Replace(f.header(""), `"kid"`, `"KID"`, 1), f.claims(nil)),
		"a header with a tail":                  f.sign(f.header("")+"{}", f.claims(nil)),
		"a header that is null":                 f.sign("null", f.claims(nil)),
		"typ JWT: an ID token":                  typ(`"typ":"JWT",`),
		"typ rt+jwt: a refresh token":           typ(`"typ":"rt+jwt",`),
		"no typ":                                typ(""),
		"a refresh token":                       base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		"no exp":                                claims("exp", ""),
		"exp null":                              claims("exp", "null"),
		"expired":                               claims("exp", fmt.Sprint(f.now)),
		"expired within the skew":               claims("exp", fmt.Sprint(f.now-1)),
		"exp as text":                           claims("exp", `"9999999999"`),
		"exp beyond numbers":                    claims("exp", "1e999"),
		"nbf ahead":                             claims("nbf", later),
		"no nbf":                                claims("nbf", ""),
		"iat ahead":                             claims("iat", later),
		"no iat":                                claims("iat", ""),
		"another issuer":                        claims("iss", `"other"`),
		"no issuer":                             claims("iss", ""),
		"another audience":                      claims("aud", `"other"`),
		"no audience":                           claims("aud", ""),
		"no subject":                            claims("sub", ""),
		"no session":                            claims("sid", ""),
		"no roles":                              claims("roles", ""),
		"no id":                                 claims("jti", ""),
		"duplicate claims":                      f.sign(f.header(""), strings.Replace(f.claims(nil), "{", `{"roles":["admin"],`, 1)),
		"duplicate claims, escaped differently": f.sign(f.header(""), strings.Replace(f.claims(nil), "{", `{"r\u006fles":["admin"],`, 1)),
		"invalid UTF-8 in claims":               claims("jti", "\"\xff\""),
		"claims that are null":                  f.sign(f.header(""), "null"),
		"claims that are a list":                f.sign(f.header(""), "[]"),
		"claims with a tail":                    f.sign(f.header(""), f.claims(nil)+"x"),
		"claims of great depth":                 f.sign(f.header(""), strings.Repeat("[", 2000)),
		"a line break":                          good[:20] + "\n" + good[20:],
		"padding":                               good + "=",
		"bits left over":                        leftover(good),
	} {
		t.Run(name, func(t *testing.T) {
			began := clock.System().Now()
			id, err := a.Verifier.Verify(t.Context(), token)
			took := clock.System().Now().Sub(began)
			require.ErrorIs(t, err, auth.ErrUnauthenticated)
			require.Zero(t, id)
			require.Less(t, took, 50*time.Millisecond)
		})
	}
}

// leftover changes the last character of a signature in the bits that no byte
// of it has, so that a lenient reader would take it for the same.
func leftover(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last|1])
}

// counting is a source that counts what it is asked.
type counting struct {
	keys  *auth.Keys
	asked atomic.Int32
	fail  atomic.Bool

	mu    sync.Mutex
	list  []auth.Revocation
	since []time.Time
}

func (s *counting) revoke(list ...auth.Revocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = list
}

func (s *counting) askedSince() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

func (s *counting) PublicKeys(context.Context) (auth.JWKS, error) {
	s.asked.Add(1)
	if s.fail.Load() {
		return auth.JWKS{}, context.DeadlineExceeded
	}
	return s.keys.JWKS(), nil
}

func (s *counting) Revoked(_ context.Context, since time.Time) ([]auth.Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = append(s.since, since)
	return s.list, nil
}

func following(t *testing.T, c clock.Clock) (*auth.Keys, *auth.Verifier, *counting) {
	t.Helper()
	keys := open(t, t.TempDir(), c)
	source := &counting{keys: keys}
	v := auth.NewVerifier(auth.DefaultConfig(), c, slog.New(slog.DiscardHandler))
	v.Follow(source)
	return keys, v, source
}

func TestVerifyAsksNobody(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, source := following(t, c)
	require.NoError(t, v.Sync(t.Context()))
	keyID, private := keys.Signing()
	f := forger{private, keyID, c.ID(), c.Now().Unix()}

	asked := source.asked.Load()
	_, err := v.Verify(t.Context(), f.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"unknown"}`, f.claims(nil)))
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
	require.Equal(t, asked, source.asked.Load())
}

func TestVerifyBeforeAnyKeyIsKnownIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, _ := following(t, c)
	token, err := keys.Issue(auth.Grant{Identity: auth.Identity{UserID: "u", SessionID: "s", Roles: []string{"customer"}}})
	require.NoError(t, err)

	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrNoKeys)
	require.ErrorIs(t, v.Ready(), auth.ErrNoKeys)

	require.NoError(t, v.Sync(t.Context()))
	require.NoError(t, v.Ready())
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestAClockSlightlyBehindTheIssuersIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	keys := open(t, t.TempDir(), clock.NewFake(start, 1))
	v := auth.NewVerifier(auth.DefaultConfig(), clock.NewFake(start.Add(-3*time.Second), 2), slog.New(slog.DiscardHandler))
	v.Follow(&counting{keys: keys})
	require.NoError(t, v.Sync(t.Context()))
	token, err := keys.Issue(auth.Grant{Identity: auth.Identity{UserID: "u", SessionID: "s", Roles: []string{"customer"}}})
	require.NoError(t, err)

	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func BenchmarkVerifyRemembered(b *testing.B) {
	a := authtest.New(b, clock.System())
	_, token := a.SignIn(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verifier.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

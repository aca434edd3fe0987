package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"

	"stoa/platform/clock"
)

const (
	// maxToken is the longest token that is looked at, in bytes. Ours have some 600.
	maxToken = 4096
	// cached is how many verified tokens are remembered.
	cached = 10_000
	// skew is how far the issuer's clock may be ahead of this one. It does not
	// lengthen a token's life.
	skew = 5 * time.Second
)

// Verifier tells who an access token's bearer is. It judges by what it has
// followed of a Source and asks nobody: a call touches no file, database or
// network. It is safe for concurrent use.
type Verifier struct {
	clock   clock.Clock
	log     *slog.Logger
	parser  *jwt.Parser
	keys    atomic.Pointer[keySet]
	revoked revocations
	cache   *otter.Cache[uint64, verified]
	seed    maphash.Seed // of the cache's keys: nobody can make two tokens share one

	once      sync.Once // of Follow
	following chan struct{}
	source    Source // set before following is closed
}

// keySet is the keys by id, and as they are published.
type keySet struct {
	byID      map[string]ed25519.PublicKey
	published JWKS
}

// verified is a token whose signature and claims have been judged.
type verified struct {
	token   string
	grant   Grant
	key     ed25519.PublicKey
	keyID   string
	expires time.Time
}

// NewVerifier makes a verifier that knows no key yet: see Follow.
func NewVerifier(config Config, c clock.Clock, log *slog.Logger) *Verifier {
	v := &Verifier{
		clock: c,
		log:   log,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{algorithm}),
			jwt.WithIssuer(config.Issuer),
			jwt.WithAudience(config.Audience),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(skew),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(c.Now),
		),
		cache:     otter.Must(&otter.Options[uint64, verified]{MaximumSize: cached}),
		seed:      maphash.MakeSeed(),
		following: make(chan struct{}),
	}
	v.keys.Store(&keySet{published: JWKS{Keys: []JWK{}}})
	return v
}

// Verify tells who the bearer of an access token is.
// Errors: ErrUnauthenticated for every token that will not do; ErrNoKeys
// before any signing key is known.
func (v *Verifier) Verify(_ context.Context, token string) (Identity, error) {
	keys := v.keys.Load()
	if len(keys.byID) == 0 {
		return Identity{}, ErrNoKeys
	}
	if len(token) > maxToken {
		return Identity{}, ErrUnauthenticated.Because(fmt.Errorf("the token has %d bytes", len(token)))
	}
	hash := maphash.String(v.seed, token)
	known, ok := v.cache.GetIfPresent(hash)
	// A key that was withdrawn takes the tokens with it that were verified by it.
	if ok = ok && known.token == token && bytes.Equal(known.key, keys.byID[known.keyID]); !ok {
		var err error
		if known, err = v.verify(token, keys); err != nil {
			return Identity{}, ErrUnauthenticated.Because(err)
		}
	}
	// Here rather than by the parser alone, which allows for the skew.
	if !v.clock.Now().Before(known.expires) {
		return Identity{}, ErrUnauthenticated.Because(jwt.ErrTokenExpired)
	}
	if !ok {
		v.cache.Set(hash, known)
	}
	id, valid := v.revoked.judge(known.grant)
	if !valid {
		return Identity{}, ErrUnauthenticated.Because(errors.New("the token is revoked"))
	}
	return id, nil
}

// JWKS gives the keys by which tokens are verified here, for /.well-known/jwks.json.
func (v *Verifier) JWKS() JWKS { return v.keys.Load().published }

// wellFormed refuses, in one pass and before anything is decoded, what is no
// JWS in compact form (RFC 7515 §7.1).
func wellFormed(token string) error {
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return errors.New("the token has a character that is not base64url")
		}
	}
	if dots != 2 {
		return fmt.Errorf("the token has %d dots", dots)
	}
	return nil
}

// verify judges a token that is not known yet.
func (v *Verifier) verify(token string, keys *keySet) (verified, error) {
	if err := wellFormed(token); err != nil {
		return verified{}, err
	}
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return verified{}, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return verified{}, err
	}
	key, ok := keys.byID[h.KeyID]
	if h.Algorithm != algorithm || h.Type != tokenType || !ok {
		return verified{}, errors.New("the header names another type, algorithm or key than ours")
	}
	var c claims
	if _, err := v.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return verified{}, err
	}
	return verified{
		token:   strings.Clone(token), // it may be part of something larger
		grant:   Grant{Identity{UserID: c.Subject, SessionID: c.Session, Roles: c.Roles}, c.Epoch},
		key:     key,
		keyID:   h.KeyID,
		expires: time.Unix(*c.Expires, 0),
	}, nil
}

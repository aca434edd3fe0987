package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stoa/platform/clock"
)

const (
	algorithm = "EdDSA"
	tokenType = "at+jwt" // RFC 9068 §2.1: what is signed for another use is no access token

	// rotateEvery is how long a key signs before the next takes over.
	rotateEvery = 30 * 24 * time.Hour
	// publishAhead is how long a key is published before it signs: many times
	// what a follower may be behind, and what a proxy may cache.
	publishAhead = time.Hour
	// keepAfter is how much longer than its last token a key stays published.
	keepAfter = time.Hour
	// tendEvery is how often Run looks whether there is a key to make, to
	// retire, or that another process has made.
	tendEvery = time.Minute
)

// Grant is what an access token says of its bearer.
type Grant struct {
	Identity
	// Epoch counts what was changed about the account as a whole. A revocation
	// names the first epoch it does not reach, so that no clock decides which
	// of a token and a revocation came first.
	Epoch int64
}

// Keys signs access tokens. The keys are Ed25519, made where there are none,
// and replaced on a schedule: a new one is published an hour before it signs,
// and an old one stays published for as long as tokens of its live.
type Keys struct {
	config Config
	clock  clock.Clock
	log    *slog.Logger
	dir    keyDir

	mu   sync.RWMutex
	keys []signingKey // the oldest first, never empty
}

// OpenKeys reads the signing keys from config.KeysDir, and makes the first
// where there is none.
func OpenKeys(config Config, c clock.Clock, log *slog.Logger) (*Keys, error) {
	k := &Keys{config: config, clock: c, log: log, dir: keyDir(config.KeysDir)}
	keys, err := k.dir.load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(keys) == 0 {
		// The first signs at once: there is nobody yet who knows another.
		if err := k.dir.add(k.make(1, c.Now())); err != nil {
			return nil, err
		}
	}
	if err := k.tend(); err != nil {
		return nil, err
	}
	return k, nil
}

// Run replaces keys when it is time, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	for clock.Sleep(ctx, k.clock, tendEvery) == nil {
		if err := k.tend(); err != nil {
			k.log.ErrorContext(ctx, "signing keys could not be looked after; those there are go on signing", "error", err)
		}
	}
	return nil
}

// JWKS gives every key by which a token may be verified, now and soon.
func (k *Keys) JWKS() JWKS {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set := JWKS{Keys: make([]JWK, len(k.keys))}
	for i, key := range k.keys {
		set.Keys[i] = key.public
	}
	return set
}

// Issue signs an access token that is good for auth.access_ttl, rounded up to
// a whole second.
func (k *Keys) Issue(g Grant) (string, error) {
	now := k.clock.Now()
	issued := now.Truncate(time.Second)
	expires := now.Add(k.config.AccessTTL + time.Second - 1).Truncate(time.Second)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims{
		Issuer: k.config.Issuer, Audience: k.config.Audience,
		Subject: g.UserID, Session: g.SessionID, Roles: g.Roles, Epoch: g.Epoch,
		IssuedAt: seconds(issued), NotBefore: seconds(issued), Expires: seconds(expires),
		ID: k.clock.ID(),
	})
	key := k.signing(now)
	token.Header["typ"] = tokenType
	token.Header["kid"] = key.public.KeyID
	text, err := token.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("issue access token: %w", err)
	}
	return text, nil
}

// signing gives the newest key whose time has come. Where the clock was put
// back before all of them, it is the oldest, which has been published longest.
func (k *Keys) signing(now time.Time) signingKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i := len(k.keys) - 1; i > 0; i-- {
		if !k.keys[i].signsFrom.After(now) {
			return k.keys[i]
		}
	}
	return k.keys[0]
}

// tend makes the next key when it is due, retires what no living token needs,
// and takes up what other processes did.
func (k *Keys) tend() error {
	now := k.clock.Now()
	keys, err := k.dir.load()
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("no signing key is left in %s", k.dir)
	}
	var failed error
	if newest := keys[len(keys)-1]; !now.Before(newest.signsFrom.Add(rotateEvery - publishAhead)) {
		failed = k.dir.add(k.make(newest.number+1, now.Add(publishAhead)))
		if again, err := k.dir.load(); err != nil {
			failed = errors.Join(failed, err)
		} else {
			keys = again
		}
	}
	for len(keys) > 1 && !now.Before(keys[1].signsFrom.Add(k.config.AccessTTL+keepAfter)) {
		failed = errors.Join(failed, k.dir.remove(keys[0].number))
		keys = keys[1:]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = keys
	return failed
}

func (k *Keys) make(number int, signsFrom time.Time) signingKey {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = k.clock.Read(seed) // never fails
	return newSigningKey(number, seed, signsFrom)
}

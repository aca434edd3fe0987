package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"stoa/platform/clock"
)

const (
	// followEvery is how often a verifier asks its source. With an answer that
	// takes as long as it may, it is less than 30 s behind.
	followEvery = 15 * time.Second
	// answerWithin is how long a source may take to answer.
	answerWithin = 10 * time.Second
	// retryFirst is the pause after the first failure; it doubles up to followEvery.
	retryFirst = time.Second
	// overlap is how much of what is known already is asked for again: what
	// was recorded earlier may have been committed later.
	overlap = time.Minute
)

// Source is where keys and revocations come from: the users module itself in
// its own process, whoever asks it elsewhere.
type Source interface {
	// PublicKeys gives every key by which a token may be verified now or soon.
	PublicKeys(ctx context.Context) (JWKS, error)
	// Revoked gives the revocations recorded at since or later whose tokens
	// have not expired; all of them for the zero time.
	Revoked(ctx context.Context, since time.Time) ([]Revocation, error)
}

// Follow makes source the one that Run and Sync ask. Only the first call counts.
func (v *Verifier) Follow(source Source) {
	v.once.Do(func() {
		v.source = source
		close(v.following)
	})
}

// Apply takes up revocations at once. The issuer's process calls it after the
// commit that records them; every other process hears of them by Run.
func (v *Verifier) Apply(list ...Revocation) { v.revoked.apply(list) }

// Ready says whether tokens can be judged. Errors: ErrNoKeys.
func (v *Verifier) Ready() error {
	if len(v.keys.Load().byID) == 0 {
		return ErrNoKeys
	}
	return nil
}

// Run follows the source, until ctx ends. Where there is none yet, it waits
// for Follow.
func (v *Verifier) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		err := v.Sync(ctx)
		pause := followEvery
		switch {
		case err == nil && failures > 0:
			v.log.InfoContext(ctx, "signing keys and revocations are followed again", "failures", failures)
			failures = 0
		case err != nil && ctx.Err() == nil:
			if failures == 0 {
				v.log.WarnContext(ctx, "signing keys and revocations cannot be followed; what is known holds", "error", err)
			}
			pause = min(retryFirst<<min(failures, 4), followEvery)
			failures++
		}
		_ = clock.Sleep(ctx, v.clock, pause) // ends early only with ctx
	}
	return nil
}

// Sync asks the source once. Where there is none yet, it waits for Follow.
// What is known holds when the source fails.
func (v *Verifier) Sync(ctx context.Context) error {
	select {
	case <-v.following:
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()

	published, err := v.source.PublicKeys(ctx)
	if err != nil {
		return fmt.Errorf("ask for signing keys: %w", err)
	}
	keys, err := newKeySet(published)
	if err != nil {
		return err
	}
	var since time.Time
	if newest := v.revoked.newest(); !newest.IsZero() {
		since = newest.Add(-overlap)
	}
	list, err := v.source.Revoked(ctx, since)
	if err != nil {
		return fmt.Errorf("ask for revocations: %w", err)
	}
	// Revocations first: no token is judged by a new key and without them.
	v.revoked.apply(list)
	v.revoked.forget(v.clock.Now())
	v.keys.Store(keys)
	return nil
}

func newKeySet(published JWKS) (*keySet, error) {
	set := &keySet{byID: make(map[string]ed25519.PublicKey, len(published.Keys)), published: published}
	for _, one := range published.Keys {
		key, err := one.publicKey()
		if err != nil {
			return nil, err
		}
		set.byID[one.KeyID] = key
	}
	if len(set.byID) == 0 {
		return nil, errors.New("the source published no signing key")
	}
	return set, nil
}

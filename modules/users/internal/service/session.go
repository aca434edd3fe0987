package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"stoa/modules/users"
	"stoa/modules/users/internal/store"
	"stoa/platform/auth"
	"stoa/platform/db"
)

// Session is what signing in gives.
type Session struct {
	AccessToken string
	// ExpiresIn is how long the access token is good for.
	ExpiresIn time.Duration
	// RefreshToken is good once.
	RefreshToken string
	Account      Account
}

// SignInRequest is an attempt to sign in.
type SignInRequest struct {
	Email, Password string
	// Address is where it comes from.
	Address string
}

// SignIn begins a session. Whether there is no such account, it is disabled, or
// the password is wrong, cannot be told from the answer or from how long it takes.
// Errors: users.ErrInvalidCredentials, users.ErrTooManyAttempts, password.ErrBusy.
func (s *Service) SignIn(ctx context.Context, r SignInRequest) (Session, error) {
	key := emailKey(r.Email)
	u, err := store.UserByEmail(ctx, s.DB.Read(), key)
	if err != nil && !errors.Is(err, users.ErrUserNotFound) {
		return Session{}, err
	}
	hash := s.hasher.Dummy()
	if err == nil && u.Status == users.StatusActive {
		hash = u.PasswordHash
	}
	better, err := s.prove(ctx, attempt{account: key, address: r.Address, password: r.Password, hash: hash})
	if err != nil {
		return Session{}, err
	}

	now := s.Clock.Now()
	id := s.Clock.ID()
	refresh, refreshHash := s.secret()
	began := false
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		expires := now.Add(s.Auth.RefreshTTL)
		var err error
		if began, err = store.InsertSession(ctx, tx, id, u.ID, u.Epoch, now, expires); err != nil || !began {
			return err
		}
		if better != "" {
			if _, err := store.SetPassword(ctx, tx, u.ID, u.PasswordHash, better, 0); err != nil {
				return err
			}
		}
		return store.InsertRefresh(ctx, tx, refreshHash, id, expires)
	})
	if err != nil {
		return Session{}, err
	}
	if !began {
		return Session{}, users.ErrInvalidCredentials // the account was changed meanwhile
	}
	return s.session(u, id, refresh)
}

// session gives what the bearer of a session is handed.
func (s *Service) session(u *store.User, id, refresh string) (Session, error) {
	access, err := s.Keys.Issue(auth.Grant{
		Identity: auth.Identity{UserID: u.ID, SessionID: id, Roles: u.Roles()},
		Epoch:    u.Epoch,
	})
	if err != nil {
		return Session{}, err
	}
	return Session{AccessToken: access, ExpiresIn: s.Auth.AccessTTL, RefreshToken: refresh, Account: account(u)}, nil
}

// attempt is somebody's try to prove who they are.
type attempt struct {
	account  string // the folded e-mail address
	address  string
	password string
	hash     string
}

// prove verifies a password. It gives a hash to be kept instead where that in
// use is of an older cost.
// Errors: users.ErrInvalidCredentials, users.ErrTooManyAttempts, password.ErrBusy.
func (s *Service) prove(ctx context.Context, a attempt) (better string, err error) {
	// Attempts count as failed while they run. They begin with a processor to
	// run on, so that many good ones at once are not taken for guesses.
	slot, err := s.hasher.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer slot.Release()
	counted, wait := s.Limits.Failures().Begin(a.account, a.address)
	if counted == nil {
		return "", users.ErrTooManyAttempts.After(wait)
	}
	ok, err := slot.Verify(a.password, a.hash)
	if err != nil {
		counted.Abandoned()
		return "", err
	}
	if !ok {
		return "", users.ErrInvalidCredentials
	}
	counted.Succeeded()
	if s.hasher.Outdated(a.hash) {
		better = slot.Hash(a.password)
	}
	return better, nil
}

// Refresh spends a refresh token for a new pair. One that was spent before is
// in somebody else's hands: its whole session ends, unless it was spent only
// auth.refresh_leeway ago. Errors: users.ErrInvalidRefreshToken.
func (s *Service) Refresh(ctx context.Context, token string) (Session, error) {
	hash := hashSecret(token)
	// What is no token of ours is refused without taking a place among those who write.
	seen, known, err := store.FindRefresh(ctx, s.DB.Read(), hash)
	if err != nil || !known {
		if err == nil {
			err = users.ErrInvalidRefreshToken
		}
		return Session{}, err
	}
	next, nextHash := s.secret()
	var (
		u  *store.User
		id string
	)
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		u = nil
		if err := store.HoldUser(ctx, tx, seen.UserID); err != nil {
			return err
		}
		now := s.Clock.Now()
		sessionID, ok, err := store.SpendRefresh(ctx, tx, hash, now)
		if err != nil {
			return err
		}
		if !ok {
			return s.reused(ctx, tx, hash, now)
		}
		owner, err := store.UserOfSession(ctx, tx, sessionID)
		if err != nil {
			return err
		}
		if err := store.InsertRefresh(ctx, tx, nextHash, sessionID, now.Add(s.Auth.RefreshTTL)); err != nil {
			return err
		}
		u, id = owner, sessionID
		return nil
	})
	if err != nil {
		return Session{}, err
	}
	if u == nil {
		return Session{}, users.ErrInvalidRefreshToken
	}
	return s.session(u, id, next)
}

// reused ends the session of a token that was spent before. The transaction
// must be committed although the caller is refused.
func (s *Service) reused(ctx context.Context, tx *db.Tx, hash string, now time.Time) error {
	t, known, err := store.FindRefresh(ctx, tx, hash)
	if err != nil || !known || t.SpentAt.IsZero() || now.Sub(t.SpentAt) < s.Auth.RefreshLeeway {
		return err
	}
	return s.endSession(ctx, tx, t.UserID, t.SessionID)
}

// SignOut ends the session that somebody is signed in with.
func (s *Service) SignOut(ctx context.Context, id auth.Identity) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store.HoldUser(ctx, tx, id.UserID); err != nil {
			return err
		}
		return s.endSession(ctx, tx, id.UserID, id.SessionID)
	})
}

func (s *Service) endSession(ctx context.Context, tx *db.Tx, userID, sessionID string) error {
	if err := store.DeleteSession(ctx, tx, sessionID, userID); err != nil {
		return err
	}
	return s.revoke(ctx, tx, store.Revocation{SessionID: sessionID})
}

// secret makes a token of 256 bits and the hash under which it is kept.
func (s *Service) secret() (token, hash string) {
	raw := make([]byte, 32)
	_, _ = s.Clock.Read(raw) // never fails
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, hashSecret(token)
}

// hashSecret gives the hash under which a token is kept. The token is random,
// so it needs no salt and no slow hash.
func hashSecret(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

package service

import (
	"context"
	"time"

	"stoa/modules/users/internal/store"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
)

const (
	// revokedFor is how much longer than an access token lives its revocation is
	// remembered, for clocks that differ.
	revokedFor = time.Minute
	// pruneEvery is how often what has expired is deleted.
	pruneEvery = time.Minute
)

// revoke records revocations in the transaction of what they follow from. This
// process knows of them with the commit, the others when they ask next.
func (s *Service) revoke(ctx context.Context, tx *db.Tx, list ...store.Revocation) error {
	if len(list) == 0 {
		return nil
	}
	now := s.Clock.Now()
	for i := range list {
		list[i].ExpiresAt = now.Add(s.Auth.AccessTTL + revokedFor)
	}
	recorded, err := store.InsertRevocations(ctx, tx, now, list)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { s.Verifier.Apply(revocations(recorded)...) })
	return nil
}

func revocations(rows []store.Revocation) []auth.Revocation {
	list := make([]auth.Revocation, len(rows))
	for i, r := range rows {
		list[i] = auth.Revocation{
			SessionID: r.SessionID, UserID: r.UserID, Epoch: r.Epoch, Roles: r.Roles,
			At: r.RecordedAt, ExpiresAt: r.ExpiresAt,
		}
	}
	return list
}

// PublicKeys gives the keys that access tokens are verified by; see auth.Source.
func (s *Service) PublicKeys(context.Context) (auth.JWKS, error) { return s.Keys.JWKS(), nil }

// Revoked gives what access tokens may no longer say; see auth.Source.
func (s *Service) Revoked(ctx context.Context, since time.Time) ([]auth.Revocation, error) {
	rows, err := store.RevocationsSince(ctx, s.DB.Read(), since, s.Clock.Now())
	if err != nil {
		return nil, err
	}
	return revocations(rows), nil
}

// Prune deletes what has expired, every minute, until ctx ends.
func (s *Service) Prune(ctx context.Context) error {
	for clock.Sleep(ctx, s.Clock, pruneEvery) == nil {
		for more := true; more && ctx.Err() == nil; {
			err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
				more, err = store.Prune(ctx, tx, s.Clock.Now())
				return err
			})
			if err != nil {
				more = false
				s.Log.WarnContext(ctx, "what has expired could not be deleted; it is tried again in a minute", "error", err)
			}
		}
	}
	return nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stoa/platform/db"
)

// Revocation is a row of revocations.
type Revocation struct {
	SessionID  string
	UserID     string
	Epoch      int64
	Roles      []string
	RecordedAt time.Time
	ExpiresAt  time.Time
}

var (
	insertRevocation = db.NewStatement(`INSERT INTO revocations (session_id, user_id, epoch, roles, recorded_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (session_id, user_id, epoch) DO NOTHING`)
	latestRevocation = db.NewStatement(`SELECT MAX(recorded_at) FROM revocations`)
	revocationsSince = db.NewStatement(`SELECT session_id, user_id, epoch, roles, recorded_at, expires_at FROM revocations
		WHERE recorded_at >= $1 AND expires_at > $2 ORDER BY recorded_at`)
)

// InsertRevocations records revocations, at now by a clock that does not run
// back: never before one that was recorded earlier. It gives them as recorded.
func InsertRevocations(ctx context.Context, tx *db.Tx, now time.Time, list []Revocation) ([]Revocation, error) {
	// One that is recorded later must not be seen sooner: whoever asks for those
	// since the last that it saw would miss the other.
	if err := tx.Lock(ctx, "revocations"); err != nil {
		return nil, err
	}
	var latest db.Time
	if err := latestRevocation.QueryRow(ctx, tx).Scan(&latest); err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	if latest.After(now) {
		now = latest.Time
	}
	recorded := make([]Revocation, len(list))
	for i, r := range list {
		r.RecordedAt = now
		if _, err := insertRevocation.Exec(ctx, tx, r.SessionID, r.UserID, r.Epoch, db.NewJSON(r.Roles), db.NewTime(now), db.NewTime(r.ExpiresAt)); err != nil {
			return nil, fmt.Errorf("insert revocation: %w", err)
		}
		recorded[i] = r
	}
	return recorded, nil
}

// RevocationsSince gives the revocations recorded at since or later that still matter.
func RevocationsSince(ctx context.Context, c db.Conn, since, now time.Time) (list []Revocation, err error) {
	// The zero time is before all of them, and is not what the database has for it.
	rows, err := revocationsSince.Query(ctx, c, max(since.UnixMicro(), 0), db.NewTime(now))
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			r                 Revocation
			roles             db.JSON[[]string]
			recorded, expires db.Time
		)
		if err := rows.Scan(&r.SessionID, &r.UserID, &r.Epoch, &roles, &recorded, &expires); err != nil {
			return nil, fmt.Errorf("read revocations: %w", err)
		}
		r.Roles, r.RecordedAt, r.ExpiresAt = roles.V, recorded.Time, expires.Time
		list = append(list, r)
	}
	return list, rows.Err()
}

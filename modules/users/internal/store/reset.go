package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stoa/platform/db"
)

var (
	insertRequest = db.NewStatement(`INSERT INTO reset_requests (id, email_key, due_at, attempts) VALUES ($1, $2, $3, 0)`)
	// The condition stands there twice, for a second worker that waited for the rows.
	claimRequests = db.NewStatement(`UPDATE reset_requests SET due_at = $2, attempts = attempts + 1
		WHERE due_at <= $1 AND email_key = (SELECT email_key FROM reset_requests WHERE due_at <= $1 ORDER BY due_at LIMIT 1)
		RETURNING email_key, attempts`)
	deleteRequests = db.NewStatement(`DELETE FROM reset_requests WHERE email_key = $1`)

	insertReset  = db.NewStatement(`INSERT INTO reset_tokens (hash, user_id, expires_at) VALUES ($1, $2, $3)`)
	resetUser    = db.NewStatement(`SELECT user_id FROM reset_tokens WHERE hash = $1 AND expires_at > $2`)
	takeReset    = db.NewStatement(`DELETE FROM reset_tokens WHERE hash = $1 AND expires_at > $2 RETURNING user_id`)
	deleteResets = db.NewStatement(`DELETE FROM reset_tokens WHERE user_id = $1`)
)

// InsertResetRequest records that a reset was asked for.
func InsertResetRequest(ctx context.Context, tx *db.Tx, id, emailKey string, due time.Time) error {
	if _, err := insertRequest.Exec(ctx, tx, id, emailKey, db.NewTime(due)); err != nil {
		return fmt.Errorf("insert reset request: %w", err)
	}
	return nil
}

// ClaimResetRequests takes the requests for the address whose request has been
// due longest, and puts them off until again, so that nobody else takes them
// before. It says how often one of them was taken, this time included, and
// reports false where none is due.
func ClaimResetRequests(ctx context.Context, tx *db.Tx, now, again time.Time) (emailKey string, attempts int, ok bool, err error) {
	rows, err := claimRequests.Query(ctx, tx, db.NewTime(now), db.NewTime(again))
	if err != nil {
		return "", 0, false, fmt.Errorf("claim reset requests: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n int
		if err := rows.Scan(&emailKey, &n); err != nil {
			return "", 0, false, fmt.Errorf("claim reset requests: %w", err)
		}
		attempts, ok = max(attempts, n), true
	}
	return emailKey, attempts, ok, rows.Err()
}

// DeleteResetRequests forgets the requests for an address.
func DeleteResetRequests(ctx context.Context, tx *db.Tx, emailKey string) error {
	if _, err := deleteRequests.Exec(ctx, tx, emailKey); err != nil {
		return fmt.Errorf("delete reset requests: %w", err)
	}
	return nil
}

// InsertResetToken adds a token's hash.
func InsertResetToken(ctx context.Context, tx *db.Tx, hash, userID string, expires time.Time) error {
	if _, err := insertReset.Exec(ctx, tx, hash, userID, db.NewTime(expires)); err != nil {
		return fmt.Errorf("insert reset token: %w", err)
	}
	return nil
}

// ResetTokenUser tells whose a token is, and reports false where there is none.
func ResetTokenUser(ctx context.Context, c db.Conn, hash string, now time.Time) (userID string, ok bool, err error) {
	return tokenUser(resetUser.QueryRow(ctx, c, hash, db.NewTime(now)))
}

// TakeResetToken uses a token up. Of several callers at once, one is told true.
func TakeResetToken(ctx context.Context, tx *db.Tx, hash string, now time.Time) (userID string, ok bool, err error) {
	return tokenUser(takeReset.QueryRow(ctx, tx, hash, db.NewTime(now)))
}

func tokenUser(row db.Row) (userID string, ok bool, err error) {
	err = row.Scan(&userID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read reset token: %w", err)
	}
	return userID, true, nil
}

// DeleteResetTokens makes every token of a user useless.
func DeleteResetTokens(ctx context.Context, tx *db.Tx, userID string) error {
	if _, err := deleteResets.Exec(ctx, tx, userID); err != nil {
		return fmt.Errorf("delete reset tokens: %w", err)
	}
	return nil
}

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
	// Only while the account is as it was when the password was verified.
	insertSession = db.NewStatement(`INSERT INTO sessions (id, user_id, created_at, expires_at)
		SELECT $1, id, $4, $5 FROM users WHERE id = $2 AND epoch = $3 AND status = 'active'`)
	extendSession = db.NewStatement(`UPDATE sessions SET expires_at = $2 WHERE id = $1`)
	deleteSession = db.NewStatement(`DELETE FROM sessions WHERE id = $1 AND user_id = $2`)
	deleteOthers  = db.NewStatement(`DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id`)

	insertRefresh = db.NewStatement(`INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ($1, $2, $3)`)
	spendRefresh  = db.NewStatement(`UPDATE refresh_tokens SET spent_at = $2 WHERE hash = $1 AND spent_at IS NULL AND expires_at > $2 RETURNING session_id`)
	findRefresh   = db.NewStatement(`SELECT t.session_id, s.user_id, t.spent_at FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1`)
	userOfSession = db.NewStatement(`SELECT ` + userColumns + ` FROM users WHERE id = (SELECT user_id FROM sessions WHERE id = $1)`)
)

// InsertSession begins a session of an account that is active and still of this
// epoch; else it reports false.
func InsertSession(ctx context.Context, tx *db.Tx, id, userID string, epoch int64, now, expires time.Time) (bool, error) {
	if err := HoldUser(ctx, tx, userID); err != nil {
		return false, err
	}
	n, err := db.Affected(insertSession.Exec(ctx, tx, id, userID, epoch, db.NewTime(now), db.NewTime(expires)))
	if err != nil {
		return false, fmt.Errorf("insert session: %w", err)
	}
	return n == 1, nil
}

// InsertRefresh adds the hash of a session's next refresh token.
func InsertRefresh(ctx context.Context, tx *db.Tx, hash, sessionID string, expires time.Time) error {
	if _, err := insertRefresh.Exec(ctx, tx, hash, sessionID, db.NewTime(expires)); err != nil {
		return fmt.Errorf("insert refresh token: %w", err)
	}
	if _, err := extendSession.Exec(ctx, tx, sessionID, db.NewTime(expires)); err != nil {
		return fmt.Errorf("extend session: %w", err)
	}
	return nil
}

// SpendRefresh spends a refresh token and gives its session; it reports false
// where the token is not known, has expired, or is spent already. Of several
// callers at once, one is told true.
func SpendRefresh(ctx context.Context, tx *db.Tx, hash string, now time.Time) (sessionID string, ok bool, err error) {
	err = spendRefresh.QueryRow(ctx, tx, hash, db.NewTime(now)).Scan(&sessionID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("spend refresh token: %w", err)
	}
	return sessionID, true, nil
}

// RefreshToken is what is known of one.
type RefreshToken struct {
	SessionID string
	UserID    string
	SpentAt   time.Time // zero where it is not spent
}

// FindRefresh finds a refresh token of a session that lives.
func FindRefresh(ctx context.Context, c db.Conn, hash string) (t RefreshToken, ok bool, err error) {
	var spent db.Time
	err = findRefresh.QueryRow(ctx, c, hash).Scan(&t.SessionID, &t.UserID, &spent)
	if errors.Is(err, sql.ErrNoRows) {
		return RefreshToken{}, false, nil
	}
	if err != nil {
		return RefreshToken{}, false, fmt.Errorf("find refresh token: %w", err)
	}
	t.SpentAt = spent.Time
	return t, true, nil
}

// UserOfSession finds the account a session is of. Errors: users.ErrUserNotFound.
func UserOfSession(ctx context.Context, c db.Conn, sessionID string) (*User, error) {
	return one(userOfSession.QueryRow(ctx, c, sessionID))
}

// DeleteSession ends a session of a user.
func DeleteSession(ctx context.Context, tx *db.Tx, id, userID string) error {
	if _, err := deleteSession.Exec(ctx, tx, id, userID); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// DeleteSessions ends every session of a user but one (all for ""), and gives
// the ids of those that it ended.
func DeleteSessions(ctx context.Context, tx *db.Tx, userID, but string) ([]string, error) {
	rows, err := deleteOthers.Query(ctx, tx, userID, but)
	if err != nil {
		return nil, fmt.Errorf("delete sessions: %w", err)
	}
	return texts(rows)
}

// texts reads rows of one column.
func texts(rows *sql.Rows) (list []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

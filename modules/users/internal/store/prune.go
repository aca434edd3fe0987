package store

import (
	"context"
	"fmt"
	"time"

	"stoa/platform/db"
)

// prunes delete what has expired, so many rows at a time that nobody who
// writes waits long for it. The condition stands there twice, for rows that
// somebody put off while this waited for them.
var prunes = [...]*db.Statement{
	db.NewStatement(`DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500) AND expires_at <= $1`),
	db.NewStatement(`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500) AND expires_at <= $1`),
	db.NewStatement(`DELETE FROM reset_tokens WHERE hash IN (SELECT hash FROM reset_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)`),
	// The latest stays: no later one is recorded before it, whatever the clock does.
	db.NewStatement(`DELETE FROM revocations WHERE (session_id, user_id, epoch) IN (
		SELECT session_id, user_id, epoch FROM revocations
		WHERE expires_at <= $1 AND recorded_at < (SELECT MAX(recorded_at) FROM revocations) ORDER BY expires_at LIMIT 500)`),
}

// Prune deletes some of what expired before now, and reports whether there may
// be more.
func Prune(ctx context.Context, tx *db.Tx, now time.Time) (more bool, err error) {
	for _, prune := range prunes {
		n, err := db.Affected(prune.Exec(ctx, tx, db.NewTime(now)))
		if err != nil {
			return false, fmt.Errorf("prune: %w", err)
		}
		more = more || n >= 500
	}
	return more, nil
}

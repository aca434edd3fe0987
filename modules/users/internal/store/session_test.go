package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	usersmigrations "stoa/migrations/users"
	"stoa/modules/users/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

func TestASessionBeginsOnlyWhileTheAccountIsAsItWasRead(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, "users", usersmigrations.FS)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	u := &store.User{ID: "u", Email: "a@b.co", EmailKey: "a@b.co", Name: "A", PasswordHash: "h", Status: "active", Epoch: 3, Version: 1, CreatedAt: db.NewTime(now), UpdatedAt: db.NewTime(now)}
	write := func(fn func(ctx context.Context, tx *db.Tx) error) { require.NoError(t, d.Write(t.Context(), fn)) }
	begin := func(id, userID string, epoch int64) (ok bool) {
		write(func(ctx context.Context, tx *db.Tx) (err error) {
			ok, err = store.InsertSession(ctx, tx, id, userID, epoch, now, now.Add(time.Hour))
			return err
		})
		return ok
	}
	write(func(ctx context.Context, tx *db.Tx) error { return store.InsertUser(ctx, tx, u, nil) })

	require.True(t, begin("s1", "u", 3))
	require.False(t, begin("s2", "u", 2), "a revocation came between")
	require.False(t, begin("s3", "nobody", 0), "the account was deleted")
	u.Status = "disabled"
	write(func(ctx context.Context, tx *db.Tx) error { return store.UpdateUser(ctx, tx, u) })
	require.False(t, begin("s4", "u", 3), "the account was disabled")
}

func TestMigrationsGoDownAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, "users", usersmigrations.FS)
	require.NoError(t, d.MigrateDown(t.Context(), usersmigrations.FS))
	require.NoError(t, d.Migrate(t.Context(), usersmigrations.FS))
}

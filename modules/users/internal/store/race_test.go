package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	usersmigrations "stoa/migrations/users"
	"stoa/modules/users"
	"stoa/modules/users/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// meanwhile begins a transaction while another is open, and gives it time to do
// what it must not: it has to wait for the other.
func meanwhile(t *testing.T, d *db.DB, fn db.Effect) (begin func(), done <-chan error) {
	t.Helper()
	ended := make(chan error, 1)
	began := false
	return func() {
		if began {
			return
		}
		began = true
		go func() { ended <- d.Write(t.Context(), fn) }()
		select {
		case err := <-ended:
			ended <- err
		case <-time.After(300 * time.Millisecond):
		}
	}, ended
}

func shared(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.OpenPostgres(t, users.Name, usersmigrations.FS)
	now := db.NewTime(time.Now())
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return store.InsertUser(ctx, tx, &store.User{
			ID: "u", Email: "u@example.com", EmailKey: "u@example.com", Name: "U", Status: users.StatusActive, Version: 1, CreatedAt: now, UpdatedAt: now,
		}, nil)
	}))
	return d
}

func TestNoSessionOutlivesWhatEndsThemAll(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, tx *db.Tx, u *store.User) error{
		"disabled": func(ctx context.Context, tx *db.Tx, u *store.User) error {
			u.Status = users.StatusDisabled
			u.Epoch++
			if _, err := store.DeleteSessions(ctx, tx, u.ID, ""); err != nil {
				return err
			}
			return store.UpdateUser(ctx, tx, u)
		},
		"deleted": func(ctx context.Context, tx *db.Tx, u *store.User) error { return store.DeleteUser(ctx, tx, u.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := shared(t)
			began := true
			signIn, signedIn := meanwhile(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
				began, err = store.InsertSession(ctx, tx, "s", "u", 0, time.Now(), time.Now().Add(time.Hour))
				return err
			})
			require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				u, err := store.LockUser(ctx, tx, "u")
				if err != nil {
					return err
				}
				if err := end(ctx, tx, u); err != nil {
					return err
				}
				signIn()
				return nil
			}))
			require.NoError(t, <-signedIn)
			require.False(t, began)
		})
	}
}

func TestARevocationIsNeverSeenAfterOneThatWasRecordedLater(t *testing.T) {
	t.Parallel()
	d := shared(t)
	now := time.Now().Truncate(time.Microsecond)
	record := func(session string, at time.Time) db.Effect {
		return func(ctx context.Context, tx *db.Tx) error {
			_, err := store.InsertRevocations(ctx, tx, at, []store.Revocation{{SessionID: session, ExpiresAt: now.Add(time.Hour)}})
			return err
		}
	}
	var seen []store.Revocation
	later, done := meanwhile(t, d, func(ctx context.Context, tx *db.Tx) error { return record("later", now.Add(time.Second))(ctx, tx) })
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := record("sooner", now)(ctx, tx); err != nil {
			return err
		}
		later()
		var err error
		seen, err = store.RevocationsSince(ctx, d.Read(), time.Time{}, now)
		return err
	}))
	require.Empty(t, seen, "who had seen the later would not ask for the sooner")
	require.NoError(t, <-done)
}

func TestHoweverManyAddAnAddressTheLimitAndTheDefaultHold(t *testing.T) {
	t.Parallel()
	d := shared(t)
	var (
		adding sync.WaitGroup
		mu     sync.Mutex
		added  int
	)
	for i := range 16 {
		adding.Go(func() {
			err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				ok, err := store.InsertAddress(ctx, tx, "u", users.Address{ID: fmt.Sprint(i), IsDefault: i%2 == 0}, 5)
				if ok {
					tx.AfterCommit(func() {
						mu.Lock()
						defer mu.Unlock()
						added++
					})
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	adding.Wait()
	require.Equal(t, 5, added)
	list, err := store.ListAddresses(t.Context(), d.Read(), "u", "", 100)
	require.NoError(t, err)
	require.Len(t, list, 5)
}

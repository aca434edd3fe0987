package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

func TestOnlyWhatIsHeldAndDueExpires(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, catalog.Name, catalogmigrations.FS)
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for order, state := range map[string]string{"held": store.Held, "expired": store.Expired, "committed": store.Committed, "released": store.Released} {
			r := store.Reservation{OrderID: order, Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}, ExpiresAt: now}
			require.NoError(t, store.InsertReservation(ctx, tx, r, now))
			r.State = state
			require.NoError(t, store.SetReservation(ctx, tx, r, now))
		}
		for _, order := range []string{"held", "expired", "committed", "released", "unknown"} {
			_, ok, err := store.ExpireHeld(ctx, tx, order, now.Add(-time.Microsecond))
			require.NoError(t, err)
			require.False(t, ok, "%s, before its time", order)
			r, ok, err := store.ExpireHeld(ctx, tx, order, now)
			require.NoError(t, err)
			require.Equal(t, order == "held", ok, order)
			if ok {
				require.Equal(t, store.Expired, r.State)
				require.Equal(t, []catalog.Item{{SKU: "lamp", Quantity: 1}}, r.Items)
			}
		}
		return nil
	}))
}

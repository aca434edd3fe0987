package store_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	ordersmigrations "stoa/migrations/orders"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// meanwhile begins a transaction while another is open, and gives it time to do
// what it must not: it has to wait for the other. The other's function may be
// run again; this is not.
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

func order(id string) *store.Order {
	return &store.Order{
		ID: id, Number: "N-" + id, UserID: "u", Status: orders.StatusPending, Currency: "USD", Items: db.NewJSON([]orders.Item{}),
		RefundIDs: db.NewJSON([]string{}), PlacedAt: db.NewTime(time.Now()), UpdatedAt: db.NewTime(time.Now()), Version: 1,
	}
}

func happened(id string, sequence int64) store.Event {
	return store.Event{OrderID: id, Sequence: sequence, Type: "x", At: db.NewTime(time.Now()), Data: json.RawMessage(`{}`)}
}

func place(t *testing.T, d *db.DB, o *store.Order) {
	t.Helper()
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := store.InsertOrder(ctx, tx, o); err != nil {
			return err
		}
		return store.InsertEvents(ctx, tx, happened(o.ID, 1))
	}))
}

func TestAnErasureMissesNoAddressThatIsJustBeingKept(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenPostgres(t, orders.Name, ordersmigrations.FS)
	place(t, d, order("o"))
	erase, erased := meanwhile(t, d, func(ctx context.Context, tx *db.Tx) error {
		return store.EraseUser(ctx, tx, "u", db.NewTime(time.Now()))
	})
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := store.InsertAddress(ctx, tx, "o", "u", orders.ShippingAddress{Name: "Ada"}); err != nil {
			return err
		}
		erase()
		return nil
	}))
	require.NoError(t, <-erased)
	o, err := store.ReadOrder(t.Context(), d.Read(), "o", "")
	require.NoError(t, err)
	require.Nil(t, o.Address.V)
}

func TestAProjectionThatIsMadeAnewOverwritesNothingNewer(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenPostgres(t, orders.Name, ordersmigrations.FS)
	place(t, d, order("o"))
	written := true
	rebuild, rebuilt := meanwhile(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
		if err := store.HoldOrders(ctx, tx, "o", "o"); err != nil {
			return err
		}
		written, err = store.ReplaceOrder(ctx, tx, order("o"))
		return err
	})
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		o, err := store.HoldOrder(ctx, tx, "o", "")
		if err != nil {
			return err
		}
		o.Status, o.Version = orders.StatusCanceled, 2
		if err := store.UpdateOrder(ctx, tx, &o, 1); err != nil {
			return err
		}
		if err := store.InsertEvents(ctx, tx, happened("o", 2)); err != nil {
			return err
		}
		rebuild()
		return nil
	}))
	require.NoError(t, <-rebuilt)
	require.False(t, written)
	o, err := store.ReadOrder(t.Context(), d.Read(), "o", "")
	require.NoError(t, err)
	require.Equal(t, orders.StatusCanceled, o.Status)
}

func TestOfTwoWhoChangeAnOrderTheSecondSeesWhatTheFirstMade(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenPostgres(t, orders.Name, ordersmigrations.FS)
	place(t, d, order("o"))
	var seen store.Order
	second, done := meanwhile(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
		seen, err = store.HoldOrder(ctx, tx, "o", "u")
		return err
	})
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		o, err := store.HoldOrder(ctx, tx, "o", "")
		if err != nil {
			return err
		}
		o.Status, o.Version = orders.StatusCanceled, 2
		second()
		return store.UpdateOrder(ctx, tx, &o, 1)
	}))
	require.NoError(t, <-done)
	require.Equal(t, orders.StatusCanceled, seen.Status)
}

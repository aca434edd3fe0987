package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// Reservation is what an order holds or held.
type Reservation struct {
	OrderID   string
	State     string
	Items     []catalog.Item
	Returned  bool // it was committed before it was released
	ExpiresAt time.Time
}

// The states of a reservation.
const (
	Held      = "held"      // the items are reserved
	Expired   = "expired"   // they were given back for it took too long
	Committed = "committed" // they have left the shop
	Released  = "released"  // they were given back, or never held
)

var (
	insertReservation = db.NewStatement(`INSERT INTO reservations (order_id, state, items, returned, expires_at, updated_at)
		VALUES ($1, 'held', $2, FALSE, $3, $4) ON CONFLICT (order_id) DO NOTHING`)
	getReservation = db.NewStatement(`SELECT order_id, state, items, returned, expires_at FROM reservations WHERE order_id = $1`)
	// lockReservation finds or makes the order's row, which is this
	// transaction's alone from then on.
	lockReservation = db.NewStatement(`INSERT INTO reservations (order_id, state, items, returned, expires_at, updated_at)
		VALUES ($1, 'released', '[]', FALSE, $2, $2) ON CONFLICT (order_id) DO UPDATE SET updated_at = $2
		RETURNING order_id, state, items, returned, expires_at`)
	setReservation = db.NewStatement(`UPDATE reservations SET state = $2, returned = $3, updated_at = $4 WHERE order_id = $1`)
	commitHeld     = db.NewStatement(`UPDATE reservations SET state = 'committed', updated_at = $2
		WHERE order_id = $1 AND state = 'held' RETURNING order_id, state, items, returned, expires_at`)
	commitKnown = db.NewStatement(`UPDATE reservations SET state = 'committed', updated_at = $2 WHERE order_id = $1 AND state = 'held'`)
	// commitExpired takes an order's row from expired to committed; its items are
	// then to be taken from what is available.
	commitExpired = db.NewStatement(`UPDATE reservations SET state = 'committed', updated_at = $2
		WHERE order_id = $1 AND state = 'expired' RETURNING order_id, state, items, returned, expires_at`)
	expireHeld = db.NewStatement(`UPDATE reservations SET state = 'expired', updated_at = $2
		WHERE order_id = $1 AND state = 'held' AND expires_at <= $2 RETURNING order_id, state, items, returned, expires_at`)
	dueReservations = db.NewStatement(`SELECT order_id FROM reservations WHERE state = 'held' AND expires_at <= $1
		ORDER BY expires_at LIMIT $2 + 0`)
	nextExpiry = db.NewStatement(`SELECT expires_at FROM reservations WHERE state = 'held' ORDER BY expires_at LIMIT 1`)
)

func scanReservation(from row) (Reservation, bool, error) {
	var (
		r       Reservation
		items   db.JSON[[]catalog.Item]
		expires db.Time
	)
	ok, err := found(from.Scan(&r.OrderID, &r.State, &items, &r.Returned, &expires))
	r.Items, r.ExpiresAt = items.V, expires.Time
	return r, ok, err
}

// ErrReserved says that an order has a reservation already.
var ErrReserved = errors.New("the order has a reservation")

// InsertReservation records what an order holds from now on. Errors, here or
// later in the transaction: ErrReserved.
func InsertReservation(ctx context.Context, tx *db.Tx, r Reservation, now time.Time) error {
	return insertReservation.LaterOr(ctx, tx, ErrReserved, r.OrderID, db.NewJSON(r.Items), db.NewTime(r.ExpiresAt), db.NewTime(now))
}

// GetReservation gives what an order holds; false where it has no row.
func GetReservation(ctx context.Context, c db.Conn, orderID string) (Reservation, bool, error) {
	return scanReservation(getReservation.QueryRow(ctx, c, orderID))
}

// LockReservation gives the order's row as it is until the transaction ends. An
// order that has none gets one that is released and holds nothing.
func LockReservation(ctx context.Context, tx *db.Tx, orderID string, now time.Time) (Reservation, error) {
	r, _, err := scanReservation(lockReservation.QueryRow(ctx, tx, orderID, db.NewTime(now)))
	return r, err
}

// SetReservation changes the state of an order's row.
func SetReservation(ctx context.Context, tx *db.Tx, r Reservation, now time.Time) error {
	_, err := setReservation.Exec(ctx, tx, r.OrderID, r.State, r.Returned, db.NewTime(now))
	return err
}

// CommitHeld turns what an order holds into what it has; false where it holds nothing.
func CommitHeld(ctx context.Context, tx *db.Tx, orderID string, now time.Time) (Reservation, bool, error) {
	return scanReservation(commitHeld.QueryRow(ctx, tx, orderID, db.NewTime(now)))
}

// CommitKnown is CommitHeld for who knows what the order holds. Errors, here or
// later in the transaction: db.ErrOutdated where it does not hold that any more.
func CommitKnown(ctx context.Context, tx *db.Tx, orderID string, now time.Time) error {
	return commitKnown.LaterOr(ctx, tx, db.ErrOutdated, orderID, db.NewTime(now))
}

// CommitExpired turns what an order held until it expired into what it has;
// false where none has expired.
func CommitExpired(ctx context.Context, tx *db.Tx, orderID string, now time.Time) (Reservation, bool, error) {
	return scanReservation(commitExpired.QueryRow(ctx, tx, orderID, db.NewTime(now)))
}

// ExpireHeld ends a reservation that is due; false where it is not, or was ended before.
func ExpireHeld(ctx context.Context, tx *db.Tx, orderID string, now time.Time) (Reservation, bool, error) {
	return scanReservation(expireHeld.QueryRow(ctx, tx, orderID, db.NewTime(now)))
}

// DueReservations gives orders whose reservations are past their time, the
// oldest first.
func DueReservations(ctx context.Context, c db.Conn, now time.Time, limit int) ([]string, error) {
	var orders []string
	rows, err := dueReservations.Query(ctx, c, db.NewTime(now), limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		orders = append(orders, id)
		return err
	})
	return orders, err
}

// NextExpiry gives when the next reservation is due; false where none is held.
func NextExpiry(ctx context.Context, c db.Conn) (time.Time, bool, error) {
	var at db.Time
	ok, err := found(nextExpiry.QueryRow(ctx, c).Scan(&at))
	return at.Time, ok, err
}

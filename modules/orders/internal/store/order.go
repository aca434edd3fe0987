// Package store keeps carts, orders and their events in the module's database.
// It is the only place that knows its tables. The services of this module
// import it. It never decides anything: what may follow what is theirs to know.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"stoa/modules/orders"
	"stoa/platform/db"
	"stoa/platform/errs"
)

// Order is what the events of an order come to. Amounts are minor units of
// Currency.
type Order struct {
	bun.BaseModel `bun:"table:orders,alias:o"`

	ID             string                 `bun:"id,pk"`
	Number         string                 `bun:"number"`
	UserID         string                 `bun:"user_id"`
	Status         string                 `bun:"status"`
	Currency       string                 `bun:"currency"`
	Items          db.JSON[[]orders.Item] `bun:"items"`
	Subtotal       int64                  `bun:"subtotal"`
	ShippingTotal  int64                  `bun:"shipping_total"`
	TaxTotal       int64                  `bun:"tax_total"`
	DiscountTotal  int64                  `bun:"discount_total"`
	Total          int64                  `bun:"total"`
	Stock          Stock                  `bun:"stock"`
	PaymentStatus  string                 `bun:"payment_status"`
	Captured       int64                  `bun:"captured"`
	Refunded       int64                  `bun:"refunded"`
	RefundIDs      db.JSON[[]string]      `bun:"refund_ids"`
	FailureCode    string                 `bun:"failure_code"`
	FailureMessage string                 `bun:"failure_message"`
	PlacedAt       db.Time                `bun:"placed_at"`
	UpdatedAt      db.Time                `bun:"updated_at"`
	// Version is the sequence of the last event.
	Version int64 `bun:"version"`

	// Address is kept apart and only read here; nil once it was erased.
	Address db.JSON[*orders.ShippingAddress] `bun:"address,scanonly"`
}

// Stock is what an order holds of the catalog's stock, as far as it was told.
type Stock string

// What an order can hold.
const (
	StockNone      Stock = "none"
	StockReserved  Stock = "reserved"
	StockCommitted Stock = "committed"
	StockReleased  Stock = "released"
)

// ErrStale says that an order or a cart was changed by somebody else after it
// was read; what is to be changed is to be worked out anew, in the same Write.
var ErrStale = errs.New(errs.Unavailable, "orders.stale", "this is being changed by somebody else").Because(db.ErrOutdated)

const orderColumns = `o.id, o.number, o.user_id, o.status, o.currency, o.items, o.subtotal, o.shipping_total, o.tax_total,
	o.discount_total, o.total, o.stock, o.payment_status, o.captured, o.refunded, o.refund_ids, o.failure_code, o.failure_message,
	o.placed_at, o.updated_at, o.version`

// readOne gives every order, or the owner's.
const readOne = `SELECT ` + orderColumns + `, a.address FROM orders AS o
	LEFT JOIN shipping_addresses AS a ON a.order_id = o.id WHERE o.id = $1 AND ($2 = '' OR o.user_id = $2)`

const insertColumns = `INSERT INTO orders (id, number, user_id, status, currency, items, subtotal, shipping_total, tax_total,
	discount_total, total, stock, payment_status, captured, refunded, refund_ids, failure_code, failure_message,
	placed_at, updated_at, version) `

var (
	insertOrder = db.NewStatement(insertColumns +
		`VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`)
	updateOrder = db.NewStatement(`UPDATE orders SET status = $1, stock = $2, payment_status = $3, captured = $4, refunded = $5,
		refund_ids = $6, failure_code = $7, failure_message = $8, updated_at = $9, version = $10 WHERE id = $11 AND version = $12`)
	// replaceOrder writes a projection that was made anew, unless the order has
	// had another event since its events were read.
	replaceOrder = db.NewStatement(insertColumns +
		`SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
		WHERE (SELECT max(sequence) FROM order_events WHERE order_id = $1) = $21
		ON CONFLICT (id) DO UPDATE SET number = excluded.number, user_id = excluded.user_id, status = excluded.status,
		currency = excluded.currency, items = excluded.items, subtotal = excluded.subtotal, shipping_total = excluded.shipping_total,
		tax_total = excluded.tax_total, discount_total = excluded.discount_total, total = excluded.total, stock = excluded.stock,
		payment_status = excluded.payment_status, captured = excluded.captured, refunded = excluded.refunded,
		refund_ids = excluded.refund_ids, failure_code = excluded.failure_code, failure_message = excluded.failure_message,
		placed_at = excluded.placed_at, updated_at = excluded.updated_at, version = excluded.version`)
	readOrder = db.NewStatement(readOne)
	// holdOrder also keeps others from changing it. SQLite has one writer.
	holdOrder  = db.NewStatementFor(readOne, readOne+` FOR UPDATE OF o`)
	holdOrders = db.NewStatementFor(`SELECT id FROM orders WHERE id BETWEEN $1 AND $2 LIMIT 0`,
		`SELECT id FROM orders WHERE id BETWEEN $1 AND $2 ORDER BY id FOR UPDATE`)
	insertAddress = db.NewStatement(`INSERT INTO shipping_addresses (order_id, user_id, address)
		SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM erased_users WHERE user_id = $2)`)
	eraseAddress = db.NewStatement(`DELETE FROM shipping_addresses WHERE user_id = $1`)
	insertErased = db.NewStatement(`INSERT INTO erased_users (user_id, erased_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`)
)

func (o *Order) values() []any {
	return []any{
		o.ID, o.Number, o.UserID, o.Status, o.Currency, o.Items, o.Subtotal, o.ShippingTotal, o.TaxTotal,
		o.DiscountTotal, o.Total, string(o.Stock), o.PaymentStatus, o.Captured, o.Refunded, o.RefundIDs, o.FailureCode, o.FailureMessage,
		o.PlacedAt, o.UpdatedAt, o.Version,
	}
}

// InsertOrder adds the projection of a new order. The error of a number that
// is taken is one that db.IsUnique knows; it may be that of the Write.
func InsertOrder(ctx context.Context, tx *db.Tx, o *Order) error {
	if err := insertOrder.Later(ctx, tx, o.values()...); err != nil {
		return fmt.Errorf("insert order: %w", err)
	}
	return nil
}

// UpdateOrder writes what events after version made of an order: what was
// decided when it was placed stays. Errors, here or of the Write: ErrStale.
func UpdateOrder(ctx context.Context, tx *db.Tx, o *Order, version int64) error {
	if err := updateOrder.LaterOr(ctx, tx, ErrStale, o.Status, string(o.Stock), o.PaymentStatus, o.Captured, o.Refunded,
		o.RefundIDs, o.FailureCode, o.FailureMessage, o.UpdatedAt, o.Version, o.ID, version); err != nil {
		return fmt.Errorf("update order: %w", err)
	}
	return nil
}

// ReplaceOrder writes the whole projection of an order, made anew from the
// events up to its Version. It is false where there are more events by now.
func ReplaceOrder(ctx context.Context, tx *db.Tx, o *Order) (bool, error) {
	n, err := db.Affected(replaceOrder.Exec(ctx, tx, o.values()...))
	if err != nil {
		return false, fmt.Errorf("replace order: %w", err)
	}
	return n > 0, nil
}

// ReadOrder gives an order, where owner is not empty only one of theirs.
// Errors: orders.ErrOrderNotFound.
func ReadOrder(ctx context.Context, c db.Conn, id, owner string) (Order, error) {
	return scanOrder(readOrder.QueryRow(ctx, c, id, owner))
}

// HoldOrder is ReadOrder for who is about to change it: nobody else does until
// the transaction ends. Errors: orders.ErrOrderNotFound.
func HoldOrder(ctx context.Context, tx *db.Tx, id, owner string) (Order, error) {
	return scanOrder(holdOrder.QueryRow(ctx, tx, id, owner))
}

// HoldOrders lets nobody else change orders whose ids are from first to last
// until the transaction ends.
func HoldOrders(ctx context.Context, tx *db.Tx, first, last string) error {
	if _, err := holdOrders.Exec(ctx, tx, first, last); err != nil {
		return fmt.Errorf("hold orders: %w", err)
	}
	return nil
}

func scanOrder(row db.Row) (o Order, err error) {
	err = row.Scan(&o.ID, &o.Number, &o.UserID, &o.Status, &o.Currency, &o.Items, &o.Subtotal, &o.ShippingTotal, &o.TaxTotal,
		&o.DiscountTotal, &o.Total, &o.Stock, &o.PaymentStatus, &o.Captured, &o.Refunded, &o.RefundIDs, &o.FailureCode, &o.FailureMessage,
		&o.PlacedAt, &o.UpdatedAt, &o.Version, &o.Address)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Order{}, orders.ErrOrderNotFound
	case err != nil:
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// Filter chooses orders for a list. Empty fields choose nothing.
type Filter struct {
	// Owner is whose orders may be seen at all; empty is everybody's.
	Owner                     string
	UserID, Status            string
	PlacedAfter, PlacedBefore db.Time
	// Last is the last order of the page before.
	Last Position
}

// Position is where an order stands in a list, the newest first.
type Position struct {
	PlacedAt db.Time
	ID       string
}

// ListOrders gives orders, the newest first, at most limit.
func ListOrders(ctx context.Context, c db.Conn, f Filter, limit int) ([]Order, error) {
	var list []Order
	if err := listQuery(c, f, limit).Model(&list).Scan(ctx); err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return list, nil
}

func listQuery(c db.Conn, f Filter, limit int) *bun.SelectQuery {
	q := c.NewSelect().Model((*Order)(nil)).ColumnExpr("o.*").ColumnExpr("a.address").
		Join("LEFT JOIN shipping_addresses AS a ON a.order_id = o.id").
		OrderExpr("o.placed_at DESC, o.id DESC").Limit(int64(limit))
	if f.Owner != "" {
		q = q.Where("o.user_id = ?", f.Owner)
	}
	if f.UserID != "" {
		q = q.Where("o.user_id = ?", f.UserID)
	}
	if f.Status != "" {
		q = q.Where("o.status = ?", f.Status)
	}
	if !f.PlacedAfter.IsZero() {
		q = q.Where("o.placed_at > ?", f.PlacedAfter)
	}
	if !f.PlacedBefore.IsZero() {
		q = q.Where("o.placed_at < ?", f.PlacedBefore)
	}
	if f.Last.ID != "" {
		q = q.Where("(o.placed_at, o.id) < (?, ?)", f.Last.PlacedAt, f.Last.ID)
	}
	return q
}

// InsertAddress keeps where an order goes, unless its user was erased.
func InsertAddress(ctx context.Context, tx *db.Tx, orderID, userID string, a orders.ShippingAddress) error {
	// An erasure at the same time either is seen here or sees this.
	if err := tx.LockSharedLater("user/" + userID); err != nil {
		return err
	}
	if err := insertAddress.Later(ctx, tx, orderID, userID, db.NewJSON(a)); err != nil {
		return fmt.Errorf("insert shipping address: %w", err)
	}
	return nil
}

// EraseUser deletes the shipping addresses and carts of a user, for good; the
// orders stay.
func EraseUser(ctx context.Context, tx *db.Tx, userID string, now db.Time) error {
	if err := tx.Lock(ctx, "user/"+userID); err != nil {
		return err
	}
	if _, err := insertErased.Exec(ctx, tx, userID, now); err != nil {
		return fmt.Errorf("erase user: %w", err)
	}
	for _, s := range []*db.Statement{eraseAddress, eraseCarts} {
		if _, err := s.Exec(ctx, tx, userID); err != nil {
			return fmt.Errorf("erase user: %w", err)
		}
	}
	return nil
}

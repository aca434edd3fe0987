package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stoa/modules/orders"
	"stoa/platform/db"
)

// Cart is what somebody is about to buy.
type Cart struct {
	ID, UserID string
	Currency   string
	OrderID    string // the order it became; empty while it is open
	Version    int64
	CreatedAt  db.Time
	UpdatedAt  db.Time
	ExpiresAt  db.Time
	Items      []CartItem // the first put in first
}

// CartItem is a line of a cart. Price is in minor units of Currency.
type CartItem struct {
	SKU       string
	Quantity  int64
	ProductID string
	Title     string
	Price     int64
	Currency  string
	AddedAt   db.Time
}

var (
	insertCart = db.NewStatement(`INSERT INTO carts (id, user_id, currency, version, created_at, updated_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	readCart = db.NewStatement(`SELECT id, user_id, currency, order_id, version, created_at, updated_at, expires_at
		FROM carts WHERE id = $1 AND (user_id = '' OR user_id = $2) AND expires_at > $3`)
	readCartItems = db.NewStatement(`SELECT sku, quantity, product_id, title, price, currency, added_at
		FROM cart_items WHERE cart_id = $1 ORDER BY added_at, sku`)
	touchCart = db.NewStatement(`UPDATE carts SET version = version + 1, updated_at = $1, expires_at = $2
		WHERE id = $3 AND version = $4 AND order_id = ''`)
	checkOutCart = db.NewStatement(`UPDATE carts SET order_id = $1, updated_at = $2
		WHERE id = $3 AND version = $4 AND order_id = ''`)
	reopenCart = db.NewStatement(`UPDATE carts SET order_id = '', updated_at = $1, expires_at = $2
		WHERE id = $3 AND order_id = $4`)
	putCartItem = db.NewStatement(`INSERT INTO cart_items (cart_id, sku, quantity, product_id, title, price, currency, added_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (cart_id, sku) DO UPDATE SET quantity = excluded.quantity,
		product_id = excluded.product_id, title = excluded.title, price = excluded.price, currency = excluded.currency`)
	deleteCartItem = db.NewStatement(`DELETE FROM cart_items WHERE cart_id = $1 AND sku = $2`)
	sweepCarts     = db.NewStatement(`DELETE FROM carts WHERE id IN (SELECT id FROM carts WHERE expires_at <= $1 LIMIT $2)
		AND expires_at <= $1`)  // again, for one that was put off while this waited for it
	eraseCarts = db.NewStatement(`DELETE FROM carts WHERE user_id = $1`)
)

// InsertCart adds an empty cart.
func InsertCart(ctx context.Context, tx *db.Tx, c Cart) error {
	if _, err := insertCart.Exec(ctx, tx, c.ID, c.UserID, c.Currency, c.Version, c.CreatedAt, c.UpdatedAt, c.ExpiresAt); err != nil {
		return fmt.Errorf("insert cart: %w", err)
	}
	return nil
}

// ReadCart gives a cart with its lines: a stranger's, or one of the user's. Run
// it on a snapshot or a transaction. Errors: orders.ErrCartNotFound, also where
// it has expired or is somebody else's.
func ReadCart(ctx context.Context, c db.Conn, id, userID string, now db.Time) (cart Cart, err error) {
	err = readCart.QueryRow(ctx, c, id, userID, now).Scan(&cart.ID, &cart.UserID, &cart.Currency, &cart.OrderID,
		&cart.Version, &cart.CreatedAt, &cart.UpdatedAt, &cart.ExpiresAt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Cart{}, orders.ErrCartNotFound
	case err != nil:
		return Cart{}, fmt.Errorf("read cart: %w", err)
	}
	rows, err := readCartItems.Query(ctx, c, id)
	if err != nil {
		return Cart{}, fmt.Errorf("read cart: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i CartItem
		if err := rows.Scan(&i.SKU, &i.Quantity, &i.ProductID, &i.Title, &i.Price, &i.Currency, &i.AddedAt); err != nil {
			return Cart{}, fmt.Errorf("read cart: %w", err)
		}
		cart.Items = append(cart.Items, i)
	}
	return cart, rows.Err()
}

// TouchCart makes a new version of an open cart and puts off its end. Errors:
// ErrStale where it is not open at this version any more.
func TouchCart(ctx context.Context, tx *db.Tx, id string, version int64, now, expires db.Time) error {
	return changed(touchCart.Exec(ctx, tx, now, expires, id, version))
}

// CheckOutCart says that a cart became an order. Errors: ErrStale where it is
// not open at this version any more.
func CheckOutCart(ctx context.Context, tx *db.Tx, id string, version int64, orderID string, now db.Time) error {
	return changed(checkOutCart.Exec(ctx, tx, orderID, now, id, version))
}

// ReopenCart has the cart that became an order open again, where it still is
// there. Its version stays: what it holds has not changed.
func ReopenCart(ctx context.Context, tx *db.Tx, id, orderID string, now, expires db.Time) error {
	if _, err := reopenCart.Exec(ctx, tx, now, expires, id, orderID); err != nil {
		return fmt.Errorf("reopen cart: %w", err)
	}
	return nil
}

// PutCartItem puts a line into a cart, or changes it.
func PutCartItem(ctx context.Context, tx *db.Tx, cartID string, i CartItem) error {
	if _, err := putCartItem.Exec(ctx, tx, cartID, i.SKU, i.Quantity, i.ProductID, i.Title, i.Price, i.Currency, i.AddedAt); err != nil {
		return fmt.Errorf("put cart item: %w", err)
	}
	return nil
}

// DeleteCartItem takes a line out of a cart.
func DeleteCartItem(ctx context.Context, tx *db.Tx, cartID, sku string) error {
	if _, err := deleteCartItem.Exec(ctx, tx, cartID, sku); err != nil {
		return fmt.Errorf("delete cart item: %w", err)
	}
	return nil
}

// SweepCarts deletes expired carts, at most limit, and gives how many there were.
func SweepCarts(ctx context.Context, tx *db.Tx, now db.Time, limit int) (int64, error) {
	n, err := db.Affected(sweepCarts.Exec(ctx, tx, now, limit))
	if err != nil {
		return 0, fmt.Errorf("sweep carts: %w", err)
	}
	return n, nil
}

// changed gives ErrStale where a statement changed no row.
func changed(result sql.Result, err error) error {
	n, err := db.Affected(result, err)
	switch {
	case err != nil:
		return fmt.Errorf("change cart: %w", err)
	case n == 0:
		return ErrStale
	}
	return nil
}

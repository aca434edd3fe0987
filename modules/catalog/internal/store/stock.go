package store

import (
	"context"
	"database/sql"
	"time"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// MaxOnHand is how many of one SKU there may be.
const MaxOnHand = 1_000_000_000_000

// Stock is how many of a SKU there are.
type Stock struct {
	SKU      string
	Product  int64 // number of the product whose variant it is; 0 where the variant is gone
	OnHand   int64
	Reserved int64
}

// Available is what can still be reserved.
func (s Stock) Available() int64 { return s.OnHand - s.Reserved }

var (
	getStock = db.NewStatement(`SELECT sku, product, on_hand, reserved FROM stock WHERE sku = $1`)
	hold     = db.NewStatement(`UPDATE stock SET reserved = reserved + $2
		WHERE sku = $1 AND product IS NOT NULL AND on_hand - reserved >= $2 RETURNING sku, product, on_hand, reserved`)
	free = db.NewStatement(`UPDATE stock SET reserved = reserved - $2
		WHERE sku = $1 RETURNING sku, product, on_hand, reserved`)
	sell = db.NewStatement(`UPDATE stock SET on_hand = on_hand - $2, reserved = reserved - $2 WHERE sku = $1`)
	move = db.NewStatement(`UPDATE stock SET on_hand = on_hand + $2
		WHERE sku = $1 AND on_hand + $2 BETWEEN reserved AND 1000000000000 RETURNING sku, product, on_hand, reserved`)
	stockOf = newLookup(0, `SELECT sku, product, on_hand, reserved FROM stock WHERE sku IN ($in)`)
)

func scanStock(r row) (Stock, error) {
	var (
		s       Stock
		product sql.NullInt64
	)
	err := r.Scan(&s.SKU, &product, &s.OnHand, &s.Reserved)
	s.Product = product.Int64
	return s, err
}

func changeStock(ctx context.Context, tx *db.Tx, change *db.Statement, sku string, quantity int64) (Stock, bool, error) {
	s, err := scanStock(change.QueryRow(ctx, tx, sku, quantity))
	ok, err := found(err)
	return s, ok, err
}

// GetStock gives how many of a SKU there are; false where nothing is known of it.
func GetStock(ctx context.Context, c db.Conn, sku string) (Stock, bool, error) {
	s, err := scanStock(getStock.QueryRow(ctx, c, sku))
	ok, err := found(err)
	return s, ok, err
}

// StockOf gives how many of each SKU there are; those of which nothing is known
// are left out.
func StockOf(ctx context.Context, c db.Conn, skus []string) (map[string]Stock, error) {
	all := make(map[string]Stock, len(skus))
	err := stockOf.query(ctx, c, anys(skus), func(rows *sql.Rows) error {
		s, err := scanStock(rows)
		all[s.SKU] = s
		return err
	})
	return all, err
}

// Hold reserves some of several variants, in their order, and gives what there
// is of each afterwards. It is as far as it came where there is no such variant
// or fewer are available.
func Hold(ctx context.Context, tx *db.Tx, items []catalog.Item) ([]Stock, error) {
	args := make([][]any, len(items))
	for i, item := range items {
		args[i] = []any{item.SKU, item.Quantity}
	}
	held := make([]Stock, 0, len(items))
	_, err := found(hold.QueryRows(ctx, tx, args, func(i int, r db.Row) error {
		s, err := scanStock(r)
		if err == nil {
			crossed(tx, s, s.Available()+items[i].Quantity)
			held = append(held, s)
		}
		return err
	}))
	return held, err
}

// Free gives back what is reserved.
func Free(ctx context.Context, tx *db.Tx, sku string, quantity int64) (Stock, error) {
	s, ok, err := changeStock(ctx, tx, free, sku, quantity)
	if err != nil || !ok {
		return s, err
	}
	crossed(tx, s, s.Available()-quantity)
	return s, nil
}

// Sell takes out what is reserved. What is available stays the same.
func Sell(ctx context.Context, tx *db.Tx, sku string, quantity int64) error {
	return sell.Later(ctx, tx, sku, quantity)
}

// Move changes what is on hand; false where nothing is known of the SKU, fewer
// would be there than are reserved, or more than MaxOnHand.
func Move(ctx context.Context, tx *db.Tx, sku string, quantity int64) (Stock, bool, error) {
	s, ok, err := changeStock(ctx, tx, move, sku, quantity)
	if err != nil || !ok {
		return s, ok, err
	}
	crossed(tx, s, s.Available()-quantity)
	return s, true, nil
}

// Movement is a line of the ledger.
type Movement struct {
	SKU      string
	ID       string
	Kind     string
	Quantity int64
	OrderID  string
	Reason   string
	At       time.Time
}

// The kinds of movements.
const (
	MovementAdjustment = "adjustment"
	MovementImport     = "import"
	MovementSale       = "sale"
	MovementReturn     = "return"
)

var (
	insertMovements = newBulk(`INSERT INTO movements (sku, id, kind, quantity, order_id, reason, at)`, "text text text bigint text text bigint", "")
	listMovements   = db.NewStatement(`SELECT sku, id, kind, quantity, order_id, reason, at FROM movements
		WHERE sku = $1 AND id < $2 ORDER BY id DESC LIMIT $3 + 0`)
	getMovement = db.NewStatement(`SELECT sku, id, kind, quantity, order_id, reason, at FROM movements WHERE sku = $1 AND id = $2`)
)

// AddMovements writes lines into the ledger. It does not change the stock.
func AddMovements(ctx context.Context, tx *db.Tx, lines []Movement) error {
	args := make([]any, 0, 7*len(lines))
	for _, m := range lines {
		args = append(args, m.SKU, m.ID, m.Kind, m.Quantity, m.OrderID, m.Reason, db.NewTime(m.At))
	}
	return insertMovements.insert(ctx, tx, args)
}

func scanMovement(r row) (Movement, error) {
	var (
		m  Movement
		at db.Time
	)
	err := r.Scan(&m.SKU, &m.ID, &m.Kind, &m.Quantity, &m.OrderID, &m.Reason, &at)
	m.At = at.Time
	return m, err
}

// afterAllIDs sorts after every UUID.
const afterAllIDs = "~"

// ListMovements gives a SKU's lines, the newest first, from the one after
// before on; from the newest where that is "".
func ListMovements(ctx context.Context, c db.Conn, sku, before string, limit int) ([]Movement, error) {
	if before == "" {
		before = afterAllIDs
	}
	lines := []Movement{}
	rows, err := listMovements.Query(ctx, c, sku, before, limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		m, err := scanMovement(rows)
		lines = append(lines, m)
		return err
	})
	return lines, err
}

// GetMovement gives one line; false where there is none.
func GetMovement(ctx context.Context, c db.Conn, sku, id string) (Movement, bool, error) {
	m, err := scanMovement(getMovement.QueryRow(ctx, c, sku, id))
	ok, err := found(err)
	return m, ok, err
}

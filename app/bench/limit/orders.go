package limit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"stoa/platform/clock"
)

// Orders says how much the raw limit of orders is to be put to.
type Orders struct {
	Callers   int
	Products  int // each caller has two of its own
	Warm, For time.Duration
}

// Placed is what came of Orders.
type Placed struct {
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50"`
	P99       time.Duration `json:"p99"`
}

// RawSchema makes the tables of the raw order: what any shop keeps at the least.
// SQLite and PostgreSQL both take it.
const RawSchema = `
CREATE TABLE raw_stock (sku INTEGER PRIMARY KEY, on_hand BIGINT NOT NULL CHECK (on_hand >= 0));
CREATE TABLE raw_orders (id TEXT PRIMARY KEY, buyer BIGINT NOT NULL, total BIGINT NOT NULL, placed_at BIGINT NOT NULL);
CREATE TABLE raw_lines (order_id TEXT NOT NULL, sku BIGINT NOT NULL, quantity BIGINT NOT NULL, price BIGINT NOT NULL, PRIMARY KEY (order_id, sku));
CREATE TABLE raw_events (order_id TEXT PRIMARY KEY, event TEXT NOT NULL);
`

// The raw order of two lines: four statements, prepared.
const (
	rawStock = `UPDATE raw_stock SET on_hand = on_hand - 1 WHERE sku IN (?, ?) AND on_hand > 0`
	rawOrder = `INSERT INTO raw_orders (id, buyer, total, placed_at) VALUES (?, ?, ?, ?)`
	rawLines = `INSERT INTO raw_lines (order_id, sku, quantity, price) VALUES (?, ?, 1, 1999), (?, ?, 1, 2999)`
	rawEvent = `INSERT INTO raw_events (order_id, event) VALUES (?, ?)`
)

// event is about as long as the event of an order.
const event = `{"type":"order_placed","currency":"USD","total":4998,"items":[{"sku":"first","quantity":1,"unit_price":1999},{"sku":"second","quantity":1,"unit_price":2999}]}`

// PlaceOrders has callers place raw orders in a fresh SQLite file below dir, each
// waiting until its order is on disk, and writes what came of it as JSON. One
// connection writes; whoever waits shares its transaction and its fsync.
func PlaceOrders(ctx context.Context, c clock.Clock, dir string, o Orders, out io.Writer) (err error) {
	w, err := openWriter(ctx, filepath.Join(dir, "raw-"+c.ID()+".db"), o.Callers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := &rawOrders{writer: w, clock: c}
	if err := r.prepare(ctx, o.Products); err != nil {
		return err
	}
	placed, err := r.measure(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(placed)
}

// rawOrders places orders through a writer.
type rawOrders struct {
	writer *writer
	clock  clock.Clock

	stock, order, lines, event *sql.Stmt
}

func (r *rawOrders) prepare(ctx context.Context, products int) error {
	conn := r.writer.conn
	if _, err := conn.ExecContext(ctx, RawSchema); err != nil {
		return err
	}
	fill := `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(products) + `)
		INSERT INTO raw_stock SELECT i, 1000000000 FROM n`
	if _, err := conn.ExecContext(ctx, fill); err != nil {
		return err
	}
	for _, s := range []struct {
		to   **sql.Stmt
		text string
	}{{&r.stock, rawStock}, {&r.order, rawOrder}, {&r.lines, rawLines}, {&r.event, rawEvent}} {
		var err error
		if *s.to, err = conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
	}
	return nil
}

func (r *rawOrders) measure(ctx context.Context, o Orders) (Placed, error) {
	return measure(r.clock, o.Callers, o.Warm, o.For, func(caller int) error {
		first, second := 2*caller%o.Products+1, (2*caller+1)%o.Products+1
		return r.writer.write(func() error { return r.place(ctx, caller, first, second) })
	})
}

func (r *rawOrders) place(ctx context.Context, buyer, first, second int) error {
	id := r.clock.ID()
	if _, err := r.stock.ExecContext(ctx, first, second); err != nil {
		return err
	}
	if _, err := r.order.ExecContext(ctx, id, buyer, 4998, r.clock.Now().UnixMicro()); err != nil {
		return err
	}
	if _, err := r.lines.ExecContext(ctx, id, first, id, second); err != nil {
		return err
	}
	_, err := r.event.ExecContext(ctx, id, event)
	return err
}

package limit

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

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
func PlaceOrders(ctx context.Context, c clock.Clock, dir string, o Orders, out io.Writer) error {
	path := filepath.Join(dir, "raw-"+c.ID()+".db")
	dsn := (&url.URL{Scheme: "file", Opaque: path, RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8192)"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	w := &rawWriter{queue: make(chan *rawJob, o.Callers), clock: c}
	if err := w.prepare(ctx, db, o.Products); err != nil {
		return err
	}
	placed, err := w.measure(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(placed)
}

// rawWriter owns the connection.
type rawWriter struct {
	clock clock.Clock
	queue chan *rawJob
	conn  *sql.Conn

	stock, order, lines, event *sql.Stmt
}

// rawJob is an order that a caller waits for.
type rawJob struct {
	id            string
	buyer         int
	first, second int
	done          chan error
}

func (w *rawWriter) prepare(ctx context.Context, db *sql.DB, products int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
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
	}{{&w.stock, rawStock}, {&w.order, rawOrder}, {&w.lines, rawLines}, {&w.event, rawEvent}} {
		if *s.to, err = conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
	}
	return nil
}

func (w *rawWriter) measure(ctx context.Context, o Orders) (Placed, error) {
	from := w.clock.Now().Add(o.Warm)
	until := from.Add(o.For)
	took := make([][]time.Duration, o.Callers)
	failed := make([]error, o.Callers)
	var callers sync.WaitGroup
	for i := range o.Callers {
		callers.Go(func() { took[i], failed[i] = w.call(i, o.Products, from, until) })
	}
	wrote := make(chan error, 1)
	go func() { wrote <- w.write(ctx) }()
	callers.Wait()
	close(w.queue)
	if err := <-wrote; err != nil {
		return Placed{}, err
	}
	for _, err := range failed {
		if err != nil {
			return Placed{}, err
		}
	}
	return summarise(took, o.For), nil
}

// call places orders one after the other until the time is up.
func (w *rawWriter) call(number, products int, from, until time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for began := w.clock.Now(); began.Before(until); {
		j := &rawJob{id: w.clock.ID(), buyer: number, first: 2*number%products + 1, second: (2*number+1)%products + 1, done: make(chan error, 1)}
		w.queue <- j
		if err := <-j.done; err != nil {
			return nil, err
		}
		ended := w.clock.Now()
		if !began.Before(from) && !ended.After(until) {
			took = append(took, ended.Sub(began))
		}
		began = ended
	}
	return took, nil
}

// write commits what waits together, until the queue is closed.
func (w *rawWriter) write(ctx context.Context) error {
	group := make([]*rawJob, 0, cap(w.queue))
	for first := range w.queue {
		group = append(group[:0], first)
	more:
		for {
			select {
			case j, open := <-w.queue:
				if !open {
					break more
				}
				group = append(group, j)
			default:
				break more
			}
		}
		err := w.commit(ctx, group)
		for _, j := range group {
			j.done <- err
		}
	}
	return nil
}

func (w *rawWriter) commit(ctx context.Context, group []*rawJob) error {
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, j := range group {
		if err := w.place(ctx, j); err != nil {
			return fmt.Errorf("place a raw order: %w", err)
		}
	}
	_, err := w.conn.ExecContext(ctx, "COMMIT")
	return err
}

func (w *rawWriter) place(ctx context.Context, j *rawJob) error {
	if _, err := w.stock.ExecContext(ctx, j.first, j.second); err != nil {
		return err
	}
	if _, err := w.order.ExecContext(ctx, j.id, j.buyer, 4998, w.clock.Now().UnixMicro()); err != nil {
		return err
	}
	if _, err := w.lines.ExecContext(ctx, j.id, j.first, j.id, j.second); err != nil {
		return err
	}
	_, err := w.event.ExecContext(ctx, j.id, event)
	return err
}

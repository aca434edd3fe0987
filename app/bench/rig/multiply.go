package rig

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"golang.org/x/sync/errgroup"
)

// again writes SQL that makes an id of its own for the copy k of what has an id:
// a UUID in whose last part k stands.
func again(id string) string {
	return "(substr(" + id + ", 1, 24) || printf('%06x', k) || substr(" + id + ", 31))"
}

// within writes SQL that puts the id of the copy where a text names that of the
// original.
func within(text, id string) string { return "replace(" + text + ", " + id + ", " + again(id) + ")" }

// copied says what of a table is different in a copy; all other columns are the
// same.
type copied struct {
	table string
	rows  string // which are copied, as SQL; empty is all
	set   map[string]string
}

// grown are the tables that grow with orders, by database. Copies are an hour
// older each. What is over and done with, such as events that were sent, keeps
// its text: nobody reads that any more, it is only there.
var grown = map[string][]copied{
	"orders.db": {
		{table: "orders", set: map[string]string{
			"id": again("id"), "number": "number || '-' || k", "user_id": again("user_id"),
			"placed_at": "placed_at - k * 3600000000", "updated_at": "updated_at - k * 3600000000",
		}},
		{table: "order_events", set: map[string]string{
			"order_id": again("order_id"), "data": within("data", "order_id"), "at": "at - k * 3600000000",
		}},
		{table: "shipping_addresses", set: map[string]string{"order_id": again("order_id"), "user_id": again("user_id")}},
		{table: "sagas", set: map[string]string{"id": again("id")}},
		outboxCopy, sequencesCopy, inboxCopy,
	},
	"catalog.db": {
		{table: "reservations", set: map[string]string{"order_id": again("order_id")}},
		{table: "movements", rows: "order_id <> ''", set: map[string]string{"id": again("id"), "order_id": again("order_id")}},
		inboxCopy,
	},
	"payments.db": {
		{table: "payments", set: map[string]string{"order_id": again("order_id"), "id": again("id")}},
		{table: "attempts", set: map[string]string{"order_id": again("order_id")}},
		{table: "ledger", set: map[string]string{"order_id": again("order_id")}},
		outboxCopy, sequencesCopy, inboxCopy,
	},
}

var (
	outboxCopy = copied{table: "outbox", rows: "sent_at IS NOT NULL", set: map[string]string{
		"position": "(SELECT max(position) FROM base.outbox) * k + position", "event_id": again("event_id"),
		"aggregate": again("aggregate"),
	}}
	sequencesCopy = copied{table: "outbox_sequences", set: map[string]string{"aggregate": again("aggregate")}}
	inboxCopy     = copied{table: "inbox", rows: "state = 'done'", set: map[string]string{
		"position": "(SELECT max(position) FROM base.inbox) * k + position", "event_id": again("event_id"),
		"aggregate": again("aggregate"),
	}}
)

// Multiply makes a data directory in which there are times as many orders as in
// another, at least twice, whose shop does not run. It does so inside SQLite, which takes a tiny
// part of the time that placing them takes: every row that came of an order
// is copied under other ids. What is measured on it is read and written by the
// shop alone.
func (r *Rig) Multiply(ctx context.Context, from string, times int) (string, error) {
	to, err := r.Copy(from)
	if err != nil {
		return "", err
	}
	g, ctx := errgroup.WithContext(ctx)
	for file, tables := range grown {
		g.Go(func() error {
			if err := multiply(ctx, filepath.Join(to, file), filepath.Join(from, file), tables, times); err != nil {
				return fmt.Errorf("multiply %s: %w", file, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return "", errors.Join(err, os.RemoveAll(to))
	}
	return to, nil
}

// ordersIn counts the orders in a data directory.
func ordersIn(ctx context.Context, data string) (n int, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "orders.db"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&n)
	return n, err
}

func multiply(ctx context.Context, file, base string, tables []copied, times int) (err error) {
	dsn := (&url.URL{Scheme: "file", Opaque: file, RawQuery: url.Values{
		"_pragma": {"synchronous(OFF)", "journal_mode(OFF)", "cache_size(-524288)"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "ATTACH ? AS base", base); err != nil {
		return err
	}
	for _, t := range tables {
		columns, err := columnsOf(ctx, db, t.table)
		if err != nil {
			return err
		}
		values := make([]string, len(columns))
		for i, c := range columns {
			values[i] = c
			if other, ok := t.set[c]; ok {
				values[i] = other
			}
		}
		where := ""
		if t.rows != "" {
			where = " WHERE " + t.rows
		}
		statement := fmt.Sprintf(`WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k + 1 < ?)
			INSERT INTO main.%s (%s) SELECT %s FROM base.%s CROSS JOIN n%s`,
			t.table, strings.Join(columns, ", "), strings.Join(values, ", "), t.table, where)
		if _, err := db.ExecContext(ctx, statement, times); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	return nil
}

func columnsOf(ctx context.Context, db *sql.DB, table string) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var columns []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		columns = append(columns, name)
	}
	return columns, rows.Err()
}

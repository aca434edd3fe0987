package limit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"stoa/platform/clock"
)

// WriteRowsPostgres is WriteRows on PostgreSQL: Path of each of the files is the
// name of a schema in the database at a URL, and every caller has a connection. A
// record's part of a schema goes to the server at once, prepared, and is one
// transaction; where there are Steps, equal parts of it are one each. The copies
// are gone when it returns.
func WriteRowsPostgres(ctx context.Context, c clock.Clock, url string, r Rows, out io.Writer) (err error) {
	conns := make([]*pgx.Conn, r.Callers)
	for i := range conns {
		if conns[i], err = pgx.Connect(ctx, url); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conns[i].Close(context.WithoutCancel(ctx))) }()
	}
	var schemas [][]*pgTable
	for _, of := range r.Files {
		copied := "raw_" + of.Path
		if _, err := conns[0].Exec(ctx, "CREATE SCHEMA "+copied); err != nil {
			return err
		}
		defer func() {
			_, dropped := conns[0].Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+copied+" CASCADE")
			err = errors.Join(err, dropped)
		}()
		var tables []*pgTable
		for _, t := range of.Tables {
			table, err := copyPgTable(ctx, conns, of.Path, copied, t)
			if err != nil {
				return fmt.Errorf("rows of %s.%s: %w", of.Path, t.Name, err)
			}
			tables = append(tables, table)
		}
		schemas = append(schemas, tables)
	}
	var next atomic.Int64
	placed, err := measure(c, r.Callers, r.Warm, r.For, func(caller int) error {
		record := int(next.Add(1)) - 1
		if record >= r.Records {
			return errEnough
		}
		for _, tables := range schemas {
			if err := writePgRows(ctx, conns[caller], rowsOfRecord(tables, record, r.Records), max(1, r.Steps)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(placed)
}

type pgTable struct {
	insert string // the name under which it is prepared
	rows   [][]any
}

// copyPgTable makes a table with its indexes, and reads its rows.
func copyPgTable(ctx context.Context, conns []*pgx.Conn, from, to string, of RowsTable) (*pgTable, error) {
	if _, err := conns[0].Exec(ctx, fmt.Sprintf("CREATE TABLE %s.%s (LIKE %s.%s INCLUDING ALL)", to, of.Name, from, of.Name)); err != nil {
		return nil, err
	}
	query := fmt.Sprintf("SELECT * FROM %s.%s", from, of.Name)
	if of.Where != "" {
		query += " WHERE " + of.Where
	}
	rows, err := conns[0].Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &pgTable{insert: to + "." + of.Name}
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		t.rows = append(t.rows, row)
	}
	columns := len(rows.FieldDescriptions())
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	places := make([]string, columns)
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	for _, conn := range conns {
		if _, err := conn.Prepare(ctx, t.insert, fmt.Sprintf("INSERT INTO %s OVERRIDING SYSTEM VALUE VALUES (%s)", t.insert, strings.Join(places, ", "))); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// pgRow is a row and the statement that inserts it.
type pgRow struct {
	insert string
	values []any
}

// rowsOfRecord gives a record's part of a schema.
func rowsOfRecord(tables []*pgTable, record, records int) (list []pgRow) {
	for _, t := range tables {
		for _, row := range t.rows[record*len(t.rows)/records : (record+1)*len(t.rows)/records] {
			list = append(list, pgRow{t.insert, row})
		}
	}
	return list
}

// writePgRows writes rows in so many steps: what is sent at once is one
// transaction.
func writePgRows(ctx context.Context, conn *pgx.Conn, rows []pgRow, steps int) error {
	for step := range steps {
		var batch pgx.Batch
		for _, row := range rows[step*len(rows)/steps : (step+1)*len(rows)/steps] {
			batch.Queue(row.insert, row.values...)
		}
		if batch.Len() == 0 {
			continue
		}
		if err := conn.SendBatch(ctx, &batch).Close(); err != nil {
			return err
		}
	}
	return nil
}

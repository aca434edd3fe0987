package limit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"stoa/platform/clock"
)

// Rows says which rows of another program's databases are to be written anew.
type Rows struct {
	Callers   int
	Warm, For time.Duration
	// Records is how many records the rows are of; each has an equal part of
	// every table. A record is written file by file.
	Records int
	Files   []RowsOf
	// Steps is in how many transactions each file's part of a record is written on
	// PostgreSQL, one after another; 0 is one.
	Steps int
}

// RowsOf are tables of a SQLite file.
type RowsOf struct {
	Path   string
	Tables []RowsTable
}

// RowsTable is a table, and which of its rows, as SQL; empty is all.
type RowsTable struct{ Name, Where string }

// WriteRows has callers write records into fresh SQLite files below dir that have
// the same tables and indexes: each row once, in one transaction for each file,
// shared with whoever waits. It writes what came of it as JSON. It is the least
// that a program does which keeps the same rows: nothing is worked out, read or
// changed.
func WriteRows(ctx context.Context, c clock.Clock, dir string, r Rows, out io.Writer) (err error) {
	var files []*rowsFile
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.writer.close())
		}
	}()
	for _, of := range r.Files {
		f, err := openRows(ctx, filepath.Join(dir, filepath.Base(of.Path)), of, r)
		if err != nil {
			return fmt.Errorf("rows of %s: %w", of.Path, err)
		}
		files = append(files, f)
	}
	var next atomic.Int64
	placed, err := measure(c, r.Callers, r.Warm, r.For, func(int) error {
		record := int(next.Add(1)) - 1
		if record >= r.Records {
			return errEnough
		}
		for _, f := range files {
			if err := f.write(ctx, record); err != nil {
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

// rowsFile is a file that is written.
type rowsFile struct {
	writer  *writer
	records int
	tables  []*rowsTable
}

type rowsTable struct {
	insert *sql.Stmt
	rows   [][]any
}

func openRows(ctx context.Context, path string, of RowsOf, r Rows) (f *rowsFile, err error) {
	from, err := sql.Open("sqlite", "file:"+of.Path+"?_pragma=query_only(ON)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	w, err := openWriter(ctx, path, r.Callers)
	if err != nil {
		return nil, err
	}
	f = &rowsFile{writer: w, records: r.Records}
	for _, of := range of.Tables {
		t, err := f.copyTable(ctx, from, of)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		f.tables = append(f.tables, t)
	}
	return f, nil
}

// copyTable makes a table with its indexes and reads its rows.
func (f *rowsFile) copyTable(ctx context.Context, from *sql.DB, of RowsTable) (t *rowsTable, err error) {
	made, err := texts(ctx, from, "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL AND type IN ('table', 'index') ORDER BY type DESC", of.Name)
	if err != nil {
		return nil, err
	}
	for _, statement := range made { // "table" comes before "index"
		if _, err := f.writer.conn.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	columns, err := texts(ctx, from, "SELECT name FROM pragma_table_info(?)", of.Name)
	if err != nil {
		return nil, err
	}
	t = &rowsTable{}
	if t.insert, err = f.writer.conn.PrepareContext(ctx, "INSERT INTO "+of.Name+" VALUES (?"+strings.Repeat(", ?", len(columns)-1)+")"); err != nil {
		return nil, err
	}
	query := "SELECT * FROM " + of.Name
	if of.Where != "" {
		query += " WHERE " + of.Where
	}
	rows, err := from.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		t.rows = append(t.rows, row)
	}
	return t, rows.Err()
}

// write writes a record's part of every table.
func (f *rowsFile) write(ctx context.Context, record int) error {
	return f.writer.write(func() error {
		for _, t := range f.tables {
			for _, row := range t.rows[record*len(t.rows)/f.records : (record+1)*len(t.rows)/f.records] {
				if _, err := t.insert.ExecContext(ctx, row...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func texts(ctx context.Context, db *sql.DB, query, arg string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

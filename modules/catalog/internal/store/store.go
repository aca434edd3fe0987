// Package store is the catalog's tables: plain functions that run on any
// db.Conn, each a statement or a few.
//
// The catalog's service is its only importer. It knows no rule of the shop
// beyond what keeps the tables true to each other: that nothing is oversold,
// that the ledger adds up, and that listings show what the product says.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"stoa/platform/db"
)

// A limit that is an argument is written "LIMIT $n + 0": SQLite plans a bare
// one anew at every execution, which costs more than most statements.

// each calls scan for every row and closes them.
func each(rows *sql.Rows, err error, scan func(rows *sql.Rows) error) (failed error) {
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row is one row: *sql.Rows at one, or db.Row.
type row interface{ Scan(dest ...any) error }

// found turns the absence of a row into false.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// maxIn is how many values one statement looks up at most.
const maxIn = 128

// lookup is a statement with a list of values, IN (…), prepared for some
// lengths of it: a shorter list is filled up with its last value.
type lookup struct {
	fixed      int // arguments before the list
	statements []*db.Statement
}

// newLookup declares one. The list stands in the query as "$in"; the arguments
// before it are $1 to $fixed.
func newLookup(fixed int, query string) *lookup {
	l := &lookup{fixed: fixed}
	for n := 1; n <= maxIn; n *= 2 {
		l.statements = append(l.statements, db.NewStatement(strings.ReplaceAll(query, "$in", placeholders(fixed+1, n))))
	}
	return l
}

// query looks all values up, in as many statements as that takes.
func (l *lookup) query(ctx context.Context, c db.Conn, values []any, scan func(rows *sql.Rows) error, fixed ...any) error {
	for len(values) > 0 {
		part := values[:min(len(values), maxIn)]
		values = values[len(part):]
		i, n := 0, 1
		for n < len(part) {
			i, n = i+1, n*2
		}
		args := make([]any, 0, len(fixed)+n)
		args = append(append(args, fixed...), part...)
		for len(args) < len(fixed)+n {
			args = append(args, part[len(part)-1])
		}
		rows, err := l.statements[i].Query(ctx, c, args...)
		if err := each(rows, err, scan); err != nil {
			return err
		}
	}
	return nil
}

// bulk is an INSERT of many rows, prepared for some numbers of them.
type bulk struct {
	columns    int
	sizes      []int // in rows
	statements []*db.Statement
}

// maxBulk is how many arguments one statement takes at most: SQLite finds the
// name of each by looking through those before it.
const maxBulk = 128

// newBulk declares one: the statement up to VALUES, how many columns it has,
// and what follows the rows.
func newBulk(head string, columns int, tail string) *bulk {
	b := &bulk{columns: columns}
	for size := 64; size >= 1; size /= 2 {
		if size*columns > maxBulk {
			continue
		}
		rows := make([]string, size)
		for i := range rows {
			rows[i] = "(" + placeholders(1+i*columns, columns) + ")"
		}
		b.sizes = append(b.sizes, size)
		b.statements = append(b.statements, db.NewStatement(head+" VALUES "+strings.Join(rows, ", ")+" "+tail))
	}
	return b
}

// insert inserts rows, their values one after the other in args.
func (b *bulk) insert(ctx context.Context, c db.Conn, args []any) error {
	for i, rows := range b.sizes {
		size := rows * b.columns
		for len(args) >= size {
			if _, err := b.statements[i].Exec(ctx, c, args[:size]...); err != nil {
				return err
			}
			args = args[size:]
		}
	}
	return nil
}

// placeholders gives "$3, $4, $5" for first 3 and n 3.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}

// anys gives values as arguments.
func anys[T any](values []T) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}

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
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun/dialect"

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

// onPostgres tells whether there may be other writers.
func onPostgres(c db.Conn) bool { return c.Dialect().Name() == dialect.PG }

const (
	// maxIn is how many values one statement looks up at most in SQLite.
	maxIn = 128
	// maxPlanned is how many values PostgreSQL keeps a plan for. One for a list of
	// any length is worse than what it works out anew each time, which takes longer
	// than looking a few values up; and one that it has made of an empty table, it
	// would keep while an import fills that.
	maxPlanned = 8
)

// lookup is a statement with a list of values, IN ($in). It is prepared for some
// lengths of the list: a shorter one is filled up with its last value. PostgreSQL
// takes a long list as one argument.
type lookup struct {
	statements []*db.Statement
	whole      *db.Statement // of PostgreSQL
}

// newLookup declares one. The list stands in the query as "IN ($in)"; the
// arguments before it are $1 to $fixed.
func newLookup(fixed int, query string) *lookup {
	l := &lookup{whole: db.NewStatement(strings.ReplaceAll(query, "IN ($in)", "= ANY($"+strconv.Itoa(fixed+1)+")")).PlannedAnew()}
	for n := 1; n <= maxIn; n *= 2 {
		l.statements = append(l.statements, db.NewStatement(strings.ReplaceAll(query, "$in", placeholders(fixed+1, n))))
	}
	return l
}

// query looks all values up, in as many statements as that takes.
func (l *lookup) query(ctx context.Context, c db.Conn, values []any, scan func(rows *sql.Rows) error, fixed ...any) error {
	return l.run(c, values, fixed, func(s *db.Statement, args []any) error {
		rows, err := s.Query(ctx, c, args...)
		return each(rows, err, scan)
	})
}

// exec changes what has one of the values.
func (l *lookup) exec(ctx context.Context, c db.Conn, values []any, fixed ...any) error {
	return l.run(c, values, fixed, func(s *db.Statement, args []any) error {
		_, err := s.Exec(ctx, c, args...)
		return err
	})
}

func (l *lookup) run(c db.Conn, values, fixed []any, statement func(s *db.Statement, args []any) error) error {
	if len(values) > maxPlanned && onPostgres(c) {
		return statement(l.whole, append(slices.Clone(fixed), values))
	}
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
		if err := statement(l.statements[i], args); err != nil {
			return err
		}
	}
	return nil
}

// bulk is an INSERT of many rows. It is prepared for some numbers of them; of more
// than a few PostgreSQL takes each column as one argument.
type bulk struct {
	columns    int
	sizes      []int // in rows
	statements []*db.Statement
	whole      *db.Statement // of PostgreSQL
}

const (
	// maxBulk is how many arguments one statement of SQLite takes at most: more gain
	// nothing.
	maxBulk = 256
	// fewRows are what PostgreSQL takes row by row, for less.
	fewRows = 4
	// maxRows is how many rows one statement of PostgreSQL takes at most.
	maxRows = 4096
)

// newBulk declares one: the statement up to its rows, the types of its columns,
// and what follows the rows.
func newBulk(head, types, tail string) *bulk {
	columns := strings.Fields(types)
	b := &bulk{columns: len(columns)}
	arrays := make([]string, len(columns))
	for i, column := range columns {
		arrays[i] = fmt.Sprintf("CAST($%d AS %s[])", i+1, column)
	}
	b.whole = db.NewStatement(head + " SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") AS given " + tail)
	sqlite := head
	if tail == "" {
		// A row that fails ends the transaction, so SQLite need not remember what the
		// statement has changed before it.
		sqlite = strings.Replace(head, "INSERT INTO", "INSERT OR FAIL INTO", 1)
	}
	for size := 64; size >= 1; size /= 2 {
		if size*b.columns > maxBulk {
			continue
		}
		rows := make([]string, size)
		for i := range rows {
			rows[i] = "(" + placeholders(1+i*b.columns, b.columns) + ")"
		}
		b.sizes = append(b.sizes, size)
		values := " VALUES " + strings.Join(rows, ", ") + " " + tail
		b.statements = append(b.statements, db.NewStatementFor(sqlite+values, head+values))
	}
	return b
}

// insert inserts rows, their values one after the other in args. Its error may
// be that of the Write.
func (b *bulk) insert(ctx context.Context, tx *db.Tx, args []any) error {
	if onPostgres(tx) && len(args) > fewRows*b.columns {
		for part := range slices.Chunk(args, maxRows*b.columns) {
			if err := b.insertColumns(ctx, tx, part); err != nil {
				return err
			}
		}
		return nil
	}
	for i, rows := range b.sizes {
		size := rows * b.columns
		for len(args) >= size {
			if err := b.statements[i].Later(ctx, tx, args[:size]...); err != nil {
				return err
			}
			args = args[size:]
		}
	}
	return nil
}

func (b *bulk) insertColumns(ctx context.Context, tx *db.Tx, args []any) error {
	columns := make([]any, b.columns)
	for column := range columns {
		values := make([]any, 0, len(args)/b.columns)
		for i := column; i < len(args); i += b.columns {
			value := args[i]
			if v, ok := value.(driver.Valuer); ok {
				var err error
				if value, err = v.Value(); err != nil {
					return err
				}
			}
			values = append(values, value)
		}
		columns[column] = values
	}
	return b.whole.Later(ctx, tx, columns...)
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

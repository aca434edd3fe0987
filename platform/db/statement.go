package db

import (
	"context"
	"database/sql"
)

// Statement is SQL with $1, $2 … for its arguments, prepared once on each
// connection that runs it. Declare it at package level; it does not change.
type Statement struct{ sqlite, postgres string }

// NewStatement declares a statement that every kind of database understands.
func NewStatement(query string) *Statement { return &Statement{query, query} }

// NewStatementFor declares a statement that has to be said differently to each
// kind of database. The arguments are the same.
func NewStatementFor(sqlite, postgres string) *Statement { return &Statement{sqlite, postgres} }

// Exec runs a statement that gives no rows.
func (s *Statement) Exec(ctx context.Context, c Conn, args ...any) (sql.Result, error) {
	p, err := c.prepared(ctx, s)
	if err != nil {
		return nil, translate(err)
	}
	result, err := p.ExecContext(ctx, args...)
	return result, translate(err)
}

// Query runs a statement that gives rows. Close them.
func (s *Statement) Query(ctx context.Context, c Conn, args ...any) (*sql.Rows, error) {
	p, err := c.prepared(ctx, s)
	if err != nil {
		return nil, translate(err)
	}
	rows, err := p.QueryContext(ctx, args...)
	return rows, translate(err)
}

// QueryRow runs a statement that gives at most one row.
func (s *Statement) QueryRow(ctx context.Context, c Conn, args ...any) Row {
	p, err := c.prepared(ctx, s)
	if err != nil {
		return Row{err: translate(err)}
	}
	if p, ok := p.(pgStatement); ok && !p.finds(args) {
		return Row{err: sql.ErrNoRows}
	}
	return Row{row: p.QueryRowContext(ctx, args...)}
}

// Row is the answer of QueryRow.
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the row's columns. Errors: sql.ErrNoRows where there is none.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return translate(r.row.Scan(dest...))
}

// Affected gives how many rows a statement changed.
func Affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

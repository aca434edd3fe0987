package db

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
)

// Statement is SQL with $1, $2 … for its arguments, prepared once on each
// connection that runs it. Declare it at package level; it does not change.
type Statement struct {
	sqlite, postgres string
	anew             bool
}

// NewStatement declares a statement that every kind of database understands.
func NewStatement(query string) *Statement { return NewStatementFor(query, query) }

// NewStatementFor declares a statement that has to be said differently to each
// kind of database. The arguments are the same.
func NewStatementFor(sqlite, postgres string) *Statement {
	return &Statement{sqlite: sqlite, postgres: postgres}
}

// PlannedAnew gives the statement for Query and Exec as one that PostgreSQL makes
// a plan of each time: where the best depends on how many values an argument has,
// or one that was made of an empty table would be kept while that fills up.
func (s *Statement) PlannedAnew() *Statement {
	return &Statement{sqlite: s.sqlite, postgres: s.postgres, anew: true}
}

var argument = regexp.MustCompile(`\$[0-9]+`)

// forSQLite gives the text that is prepared. Where each argument stands once and
// in its order they have no names: of one that has, the driver asks for the name
// and looks for it every time.
func (s *Statement) forSQLite() string {
	for i, name := range argument.FindAllString(s.sqlite, -1) {
		if name != "$"+strconv.Itoa(i+1) {
			return s.sqlite
		}
	}
	return argument.ReplaceAllString(s.sqlite, "?")
}

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

// QueryRow runs a statement that gives at most one row. Scan it.
func (s *Statement) QueryRow(ctx context.Context, c Conn, args ...any) Row {
	p, err := c.prepared(ctx, s)
	if err != nil {
		return Row{err: translate(err)}
	}
	switch p := p.(type) {
	case pgTxStatement:
		return p.row(ctx, args)
	case pgStatement:
		if !p.finds(args) {
			return Row{err: sql.ErrNoRows}
		}
	}
	return Row{row: p.(onePrepared).QueryRowContext(ctx, args...)}
}

// QueryRows runs a statement that gives at most one row for each of several
// lists of arguments, and has each row scanned in turn, until that fails. On
// PostgreSQL all have been run by then, in one round trip.
func (s *Statement) QueryRows(ctx context.Context, tx *Tx, args [][]any, scan func(i int, r Row) error) error {
	_, ahead := tx.session.(*pgTx)
	rows := make([]Row, len(args))
	for i := range args {
		if ahead {
			rows[i] = s.QueryRow(ctx, tx, args[i]...)
		}
	}
	for i, row := range rows {
		if !ahead {
			row = s.QueryRow(ctx, tx, args[i]...)
		}
		if err := scan(i, row); err != nil {
			_ = row.Scan() // one that was not scanned holds the connection
			return err
		}
	}
	return nil
}

// Later runs a statement for which the caller need not wait. Its error is that
// of Later, of a later statement, or of the Write.
func (s *Statement) Later(ctx context.Context, tx *Tx, args ...any) error {
	return s.later(ctx, tx, nil, args)
}

// LaterOr is Later for a statement that is to change something: where it does
// not, the transaction fails with none.
func (s *Statement) LaterOr(ctx context.Context, tx *Tx, none error, args ...any) error {
	return s.later(ctx, tx, none, args)
}

func (s *Statement) later(ctx context.Context, tx *Tx, none error, args []any) error {
	p, err := tx.prepared(ctx, s)
	if err != nil {
		return translate(err)
	}
	if p, ok := p.(pgTxStatement); ok {
		return p.later(args, none)
	}
	result, err := p.ExecContext(ctx, args...)
	if err != nil || none == nil {
		return translate(err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return none
}

// Row is the answer of QueryRow.
type Row struct {
	row *sql.Row
	err error

	ctx context.Context
	tx  *pgTx
	ask *pgAsk
}

// Scan copies the row's columns. Errors: sql.ErrNoRows where there is none.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	if r.ask != nil {
		return r.tx.scan(r.ctx, r.ask, dest)
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

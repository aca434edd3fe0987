package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
)

// pgTx is a transaction on a connection. What nobody waits for (its beginning,
// locks, what is done Later) goes to the server with the next statement that
// somebody does wait for, at the latest with the commit: for statements as small
// as these the way there costs more than what is done at its end.
type pgTx struct {
	engine *pgEngine
	conn   bun.Conn
	raw    *pgx.Conn
	begun  bool
	queue  []*pgAsk
	failed error // the first; after it the server does nothing but roll back
	faulty *pgAsk
}

// pgAsk is a statement and, once it was run, what came of it.
type pgAsk struct {
	query    string
	args     []any
	none     error // what it is to change nothing
	done     bool
	err      error
	affected int64
	tag      string
	types    []pgconn.FieldDescription
	row      [][]byte // the first; nil where there is none
}

// ask queues a statement.
func (t *pgTx) ask(query string, args []any) (*pgAsk, error) {
	given, err := stored(nil, args)
	if err != nil {
		return nil, err
	}
	a := &pgAsk{query: query, args: given}
	t.queue = append(t.queue, a)
	return a, nil
}

// flush runs what is queued and gives the error of the first that failed.
func (t *pgTx) flush(ctx context.Context) error {
	queue := t.queue
	t.queue = nil
	if t.failed != nil {
		for _, a := range queue {
			a.done, a.err = true, t.failed
		}
		return t.failed
	}
	if !t.begun {
		queue = append([]*pgAsk{{query: "begin"}}, queue...)
		t.begun = true
	}
	if len(queue) == 0 {
		return nil
	}
	var batch pgx.Batch
	for _, a := range queue {
		batch.Queue(a.query, a.args...)
	}
	results := t.raw.SendBatch(ctx, &batch)
	for _, a := range queue {
		a.done = true
		if t.failed == nil {
			if err := a.read(results); err != nil {
				t.failed, t.faulty = fmt.Errorf("%s: %w", a.name(), ofPostgres(ctx, err)), a
			}
		}
		a.err = t.failed
	}
	if err := results.Close(); err != nil && t.failed == nil {
		t.failed = ofPostgres(ctx, err)
	}
	return t.failed
}

// read takes the statement's results off the connection.
func (a *pgAsk) read(results pgx.BatchResults) error {
	rows, err := results.Query()
	if err != nil {
		return a.said(err)
	}
	if rows.Next() {
		a.types = slices.Clone(rows.FieldDescriptions()) // the next statement has the same space
		a.row = make([][]byte, len(a.types))
		for i, value := range rows.RawValues() {
			if value != nil {
				a.row[i] = append([]byte{}, value...)
			}
		}
	}
	rows.Close() // the rest is of no use
	a.affected, a.tag = rows.CommandTag().RowsAffected(), rows.CommandTag().String()
	return a.said(rows.Err())
}

// said gives the error of a statement that was to change something its meaning.
func (a *pgAsk) said(err error) error {
	var e *pgconn.PgError
	if a.none != nil && errors.As(err, &e) && e.Code == "22012" { // a division by zero
		return a.none
	}
	return err
}

// name is how a statement begins.
func (a *pgAsk) name() string {
	words := strings.Fields(a.query)
	return strings.Join(words[:min(3, len(words))], " ")
}

// scan copies the first row, as Row.Scan does.
func (t *pgTx) scan(ctx context.Context, a *pgAsk, dest []any) error {
	if !a.done {
		_ = t.flush(ctx) // the statement knows
	}
	switch {
	case a.err != nil:
		return a.err
	case a.row == nil:
		return sql.ErrNoRows
	}
	return pgx.ScanRow(t.raw.TypeMap(), a.types, a.row, dest...)
}

func (t *pgTx) prepared(_ context.Context, s *Statement) (prepared, error) {
	return pgTxStatement{t, s.postgres, s.anew}, nil
}

func (t *pgTx) lock(key string, shared bool) error {
	query := "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
	if shared {
		query = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
	}
	_, err := t.ask(query, []any{t.engine.key(key)})
	return err
}

func (t *pgTx) relax(context.Context) error {
	_, err := t.ask("SET LOCAL synchronous_commit = off", nil)
	return err
}

func (t *pgTx) awaited() bool { return false }

// pgTxStatement is a statement in a transaction.
type pgTxStatement struct {
	tx    *pgTx
	query string
	anew  bool
}

func (s pgTxStatement) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	if !s.anew {
		return s.tx.exec(ctx, s.query, args)
	}
	if err := s.tx.flush(ctx); err != nil {
		return nil, err
	}
	return s.alone().ExecContext(ctx, args...)
}

// alone gives the statement for what comes after all that is queued.
func (s pgTxStatement) alone() pgStatement {
	return pgStatement{on: s.tx.conn.Conn, query: s.query, anew: s.anew}
}

func (s pgTxStatement) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	if err := s.tx.flush(ctx); err != nil {
		return nil, err
	}
	return s.alone().QueryContext(ctx, args...)
}

func (s pgTxStatement) row(ctx context.Context, args []any) Row {
	a, err := s.tx.ask(s.query, args)
	return Row{err: err, tx: s.tx, ask: a, ctx: ctx}
}

func (s pgTxStatement) later(args []any, none error) error {
	query := s.query
	if none != nil {
		query = orNone(query)
	}
	a, err := s.tx.ask(query, args)
	if err == nil {
		a.none = none
	}
	return err
}

// exec runs a statement and waits for it.
func (t *pgTx) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	a, err := t.ask(query, args)
	if err != nil {
		return nil, err
	}
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return driver.RowsAffected(a.affected), nil
}

// errWentOn says that a function made nothing of a statement that failed.
var errWentOn = errors.New("a statement failed and the transaction went on")

// commit ends the transaction with what is still queued. It is unknown what came
// of it where the connection is lost.
func (t *pgTx) commit(ctx context.Context) error {
	switch {
	case t.failed != nil:
		return fmt.Errorf("%s: %w: %w", t.engine.name, errWentOn, t.failed)
	case !t.begun && len(t.queue) == 0:
		return nil
	}
	a, err := t.ask("commit", nil)
	if err == nil {
		err = t.flush(ctx)
	}
	switch {
	case err != nil && t.faulty == a:
		return t.engine.writer.failed("commit", err)
	case err != nil:
		return err
	case a.tag != "COMMIT":
		return fmt.Errorf("%s: %w", t.engine.name, errWentOn)
	}
	return nil
}

// rollback forgets what is queued and undoes the rest. Where that fails the
// connection is broken, and all of it gone.
func (t *pgTx) rollback(ctx context.Context) {
	t.queue = nil
	if t.begun && !t.raw.IsClosed() {
		_, _ = t.raw.Exec(ctx, "rollback")
	}
}

// orNone is a statement that fails where it would change nothing: whoever queued
// it need not look before the commit.
func orNone(query string) string {
	return "WITH changed AS (" + query + " RETURNING 1) SELECT 1 / count(*) FROM changed"
}

// pgTxConn is what bun runs on: it comes after all that is queued.
type pgTxConn struct {
	bun.Conn
	tx *pgTx
	db *bun.DB
}

// errTxInTx says that a transaction was asked for inside one.
var errTxInTx = errors.New("db: a transaction inside a transaction")

func (c pgTxConn) text(query string, args []any) string {
	return c.db.QueryGen().FormatQuery(query, args...)
}

// ExecContext runs a statement of bun's.
func (c pgTxConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := c.tx.flush(ctx); err != nil {
		return nil, err
	}
	return c.Conn.Conn.ExecContext(ctx, c.text(query, args), pgx.QueryExecModeExec)
}

// QueryContext runs a query of bun's.
func (c pgTxConn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := c.tx.flush(ctx); err != nil {
		return nil, err
	}
	return c.Conn.Conn.QueryContext(ctx, c.text(query, args), pgx.QueryExecModeExec)
}

// QueryRowContext runs a query of bun's for one row.
func (c pgTxConn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	_ = c.tx.flush(ctx) // where that fails so does what follows
	return c.Conn.Conn.QueryRowContext(ctx, c.text(query, args), pgx.QueryExecModeExec)
}

func (c pgTxConn) NewValues(model any) *bun.ValuesQuery {
	return bun.NewValuesQuery(c.db, model).Conn(c)
}
func (c pgTxConn) NewSelect() *bun.SelectQuery { return bun.NewSelectQuery(c.db).Conn(c) }
func (c pgTxConn) NewInsert() *bun.InsertQuery { return bun.NewInsertQuery(c.db).Conn(c) }
func (c pgTxConn) NewUpdate() *bun.UpdateQuery { return bun.NewUpdateQuery(c.db).Conn(c) }
func (c pgTxConn) NewDelete() *bun.DeleteQuery { return bun.NewDeleteQuery(c.db).Conn(c) }
func (c pgTxConn) NewMerge() *bun.MergeQuery   { return bun.NewMergeQuery(c.db).Conn(c) }
func (c pgTxConn) NewRaw(query string, args ...any) *bun.RawQuery {
	return bun.NewRawQuery(c.db, query, args...).Conn(c)
}
func (c pgTxConn) NewCreateTable() *bun.CreateTableQuery {
	return bun.NewCreateTableQuery(c.db).Conn(c)
}
func (c pgTxConn) NewDropTable() *bun.DropTableQuery { return bun.NewDropTableQuery(c.db).Conn(c) }
func (c pgTxConn) NewCreateIndex() *bun.CreateIndexQuery {
	return bun.NewCreateIndexQuery(c.db).Conn(c)
}
func (c pgTxConn) NewDropIndex() *bun.DropIndexQuery { return bun.NewDropIndexQuery(c.db).Conn(c) }
func (c pgTxConn) NewTruncateTable() *bun.TruncateTableQuery {
	return bun.NewTruncateTableQuery(c.db).Conn(c)
}
func (c pgTxConn) NewAddColumn() *bun.AddColumnQuery   { return bun.NewAddColumnQuery(c.db).Conn(c) }
func (c pgTxConn) NewDropColumn() *bun.DropColumnQuery { return bun.NewDropColumnQuery(c.db).Conn(c) }

// BeginTx refuses: a transaction has none within.
func (c pgTxConn) BeginTx(context.Context, *sql.TxOptions) (bun.Tx, error) {
	return bun.Tx{}, errTxInTx
}

// RunInTx refuses: a transaction has none within.
func (c pgTxConn) RunInTx(context.Context, *sql.TxOptions, func(context.Context, bun.Tx) error) error {
	return errTxInTx
}

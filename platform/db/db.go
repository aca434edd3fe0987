// Package db is what a module's store stands on: one database of its own, with
// short transactions that commit together, and readers beside them.
//
// On SQLite (pure Go, a file a module) one connection writes and a pool reads.
// Writers that come at the same time share one transaction and one fsync
// (group commit); each keeps a savepoint of its own, so that one that fails
// takes nothing of the others with it. An answer means that the change is on
// disk: WAL with synchronous=FULL.
//
// Stores and the platform's own tables use it. It knows no module. bun's query
// builder is for what is written once and read often; Statement, prepared once
// a connection, is for hot paths.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"stoa/platform/errs"
)

// Dialect is the kind of database.
type Dialect string

// The kinds.
const (
	SQLite Dialect = "sqlite"
)

// ErrUnavailable says that the database could not do it now; nothing was changed.
var ErrUnavailable = errs.New(errs.Unavailable, "database_unavailable", "the database is not available right now").After(time.Second)

// Conn is what statements run on: the readers, a snapshot, or a transaction.
// Store functions take one, and so do not care which.
type Conn interface {
	bun.IDB
	// prepared gives the statement, prepared once on the connection beneath.
	prepared(ctx context.Context, s *Statement) (*sql.Stmt, error)
}

// Effect is what is to be done in a transaction that somebody else opens: what
// an inbox handler or a step of a saga changes. It may be run again when the
// transaction is, so it does nothing but through tx.
type Effect func(ctx context.Context, tx *Tx) error

// DB is one module's database.
type DB struct {
	name    string
	dialect Dialect
	path    string
	readers *readers
	writer  *groupWriter
}

// Name is the module whose database it is.
func (d *DB) Name() string { return d.name }

// Dialect tells what kind of database it is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Read gives the pool of readers. Each statement sees the last commit before it.
func (d *DB) Read() Conn { return d.readers }

// Snapshot runs several reads on one state of the database.
func (d *DB) Snapshot(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	tx, err := d.readers.DB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return translate(fmt.Errorf("%s: begin snapshot: %w", d.name, err))
	}
	c := &snapshot{Tx: tx, readers: d.readers}
	defer func() {
		_ = tx.Rollback() // nothing was written
		for _, s := range c.unknown {
			_, _ = d.readers.prepared(ctx, s) // where that fails the next snapshot prepares it
		}
	}()
	return fn(ctx, c)
}

// Write runs fn in one transaction and returns once it is committed and on
// disk. When fn fails, nothing of it stays, and its error is returned as it is.
//
// fn runs while other writers wait, so it does nothing but run statements: no
// network, no waiting, no second Write. It is handed a context of its own:
// that of the caller, without its end, because a statement that is cancelled
// would take the other callers' changes with it. It may be run more than once.
//
// Errors: ErrUnavailable when the database cannot write now; the context's
// error when it ended before fn began.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return d.writer.write(ctx, fn)
}

// Ping tells whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.readers.PingContext(ctx); err != nil {
		return ErrUnavailable.Because(err)
	}
	return nil
}

// Close waits for the transaction that runs, refuses what still waits, and
// closes the connections.
func (d *DB) Close() error {
	return errors.Join(d.writer.close(), d.readers.close())
}

// Tx is a transaction that writes.
type Tx struct {
	bun.IDB
	statements map[*Statement]*sql.Stmt
	raw        *sql.Conn
	values     map[any]any
	before     []Effect
	after      []func()
}

// BeforeCommit has fn run once all else of this transaction is done: what many
// steps change can be gathered and written once. Its error ends the transaction.
func (tx *Tx) BeforeCommit(fn Effect) { tx.before = append(tx.before, fn) }

// Set keeps a value for as long as the transaction lasts, for Value.
func (tx *Tx) Set(key, value any) {
	if tx.values == nil {
		tx.values = map[any]any{}
	}
	tx.values[key] = value
}

// Value gives what Set kept under a key, nil where it kept nothing.
func (tx *Tx) Value(key any) any { return tx.values[key] }

// run runs fn and then what is to be done before the commit.
func (tx *Tx) run(ctx context.Context, fn Effect) error {
	err := fn(ctx, tx)
	for i := 0; err == nil && i < len(tx.before); i++ {
		err = tx.before[i](ctx, tx)
	}
	return err
}

// AfterCommit has fn run once the transaction is committed, and not when it is
// rolled back: for wake-ups and cache changes. It must be quick.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

func (tx *Tx) prepared(ctx context.Context, s *Statement) (*sql.Stmt, error) {
	if p, ok := tx.statements[s]; ok {
		return p, nil
	}
	p, err := tx.raw.PrepareContext(ctx, s.query)
	if err != nil {
		return nil, err
	}
	tx.statements[s] = p
	return p, nil
}

// snapshot is a transaction that reads.
type snapshot struct {
	bun.Tx
	readers *readers
	unknown []*Statement // that the pool has not prepared yet
}

// prepared never asks the pool for a second connection: when every connection
// has a snapshot that did, all would wait for each other.
func (s *snapshot) prepared(ctx context.Context, st *Statement) (*sql.Stmt, error) {
	if p, ok := s.readers.statements.Load(st); ok {
		return s.Tx.Tx.StmtContext(ctx, p.(*sql.Stmt)), nil
	}
	s.unknown = append(s.unknown, st)
	return s.Tx.Tx.PrepareContext(ctx, st.query)
}

// Options are how a database is opened.
type Options struct {
	// Readers is how many connections read at once; 0 is a default for this machine.
	Readers int
	Log     *slog.Logger
}

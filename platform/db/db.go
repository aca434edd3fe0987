// Package db is what a module's store stands on: one database of its own, with
// short transactions, and readers beside them. An answer means that the change
// is on disk.
//
// On SQLite (pure Go, a file a module) one connection writes and a pool reads.
// Writers that come at the same time share one transaction and one fsync
// (group commit); one that fails takes nothing of the others with it, for they are
// run again with a savepoint each. The write-ahead log is copied into the file on
// another connection (checkpoints), so that no commit waits for that.
//
// On PostgreSQL (a schema a module, and a role that sees no other) each writer
// has a transaction of its own, and several processes may have the same schema.
// Transactions see what others commit meanwhile (READ COMMITTED), so one that
// decides by what it reads either says so in a conditional statement or takes a
// Lock first. One that the server refuses because of another is run again.
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
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"stoa/platform/clock"
	"stoa/platform/errs"
)

// Dialect is the kind of database.
type Dialect string

// The kinds.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// ErrUnavailable says that the database could not do it now. Nothing was
// changed; only where a connection was lost while it committed is that not known.
var ErrUnavailable = errs.New(errs.Unavailable, "database_unavailable", "the database is not available right now").After(time.Second)

// Conn is what statements run on: the readers, a snapshot, or a transaction.
// Store functions take one, and so do not care which.
type Conn interface {
	bun.IDB
	// prepared gives the statement, prepared once on the connection beneath.
	prepared(ctx context.Context, s *Statement) (prepared, error)
}

// prepared is a statement on a connection.
type prepared interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
}

// onePrepared is one that has its row at once.
type onePrepared interface {
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

// Effect is what is to be done in a transaction that somebody else opens: what
// an inbox handler or a step of a saga changes. It may be run again when the
// transaction is, so it does nothing but through tx.
type Effect func(ctx context.Context, tx *Tx) error

// DB is one module's database.
type DB struct {
	name    string
	dialect Dialect
	engine
}

// engine is one kind of database at work.
type engine interface {
	// reader gives what reads.
	reader() Conn
	snapshot(ctx context.Context, fn func(ctx context.Context, c Conn) error) error
	write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
	exclusive(ctx context.Context, name string, fn func(ctx context.Context) error) error
	foreign(ctx context.Context) (version int64, err error)
	ping(ctx context.Context) error
	close() error
	// migrating runs fn with a database to migrate, while no other process
	// migrates it. Where change is false, fn only looks; exists says whether
	// there is anything to look at.
	migrating(ctx context.Context, change bool, fn func(ctx context.Context, d *sql.DB, exists bool) error) error
	// provisioned gives a database to look for migrations in, which nothing can be
	// changed by; nil where more than migrations may be missing, or looking costs
	// no less than migrating.
	provisioned(ctx context.Context) *sql.DB
}

// Name is the module whose database it is.
func (d *DB) Name() string { return d.name }

// Dialect tells what kind of database it is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Read gives the pool of readers. Each statement sees the last commit before it.
func (d *DB) Read() Conn { return d.reader() }

// Snapshot runs several reads on one state of the database.
func (d *DB) Snapshot(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	return d.snapshot(ctx, fn)
}

// Write runs fn in one transaction and returns once it is committed and on
// disk. When fn fails, nothing of it stays, and its error is returned as it is.
//
// fn runs while other writers wait, so it does nothing but run statements: no
// network, no waiting, no second Write. It is handed a context of its own:
// that of the caller, without its end, because a statement that is cancelled
// would take the other callers' changes with it, and a commit that is cancelled
// would leave nobody knowing. It may be run more than once, and is where it fails
// with ErrOutdated.
//
// Errors: ErrUnavailable when the database cannot write now; the context's
// error when it ended before fn began.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if inside, ok := ctx.Value(insideWrite{d.engine}).(bool); ok && inside {
		return fmt.Errorf("%s: %w", d.name, ErrNestedWrite)
	}
	for try := 1; ; try++ {
		err := d.write(ctx, fn)
		if try == outdatedTries || !errors.Is(err, ErrOutdated) {
			return err
		}
	}
}

// ErrOutdated says that what the function of a Write went by is no longer so: it
// was read before, or remembered, and somebody else has changed it since. Its
// caller meets it only where others were quicker again and again.
var ErrOutdated = errors.New("db: somebody else has changed it since it was read")

// outdatedTries is how often a function is run that others keep being quicker than.
const outdatedTries = 5

// Exclusive runs fn while nobody else, in this process or another, runs one of the
// same name on this module's database; it waits until it may. fn's context ends where that can no
// longer be promised; then, and where it never could be, the error is
// ErrUnavailable. A SQLite file has one process anyway.
func (d *DB) Exclusive(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	return d.exclusive(ctx, name, fn)
}

// Foreign gives a number that is another one once another process has written to
// this database, and the same for what is written through d. It is for who
// remembers what was read. Error: errors.ErrUnsupported with PostgreSQL, where
// that cannot be told.
func (d *DB) Foreign(ctx context.Context) (version int64, err error) {
	return d.foreign(ctx)
}

// Ping tells whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.ping(ctx); err != nil {
		return ErrUnavailable.Because(err)
	}
	return nil
}

// Close waits for the transactions that run, refuses what still waits, and
// closes the connections.
func (d *DB) Close() error { return d.close() }

// IsUnique tells whether err is a violation of a primary key or a unique index.
// The transaction in which it happened must end.
func IsUnique(err error) bool { return isUniqueInSQLite(err) || isUniqueInPostgres(err) }

// ErrNestedWrite says that a Write was asked for inside a Write, which would
// wait for itself for ever.
var ErrNestedWrite = errors.New("db: Write inside Write")

// insideWrite marks the context of a Write.
type insideWrite struct{ of engine }

// panicked carries a panic of a Write's function past the end of its transaction.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) again() {
	panic(fmt.Sprintf("%v\n\nin a transaction:\n%s", p.value, p.stack))
}

// Tx is a transaction that writes.
type Tx struct {
	bun.IDB
	session session
	values  map[any]any
	before  []Effect
	after   []func()
}

// session is what a transaction needs of its connection.
type session interface {
	prepared(ctx context.Context, s *Statement) (prepared, error)
	// lock keeps others out who lock the same key, or, where it is shared, who
	// lock it otherwise: from the next statement on, or from flush on.
	lock(key string, shared bool) error
	// flush runs what nobody has waited for.
	flush(ctx context.Context) error
	// relax has the commit not wait for the disk.
	relax(ctx context.Context) error
	// awaited tells whether others wait for the end of the transaction.
	awaited() bool
}

// Lock waits until no other transaction of this module has any of these keys
// ("order/17"), and keeps them until this one ends. What is read after it is
// what stays true. A transaction takes all its locks at once where it can; of
// two that wait for each other one is run again. On SQLite there is one writer
// at a time and nothing to lock.
func (tx *Tx) Lock(ctx context.Context, keys ...string) error {
	sorted := slices.Compact(slices.Sorted(slices.Values(keys)))
	for _, key := range sorted {
		if err := tx.session.lock(key, false); err != nil {
			return fmt.Errorf("lock %s: %w", key, err)
		}
	}
	if err := tx.session.flush(ctx); err != nil {
		return fmt.Errorf("lock %s: %w", strings.Join(sorted, ", "), err)
	}
	return nil
}

// LockShared is Lock for those who do not exclude each other, only one who
// takes Lock.
func (tx *Tx) LockShared(ctx context.Context, key string) error {
	err := tx.LockSharedLater(key)
	if err == nil {
		err = tx.session.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", key, err)
	}
	return nil
}

// LockSharedLater is LockShared for the statements that follow: what they read
// stays true, and nobody waits for the lock alone.
func (tx *Tx) LockSharedLater(key string) error { return tx.session.lock(key, true) }

// Relax has the commit not wait for the disk: for what may be forgotten in a
// crash, such as who was about to do something. On SQLite it does nothing.
func (tx *Tx) Relax(ctx context.Context) error { return tx.session.relax(ctx) }

// Awaited tells whether others who write wait for this transaction to end: who
// has much to write then does less at a time. On PostgreSQL transactions run
// beside each other.
func (tx *Tx) Awaited() bool { return tx.session.awaited() }

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

func (tx *Tx) prepared(ctx context.Context, s *Statement) (prepared, error) {
	return tx.session.prepared(ctx, s)
}

// Options are how a database is opened. The zero value is right; what is of
// PostgreSQL only is of no meaning to SQLite.
type Options struct {
	// Readers is how many connections read at once; 0 is a default for this machine.
	Readers int
	Log     *slog.Logger

	// Writers is how many transactions a process has open at once on PostgreSQL;
	// 0 is a default for this machine. A server has 100 connections if nobody
	// says otherwise, for all modules and instances together.
	Writers int
	// Acquire is how long a Write waits for a connection; 0 is 5 seconds.
	Acquire time.Duration
	// Connect is how long making a connection may take; 0 is 5 seconds.
	Connect time.Duration
	// Statement is how long a statement may take; 0 is 30 seconds. What the URL
	// says goes before this and the next two.
	Statement time.Duration
	// LockWait is how long a statement waits for another transaction; 0 is 10 seconds.
	LockWait time.Duration
	// Idle is how long the server keeps a transaction in which nothing happens;
	// 0 is a minute.
	Idle time.Duration
	// Clock is what pauses are timed by; nil is the machine's.
	Clock clock.Clock
}

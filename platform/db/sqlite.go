package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"stoa/platform/clock"
)

// busyTimeout is how long a writer waits for another process that writes the
// same file, such as a command beside a running shop; in milliseconds.
const busyTimeout = "15000"

// OpenSQLite opens the database of one module in a file, making it where it is
// not there. The schema is brought up to date by Migrate.
func OpenSQLite(ctx context.Context, name, path string, o Options) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	e := &sqliteEngine{path: path}
	w := sql.OpenDB(newConnector(path, writing))
	w.SetMaxOpenConns(1)
	if e.writer, err = newGroupWriter(ctx, name, e, bun.NewDB(w, sqlitedialect.New()), newCheckpointer(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), w.Close())
	}
	count := o.Readers
	if count == 0 {
		count = 2 * max(2, runtime.GOMAXPROCS(0))
	}
	r := sql.OpenDB(newConnector(path, reading))
	r.SetMaxOpenConns(count)
	r.SetMaxIdleConns(count)
	if err := r.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), e.writer.close(), r.Close())
	}
	e.readers = &readers{DB: bun.NewDB(r, sqlitedialect.New())}
	return &DB{name: name, dialect: SQLite, engine: e}, nil
}

// sqliteEngine is a SQLite file at work.
type sqliteEngine struct {
	path    string
	readers *readers
	writer  *groupWriter

	exclusives sync.Map // of name to chan struct{}, full while somebody runs
}

func (e *sqliteEngine) reader() Conn { return e.readers }

func (e *sqliteEngine) write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return e.writer.write(ctx, fn)
}

func (e *sqliteEngine) exclusive(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	mine, _ := e.exclusives.LoadOrStore(name, make(chan struct{}, 1))
	turn := mine.(chan struct{})
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-turn }()
	return fn(ctx)
}

// dataVersion changes with what other connections write
// (https://sqlite.org/pragma.html#pragma_data_version), and all of this process
// writes through one.
var dataVersion = NewStatement(`PRAGMA data_version`)

func (e *sqliteEngine) foreign(ctx context.Context) (version int64, err error) {
	err = e.write(ctx, func(ctx context.Context, tx *Tx) error {
		return dataVersion.QueryRow(ctx, tx).Scan(&version)
	})
	return version, err
}

func (e *sqliteEngine) ping(ctx context.Context) error { return e.readers.PingContext(ctx) }

func (e *sqliteEngine) close() error { return errors.Join(e.writer.close(), e.readers.close()) }

func (e *sqliteEngine) provisioned(context.Context) *sql.DB { return nil }

// migrating need not keep others out: a migration that another process has run
// meanwhile is busy or there, and Migrate tries again.
func (e *sqliteEngine) migrating(ctx context.Context, _ bool, fn func(ctx context.Context, d *sql.DB, exists bool) error) error {
	d := sql.OpenDB(newConnector(e.path, writing))
	d.SetMaxOpenConns(1)
	return errors.Join(fn(ctx, d, true), d.Close())
}

func (e *sqliteEngine) snapshot(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	tx, err := e.readers.DB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return translate(fmt.Errorf("begin snapshot: %w", err))
	}
	c := &snapshot{Tx: tx, readers: e.readers}
	defer func() {
		_ = tx.Rollback() // nothing was written
		for _, s := range c.unknown {
			_, _ = e.readers.prepared(ctx, s) // where that fails the next snapshot prepares it
		}
	}()
	return fn(ctx, c)
}

// snapshot is a transaction that reads.
type snapshot struct {
	bun.Tx
	readers *readers
	unknown []*Statement // that the pool has not prepared yet
}

// prepared never asks the pool for a second connection: when every connection
// has a snapshot that did, all would wait for each other.
func (s *snapshot) prepared(ctx context.Context, st *Statement) (prepared, error) {
	if p, ok := s.readers.statements.Load(st); ok {
		return s.Tx.Tx.StmtContext(ctx, p.(*sql.Stmt)), nil
	}
	s.unknown = append(s.unknown, st)
	return s.Tx.Tx.PrepareContext(ctx, st.forSQLite())
}

type mode bool

const (
	reading mode = false
	writing mode = true
)

// connector opens SQLite connections with the pragmas they need.
type connector struct {
	dsn    string
	driver sqlite.Driver
}

func newConnector(path string, m mode) *connector {
	q := url.Values{"_pragma": {
		"busy_timeout(" + busyTimeout + ")",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(ON)",
		"temp_store(MEMORY)",
		"cache_size(-8192)", // 8 MiB a connection at most
		"wal_autocheckpoint(" + checkpointAtCommit + ")",
	}}
	if m == writing {
		q.Set("_txlock", "immediate")
	} else {
		q.Add("_pragma", "query_only(ON)")
	}
	return &connector{dsn: (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()}
}

// opens is how often a file is opened that others who open it keep busy: while
// one of them turns on write-ahead logging SQLite refuses the others at once,
// whatever the busy timeout (sqlite3_busy_handler: "might not be invoked").
const (
	opens     = 100
	openPause = 20 * time.Millisecond
)

// Connect opens a connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	for tries := 1; ; tries++ {
		conn, err := c.driver.Open(c.dsn)
		var e *sqlite.Error
		if tries == opens || !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY {
			return conn, err
		}
		if err := clock.Sleep(ctx, clock.System(), openPause); err != nil {
			return nil, err
		}
	}
}

func (c *connector) Driver() driver.Driver { return &c.driver }

// readers is the pool that reads.
type readers struct {
	*bun.DB
	statements sync.Map // of *Statement to *sql.Stmt
}

func (r *readers) prepared(ctx context.Context, s *Statement) (prepared, error) {
	if p, ok := r.statements.Load(s); ok {
		return p.(*sql.Stmt), nil
	}
	p, err := r.DB.DB.PrepareContext(ctx, s.forSQLite())
	if err != nil {
		return nil, err
	}
	if earlier, raced := r.statements.LoadOrStore(s, p); raced {
		return earlier.(*sql.Stmt), p.Close()
	}
	return p, nil
}

func (r *readers) close() error {
	var failed error
	r.statements.Range(func(_, p any) bool {
		failed = errors.Join(failed, p.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(failed, r.DB.Close())
}

func isUniqueInSQLite(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// translate gives a failure of SQLite itself its identity. Those of PostgreSQL
// have theirs from its driver on.
func translate(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the primary code of an extended one
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return ErrUnavailable.Because(err)
	}
	return err
}

package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"stoa/platform/clock"
	"stoa/platform/errs"
)

// OpenPostgres opens the database of one module on a PostgreSQL server, in a
// schema of the module's name. Migrate makes the schema and brings it up to date.
//
// Statements are prepared on connections and roles set, so between here and the
// server there is no pooler that hands out connections by transaction.
//
// Errors: ErrUnavailable where the server does not answer.
func OpenPostgres(ctx context.Context, name, url string, o Options) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open the database of %s: %w", name, err)
	}
	o = o.forPostgres()
	e := &pgEngine{name: name, config: config, options: o}
	e.pools = &pgPools{
		readers: e.pool(e.session(reading), o.Readers),
		writers: e.pool(cached(e.session(writing)), o.Writers),
	}
	e.writer = &pgWriter{engine: e, clock: o.Clock, acquire: o.Acquire}
	if err := e.ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database of %s: %w", name, err), e.close())
	}
	return &DB{name: name, dialect: Postgres, engine: e}, nil
}

func (o Options) forPostgres() Options {
	// Where the server is on this machine more have it make more plans and find less
	// to do together: with twice as many writers an order cost as much or more.
	several := 2 * max(2, runtime.GOMAXPROCS(0))
	for _, d := range []struct {
		of    *int
		value int
	}{{&o.Readers, several}, {&o.Writers, several}} {
		if *d.of == 0 {
			*d.of = d.value
		}
	}
	for _, d := range []struct {
		of    *time.Duration
		value time.Duration
	}{
		{&o.Acquire, 5 * time.Second}, {&o.Connect, 5 * time.Second},
		{&o.Statement, 30 * time.Second}, {&o.LockWait, 10 * time.Second}, {&o.Idle, time.Minute},
	} {
		if *d.of == 0 {
			*d.of = d.value
		}
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// pgEngine is a module's schema on a PostgreSQL server.
type pgEngine struct {
	name    string
	config  *pgx.ConnConfig
	options Options
	pools   *pgPools
	writer  *pgWriter
	assumes atomic.Bool // connections have assumed the module's role
}

// pgPools are the connections. Those who read have their own, so that one who
// reads inside a transaction never waits for a connection that waits for it.
type pgPools struct{ readers, writers *pgPool }

// pgPool is connections to the server, of the module's role where there is one.
type pgPool struct {
	*bun.DB
	size int
}

// session gives how connections of the module are made.
func (e *pgEngine) session(m mode) *pgx.ConnConfig {
	c := e.config.Copy()
	// bun writes arguments into the text, so that nothing of its statements is
	// worth keeping; a Statement asks to be prepared.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = e.options.Connect
	}
	c.RuntimeParams["search_path"] = pgx.Identifier{e.name}.Sanitize()
	c.RuntimeParams["timezone"] = "UTC"
	for param, value := range map[string]string{
		"application_name":                    "stoa " + e.name,
		"statement_timeout":                   milliseconds(e.options.Statement),
		"lock_timeout":                        milliseconds(e.options.LockWait),
		"idle_in_transaction_session_timeout": milliseconds(e.options.Idle),
	} {
		if _, given := c.RuntimeParams[param]; !given {
			c.RuntimeParams[param] = value
		}
	}
	if m == reading {
		c.RuntimeParams["default_transaction_read_only"] = "on"
	}
	return c
}

// cached has statements prepared and kept where nothing else is asked for, as
// those are that go to the server together.
func cached(c *pgx.ConnConfig) *pgx.ConnConfig {
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	return c
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (e *pgEngine) pool(c *pgx.ConnConfig, size int) *pgPool {
	d := sql.OpenDB(&pgConnector{Connector: stdlib.GetConnector(*c, stdlib.OptionAfterConnect(e.assumeRole))})
	d.SetMaxOpenConns(size)
	d.SetMaxIdleConns(size)
	return &pgPool{DB: bun.NewDB(d, pgdialect.New()), size: size}
}

// renew has connections that are idle made anew.
func (p *pgPool) renew() {
	p.SetMaxIdleConns(0)
	p.SetMaxIdleConns(p.size)
}

func (p *pgPool) prepared(_ context.Context, s *Statement) (prepared, error) {
	return pgStatement{on: p.DB.DB, query: s.postgres, anew: s.anew, reads: true}, nil
}

func (e *pgEngine) reader() Conn { return e.pools.readers }

func (e *pgEngine) write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return e.writer.write(ctx, fn)
}

func (e *pgEngine) foreign(context.Context) (int64, error) { return 0, errors.ErrUnsupported }

func (e *pgEngine) ping(ctx context.Context) error { return e.pools.readers.PingContext(ctx) }

func (e *pgEngine) close() error {
	e.writer.close()
	return errors.Join(e.pools.writers.Close(), e.pools.readers.Close())
}

func (e *pgEngine) snapshot(ctx context.Context, fn func(ctx context.Context, c Conn) error) error {
	tx, err := e.pools.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return fn(ctx, pgSnapshot{tx})
}

// pgSnapshot is a transaction that reads.
type pgSnapshot struct{ bun.Tx }

func (s pgSnapshot) prepared(_ context.Context, st *Statement) (prepared, error) {
	return pgStatement{on: s.Tx.Tx, query: st.postgres, anew: st.anew, reads: true}, nil
}

// pgStatement is a statement on a connection or on any of a pool. pgx prepares
// it on each connection where it is new, and keeps it; of one that is planned anew
// it keeps what its arguments and columns are.
type pgStatement struct {
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	query string
	anew  bool
	reads bool
}

// finds tells whether there can be anything that these arguments ask for: what
// PostgreSQL cannot store in a text, no text there is equal to.
func (s pgStatement) finds(args []any) bool {
	for _, arg := range args {
		if text, ok := arg.(string); ok && s.reads && (strings.ContainsRune(text, 0) || !utf8.ValidString(text)) {
			return false
		}
	}
	return true
}

func (s pgStatement) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	given, err := s.given(args)
	if err != nil {
		return nil, err
	}
	return s.on.ExecContext(ctx, s.query, given...)
}

func (s pgStatement) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	given, err := s.given(args)
	if err != nil {
		return nil, err
	}
	return s.on.QueryContext(ctx, s.query, given...)
}

func (s pgStatement) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	given, err := s.given(args)
	if err != nil {
		given = args // pgx meets the same fault, and can say it
	}
	return s.on.QueryRowContext(ctx, s.query, given...)
}

// given gives arguments as pgx takes them: with the wish to prepare, and each
// as it is stored.
func (s pgStatement) given(args []any) ([]any, error) {
	mode := pgx.QueryExecModeCacheStatement
	if s.anew {
		mode = pgx.QueryExecModeCacheDescribe
	}
	return stored([]any{mode}, args)
}

// stored appends arguments to others, each as it is stored.
func stored(given, args []any) ([]any, error) {
	given = slices.Grow(given, len(args))
	for _, arg := range args {
		if v, ok := arg.(driver.Valuer); ok {
			var err error
			if arg, err = v.Value(); err != nil {
				return nil, err
			}
		}
		given = append(given, arg)
	}
	return given, nil
}

// pgConnector makes connections whose failures have their identity, whoever
// asks: a Statement or bun.
type pgConnector struct{ driver.Connector }

func (c *pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, ofPostgres(ctx, err)
	}
	return &pgConn{conn.(*stdlib.Conn)}, nil
}

// pgConn is a connection.
type pgConn struct{ *stdlib.Conn }

// BeginTx has database/sql take another connection where this one turns out to
// be gone: nothing was done on it yet.
func (c *pgConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.BeginTx(ctx, o)
	return tx, c.failed(ctx, err, true)
}

func (c *pgConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.ExecContext(ctx, query, args)
	return result, c.failed(ctx, err, false)
}

// QueryContext has database/sql ask another connection where this one turns out
// to be gone, if it is none that writes.
func (c *pgConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, query, args)
	return rows, c.failed(ctx, err, c.Conn.Conn().Config().RuntimeParams["default_transaction_read_only"] == "on")
}

func (c *pgConn) failed(ctx context.Context, err error, harmless bool) error {
	if err == nil {
		return nil
	}
	if harmless && ctx.Err() == nil && c.Conn.Conn().IsClosed() {
		err = errors.Join(driver.ErrBadConn, err)
	}
	return ofPostgres(ctx, err)
}

// ofPostgres gives a failure of the server, or of the way to it, its identity.
func ofPostgres(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	var (
		e       *pgconn.PgError
		connect *pgconn.ConnectError
		network net.Error
	)
	switch {
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn):
		return ErrUnavailable.Because(err)
	case errors.As(err, &e):
		switch {
		case ofServer[e.Code[:min(2, len(e.Code))]], ofServer[e.Code]:
			return ErrUnavailable.Because(err)
		case e.Code == "22021", e.Code == "22P05": // PostgreSQL has no NUL in a text
			return errs.ErrInvalid.With("a text holds a character that cannot be stored").Because(err)
		}
		return err
	case errors.As(err, &network), pgconn.SafeToRetry(err), isLost(err):
		return ErrUnavailable.Because(err)
	}
	return err
}

// ofServer are codes, and the classes of codes, with which the server says that
// it cannot now. See appendix A of its manual.
var ofServer = map[string]bool{
	"08":    true,                // connection
	"53":    true,                // resources: disk, memory, connections
	"57":    true,                // an operator stopped it; 57014 is the statement's timeout
	"58":    true,                // the system beneath
	"25006": true,                // it only reads, such as a standby
	"25P03": true,                // the transaction was idle for too long
	"40001": true, "40P01": true, // of two transactions one must go
	"55P03": true,                               // a lock was waited for too long
	"28P01": true, "28000": true, "3D000": true, // it lets nobody in
}

func isUniqueInPostgres(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505"
}

package db

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"stoa/platform/clock"
)

const (
	// pgTries is how often a transaction is run that the server refuses because
	// of another, or whose connection is lost before it was to be committed.
	pgTries = 12
	// The pauses before the next try, doubling, each shortened at random by up
	// to half, so that those who met do not meet again.
	firstPgPause, longestPgPause = 2 * time.Millisecond, 250 * time.Millisecond
)

// pgWriter runs transactions, each on a connection of its own.
type pgWriter struct {
	engine  *pgEngine
	clock   clock.Clock
	acquire time.Duration

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func (w *pgWriter) write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !w.enter() {
		return ErrUnavailable.Because(fmt.Errorf("%s is closed", w.engine.name))
	}
	defer w.running.Done()
	pause := firstPgPause
	for try := 1; ; try++ {
		tx, again, err := w.try(ctx, fn)
		if err == nil {
			for _, fn := range tx.after {
				fn()
			}
			return nil
		}
		if !again || try == pgTries {
			return err
		}
		if clock.Sleep(ctx, w.clock, w.shortened(pause)) != nil {
			return err
		}
		pause = min(2*pause, longestPgPause)
	}
}

func (w *pgWriter) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.running.Add(1)
	return true
}

// close refuses who comes and waits for those who run.
func (w *pgWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.running.Wait()
}

func (w *pgWriter) shortened(d time.Duration) time.Duration {
	var random [8]byte
	_, _ = w.clock.Read(random[:]) // never fails
	return d - time.Duration(binary.LittleEndian.Uint64(random[:])%uint64(d/2+1))
}

// connection gives a connection, unless the caller or our patience ends before
// one is free.
func (w *pgWriter) connection(ctx context.Context) (bun.Conn, *pgx.Conn, error) {
	limited, cancel := clock.WithDeadline(ctx, w.clock, w.clock.Now().Add(w.acquire))
	defer cancel()
	conn, err := w.engine.pools.writers.Conn(limited)
	if err != nil {
		if ctx.Err() != nil {
			return bun.Conn{}, nil, ctx.Err()
		}
		return bun.Conn{}, nil, w.failed("connect", err)
	}
	var raw *pgx.Conn
	if err := conn.Raw(func(c any) error {
		raw = c.(*pgConn).Conn.Conn()
		return nil
	}); err != nil {
		return bun.Conn{}, nil, errors.Join(w.failed("connect", err), conn.Close())
	}
	return conn, raw, nil
}

// try runs fn in a transaction once. It tells whether that is worth doing again
// where it failed.
func (w *pgWriter) try(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (tx *Tx, again bool, err error) {
	conn, raw, err := w.connection(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = conn.Close() }() // it goes back to the pool; one that is broken is thrown away there
	inner := context.WithValue(context.WithoutCancel(ctx), insideWrite{w.engine}, true)
	begun, err := conn.BeginTx(inner, nil)
	if err != nil {
		return nil, raw.IsClosed(), w.failed("begin", err)
	}
	tx = &Tx{IDB: begun, session: &pgSession{engine: w.engine, tx: begun}}
	p, err := w.run(inner, tx, begun, fn)
	if p != nil {
		p.again()
	}
	switch {
	case err == nil:
	case raw.IsClosed():
		// Whatever fn made of it: the connection was lost, and nothing is committed.
		return nil, true, w.failed("write", err)
	default:
		return nil, isRefused(err), err
	}
	if err := begun.Commit(); err != nil {
		// What the server says it refused was not done. Of a connection that is
		// lost now nobody knows.
		if errors.Is(err, pgx.ErrTxCommitRollback) {
			return nil, false, fmt.Errorf("%s: a statement failed and the transaction went on: %w", w.engine.name, err)
		}
		return nil, isRefused(err) && !raw.IsClosed(), w.failed("commit", err)
	}
	return tx, false, nil
}

// run runs fn, and rolls back where it fails, panics, or ends its goroutine.
func (w *pgWriter) run(ctx context.Context, tx *Tx, begun bun.Tx, fn func(ctx context.Context, tx *Tx) error) (p *panicked, err error) {
	done := false
	defer func() {
		if done {
			return
		}
		if value := recover(); value != nil {
			p = &panicked{value, debug.Stack()}
		}
		_ = begun.Rollback() // where that fails the connection is broken, and all of it gone
	}()
	err = tx.run(ctx, fn)
	done = err == nil
	return nil, err
}

func (w *pgWriter) failed(what string, err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return ErrUnavailable.Because(fmt.Errorf("%s: %s: %w", w.engine.name, what, err))
}

// isRefused tells whether of two transactions that came into each other's way
// this is the one that has to be run again.
func isRefused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// isLost tells whether a connection has ended.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone)
}

// pgSession is a transaction's connection.
type pgSession struct {
	engine *pgEngine
	tx     bun.Tx
}

func (s *pgSession) prepared(_ context.Context, st *Statement) (prepared, error) {
	return pgStatement{on: s.tx.Tx, query: st.postgres}, nil
}

func (s *pgSession) lock(ctx context.Context, key string, shared bool) error {
	query := "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
	if shared {
		query = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
	}
	_, err := pgStatement{on: s.tx.Tx, query: query}.ExecContext(ctx, s.engine.key(key))
	return err
}

func (s *pgSession) relax(ctx context.Context) error {
	_, err := s.tx.Tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off")
	return err
}

// key gives a name as it is locked on the server, where modules share a space.
func (e *pgEngine) key(name string) string { return e.name + "/" + name }

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
	begun := &pgTx{engine: w.engine, conn: conn, raw: raw}
	tx = &Tx{IDB: pgTxConn{conn, begun, w.engine.pools.writers.DB}, session: begun}
	p, err := w.run(inner, tx, begun, fn)
	if p != nil {
		p.again()
	}
	if begun.failed != nil && isAborted(err) {
		err = begun.failed // this says why
	}
	switch {
	case err == nil:
	case isOurs(begun.failed):
		return nil, false, err
	case raw.IsClosed():
		// Whatever fn made of it: the connection was lost, and nothing is committed.
		return nil, true, w.failed("write", err)
	default:
		return nil, isRefused(err), err
	}
	if err := begun.commit(inner); err != nil {
		// What the server says it refused was not done. Of a connection that is
		// lost now nobody knows.
		if raw.IsClosed() && !isOurs(err) {
			return nil, false, w.failed("commit", err)
		}
		begun.rollback(inner)
		return nil, isRefused(err), err
	}
	return tx, false, nil
}

// run runs fn, and rolls back where it fails, panics, or ends its goroutine.
func (w *pgWriter) run(ctx context.Context, tx *Tx, begun *pgTx, fn func(ctx context.Context, tx *Tx) error) (p *panicked, err error) {
	done := false
	defer func() {
		if done {
			return
		}
		if value := recover(); value != nil {
			p = &panicked{value, debug.Stack()}
		}
		begun.rollback(ctx)
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

// isAborted tells whether a statement was not run because one before it failed.
func isAborted(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "25P02"
}

// isOurs tells whether a statement was none that can be sent, such as one whose
// arguments do not fit; pgx gives up the connection then.
func isOurs(err error) bool {
	var e pgx.ErrPreprocessingBatch
	return errors.As(err, &e) && !errors.Is(err, ErrUnavailable)
}

// isLost tells whether a connection has ended.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone)
}

// key gives a name as it is locked on the server, where modules share a space.
func (e *pgEngine) key(name string) string { return e.name + "/" + name }

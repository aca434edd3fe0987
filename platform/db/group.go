package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/uptrace/bun"
)

// groupSize is how many callers share a transaction at most. It bounds how
// long the first of them waits for the last.
const groupSize = 128

// groupWriter owns the one connection that writes. Callers queue; its
// goroutine takes all that wait, runs them one after the other in one
// transaction, commits once, and then tells each.
type groupWriter struct {
	name   string
	engine engine // whose writer it is
	bun    *bun.DB
	conn   bun.Conn
	queue  chan *job

	checkpoints *checkpointer

	closing   chan struct{}
	closeOnce sync.Once
	stopped   chan struct{}

	// What follows is the goroutine's own.
	statements map[*Statement]*sql.Stmt // of the connection
	controls   map[string]*sql.Stmt
	careful    int // for how many groups yet each has a savepoint
	sharers    int // of the transaction
}

// job is one caller's Write.
type job struct {
	ctx   context.Context
	fn    func(ctx context.Context, tx *Tx) error
	taken atomic.Bool // by the goroutine, or by the caller who went away
	after []func()
	err   error
	panic *panicked
	done  chan struct{}
}

func newGroupWriter(ctx context.Context, name string, of engine, b *bun.DB, c *checkpointer) (*groupWriter, error) {
	conn, err := b.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	w := &groupWriter{
		name: name, engine: of, bun: b, conn: conn, checkpoints: c,
		queue:      make(chan *job, groupSize),
		closing:    make(chan struct{}),
		stopped:    make(chan struct{}),
		statements: map[*Statement]*sql.Stmt{},
		controls:   map[string]*sql.Stmt{},
	}
	go w.run()
	return w, nil
}

func (w *groupWriter) write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	select {
	case <-w.closing:
		return w.closed()
	default:
	}
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return w.closed()
	case <-w.stopped:
		return w.closed()
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err() // it never began
		}
		<-j.done // it runs: its outcome must be known
	case <-w.stopped:
		select {
		case <-j.done:
		default:
			return w.closed()
		}
	}
	if j.panic != nil {
		j.panic.again()
	}
	if j.err != nil {
		return j.err
	}
	for _, fn := range j.after {
		fn()
	}
	return nil
}

func (w *groupWriter) run() {
	defer close(w.stopped)
	group := make([]*job, 0, groupSize)
	for {
		group = group[:0]
		select {
		case j := <-w.queue:
			group = append(group, j)
		case <-w.closing:
			return
		}
		// Those who are about to come are let come: what they share is the dearest.
		// Other processes are, too, where a shop is split and its machine is busy.
		for waiting := -1; waiting < len(w.queue); {
			waiting = len(w.queue)
			runtime.Gosched()
			yield()
		}
	more:
		for len(group) < groupSize {
			select {
			case j := <-w.queue:
				group = append(group, j)
			default:
				break more
			}
		}
		w.commit(group)
	}
}

// commit runs a group in one transaction and tells each of its callers.
func (w *groupWriter) commit(group []*job) {
	ended := false
	defer func() {
		for _, j := range group {
			if !ended && j.err == nil {
				// A function has ended this goroutine (runtime.Goexit), and what
				// was done is lost with the connection.
				j.err = ErrUnavailable.Because(fmt.Errorf("%s: the writer has ended", w.name))
			}
			close(j.done)
		}
	}()
	w.runGroup(group)
	ended = true
}

// runGroup runs those of a group who are still there. Hardly ever does one fail,
// so all of them have one transaction and nothing between them; where one does
// fail, it is begun anew with a savepoint for each, and so are the next groups for
// a while.
func (w *groupWriter) runGroup(group []*job) {
	there := group[:0:0]
	for _, j := range group {
		switch err := j.ctx.Err(); {
		case err != nil:
			j.err = err
		case j.taken.CompareAndSwap(false, true):
			there = append(there, j)
		}
	}
	w.sharers = len(there)
	if w.careful == 0 && w.runTogether(there) {
		return
	}
	w.careful = max(w.careful-1, 0)
	w.runApart(there)
}

// carefulFor is for how many groups each has a savepoint after one has failed.
const carefulFor = 8

// runTogether is false, and has changed nothing, where one of several has failed.
func (w *groupWriter) runTogether(jobs []*job) bool {
	if len(jobs) == 0 {
		return true
	}
	if err := w.control("BEGIN IMMEDIATE"); err != nil {
		for _, j := range jobs {
			j.err = w.failed("begin", err)
		}
		return true
	}
	for _, j := range jobs {
		if w.do(j); j.err == nil {
			continue
		}
		w.rollback(nil, nil)
		if len(jobs) == 1 {
			return true
		}
		w.careful = carefulFor
		for _, j := range jobs {
			j.err, j.panic, j.after = nil, nil, nil
		}
		return false
	}
	if err := w.end(); err != nil {
		w.rollback(jobs, w.failed("commit", err))
	}
	return true
}

// runApart has each that fails take nothing of the others with it.
func (w *groupWriter) runApart(jobs []*job) {
	// began counts the jobs that have changed something in this transaction.
	began := jobs[:0:0]
	open := false
	var away error // why no transaction could begin
	for _, j := range jobs {
		if !open {
			if away == nil {
				if err := w.control("BEGIN IMMEDIATE"); err != nil {
					away = w.failed("begin", err)
				}
			}
			if away != nil {
				j.err = away // the others of the group do not wait as long again
				continue
			}
			open = true
		}
		// The first needs no savepoint: when it fails, there is nothing else to keep.
		alone := len(began) == 0
		if !alone {
			if err := w.control("SAVEPOINT caller"); err != nil {
				j.err = w.failed("savepoint", err)
				continue
			}
		}
		w.do(j)
		switch {
		case j.err == nil && alone:
			began = append(began, j)
		case j.err == nil:
			if err := w.control("RELEASE caller"); err != nil {
				j.err = w.failed("release", err)
				w.rollback(began, j.err)
				began, open = began[:0], false
				continue
			}
			began = append(began, j)
		case alone:
			w.rollback(nil, nil)
			open = false
		default:
			if err := errors.Join(w.control("ROLLBACK TO caller"), w.control("RELEASE caller")); err != nil {
				// A full disk or a failing one ends the whole transaction.
				w.rollback(began, w.failed("roll back", err))
				began, open = began[:0], false
			}
		}
	}
	if !open {
		return
	}
	if err := w.end(); err != nil {
		w.rollback(began, w.failed("commit", err))
	}
}

// end commits the transaction.
func (w *groupWriter) end() error {
	if err := w.control("COMMIT"); err != nil {
		return err
	}
	w.checkpoints.committed(w.conn.Conn)
	return nil
}

// control runs a statement that begins or ends something.
func (w *groupWriter) control(query string) error {
	s, known := w.controls[query]
	if !known {
		var err error
		if s, err = w.conn.Conn.PrepareContext(context.Background(), query); err != nil {
			return err
		}
		w.controls[query] = s
	}
	_, err := s.ExecContext(context.Background())
	return err
}

// do runs one job's function.
func (w *groupWriter) do(j *job) {
	ctx := context.WithValue(context.WithoutCancel(j.ctx), insideWrite{w.engine}, true)
	tx := &Tx{IDB: w.conn, session: w}
	defer func() {
		if p := recover(); p != nil {
			j.panic = &panicked{p, debug.Stack()}
			j.err = fmt.Errorf("%s: panic in a transaction: %v", w.name, p)
		}
	}()
	j.err = translate(tx.run(ctx, j.fn))
	j.after = tx.after
}

func (w *groupWriter) prepared(ctx context.Context, s *Statement) (prepared, error) {
	if p, ok := w.statements[s]; ok {
		return p, nil
	}
	p, err := w.conn.Conn.PrepareContext(ctx, s.forSQLite())
	if err != nil {
		return nil, err
	}
	w.statements[s] = p
	return p, nil
}

// lock has nothing to do: writers follow one another.
func (w *groupWriter) lock(string, bool) error { return nil }

func (w *groupWriter) flush(context.Context) error { return nil }

func (w *groupWriter) relax(context.Context) error { return nil }

func (w *groupWriter) awaited() bool { return w.sharers > 1 || len(w.queue) > 0 }

// rollback ends the transaction and fails the jobs that were part of it.
func (w *groupWriter) rollback(jobs []*job, cause error) {
	for _, j := range jobs {
		j.err = cause
	}
	// SQLite may have ended it already; then there is nothing to do.
	_ = w.control("ROLLBACK")
}

func (w *groupWriter) closed() error {
	return ErrUnavailable.Because(fmt.Errorf("%s is closed", w.name))
}

func (w *groupWriter) failed(what string, err error) error {
	return ErrUnavailable.Because(fmt.Errorf("%s: %s: %w", w.name, what, err))
}

func (w *groupWriter) close() error {
	w.closeOnce.Do(func() { close(w.closing) })
	<-w.stopped
	var failed error
	for _, p := range w.statements {
		failed = errors.Join(failed, p.Close())
	}
	for _, p := range w.controls {
		failed = errors.Join(failed, p.Close())
	}
	return errors.Join(failed, w.checkpoints.close(), w.conn.Close(), w.bun.Close())
}

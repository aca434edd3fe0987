package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
)

const (
	// parallel is how many sagas of a kind one process runs at once. They wait
	// for neighbours more than they work.
	parallel = 1024
	// lease is how long a saga is its runner's; a runner that lives renews it.
	lease      = 10 * time.Second
	renewEvery = 3 * time.Second
	// pollEvery finds sagas whose pause is over and those whose runner died.
	pollEvery = time.Second
	// keep is how long ended sagas can be looked at.
	keep       = 7 * 24 * time.Hour
	sweepEvery = 10 * time.Minute
	// flushAfter is how long a step may take before what the steps before it
	// did is committed without it.
	flushAfter = 25 * time.Millisecond
	// The pauses between attempts, doubling.
	firstPause, longestPause = 50 * time.Millisecond, 5 * time.Second
)

// Runner runs the sagas of one kind in one process.
type Runner[T any] struct {
	saga  Saga[T]
	db    *db.DB
	clock clock.Clock
	log   *slog.Logger
	name  string // of this runner, in leases
	trace func(Point)

	fresh chan *instance[T] // started here, to be run at once
	wake  chan struct{}     // something was put off

	mu   sync.Mutex
	held map[string]time.Time // what runs here, since when
}

// instance is a saga in a runner's hands.
type instance[T any] struct {
	id       string
	state    State
	step     int
	data     T
	cause    string // JSON of the error, while undoing
	attempts int64
	deadline time.Time
	// uninterrupted says that it has run here and nowhere else since it was started, so
	// that what was called is known. Of one that was read from the database it
	// is not: a process may have called any of the steps that are left, and
	// died before it could say so.
	uninterrupted bool
}

// Options are how a runner works; the zero value is right.
type Options struct {
	// Trace is called at each Point.
	Trace func(Point)
}

// NewRunner gives a runner.
func NewRunner[T any](s Saga[T], d *db.DB, c clock.Clock, log *slog.Logger, o Options) *Runner[T] {
	if s.Late == nil {
		s.Late = errs.ErrTimeout
	}
	if o.Trace == nil {
		o.Trace = func(Point) {}
	}
	return &Runner[T]{
		saga: s, db: d, clock: c, log: log.With("saga", s.Kind), name: c.ID(), trace: o.Trace,
		fresh: make(chan *instance[T], parallel), wake: make(chan struct{}, 1), held: map[string]time.Time{},
	}
}

var (
	insert = db.NewStatement(`INSERT INTO sagas (kind, id, state, step, data, due_at, deadline_at, lease, started_at) VALUES ($1, $2, 'running', 0, $3, $4, $5, $6, $7)`)
	// due gives what is to be looked at: its pause is over, or its runner has died.
	due   = db.NewStatement(`SELECT id FROM sagas WHERE kind = $1 AND ended_at IS NULL AND due_at <= $2 ORDER BY due_at LIMIT $3`)
	claim = db.NewStatement(`UPDATE sagas SET lease = $1, due_at = $2 WHERE kind = $3 AND id = $4 AND ended_at IS NULL AND due_at <= $5
		RETURNING state, step, data, error, attempts, deadline_at`)
	renew = db.NewStatement(`UPDATE sagas SET due_at = $1 WHERE kind = $2 AND id = $3 AND lease = $4`)
	// One that has ended is leased to nobody, so that what a runner writes of its
	// own asks for the lease alone: the index of those that are open would be
	// tempting otherwise, and is full of those that were.
	//
	// orphans are what an earlier life of a database that one process has left.
	orphans = db.NewStatement(`UPDATE sagas SET due_at = $1 WHERE kind = $2 AND ended_at IS NULL AND lease <> '' AND lease <> $3`)
	advance = db.NewStatement(`UPDATE sagas SET state = $1, step = $2, data = $3, error = $4, attempts = $5, due_at = $6, lease = $7
		WHERE kind = $8 AND id = $9 AND lease = $10`)
	end = db.NewStatement(`UPDATE sagas SET state = $1, step = $2, data = '{}', error = $3, ended_at = $4, lease = ''
		WHERE kind = $5 AND id = $6 AND lease = $7`)
	sweepEnded = db.NewStatement(`DELETE FROM sagas WHERE kind = $1 AND ended_at IS NOT NULL AND ended_at < $2`)
	nextDue    = db.NewStatement(`SELECT due_at FROM sagas WHERE kind = $1 AND ended_at IS NULL AND lease = '' ORDER BY due_at LIMIT 1`)
)

// Start begins a saga in the transaction that makes it necessary. It runs once
// that is committed; deadline is when it is given up and undone.
func (r *Runner[T]) Start(ctx context.Context, tx *db.Tx, id string, data T, deadline time.Time) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("start %s: %w", r.saga.Kind, err)
	}
	now := r.clock.Now()
	if err := insert.Later(ctx, tx, r.saga.Kind, id, string(text), db.NewTime(now.Add(lease)), db.NewTime(deadline), r.name, db.NewTime(now)); err != nil {
		return fmt.Errorf("start %s: %w", r.saga.Kind, err)
	}
	tx.AfterCommit(func() {
		r.hold(id)
		select {
		case r.fresh <- &instance[T]{id: id, state: Running, data: data, deadline: deadline, uninterrupted: true}:
		default: // too many at once: it is found when its lease is over
			r.release(id)
		}
	})
	return nil
}

// Run runs sagas until ctx ends, and returns when those that ran have paused.
func (r *Runner[T]) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	if r.db.Dialect() == db.SQLite {
		// One process has the file, so whoever had these is gone.
		if err := r.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := orphans.Exec(ctx, tx, db.NewTime(r.clock.Now()), r.saga.Kind, r.name)
			return err
		}); err != nil && ctx.Err() == nil {
			return fmt.Errorf("take over sagas of kind %s: %w", r.saga.Kind, err)
		}
	}
	running.Go(func() { r.renewals(ctx) })

	slots := make(chan struct{}, parallel)
	swept := r.clock.Now()
	run := func(i *instance[T]) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			waits := false
			defer func() {
				r.release(i.id)
				if waits {
					r.look()
				}
				<-slots
			}()
			waits = r.run(ctx, i)
		})
	}
	for {
		due, err := r.take(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "sagas wait", "error", err)
		}
		for _, i := range due {
			run(i)
		}
		if now := r.clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			r.sweep(ctx, now)
		}
		poll := r.clock.NewTimer(r.pause(ctx))
	fresh:
		for {
			select {
			case i := <-r.fresh:
				run(i)
			case <-r.wake:
				poll.Stop()
				break fresh
			case <-poll.C():
				break fresh
			case <-ctx.Done():
				poll.Stop()
				return nil
			}
		}
	}
}

// pause is how long until something is due, as far as is known.
func (r *Runner[T]) pause(ctx context.Context) time.Duration {
	var at db.Time
	if err := nextDue.QueryRow(ctx, r.db.Read(), r.saga.Kind).Scan(&at); err != nil {
		return pollEvery
	}
	return max(min(at.Sub(r.clock.Now()), pollEvery), firstPause/2)
}

// look has Run look for what is due. It never waits.
func (r *Runner[T]) look() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

func (r *Runner[T]) hold(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[id] = r.clock.Now()
}

func (r *Runner[T]) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, id)
}

func (r *Runner[T]) holds(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, held := r.held[id]
	return held
}

// heldSince gives what has run here since before t.
func (r *Runner[T]) heldSince(t time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for id, since := range r.held {
		if since.Before(t) {
			ids = append(ids, id)
		}
	}
	return ids
}

// take claims what is due and does not run here. Nothing is written where there
// is nothing.
func (r *Runner[T]) take(ctx context.Context) ([]*instance[T], error) {
	now := r.clock.Now()
	ids, err := r.due(ctx, now)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var list []*instance[T]
	err = r.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		list = nil
		for _, id := range ids {
			i, err := r.claim(ctx, tx, id, now)
			if err != nil {
				return err
			}
			if i != nil {
				list = append(list, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		r.hold(i.id)
	}
	return list, nil
}

// due gives what is to be looked at, without what runs here already: its lease
// may be late, and it is in good hands.
func (r *Runner[T]) due(ctx context.Context, now time.Time) (ids []string, err error) {
	rows, err := due.Query(ctx, r.db.Read(), r.saga.Kind, db.NewTime(now), parallel)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		if !r.holds(id) {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// claim takes one saga. It gives nil where another runner was quicker, and
// where the saga cannot be read, which is no reason to hold others up.
func (r *Runner[T]) claim(ctx context.Context, tx *db.Tx, id string, now time.Time) (*instance[T], error) {
	var (
		i        = instance[T]{id: id}
		text     string
		deadline db.Time
	)
	err := claim.QueryRow(ctx, tx, r.name, db.NewTime(now.Add(lease)), r.saga.Kind, id, db.NewTime(now)).
		Scan(&i.state, &i.step, &text, &i.cause, &i.attempts, &deadline)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i.deadline = deadline.Time
	if err := json.Unmarshal([]byte(text), &i.data); err != nil {
		r.log.ErrorContext(ctx, "the data of a saga cannot be read", "id", id, "error", err)
		return nil, nil
	}
	return &i, nil
}

// renewals keeps the leases of what runs here for long.
func (r *Runner[T]) renewals(ctx context.Context) {
	for clock.Sleep(ctx, r.clock, renewEvery) == nil {
		now := r.clock.Now()
		long := r.heldSince(now.Add(-renewEvery / 2))
		if len(long) == 0 {
			continue
		}
		if err := r.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, id := range long {
				if err := renew.Later(ctx, tx, db.NewTime(now.Add(lease)), r.saga.Kind, id, r.name); err != nil {
					return err
				}
			}
			return nil
		}); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "leases of sagas were not renewed", "error", err)
		}
	}
}

func (r *Runner[T]) sweep(ctx context.Context, now time.Time) {
	if err := r.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := sweepEnded.Exec(ctx, tx, r.saga.Kind, db.NewTime(now.Add(-keep)))
		return err
	}); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "ended sagas stay", "error", err)
	}
}
